import { concat, utf8 } from '../../src/core/bytes.ts';
import { macAlgorithms } from '../../src/core/cose/algorithms.ts';
import { encodeCoseKey } from '../../src/core/cose/index.ts';
import { cipherParameters } from '../../src/core/crypto/aead-parameters.ts';
import { encodeClaims } from '../../src/core/cwt.ts';
import { Algorithm, aeadParameters, type ClaimsSet, Curve, KeyType, protectCwt, type TokenKey } from '../../src/core/index.ts';
import type { Notation, Operations } from './format.ts';
import { map, ref } from './notation.ts';
import type { Recipe } from './recipe.ts';

/** A token key whose parts have names in a recipe, each with `prefix` before it. */
export interface NamedTokenKey extends TokenKey {
  readonly kid: Uint8Array;
  readonly prefix: string;
}

const joined = (prefix: string, name: string): string => (prefix === '' ? name : prefix + name[0]!.toUpperCase() + name.slice(1));

/** The cipher of a COSE algorithm, as the operation names it. */
export function cipherOf(algorithm: number): Pick<Operations['aead-seal'], 'cipher' | 'tag'> {
  const { mode, tagLength } = cipherParameters.get(algorithm)!;
  return { cipher: mode === 'chacha20-poly1305' ? mode : `aes-${mode}`, tag: tagLength };
}

/** A fresh key of an AEAD or an HMAC: inputs `kid` and `k`, step `key`. */
export function symmetricTokenKey(recipe: Recipe, algorithm: number, prefix = ''): NamedTokenKey {
  const cipher = aeadParameters(algorithm);
  const kid = recipe.input(joined(prefix, 'kid'), utf8(`key-${algorithm}`));
  const k = recipe.chance(joined(prefix, 'k'), cipher?.keyLength ?? macAlgorithms.get(algorithm)!.keyLength);
  const key = { kty: KeyType.Symmetric, kid, alg: algorithm, k };
  recipe.cbor(joined(prefix, 'key'), encodeCoseKey(key));
  return { use: cipher === undefined ? 'mac0' : 'encrypt0', algorithm, key, kid, prefix };
}

/** The public point of a private part on P-256: steps `Point`, `X` and `Y`, by the names that are given to them. */
export function pointSteps(recipe: Recipe, d: string, name: (part: string) => string): { readonly x: Uint8Array; readonly y: Uint8Array } {
  recipe.step(name('Point'), 'public-key', { curve: 'P-256', key: d });
  const x = recipe.step(name('X'), 'slice', { data: name('Point'), start: 0, end: 32 });
  const y = recipe.step(name('Y'), 'slice', { data: name('Point'), start: 32, end: 64 });
  return { x, y };
}

/** The key of a curve: input `d`, steps for its public part and for `key`, the public COSE_Key that a verifier has. */
export function signingTokenKey(recipe: Recipe, algorithm: typeof Algorithm.ES256 | typeof Algorithm.EdDSA, prefix = ''): NamedTokenKey {
  const name = (part: string): string => joined(prefix, part);
  const kid = recipe.input(name('kid'), concat(utf8('as-'), recipe.random(2)));
  const d = recipe.chance(name('d'), 32);
  const curve = algorithm === Algorithm.ES256 ? 'P-256' : 'Ed25519';
  const shared =
    curve === 'P-256'
      ? { kty: KeyType.EC2, kid, alg: algorithm, crv: Curve.P256, ...pointSteps(recipe, name('d'), (part) => name(part.toLowerCase())) }
      : { kty: KeyType.OKP, kid, alg: algorithm, crv: Curve.Ed25519, x: recipe.step(name('x'), 'public-key', { curve, key: name('d') }) };
  recipe.cbor(name('key'), encodeCoseKey(shared));
  return { use: 'sign1', algorithm, key: { ...shared, d }, kid, prefix };
}

const coseTags = { encrypt0: 16, mac0: 17, sign1: 18 } as const;
const nothing = { hex: '' } as const;

/** What a layer of protection is made of; the defaults are right. */
export interface Layer {
  readonly payload: string;
  /** Further protected headers. */
  readonly headers?: readonly (readonly [Notation, Notation])[];
  /** The names of the key and its kid, where they are not those of the prefix. */
  readonly secret?: string;
  readonly kid?: string;
}

