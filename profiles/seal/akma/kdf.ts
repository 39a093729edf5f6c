import { ByteWriter, utf8 } from '../../../src/core/bytes.ts';
import { hmac } from '../../../src/core/crypto/index.ts';
import { type AfId, encodeAfId } from './af-id.ts';
import { AkmaError } from './error.ts';

/** Bytes of K_AUSF, K_AKMA, A-TID and K_AF: what HMAC-SHA-256 gives. */
const keyLength = 32;

/** FC values of TS 33.220, Annex B, that TS 33.535, Annex A, has. */
const FC = { kAkma: 0x80, aTid: 0x81, kAf: 0x82 } as const;

/**
 * The key derivation function of 3GPP: HMAC-SHA-256 over FC and each parameter with its length after it (TS 33.220, B.2).
 *
 * @throws {AkmaError} `ERR_AKMA_PARAMETER` for a parameter of more than 65,535 bytes
 */
export function kdf(key: Uint8Array, fc: number, ...parameters: readonly Uint8Array[]): Uint8Array {
  const s = new ByteWriter().u8(fc);
  for (const parameter of parameters) {
    if (parameter.length > 0xffff) throw new AkmaError('ERR_AKMA_PARAMETER', `expected a parameter of at most 65535 bytes, got ${parameter.length}`);
    s.bytes(parameter).u16(parameter.length);
  }
  return hmac('sha256', key, s.finish());
}

/** K_AKMA, the anchor key of a UE and its home network. @throws {AkmaError} `ERR_AKMA_KEY`, `ERR_AKMA_SUPI` */
export function deriveAnchorKey(kAusf: Uint8Array, supi: string): Uint8Array {
  return kdf(checkedKey('K_AUSF', kAusf), FC.kAkma, utf8('AKMA'), supiBytes(supi));
}

/** A-TID, by which the A-KID names the anchor key for as long as it is used. @throws {AkmaError} `ERR_AKMA_KEY`, `ERR_AKMA_SUPI` */
export function deriveATid(kAusf: Uint8Array, supi: string): Uint8Array {
  return kdf(checkedKey('K_AUSF', kAusf), FC.aTid, utf8('A-TID'), supiBytes(supi));
}

/** K_AF, the key of a UE and one application function for one security protocol. @throws {AkmaError} `ERR_AKMA_KEY`, `ERR_AKMA_AF_ID` */
export function deriveApplicationKey(kAkma: Uint8Array, afId: AfId): Uint8Array {
  return kdf(checkedKey('K_AKMA', kAkma), FC.kAf, encodeAfId(afId));
}

/** @throws {AkmaError} `ERR_AKMA_KEY` */
export function checkedKey(name: string, key: Uint8Array): Uint8Array {
  if (!(key instanceof Uint8Array) || key.length !== keyLength) {
    throw new AkmaError('ERR_AKMA_KEY', `${name}: expected ${keyLength} bytes, got ${key instanceof Uint8Array ? key.length : typeof key}`);
  }
  return key;
}

/**
 * A SUPI as the derivations take it (TS 33.501, A.7.0): the digits of an IMSI, or a network specific identifier. The names of types that the service based
 * interfaces write before it (`imsi-`, `nai-`, TS 29.571) are no part of it.
 */
function supiBytes(supi: string): Uint8Array {
  const bare = supi.replace(/^(?:imsi|nai|gci|gli)-/, '');
  if (!/^(?:\d{5,15}|[^\s@]+@[^\s@]+)$/.test(bare))
    throw new AkmaError('ERR_AKMA_SUPI', 'SUPI: expected 5 to 15 digits or an identifier with a realm, got another');
  return utf8(bare);
}
