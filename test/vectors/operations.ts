import { encodeBody, encodeMessage, type MessageType, type Option } from '../../src/coap/index.ts';
import { concat, fromHex, toBase64Url, utf8 } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { agree, type CurveKeyPair, cipher, digest, hkdf, hmac, sign } from '../../src/core/crypto/index.ts';
import { publicPart } from '../../src/core/crypto/portable-keys.ts';
import { prf } from '../../src/dtls/key-schedule.ts';
import { encodeEcdsaSignature } from '../../src/dtls/signature.ts';
import type { Notation, Operation, Operations, Part } from './format.ts';

/** The bytes of a name. */
export type Names = (name: string) => Uint8Array;

const curves = { 'P-256': 1, X25519: 4, Ed25519: 6 } as const;
const modes = { 'aes-ccm': 'ccm', 'aes-gcm': 'gcm', 'chacha20-poly1305': 'chacha20-poly1305' } as const;

function itemOf(value: Notation, names: Names): CborValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: Notation) => itemOf(one, names));
  const one = value as Exclude<typeof value, readonly Notation[]>;
  if ('hex' in one) return fromHex(one.hex);
  if ('ref' in one) return names(one.ref);
  if ('item' in one) return decode(names(one.item));
  if ('tag' in one) return new Tagged(one.tag, itemOf(one.value, names));
  return new Map(one.map.map(([key, entry]) => [itemOf(key, names) as CborKey, itemOf(entry, names)]));
}

/** By private part, since the public part takes a while. */
const keyPairs = new WeakMap<Uint8Array, CurveKeyPair>();

/** The key pair of a private part, which is kept with those bytes. */
export function keyPairOf(curve: keyof typeof curves, d: Uint8Array): CurveKeyPair {
  const crv = curves[curve];
  let pair = keyPairs.get(d);
  if (pair?.crv !== crv) keyPairs.set(d, (pair = { crv, ...publicPart(crv, d), d }));
  return pair;
}

/** Carry out an operation on values that have names, by the functions of this project. */
export function evaluate<O extends Operation>(op: O, of: Operations[O], names: Names): Uint8Array {
  const bytes = (part: Part): Uint8Array => (typeof part === 'string' ? names(part) : 'hex' in part ? fromHex(part.hex) : utf8(part.text));
  const options = (list: readonly (readonly [number, Part])[]): Option[] => list.map(([number, value]) => ({ number, value: bytes(value) }));
  const run: { readonly [K in Operation]: (of: Operations[K]) => Uint8Array } = {
    cbor: ({ value }) => encode(itemOf(value, names)),
    'coap-message': (one) =>
      encodeMessage({
        type: one.type as MessageType,
        code: one.code,
        id: one.id,
        token: bytes(one.token),
        options: options(one.options),
        payload: bytes(one.payload),
      }),
    'coap-body': (one) => encodeBody({ code: one.code, options: options(one.options), payload: bytes(one.payload) }),
    concat: ({ parts }) => concat(...parts.map(bytes)),
    slice: ({ data, start, end }) => bytes(data).slice(start, end),
    xor: ({ a, b }) => bytes(a).map((byte, at) => byte ^ bytes(b)[at]!),
    edit: ({ data, at, remove, insert }) => concat(bytes(data).subarray(0, at), bytes(insert), bytes(data).subarray(at + remove)),
    base64url: ({ data }) => utf8(toBase64Url(bytes(data))),
    hash: ({ hash, parts }) => digest(hash, concat(...parts.map(bytes))),
    hmac: ({ hash, key, data, length }) => hmac(hash, bytes(key), bytes(data)).slice(0, length),
    hkdf: ({ hash, secret, salt, info, length }) => hkdf(hash, bytes(secret), bytes(salt), bytes(info), length),
    'tls-prf': ({ hash, secret, label, seed, length }) => prf(hash, bytes(secret), label, bytes(seed), length),
    'aead-seal': (one) => {
      const [key, nonce] = [bytes(one.key), bytes(one.nonce)];
      const parameters = { mode: modes[one.cipher], keyLength: key.length, nonceLength: nonce.length, tagLength: one.tag };
      return cipher(parameters, key).seal(nonce, bytes(one.aad), bytes(one.plaintext));
    },
    'public-key': ({ curve, key }) => {
      const { x, y } = keyPairOf(curve, bytes(key));
      return y === undefined ? x : concat(x, y);
    },
    ecdh: (one) => {
      const point = bytes(one.public);
      const half = point.length / 2;
      const crv = curves[one.curve];
      return agree(keyPairOf(one.curve, bytes(one.private)), crv === 1 ? { crv, x: point.slice(0, half), y: point.slice(half) } : { crv, x: point });
    },
    sign: ({ curve, key, data }) => sign(curve === 'Ed25519' ? undefined : 'sha256', keyPairOf(curve, bytes(key)), bytes(data)),
    'ecdsa-der': ({ signature }) => encodeEcdsaSignature(bytes(signature)),
  };
  return run[op](of);
}
