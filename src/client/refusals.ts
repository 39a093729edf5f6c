import { decodeHints, type Hints } from '../ace/index.ts';
import { Code, ContentFormat, findOption, OptionNumber, type Response, uintOf } from '../coap/index.ts';
import { equalBytes, utf8 } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';

const replayDetected = utf8('Replay detected');
const decryptionFailed = utf8('Decryption failed');
const contextNotFound = utf8('Security context not found');

/** An error of OSCORE processing that another number may cure (RFC 8613, Section 8.2). It comes without protection. */
export function isReplayRefusal(response: Response): boolean {
  return response.association === undefined && response.code === Code.Unauthorized && equalBytes(response.payload, replayDetected);
}

/** A challenge (RFC 9175, Section 2.3). One that comes here follows another, which was answered: the peer does not know the Echo that it gave before. */
export function wantsEcho(response: Response): boolean {
  return response.code === Code.Unauthorized && findOption(response.options, OptionNumber.Echo) !== undefined;
}

/** An answer without protection that says that the RS does not have our context, or has another of its name. */
export function isContextLost(response: Response): boolean {
  if (response.association !== undefined) return false;
  return response.code === Code.Unauthorized || (response.code === Code.BadRequest && equalBytes(response.payload, decryptionFailed));
}

/** Whether such an answer tells that the request was not carried out. An RS whose token ends while its handler is at work answers with a bare 4.01. */
export function saysNotDone(response: Response): boolean {
  return equalBytes(response.payload, contextNotFound) || equalBytes(response.payload, decryptionFailed) || hintsOf(response) !== undefined;
}

/** The AS Request Creation Hints in an answer; `undefined`: it has none that can be read. */
export function hintsOf(response: Response): Hints | undefined {
  if (uintOf(response.options, OptionNumber.ContentFormat) !== ContentFormat.AceCbor) return undefined;
  try {
    return decodeHints(response.payload);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
