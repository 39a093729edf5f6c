import { equalBytes } from './bytes.ts';
import { type CborMap, type CborValue, decode, encode, Tagged } from './cbor.ts';
import {
  algorithmOf,
  CoseError,
  type CoseKey,
  type CoseObject,
  CoseTag,
  coseKeyMap,
  decodeCoseKey,
  decrypt0,
  type Encrypt0Options,
  encrypt0,
  hidePrivateParts,
  KeyType,
  type Mac0Options,
  mac0,
  macAlgorithms,
  readEncrypt0,
  readMac0,
  readSign1,
  type SenderHeaders,
  type Sign1Options,
  sign1,
  verifyMac0,
  verifySign1,
} from './cose/index.ts';
import { aeadParameters } from './crypto/index.ts';
import { ProtocolError } from './errors.ts';
import { readKnownMap, writeKnownMap } from './known-map.ts';
import type { Written } from './options.ts';

/** A token that is no CWT (`ERR_CWT_FORMAT`), that no key fits (`ERR_CWT_KEY`), that does not verify (`ERR_CWT_PROTECTION`), whose claims cannot be read (`ERR_CWT_CLAIMS`); a leeway above its cap (`ERR_CWT_LEEWAY`). */
export class CwtError extends ProtocolError {}

/**
 * How the holder of a token shows that it is the one (RFC 8747 Section 3.1): one key, by one of the methods. `osc` is an OSCORE_Input_Material (RFC 9203).
 */
export interface Confirmation {
  readonly coseKey?: CoseKey;
  readonly encryptedCoseKey?: CborValue;
  readonly kid?: Uint8Array;
  readonly osc?: CborMap;
  /** SHA-256 thumbprint of a COSE_Key that the recipient can find by it (RFC 9679 Section 5.6). */
  readonly ckt?: Uint8Array;
  /** Methods that are not understood; they are ignored (RFC 8747 Section 3.1). */
  readonly unknown?: CborMap;
}

/** CWT Confirmation Methods, IANA registry as of 2026-11. */
export const confirmationMethods = {
  coseKey: { label: 1, type: 'map', name: 'COSE_Key' },
  encryptedCoseKey: { label: 2, type: 'any', name: 'Encrypted_COSE_Key' },
  kid: { label: 3, type: 'bstr' },
  osc: { label: 4, type: 'map' },
  ckt: { label: 5, type: 'bstr' },
} as const;

/** Bytes of SHA-256. */
const thumbprintLength = 32;

/** CBOR Web Token Claims, IANA registry as of 2026-11, as far as ACE uses them. */
export const cwtClaims = {
  iss: { label: 1, type: 'tstr' },
  sub: { label: 2, type: 'tstr' },
  aud: { label: 3, type: 'tstr/array' },
  exp: { label: 4, type: 'number' },
  nbf: { label: 5, type: 'number' },
  iat: { label: 6, type: 'number' },
  cti: { label: 7, type: 'bstr' },
  cnf: { label: 8, type: 'map' },
  scope: { label: 9, type: 'tstr/bstr' },
  aceProfile: { label: 38, type: 'int', name: 'ace_profile' },
  cnonce: { label: 39, type: 'bstr' },
  exi: { label: 40, type: 'uint' },
} as const;

/** The claims of a CWT (RFC 8392 Section 3, RFC 9200 Section 8.14). Times are seconds since 1970, with a fraction where the issuer gave one. */
export interface ClaimsSet {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: string | readonly string[];
  readonly exp?: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly cti?: Uint8Array;
  readonly cnf?: Confirmation;
  readonly scope?: string | Uint8Array;
  readonly aceProfile?: number;
  readonly cnonce?: Uint8Array;
  /** Seconds that the token lives from its first verification at the RS (RFC 9200 Section 5.10.3). */
  readonly exi?: number;
  readonly unknown?: CborMap;
}

const confirmationForms = { coseKey: coseKeyMap } as const;

/** The value of `cnf`, to stand in another map. @see https://www.rfc-editor.org/rfc/rfc8747#section-3.1 */
export function encodeConfirmation(confirmation: Confirmation): CborMap {
  const { unknown } = confirmation;
  const known = writeKnownMap(confirmationMethods, confirmation, confirmationForms);
  return unknown === undefined ? known : new Map([...known, ...unknown]);
}

/**
 * @throws {CborError} `ERR_CBOR_MAP`; {CoseError} `ERR_COSE_KEY`; {CwtError} `ERR_CWT_CLAIMS` when two keys are given
 * @see https://www.rfc-editor.org/rfc/rfc8747#section-3.1
 */
