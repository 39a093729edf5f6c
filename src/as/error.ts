import { ProtocolError } from '../core/errors.ts';

/** An authorization server that was configured, administered or used wrongly. Codes: `ERR_AS_*`. */
export class AuthorizationServerError extends ProtocolError {}
