import { ProtocolError } from '../core/errors.ts';

/** A socket that cannot be bound, a host without an address, a scheme without a transport, a server or a client used wrongly. Codes: `ERR_TRANSPORT_*`. */
export class TransportError extends ProtocolError {}

/** For options that are none. */
export const badOption = (message: string): TransportError => new TransportError('ERR_TRANSPORT_OPTION', message);