export function decodeConfirmation(value: CborValue): Confirmation {
  const { known, unknown } = readKnownMap('cnf', confirmationMethods, value);
  const { coseKey, ...rest } = known;
  const keys = [coseKey !== undefined, 'encryptedCoseKey' in rest, rest.osc !== undefined].filter((isThere) => isThere).length;
  if (keys > 1) throw new CwtError('ERR_CWT_CLAIMS', `cnf: expected one of COSE_Key, Encrypted_COSE_Key and osc, got ${keys}`);
  if ('encryptedCoseKey' in rest && !Array.isArray(rest.encryptedCoseKey) && !(rest.encryptedCoseKey instanceof Tagged))
    throw new CwtError('ERR_CWT_CLAIMS', 'cnf: key 2 (Encrypted_COSE_Key): expected COSE_Encrypt or COSE_Encrypt0, got another item');
  if (rest.ckt !== undefined && rest.ckt.length !== thumbprintLength)
    throw new CwtError('ERR_CWT_CLAIMS', `cnf: key 5 (ckt): expected ${thumbprintLength} bytes, got ${rest.ckt.length}`);
  return { ...rest, ...(coseKey === undefined ? {} : { coseKey: decodeCoseKey(coseKey) }), ...(unknown.size === 0 ? {} : { unknown }) };
}

const claimForms = { cnf: encodeConfirmation } as const;

/** Deterministic CBOR, neither tagged nor protected. @see https://www.rfc-editor.org/rfc/rfc8392#section-3 */
export function encodeClaims(claims: ClaimsSet): Uint8Array {
  const { unknown } = claims;
  const known = writeKnownMap(cwtClaims, claims, claimForms);
  return encode(unknown === undefined ? known : new Map([...known, ...unknown]));
}

/**
 * @throws {CborError}, {CoseError}, {CwtError} `ERR_CWT_CLAIMS`
 * @see https://www.rfc-editor.org/rfc/rfc8392#section-3
 */
export function decodeClaims(bytes: Uint8Array): ClaimsSet {
  const { known, unknown } = readKnownMap('CWT claims', cwtClaims, decode(bytes));
  const { aud, cnf, ...rest } = known;
  if (Array.isArray(aud) && !aud.every((item) => typeof item === 'string'))
    throw new CwtError('ERR_CWT_CLAIMS', 'CWT claims: key 3 (aud): expected text or an array of texts, got others');
  return {
    ...rest,
    ...(aud === undefined ? {} : { aud: aud as string | readonly string[] }),
    ...(cnf === undefined ? {} : { cnf: decodeConfirmation(cnf) }),
    ...(unknown.size === 0 ? {} : { unknown }),
  };
}

/** A key that protects tokens, and how. */
export interface TokenKey {
  readonly use: 'encrypt0' | 'mac0' | 'sign1';
  /** COSE algorithm identifier. */
  readonly algorithm: number;
  readonly key: CoseKey;
  /** Sent in the token; a token that names another `kid` is not tried with this key. */
  readonly kid?: Uint8Array;
  /**
   * Its tokens have neither tag 61 nor the tag of COSE: of which kind they are is known from the key (RFC 8392, Section 7.2, step 3). Absent: they have both. Tokens
   * of one key have one form, so that nobody changes a token into one with another hash; whoever follows a token revocation list takes those with tags only
   * (RFC 9770, Section 11.1).
   */
  readonly untagged?: boolean;
}

/**
 * The token key of a symmetric secret: COSE_Encrypt0 where the algorithm is an AEAD, COSE_Mac0 where it is an HMAC.
 *
 * @param algorithmName as the IANA registry writes it, `AES-CCM-16-64-128` or `HMAC 256/64`
 * @param k the secret, exactly as long as the algorithm's key; it is copied
 * @throws {CoseError} `ERR_COSE_ALGORITHM` when the name is of no AEAD and no HMAC, `ERR_COSE_KEY` when the secret has another length
 */
export function symmetricKey(algorithmName: string, k: Uint8Array, kid?: Uint8Array): TokenKey {
  const algorithm = algorithmOf(algorithmName);
  const cipher = algorithm === undefined ? undefined : aeadParameters(algorithm);
  const found = cipher ?? (algorithm === undefined ? undefined : macAlgorithms.get(algorithm));
  if (algorithm === undefined || found === undefined)
    throw new CoseError('ERR_COSE_ALGORITHM', `expected the name of an AEAD or HMAC algorithm, got ${JSON.stringify(algorithmName.slice(0, 40))}`);
  if (k.length !== found.keyLength) throw new CoseError('ERR_COSE_KEY', `${algorithmName}: expected a key of ${found.keyLength} bytes, got ${k.length}`);
  return {
    use: cipher === undefined ? 'mac0' : 'encrypt0',
    algorithm,
    key: hidePrivateParts({ kty: KeyType.Symmetric, alg: algorithm, k: Uint8Array.from(k) }),
    ...(kid === undefined ? {} : { kid: Uint8Array.from(kid) }),
  };
}

