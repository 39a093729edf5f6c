import { AceError } from '../ace/index.ts';
import { Code, ContentFormat, type Response, type SecurityAssociation } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Emit } from './events.ts';

/** The part of a request that the endpoints of the AS look at. */
export interface EndpointRequest {
  readonly payload: Uint8Array;
  readonly contentFormat?: number | undefined;
  readonly association?: SecurityAssociation | undefined;
}

/**
 * The payload of an ACE request. One without a Content-Format is refused too: nobody then says that it is the CBOR map that RFC 9200 demands.
 *
 * @throws {AceError} `ERR_AS_CONTENT_FORMAT`, 4.15
 */
export function acePayload(request: EndpointRequest): Uint8Array {
  if (request.contentFormat === ContentFormat.AceCbor) return request.payload;
  throw new AceError('ERR_AS_CONTENT_FORMAT', `expected Content-Format 19 (application/ace+cbor), got ${request.contentFormat ?? 'none'}`, {
    responseCode: Code.UnsupportedContentFormat,
  });
}

/**
 * Who is not a peer over a secure channel gets 4.01 and not a word more. RFC 9200, Section 5.9.3 would have the error parameters of OAuth in it: nothing would
 * protect them, and they would tell a stranger nothing that the code does not.
 */
export function refuseStranger(request: EndpointRequest, emit: Emit): Response {
  const { association } = request;
  emit({ type: 'refused', reason: association === undefined ? 'unprotected' : 'unknown-peer', peer: association?.credential ?? 'nobody' });
  return { code: Code.Unauthorized, options: [], payload: emptyBytes };
}
