import { tokenHash } from '../../../src/ace/index.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { Algorithm, type ClaimsSet } from '../../../src/core/index.ts';
import type { Notation, Vector } from '../format.ts';
import { map, ref } from '../notation.ts';
import { Recipe } from '../recipe.ts';
import { protectSteps, signingTokenKey, symmetricTokenKey, tokenSteps } from '../token.ts';
import type { Topic } from '../topic.ts';

const claimsFor = (recipe: Recipe, aud: string): ClaimsSet => ({ aud, exp: 1_790_000_000, cti: recipe.random(6), cnf: { kid: recipe.random(1) } });

/** Of COSE in CBOR it is the text in base64url that is hashed, as if the token had travelled in JSON. */
function hashSteps(recipe: Recipe, token: string, prefix: string): void {
  const name = (part: string): string => (prefix === '' ? part : prefix + part[0]!.toUpperCase() + part.slice(1));
  recipe.step(name('text'), 'base64url', { data: token });
  recipe.step(name('digest'), 'hash', { hash: 'sha256', parts: [name('text')] });
  recipe.step(name('tokenHash'), 'concat', { parts: [{ hex: '01' }, name('digest')] }, tokenHash(recipe.bytes(token)));
}

/** RFC 9770: the name of a token in a token revocation list. */
function hashes(seed: string): Vector[] {
  const make = (id: string, proves: string, build: (recipe: Recipe) => void): Vector => {
    const recipe = new Recipe(seed, { id: `token-hash-${id}`, standard: 'RFC 9770', section: '4', proves, action: 'hash-token' });
    build(recipe);
    hashSteps(recipe, 'token', '');
    return recipe.accept('tokenHash');
  };
  return [
    make('encrypt0', 'suite 1 and the SHA-256 hash of the base64url text of the token', (recipe) => {
      tokenSteps(recipe, claimsFor(recipe, 'rs1'), symmetricTokenKey(recipe, Algorithm.AES_CCM_64_64_256));
    }),
    make('mac0', 'the hash of a token in COSE_Mac0', (recipe) => {
      tokenSteps(recipe, claimsFor(recipe, 'rs2'), symmetricTokenKey(recipe, Algorithm.HMAC_512));
    }),
    make('any-bytes', 'a token is a byte string to who hashes it', (recipe) => {
      recipe.input('token', fromHex('00ff10'));
    }),
  ];
}

/** The order of P-256. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** By which hashes a token counts as revoked; none, when it could be changed on its way without its verification failing. */
function revocations(seed: string): Vector[] {
  const place = { standard: 'RFC 9770', section: '11.1', action: 'list-token-hashes' } as const;
  const begin = (id: string, proves: string): Recipe => new Recipe(seed, { ...place, id: `token-hashes-${id}`, proves });
  const one = (id: string, proves: string, algorithm: typeof Algorithm.EdDSA | typeof Algorithm.A128GCM): Vector => {
    const recipe = begin(id, proves);
    const key = algorithm === Algorithm.EdDSA ? signingTokenKey(recipe, algorithm) : symmetricTokenKey(recipe, algorithm);
    tokenSteps(recipe, claimsFor(recipe, `rs-${id}`), key);
    hashSteps(recipe, 'token', '');
    return recipe.accept('tokenHash');
  };
  const two = (): Vector => {
    const recipe = begin('es256', 'ECDSA has a second signature, (r, n - s), which anybody can make: the token counts by the hashes of both forms');
    tokenSteps(recipe, claimsFor(recipe, 'rs5'), signingTokenKey(recipe, Algorithm.ES256));
    const s = order - BigInt(`0x${toHex(recipe.bytes('signature').subarray(32))}`);
    recipe.input('otherS', fromHex(s.toString(16).padStart(64, '0')));
    recipe.step('otherSignature', 'edit', { data: 'signature', at: 32, remove: 32, insert: 'otherS' });
    recipe.step('otherToken', 'cbor', { value: { tag: 61, value: { tag: 18, value: [ref('protected'), map(), ref('claims'), ref('otherSignature')] } } });
    hashSteps(recipe, 'token', '');
    hashSteps(recipe, 'otherToken', 'other');
    return recipe.accept('tokenHash', 'otherTokenHash');
  };
  const none = (id: string, proves: string, reason: string, change: (object: Notation) => Notation): Vector => {
    const recipe = begin(`reject-${id}`, proves);
    const key = symmetricTokenKey(recipe, Algorithm.HMAC_256);
    recipe.step('claims', 'cbor', { value: map([3, 'rs6'], [7, { hex: toHex(recipe.random(4)) }]) });
    recipe.step('token', 'cbor', { value: change(protectSteps(recipe, key, { payload: 'claims' })) });
    return recipe.reject(reason, 'hash', 'token');
  };
  const long = (): Vector => {
    const recipe = begin('reject-long-tag', 'a token stands in one form');
    tokenSteps(recipe, claimsFor(recipe, 'rs7'), symmetricTokenKey(recipe, Algorithm.HMAC_256_64));
    recipe.step('longToken', 'edit', { data: 'token', at: 0, remove: 2, insert: { hex: 'd9003d' } });
    return recipe.reject('tag 61 stands in a longer form than it needs', 'hash', 'longToken');
  };
  return [
    one('encrypt0', 'a token in COSE_Encrypt0 has one hash', Algorithm.A128GCM),
    one('eddsa', 'EdDSA has no second signature', Algorithm.EdDSA),
    two(),
    none('no-tag', 'a token has tag 61', 'tag 61 is missing, and anybody can put it there', (object) => object),
    none('unprotected', 'the unprotected headers are empty', 'a header is unprotected, which anybody can change', () => ({
      tag: 61,
      value: { tag: 17, value: [ref('protected'), map([4, ref('kid')]), ref('claims'), ref('tag')] },
    })),
    none('two-tags', 'there is one tag of COSE', 'tag 61 stands twice', (object) => ({ tag: 61, value: { tag: 61, value: object } })),
    long(),
  ];
}

export const tokenHashes: Topic = {
  name: 'token-hash',
  title: 'Token hashes of revocation lists, and tokens whose hash is not their own',
  vectors: (seed) => [...hashes(seed), ...revocations(seed)],
};