const cwtTag = 61;
/** A token in a token (RFC 8392 Section 7.2, step 7: signed, then encrypted) and no deeper. */
const deepestNesting = 2;

const oscMasterSecret = 2;

/** Whether the confirmation holds a secret that only the recipient of the token may read (RFC 8747 Section 3.2, RFC 9203 Section 3.2). */
function isSecret(cnf: Confirmation | undefined): boolean {
  return cnf?.coseKey?.k !== undefined || cnf?.coseKey?.d !== undefined || cnf?.osc?.has(oscMasterSecret) === true;
}

/** application/cwt (RFC 8392 Section 9.3): says that a token is inside. */
const cwtContentFormat = 61;

/** One layer of protection, without tag 61. */
function protect(payload: Uint8Array, tokenKey: TokenKey, random: (length: number) => Uint8Array, contentType?: number): Tagged {
  const { use, algorithm, key, kid } = tokenKey;
  if (use === 'encrypt0') {
    const nonce = random(aeadParameters(algorithm)?.nonceLength ?? 0);
    return encrypt0(withHeaders<Encrypt0Options>({ key, algorithm, plaintext: payload, nonce }, kid, contentType));
  }
  const options = withHeaders<Mac0Options & Sign1Options>({ key, algorithm, payload }, kid, contentType);
  return use === 'mac0' ? mac0(options) : sign1(options);
}

function withHeaders<T extends SenderHeaders>(options: Written<T>, kid: Uint8Array | undefined, contentType: number | undefined): T {
  if (kid !== undefined) options.kid = kid;
  if (contentType !== undefined) options.contentType = contentType;
  return options;
}

/**
 * A CWT: tag 61, the COSE tag, every header protected (house rule for RFC 9770; RFC 8392 Section 7.1). Of a key whose tokens are `untagged`, without the tags.
 *
 * @param tokenKey one key; or two, for a nested CWT: the one that is used first, as a rule to sign, and the one around it, as a rule to encrypt
 * @param random gives the nonce of COSE_Encrypt0
 * @throws {CoseError} `ERR_COSE_ALGORITHM` when the key is not for this; {CwtError} `ERR_CWT_CLAIMS` when `cnf` holds a secret and the token is not encrypted
 * @see https://www.rfc-editor.org/rfc/rfc8392#section-7.1
 */
export function protectCwt(claims: ClaimsSet, tokenKey: TokenKey | readonly [TokenKey, TokenKey], random: (length: number) => Uint8Array): Uint8Array {
  const [inner, outer] = 'use' in tokenKey ? [tokenKey] : tokenKey;
  if (inner.use !== 'encrypt0' && outer?.use !== 'encrypt0' && isSecret(claims.cnf))
    throw new CwtError(
      'ERR_CWT_CLAIMS',
      `cnf: expected COSE_Encrypt0 around a secret key, got ${outer === undefined ? inner.use : `${inner.use} in ${outer.use}`}`,
    );
  const token = protect(encodeClaims(claims), inner, random);
  const { tag, value } = outer === undefined ? token : protect(encode(token), outer, random, cwtContentFormat);
  return encode((outer ?? inner).untagged === true ? value : new Tagged(cwtTag, new Tagged(tag, value)));
}

interface Protection {
  readonly read: (value: CborValue) => CoseObject;
  readonly open: (object: CoseObject, options: { readonly key: CoseKey }) => Uint8Array;
}

const protections: Readonly<Record<TokenKey['use'], Protection>> = {
  encrypt0: { read: readEncrypt0, open: decrypt0 },
  mac0: { read: readMac0, open: verifyMac0 },
  sign1: { read: readSign1, open: verifySign1 },
};

const usesByTag: ReadonlyMap<unknown, TokenKey['use']> = new Map<unknown, TokenKey['use']>([
  [CoseTag.Encrypt0, 'encrypt0'],
  [CoseTag.Mac0, 'mac0'],
  [CoseTag.Sign1, 'sign1'],
]);

/** Run a part of the opening; what it throws becomes a CwtError of this code. */
function as<T>(code: string, part: () => T): T {
  try {
    return part();
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || cause instanceof CwtError) throw cause;
    throw new CwtError(code, cause.message, { cause });
  }
}

