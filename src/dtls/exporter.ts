import { ByteWriter } from '../core/bytes.ts';
import { DtlsError } from './errors.ts';
import { prf } from './key-schedule.ts';
import type { Session } from './session.ts';
import { putVector16 } from './vector.ts';

/** RFC 5705, Section 4. */
const reservedLabels: readonly string[] = ['client finished', 'server finished', 'master secret', 'extended master secret', 'key expansion'];

/**
 * `randoms`: client_random and server_random.
 *
 * @throws {DtlsError} `ERR_DTLS_CONFIG` for a label that TLS itself uses, and for a context of more than 65,535 bytes
 * @see https://www.rfc-editor.org/rfc/rfc5705#section-4
 */
export function keyingMaterial({ cipherSuite, master }: Session, randoms: Uint8Array, label: string, length: number, context?: Uint8Array): Uint8Array {
  if (reservedLabels.includes(label)) throw new DtlsError('ERR_DTLS_CONFIG', `expected a label that TLS does not use, got ${label}`);
  if (context !== undefined && context.length > 0xffff)
    throw new DtlsError('ERR_DTLS_CONFIG', `expected a context of at most 65,535 bytes, got ${context.length}`);
  const seed = new ByteWriter(128).bytes(randoms);
  if (context !== undefined) putVector16(seed, context);
  return prf(cipherSuite.hash, master, label, seed.finish(), length);
}
