import { CoapFormatError, decodeMessage, type Message, MessageType } from '../../coap/index.ts';
import { equalBytes } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';

/**
 * Ask with a token of more than 8 bytes.
 *
 * @throws {NotApplicable} the target takes that for a message format error, or the token length for what it was before RFC 8974
 */
export async function askWithLongToken(bench: Bench, line: DatagramLine, length: number): Promise<{ readonly request: Message; readonly answer: Message }> {
  const request = bench.request(bench.somePath, { token: bench.token(length) });
  line.send(request);
  const datagram = await line.next();
  const first = datagram === undefined ? undefined : decoded(datagram);
  if (first === undefined || first.type === MessageType.RST) throw new NotApplicable('the target has no extended tokens');
  const answer = first.code === 0 ? await line.message() : first;
  if (answer === undefined) throw new Nonconformity('a response', 'nothing');
  if (length === 13 && !equalBytes(answer.token, request.token)) throw new NotApplicable('the target takes a token length of 13 as it stands');
  return { request, answer };
}

function decoded(datagram: Uint8Array): Message | undefined {
  try {
    return decodeMessage(datagram, { extendedTokens: true });
  } catch (error) {
    if (error instanceof CoapFormatError) return undefined;
    throw error;
  }
}
