import { base64UrlBytes, fromBase64Url, toBase64Url, toHex, utf8 } from '../core/bytes.ts';
import { decode, encode, Tagged } from '../core/cbor.ts';
import { Algorithm, CoseTag, HeaderLabel } from '../core/cose/index.ts';
import { digest } from '../core/crypto/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** sha-256 in the registry of Named Information Hash Algorithms (RFC 6920, Section 9.4). */
const sha256Suite = 1;

/** Bytes of a token hash: the suite and the whole hash. */
const tokenHashLength = 33;

/**
 * The token hash of an access token: what stands in a token revocation list. It is taken over the text that is the base64url of the bytes in `access_token`, so
 * that a token which travelled in JSON has the same, and is in the binary form of RFC 6920, Section 6. A JWT is that text itself.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-4
 */
export function tokenHash(token: Uint8Array | string): Uint8Array {
  const hash = new Uint8Array(tokenHashLength);
  hash[0] = sha256Suite;
  hash.set(digest('sha256', typeof token === 'string' ? utf8(token) : base64UrlBytes(token)), 1);
  return hash;
}

/** The token hash as base64url text: the name of a token in stores, events and commands. */
export function tokenHashText(token: Uint8Array | string): string {
  return toBase64Url(tokenHash(token));
}

const cwtTag = 61;
const emptyMap = 0xa0;

/** ECDSA: by the algorithm, the order of its curve. */
const orders: ReadonlyMap<unknown, bigint> = new Map([
  [Algorithm.ES256, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
  [Algorithm.ES384, 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n],
  [Algorithm.ES512, 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n],
  [Algorithm.ES256K, 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n],
]);

/**
 * Every hash by which a token counts as revoked; `undefined`: its bytes could be changed on the way without its verification failing, so that no hash is its own.
 *
 * RFC 9770 asks for tag 61 around one tag of COSE that fits, in shortest form, and for unprotected headers that are empty. A signature by ECDSA has a second form
 * all the same, (r, n - s), which anybody can make: such a token counts by the hashes of both.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-11.1
 */
export function tokenHashes(token: Uint8Array): readonly string[] | undefined {
  const cose = coseOf(token);
  if (cose === undefined) return undefined;
  if (cose.tag !== CoseTag.Sign1) return [tokenHashText(token)];
  const [protectedBytes, , , signature] = cose.value as readonly unknown[];
  const algorithm = algorithmOf(protectedBytes as Uint8Array);
  if (algorithm === undefined || !(signature instanceof Uint8Array)) return undefined;
  const twin = twinOf(cose, algorithm);
  return twin === undefined ? [tokenHashText(token)] : [tokenHashText(token), tokenHashText(encode(new Tagged(cwtTag, twin)))];
}

/** The COSE object of a token in its one form. Shortest forms and definite lengths are what `decode` demands. */
function coseOf(token: Uint8Array): Tagged | undefined {
  let outer: unknown;
  try {
    outer = decode(token);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  if (!(outer instanceof Tagged) || outer.tag !== cwtTag || !(outer.value instanceof Tagged)) return undefined;
  const { tag, value } = outer.value;
  const parts = tag === CoseTag.Encrypt0 ? 3 : tag === CoseTag.Mac0 || tag === CoseTag.Sign1 ? 4 : 0;
  if (!Array.isArray(value) || value.length !== parts) return undefined;
  const [protectedBytes, unprotected] = value as readonly unknown[];
  if (!(unprotected instanceof Map) || unprotected.size > 0) return undefined;
  // An empty map of protected headers is covered as if it were no bytes (RFC 9052, Section 4.4).
  const isFixed = protectedBytes instanceof Uint8Array && !(protectedBytes.length === 1 && protectedBytes[0] === emptyMap);
  return isFixed ? outer.value : undefined;
}

/** The same token with the other signature. EdDSA has no other. */
function twinOf(cose: Tagged, algorithm: unknown): Tagged | undefined {
  const order = orders.get(algorithm);
  if (order === undefined) return undefined;
  const [protectedBytes, unprotected, payload, signature] = cose.value as readonly [Uint8Array, ReadonlyMap<number, never>, Uint8Array, Uint8Array];
  const twin = otherSignature(signature, order);
  return twin === undefined ? undefined : new Tagged(CoseTag.Sign1, [protectedBytes, unprotected, payload, twin]);
}

/** (r, n - s) of (r, s). */
function otherSignature(signature: Uint8Array, order: bigint): Uint8Array | undefined {
  const half = signature.length / 2;
  let rest = order - BigInt(`0x0${toHex(signature.subarray(half))}`);
  if (rest <= 0n) return undefined;
  const twin = signature.slice();
  for (let at = signature.length - 1; at >= half; at--) {
    twin[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return twin;
}

/** The names of the algorithms in a JWS. */
const jwsAlgorithms: ReadonlyMap<string, unknown> = new Map(['ES256', 'ES384', 'ES512', 'ES256K'].map((name) => [name, Algorithm[name as 'ES256']]));

/**
 * Every hash by which a JWT counts as revoked, as `tokenHashes` has it for a CWT. The JWT has verified, and each of its parts is the one base64url of its bytes.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-11.1
 */
export function jwtHashes(token: string, algorithm: string): readonly string[] {
  const order = orders.get(jwsAlgorithms.get(algorithm));
  const end = token.lastIndexOf('.') + 1;
  const twin = order === undefined ? undefined : otherSignature(fromBase64Url(token.slice(end)), order);
  return twin === undefined ? [tokenHashText(token)] : [tokenHashText(token), tokenHashText(token.slice(0, end) + toBase64Url(twin))];
}

/** `undefined`: the headers name none, and what the key is for cannot be told from the token. */
function algorithmOf(protectedBytes: Uint8Array): unknown {
  try {
    const map = decode(protectedBytes);
    return map instanceof Map ? map.get(HeaderLabel.alg) : undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
