import { ProtocolError } from '../core/errors.ts';

/**
 * A message that OSCORE cannot protect or verify, or a context that cannot be made or used.
 *
 * | code | cause |
 * |---|---|
 * | `ERR_OSCORE_DECODE` | the OSCORE option or the message around it is malformed |
 * | `ERR_OSCORE_DECRYPT` | the message does not verify; one error for every reason |
 * | `ERR_OSCORE_PLAINTEXT` | the message verifies, but what it holds is not a CoAP message |
 * | `ERR_OSCORE_RESPONSE` | no response that verifies will come any more |
 * | `ERR_OSCORE_NESTED` | the message to protect has an OSCORE option already |
 * | `ERR_OSCORE_PROXY_URI` | the Proxy-Uri of the request to protect cannot be taken apart |
 * | `ERR_OSCORE_HTTP` | the message has no counterpart in HTTP, or the HTTP message none in OSCORE |
 * | `ERR_OSCORE_HTTP_TYPE` | the HTTP message has an OSCORE header field and a body that is not `application/oscore` |
 * | `ERR_OSCORE_PARAMETERS` | context parameters that RFC 8613 does not allow, or a limit that limits nothing |
 * | `ERR_OSCORE_CONTEXT` | the context is not, or no longer, in the table |
 * | `ERR_OSCORE_COLLISION` | the table has a context with this Recipient ID and ID Context |
 * | `ERR_OSCORE_LIMIT` | a table or a queue is full |
 * | `ERR_OSCORE_SEQUENCE` | the sender sequence numbers are used up |
 * | `ERR_OSCORE_RENEWAL` | no new context could be established with the server (Appendix B.2) |
 * | `ERR_OSCORE_LOOKUP` | the store did not give a context that can be used, or not in time |
 * | `ERR_OSCORE_STORE` | the store did not reserve sender sequence numbers |
 */
export class OscoreError extends ProtocolError {}

/** For a limit that limits nothing. */
export const wrongLimit =
  (what: string) =>
  (message: string): OscoreError =>
    new OscoreError('ERR_OSCORE_PARAMETERS', `${what}: ${message}`);
