import type { CipherParameters } from '../core/crypto/index.ts';

/** How long an association lasts, how much one key protects, and how large a record may be. */
export interface LimitConfig {
  /** Milliseconds from the last record of the peer to the end. Default two days: a CoAP server makes sure of its observers once a day (RFC 7641, Section 4.5). */
  readonly idleLifetime?: number;
  /** Milliseconds from the full handshake to the end, however often the session was resumed since. Default seven days. */
  readonly maxLifetime?: number;
  /** Milliseconds from the full handshake in which the session may be resumed. Default one day, which RFC 5246, Appendix F.1.4 gives as the most. */
  readonly sessionLifetime?: number;
  /** Records that one key protects; then the association ends. Default, and most: 2^24.5 for AES-GCM (RFC 8446, Section 5.5), 2^23 for AES-CCM (RFC 9147, Section 4.5.3). */
  readonly maxRecords?: number;
  /** Records that fail to verify under one key; then the association ends. Default, and most: 2^36 for AES-GCM, 2^23.5 for AES-CCM, 2^20 for AES-CCM_8. */
  readonly maxForgeries?: number;
  /** Most bytes of plaintext in a protected record that the peer may send, told to it by record_size_limit (RFC 8449): 64 to 16,384, which is the default. */
  readonly recordSizeLimit?: number;
}

export interface Limits {
  readonly idleLifetime: number;
  readonly maxLifetime: number;
  readonly sessionLifetime: number;
  readonly maxRecords: number;
  readonly maxForgeries: number;
  readonly recordSizeLimit: number;
}

const day = 86_400_000;
/** A century: what is longer is a mistake. */
const longest = 36_525 * day;

type Check = (name: string, value: number, low: number, high: number) => number;

/** @throws {DtlsError} `ERR_DTLS_CONFIG` */
export function limitsOf(config: LimitConfig, within: Check, whole: Check): Limits {
  return {
    idleLifetime: within('idleLifetime', config.idleLifetime ?? 2 * day, 1, longest),
    maxLifetime: within('maxLifetime', config.maxLifetime ?? 7 * day, 1, longest),
    sessionLifetime: within('sessionLifetime', config.sessionLifetime ?? day, 0, longest),
    maxRecords: within('maxRecords', config.maxRecords ?? Number.MAX_SAFE_INTEGER, 2, Number.MAX_SAFE_INTEGER),
    maxForgeries: within('maxForgeries', config.maxForgeries ?? Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER),
    recordSizeLimit: whole('recordSizeLimit', config.recordSizeLimit ?? largestLimit, smallestLimit, largestLimit),
  };
}

/** RFC 8449, Section 4. */
export const smallestLimit = 64;
const largestLimit = 0x4000;

/** Records that one key may protect. */
export function mostRecords({ mode }: CipherParameters, { maxRecords }: Limits): number {
  return Math.min(maxRecords, mode === 'gcm' ? Math.floor(2 ** 24.5) : 2 ** 23);
}

/**
 * Records that may fail to verify under one key. For the tag of 8 bytes RFC 9147 has no number: with 2^20 tries a forgery succeeds once in 2^44 connections.
 */
export function mostForgeries({ mode, tagLength }: CipherParameters, { maxForgeries }: Limits): number {
  return Math.min(maxForgeries, mode === 'gcm' ? 2 ** 36 : tagLength === 8 ? 2 ** 20 : Math.floor(2 ** 23.5));
}