/** Whether a key may be tried on this object: its kind, its algorithm, its kid. */
function fits(tokenKey: TokenKey, uses: readonly TokenKey['use'][], object: CoseObject): boolean {
  const { alg, kid } = object.headers;
  if (!uses.includes(tokenKey.use) || (alg !== undefined && alg !== tokenKey.algorithm)) return false;
  return kid === undefined || tokenKey.kid === undefined || equalBytes(kid, tokenKey.kid);
}

/** Of which kinds an object may be: that of its tag, or those with as many parts. */
function usesOf(value: CborValue): readonly TokenKey['use'][] {
  if (Array.isArray(value)) return value.length === 3 ? ['encrypt0'] : ['mac0', 'sign1'];
  const use = value instanceof Tagged ? usesByTag.get(value.tag) : undefined;
  return use === undefined ? [] : [use];
}

/** One layer of protection, taken off. Of a token in a token the tag is always there. */
function unprotect(token: Uint8Array, all: readonly TokenKey[], isInner = false): { readonly payload: Uint8Array; readonly key: TokenKey } {
  const outer = as('ERR_CWT_FORMAT', () => decode(token));
  // RFC 8392 §7.2, steps 2 and 3.
  const value = outer instanceof Tagged && outer.tag === cwtTag ? outer.value : outer;
  const isBare = Array.isArray(outer);
  const keys = isInner ? all : all.filter(({ untagged = false }) => untagged === isBare);
  const uses = usesOf(value);
  if (uses.length === 0 || (Array.isArray(value) && (!isBare || isInner || keys.length === 0)))
    throw new CwtError('ERR_CWT_FORMAT', 'expected a tagged COSE_Encrypt0, COSE_Mac0 or COSE_Sign1, got another item');
  const object = as('ERR_CWT_FORMAT', () => protections[uses[0]!].read(value));
  if (object.payload === null) throw new CwtError('ERR_CWT_FORMAT', 'expected the claims in the token, got them detached');
  // RFC 8392 §7.2, step 4: every header parameter must be understood. No token key of ours is found by a certificate.
  const { unknown, x5bag, x5chain, x5t, x5u } = object.headers;
  if (unknown.size > 0 || (x5bag ?? x5chain ?? x5t ?? x5u) !== undefined)
    throw new CwtError('ERR_CWT_FORMAT', 'expected header parameters that are understood, got another one');
  const candidates = keys.filter((key) => fits(key, uses, object));
  if (candidates.length === 0) throw new CwtError('ERR_CWT_KEY', `expected a token for one of ${all.length} keys, got one that none fits`);
  let failure: unknown;
  for (const key of candidates) {
    try {
      return { payload: protections[key.use].open(object, { key: key.key.alg === undefined ? withAlgorithm(key) : key.key }), key };
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      failure = cause;
    }
  }
  throw new CwtError('ERR_CWT_PROTECTION', 'the token does not verify', { cause: failure });
}

const isTagged = (payload: Uint8Array): boolean => payload.length > 0 && payload[0]! >> 5 === 6;

/**
 * Verify a token and read its claims; whether they are true now (times, audience, issuer) is for the caller.
 *
 * The token carries its COSE tag, inside tag 61 or bare; only that of a key whose tokens are `untagged` carries none. A nested CWT is opened too; `key` is then the one of the inner token, which vouches for the claims.
 *
 * @throws {CwtError} `ERR_CWT_FORMAT`, `ERR_CWT_KEY`, `ERR_CWT_PROTECTION`, `ERR_CWT_CLAIMS`
 * @see https://www.rfc-editor.org/rfc/rfc8392#section-7.2
 */
export function openCwt(token: Uint8Array, keys: readonly TokenKey[]): { readonly claims: ClaimsSet; readonly key: TokenKey } {
  let { payload, key } = unprotect(token, keys);
  let encrypted = key.use === 'encrypt0';
  for (let level = 1; level < deepestNesting && isTagged(payload); level++) {
    ({ payload, key } = unprotect(payload, keys, true));
    encrypted ||= key.use === 'encrypt0';
  }
  const claims = as('ERR_CWT_CLAIMS', () => decodeClaims(payload));
  // Whoever saw the token on its way could prove possession of such a key.
  if (!encrypted && isSecret(claims.cnf)) throw new CwtError('ERR_CWT_CLAIMS', `cnf: expected COSE_Encrypt0 around a secret key, got ${key.use}`);
  return { claims, key };
}

// The same object each time, so that what is cached by key object stays.
const bound = new WeakMap<TokenKey, CoseKey>();

/** The key, told which algorithm it is for, so that a token without `alg` is opened by the configured one only. */
function withAlgorithm(tokenKey: TokenKey): CoseKey {
  let key = bound.get(tokenKey);
  if (key === undefined) bound.set(tokenKey, (key = { ...tokenKey.key, alg: tokenKey.algorithm }));
  return key;
}
