import { AceError, type AceErrorCode } from '../ace/index.ts';
import { Code } from '../coap/index.ts';

/** The token endpoint says no (RFC 9200, Section 5.8.3). The client reads the message. */
export function refuse(error: AceErrorCode, message: string, responseCode: number = Code.BadRequest): AceError {
  return new AceError('ERR_AS_REFUSED', message, { responseCode, error });
}
