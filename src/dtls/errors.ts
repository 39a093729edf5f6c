import { ProtocolError } from '../core/errors.ts';

/** A configuration that cannot be, a call at the wrong time, or an association that ended. Codes: `ERR_DTLS_*`. */
export class DtlsError extends ProtocolError {}

export const badConfig = (expected: string, got: string): DtlsError => new DtlsError('ERR_DTLS_CONFIG', `expected ${expected}, got ${got}`);
