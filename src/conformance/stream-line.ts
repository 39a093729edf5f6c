import { encodeFrame, FrameReader, isResponse, type Message, type Option, type Peer, SignalingCode, type StreamTransport, type Wire } from '../coap/index.ts';
import { emptyBytes, equalBytes } from '../core/bytes.ts';
import { codeText } from './code-text.ts';
import type { DatagramLinePort } from './datagram-line.ts';
import { Nonconformity } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { Patience } from './patience.ts';

const format = { extendedTokens: true };
/** The largest message of a target that the checker reads. */
const mostBytes = 0x10_0000;

/** What comes over a connection: a message, what is none, or its end. */
export type Arrival = Message | 'malformed' | 'closed';

/** A connection of one case to the target: any bytes out, and each message that comes in. It sends no CSM by itself. */
export class StreamLine {
  readonly patience: Patience;
  readonly #port: Omit<DatagramLinePort, 'messageId'>;
  readonly #inbox: Inbox<Arrival>;
  readonly #reader: FrameReader = new FrameReader('length', mostBytes, format);
  #wire: Wire | undefined;
  #isBroken = false;

  constructor(port: Omit<DatagramLinePort, 'messageId'>) {
    this.patience = port.patience;
    this.#port = port;
    this.#inbox = new Inbox(port.env);
  }

  /** @throws {Nonconformity} the target takes no connection */
  async connect(transport: StreamTransport, peer: Peer): Promise<void> {
    const opened = await new Promise<boolean>((resolve) => {
      const cancel = this.#port.env.schedule(this.patience.answer, () => resolve(false));
      this.#wire = transport.connect(peer, {
        opened: () => {
          cancel();
          resolve(true);
        },
        received: (bytes) => this.#received(bytes),
        drained: () => {},
        closed: () => {
          cancel();
          resolve(false);
          this.#inbox.put('closed');
        },
      });
    });
    if (!opened) throw new Nonconformity('a connection', 'none');
  }

  #received(bytes: Uint8Array): void {
    this.#port.transcript.note('tcp', 'in', bytes);
    // Behind what is no message nobody knows where the next one begins, and what comes is not to fill the memory.
    if (this.#isBroken) return;
    this.#reader.push(bytes.slice());
    try {
      for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) this.#inbox.put(message);
    } catch {
      this.#isBroken = true;
      this.#inbox.put('malformed');
    }
  }

  /** Send bytes as they are, right or wrong. */
  send(bytes: Uint8Array): void {
    this.#port.transcript.note('tcp', 'out', bytes);
    this.#wire!.write(bytes.slice());
  }

  /** Send a message. */
  say(code: number, options: readonly Option[] = [], token: Uint8Array = emptyBytes, payload: Uint8Array = emptyBytes): void {
    this.send(encodeFrame('length', code, token, options, payload, undefined, format));
  }

  /** The next arrival; `undefined` when none comes. */
  next(within: number = this.patience.answer): Promise<Arrival | undefined> {
    return this.#inbox.next(within);
  }

  /** The next message of a code, or response to a token; others are passed over. @throws {Nonconformity} none comes */
  async message(wanted: string, isIt: (message: Message) => boolean): Promise<Message> {
    for await (const arrival of this.#inbox.during(this.patience.answer)) {
      if (arrival === 'closed') throw new Nonconformity(wanted, 'the end of the connection');
      if (arrival === 'malformed') throw new Nonconformity(wanted, 'bytes that are no message');
      if (isIt(arrival)) return arrival;
      if (arrival.code === SignalingCode.Abort) throw new Nonconformity(wanted, `Abort, ${codeText(arrival.code)}`);
    }
    throw new Nonconformity(wanted, 'nothing');
  }

  /** The next signaling message of a code. @throws {Nonconformity} none comes */
  signal(code: number, name: string): Promise<Message> {
    return this.message(name, (message) => message.code === code);
  }

  /** Send a request and get its response. @throws {Nonconformity} none comes */
  async ask(code: number, options: readonly Option[], token: Uint8Array): Promise<Message> {
    this.say(code, options, token);
    return this.message('a response', (message) => isResponse(message.code) && equalBytes(message.token, token));
  }

  /** The connection ends, whatever comes before. @throws {Nonconformity} it does not */
  async expectEnd(wanted: string): Promise<void> {
    for await (const arrival of this.#inbox.during(this.patience.answer)) if (arrival === 'closed') return;
    throw new Nonconformity(wanted, 'a connection that stays');
  }
}
