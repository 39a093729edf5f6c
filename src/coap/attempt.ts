import type { Cancel } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import { CoapError } from './errors.ts';
import type { Request, Requester, ResponseListener } from './layer.ts';

const nothing: Cancel = () => {};

/** Send a request that no caller stands behind (a later block, a renewal): what the requester throws goes to the listener, not to whoever delivered a datagram. */
export function attempt(next: Requester, request: Request, listener: ResponseListener): Cancel {
  try {
    return next(request, listener);
  } catch (error) {
    listener.error(
      error instanceof ProtocolError ? error : new CoapError('ERR_COAP_REQUEST', 'expected a request that can be sent, got another', { cause: error }),
    );
    return nothing;
  }
}
