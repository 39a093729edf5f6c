import { codeClass, type Message, MessageType } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { type DatagramLine, describe } from './datagram-line.ts';
import { Nonconformity } from './errors.ts';

/** @throws {Nonconformity} the answer is no success */
export function expectSuccess(answer: Message, of = 'the request'): void {
  if (codeClass(answer.code) !== 2) throw new Nonconformity(`a success of ${of}`, describe(answer));
}

/** @throws {Nonconformity} the answer is no error of the client: 4.xx */
export function expectClientError(answer: Message): void {
  if (codeClass(answer.code) !== 4) throw new Nonconformity('an error 4.xx', describe(answer));
}

/**
 * What comes next is the Reset of a message.
 *
 * @throws {Nonconformity} it is not
 */
export async function expectReset(line: DatagramLine, id: number): Promise<void> {
  const answer = await line.message();
  if (answer === undefined) throw new Nonconformity('a Reset', 'nothing');
  if (answer.type !== MessageType.RST || answer.code !== 0) throw new Nonconformity('a Reset', describe(answer));
  if (answer.id !== id) throw new Nonconformity(`a Reset with message id ${id}`, `one with ${answer.id}`);
}

/** For a while nothing comes but a Reset of the message, which a rejected Non-confirmable one may have. @throws {Nonconformity} something else comes */
export async function expectRejection(line: DatagramLine, id: number): Promise<void> {
  const answer = await line.message(line.patience.silence);
  if (answer === undefined) return;
  if (answer.type !== MessageType.RST || answer.code !== 0 || answer.id !== id) throw new Nonconformity('at most a Reset', describe(answer));
}

/** An Empty message. */
export function empty(type: MessageType, id: number): Message {
  return { type, code: 0, id, token: emptyBytes, options: [], payload: emptyBytes };
}