/** The steps of one layer of protection, up to the COSE object, as a notation. */
export function protectSteps(recipe: Recipe, tokenKey: NamedTokenKey, layer: Layer): Notation {
  const { use, algorithm, prefix } = tokenKey;
  const name = (part: string): string => joined(prefix, part);
  const { payload, headers = [], secret = name(use === 'sign1' ? 'd' : 'k'), kid = name('kid') } = layer;
  const entries: (readonly [Notation, Notation])[] = [[1, algorithm], ...headers, [4, ref(kid)]];
  if (use === 'encrypt0') entries.push([5, ref(name('nonce'))]);
  recipe.step(name('protected'), 'cbor', { value: map(...entries) });
  const covered = ref(name('protected'));
  let sealed: Notation[];
  if (use === 'encrypt0') {
    recipe.step(name('encStructure'), 'cbor', { value: ['Encrypt0', covered, nothing] });
    const of = { ...cipherOf(algorithm), key: secret, nonce: name('nonce'), aad: name('encStructure'), plaintext: payload };
    recipe.step(name('ciphertext'), 'aead-seal', of);
    sealed = [ref(name('ciphertext'))];
  } else if (use === 'mac0') {
    recipe.step(name('macStructure'), 'cbor', { value: ['MAC0', covered, nothing, ref(payload)] });
    const { hash, tagLength } = macAlgorithms.get(algorithm)!;
    recipe.step(name('tag'), 'hmac', { hash, key: secret, data: name('macStructure'), length: tagLength });
    sealed = [ref(payload), ref(name('tag'))];
  } else {
    recipe.step(name('sigStructure'), 'cbor', { value: ['Signature1', covered, nothing, ref(payload)] });
    recipe.step(name('signature'), 'sign', { curve: algorithm === Algorithm.ES256 ? 'P-256' : 'Ed25519', key: secret, data: name('sigStructure') });
    sealed = [ref(payload), ref(name('signature'))];
  }
  return { tag: coseTags[use], value: [covered, map(), ...sealed] };
}

/** The nonce that a key will be used with. */
function nonceFor(recipe: Recipe, { use, algorithm, prefix }: NamedTokenKey): Uint8Array | undefined {
  return use === 'encrypt0' ? recipe.chance(joined(prefix, 'nonce'), aeadParameters(algorithm)!.nonceLength) : undefined;
}

/** The steps from claims to the step `token`, which is what `protectCwt` makes. */
export function tokenSteps(recipe: Recipe, claims: ClaimsSet, tokenKey: NamedTokenKey | readonly [NamedTokenKey, NamedTokenKey]): Uint8Array {
  recipe.cbor('claims', encodeClaims(claims));
  const [inner, outer] = 'use' in tokenKey ? [tokenKey] : tokenKey;
  const nonces = [nonceFor(recipe, inner), outer === undefined ? undefined : nonceFor(recipe, outer)].filter((nonce) => nonce !== undefined);
  let object = protectSteps(recipe, inner, { payload: 'claims' });
  if (outer !== undefined) {
    recipe.step('innerToken', 'cbor', { value: object });
    // application/cwt: says that a token is inside.
    object = protectSteps(recipe, outer, { payload: 'innerToken', headers: [[3, 61]] });
  }
  const expected = protectCwt(claims, tokenKey, () => nonces.shift()!);
  return recipe.step('token', 'cbor', { value: { tag: 61, value: object } }, expected);
}

/** A COSE_Mac0 token of any claims, right or not, from a step `claims`. */
export function macSteps(recipe: Recipe, tokenKey: NamedTokenKey, headers: Layer['headers'] = []): Uint8Array {
  return recipe.step('token', 'cbor', { value: { tag: 61, value: protectSteps(recipe, tokenKey, { payload: 'claims', headers }) } });
}

/** A token from a step `protected` and what comes behind the headers, right or not. */
export function coseToken(recipe: Recipe, tag: number, parts: readonly Notation[]): Uint8Array {
  return recipe.step('token', 'cbor', { value: { tag: 61, value: { tag, value: [ref('protected'), map(), ...parts] } } });
}
