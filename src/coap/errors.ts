import { ProtocolError } from '../core/errors.ts';

/** A message that breaks the CoAP format, or an exchange that ended without a response. Codes: `ERR_COAP_*`. */
export class CoapError extends ProtocolError {}

/**
 * A datagram that is not a CoAP message (`ERR_COAP_FORMAT`).
 *
 * `type` and `id` are there when the header could be read and is of version 1: enough to answer with a Reset (RFC 7252, Section 4.2).
 */
export class CoapFormatError extends CoapError {
  readonly type: number | undefined;
  readonly id: number | undefined;

  constructor(message: string, header?: { readonly type: number; readonly id: number }) {
    super('ERR_COAP_FORMAT', message);
    this.type = header?.type;
    this.id = header?.id;
  }
}
