import { concat } from '../core/bytes.ts';
import { CryptoError, type CurveKey, type CurveKeyPair, type HashName, sign, verify } from '../core/crypto/index.ts';
import { HandshakeFailure } from './alert.ts';
import type { Randoms } from './key-schedule.ts';
import { type DigitallySigned, type EcdhParameters, encodeEcdhParameters } from './messages.ts';

interface SignatureScheme {
  /** Hash and signature algorithm as they stand on the wire. */
  readonly id: number;
  /** Absent: EdDSA. */
  readonly hash?: HashName;
  /** COSE curves of the keys that it takes, the one that it is made for first. */
  readonly curves: readonly number[];
}

/** TLS SignatureScheme, IANA registry as of 2026-11: those that we have. In TLS 1.2 the ECDSA ones name a hash, not a curve. */
const schemes: readonly SignatureScheme[] = [
  { id: 0x0403, hash: 'sha256', curves: [1, 2] },
  { id: 0x0503, hash: 'sha384', curves: [2, 1] },
  { id: 0x0807, curves: [6] },
];

export const signatureSchemes: readonly number[] = schemes.map(({ id }) => id);

/** The scheme that a key signs with, among those that the peer takes: the one of its curve, if it is there. */
export function schemeFor(key: CurveKey, offered: readonly number[]): number | undefined {
  const usable = schemes.filter(({ id, curves }) => offered.includes(id) && curves.includes(key.crv ?? 0));
  return (usable.find(({ curves }) => curves[0] === key.crv) ?? usable[0])?.id;
}

/** SEQUENCE of two INTEGERs (RFC 3279, Section 2.2.3) of r and s that stand behind one another. */
export function encodeEcdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  const integers = [raw.subarray(0, half), raw.subarray(half)].map((number) => {
    let first = 0;
    while (first < half - 1 && number[first] === 0) first++;
    const digits = number.subarray(first);
    const sign = digits[0]! >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
    return concat(Uint8Array.of(2, sign.length + digits.length), sign, digits);
  });
  const content = concat(...integers);
  return concat(content.length < 0x80 ? Uint8Array.of(0x30, content.length) : Uint8Array.of(0x30, 0x81, content.length), content);
}

/** r and s, each in `half` bytes; `undefined` for what is not their DER. */
export function decodeEcdsaSignature(der: Uint8Array, half: number): Uint8Array | undefined {
  const long = der[1] === 0x81;
  const start = long ? 3 : 2;
  const length = long ? der[2]! : der[1]!;
  if (der.length < start || der[0] !== 0x30 || length !== der.length - start || long !== length >= 0x80) return undefined;
  const raw = new Uint8Array(2 * half);
  let at = start;
  for (const end of [half, 2 * half]) {
    const size = der[at + 1] ?? 0;
    const digits = der.subarray(at + 2, at + 2 + size);
    if (der[at] !== 2 || size === 0 || digits.length !== size || digits[0]! >= 0x80) return undefined;
    const padded = size > 1 && digits[0] === 0;
    if (padded && digits[1]! < 0x80) return undefined;
    const number = padded ? digits.subarray(1) : digits;
    if (number.length > half) return undefined;
    raw.set(number, end - number.length);
    at += 2 + size;
  }
  return at === der.length ? raw : undefined;
}

/** What a server signs in ServerKeyExchange (RFC 8422, Section 5.4). */
export function signedParameters(randoms: Randoms, parameters: EcdhParameters): Uint8Array {
  return concat(randoms.client, randoms.server, encodeEcdhParameters(parameters));
}

/** Sign with a scheme of `schemeFor`. */
export function digitallySign(scheme: number, key: CurveKeyPair, data: Uint8Array): DigitallySigned {
  const { hash } = schemes.find(({ id }) => id === scheme)!;
  const raw = sign(hash, key, data);
  return { scheme, signature: hash === undefined ? raw : encodeEcdsaSignature(raw) };
}

/**
 * Check a signature of the peer, whose key it gave.
 *
 * @throws {HandshakeFailure} `illegal_parameter` for a scheme that we did not offer or that does not fit the key, `decrypt_error` for a wrong signature
 */
export function checkSigned({ scheme, signature }: DigitallySigned, key: CurveKey, data: Uint8Array): void {
  const found = schemes.find(({ id, curves }) => id === scheme && curves.includes(key.crv ?? 0));
  if (found === undefined)
    throw new HandshakeFailure('illegal_parameter', `expected a signature scheme that was offered and fits the key, got 0x${scheme.toString(16)}`);
  const raw = found.hash === undefined ? signature : decodeEcdsaSignature(signature, key.x!.length);
  let right = false;
  try {
    right = raw !== undefined && verify(found.hash, key, data, raw);
  } catch (error) {
    // A point that is not on its curve signs nothing.
    if (!(error instanceof CryptoError)) throw error;
  }
  if (!right) throw new HandshakeFailure('decrypt_error', 'expected a signature of the key that was given, got another');
}
