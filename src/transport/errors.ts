import { ProtocolError } from '../core/errors.ts';

/** A socket that cannot be bound, or a host without an address. Codes: `ERR_TRANSPORT_*`. */
export class TransportError extends ProtocolError {}
