import {
  Code,
  codeName,
  type DatagramTransport,
  decodeMessage,
  encodeMessage,
  findOption,
  formatCode,
  isResponse,
  type Message,
  MessageType,
  OptionNumber,
  type Peer,
  withOption,
} from '../coap/index.ts';
import { emptyBytes, equalBytes, toHex } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { Nonconformity } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { Patience } from './patience.ts';
import type { Transcript } from './transcript.ts';

const format = { extendedTokens: true };
const typeNames = ['CON', 'NON', 'ACK', 'RST'] as const;

/** A code in words: `2.05 (Content)`. */
function describeCode(code: number): string {
  const [digits, name] = [formatCode(code), codeName(code)];
  return name === digits ? digits : `${digits} (${name})`;
}

/** A message in words, for reports: `ACK 2.05 (Content)`. */
export function describe({ type, code }: Pick<Message, 'type' | 'code'>): string {
  return code === 0 ? `an Empty ${typeNames[type]}` : `${typeNames[type]} ${describeCode(code)}`;
}

/** @throws {Nonconformity} it is no message */
export function messageIn(datagram: Uint8Array): Message {
  try {
    return decodeMessage(datagram, format);
  } catch (error) {
    throw new Nonconformity('a CoAP message', `${toHex(datagram)} (${(error as Error).message})`);
  }
}

/** What a line takes from its bench. */
export interface DatagramLinePort {
  readonly env: Env;
  readonly patience: Patience;
  readonly transcript: Transcript;
  /** A message id that was not used before. */
  readonly messageId: () => number;
}

/** A socket of one case to the target: any bytes out, and each datagram that comes in. It acknowledges nothing by itself. */
export class DatagramLine {
  readonly #transport: DatagramTransport;
  readonly #peer: Peer;
  readonly patience: Patience;
  readonly #transcript: Transcript;
  readonly #messageId: () => number;
  readonly #kind: 'udp' | 'dtls';
  /** Called with each datagram that comes in, which `next` gives too. */
  onDatagram: ((datagram: Uint8Array) => void) | undefined = undefined;
  readonly #inbox: Inbox<Uint8Array>;

  constructor(transport: DatagramTransport, peer: Peer, { env, patience, transcript, messageId }: DatagramLinePort, kind: 'udp' | 'dtls' = 'udp') {
    this.#kind = kind;
    this.#transport = transport;
    this.#peer = peer;
    this.patience = patience;
    this.#transcript = transcript;
    this.#messageId = messageId;
    this.#inbox = new Inbox(env);
    transport.start((datagram, from) => {
      if (from.key !== peer.key) return;
      transcript.note(kind, 'in', datagram);
      this.#inbox.put(datagram);
      this.onDatagram?.(datagram);
    });
  }

  /** A message, or bytes as they are where a rule is broken on purpose. */
  send(what: Message | Uint8Array): void {
    const datagram = what instanceof Uint8Array ? what.slice() : encodeMessage(what, format);
    this.#transcript.note(this.#kind, 'out', datagram);
    this.#transport.send(datagram, this.#peer);
  }

  /** The next datagram; `undefined` when none comes. */
  next(within: number = this.patience.answer): Promise<Uint8Array | undefined> {
    return this.#inbox.next(within);
  }

  /** The next message; `undefined` when none comes. @throws {Nonconformity} what comes is none */
  async message(within: number = this.patience.answer): Promise<Message | undefined> {
    const datagram = await this.next(within);
    return datagram === undefined ? undefined : messageIn(datagram);
  }

  /** Each datagram that comes while `within` lasts, from now on. */
  datagrams(within: number): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#inbox.during(within);
  }

  /** Each message that comes while `within` lasts, from now on. @throws {Nonconformity} something comes that is none */
  async *messages(within: number): AsyncGenerator<Message, void, undefined> {
    for await (const datagram of this.#inbox.during(within)) yield messageIn(datagram);
  }

  /**
   * What answers a request: a response with its token, piggybacked or separate, or the Reset of its message. A Confirmable response is acknowledged; whatever
   * else comes is passed over.
   *
   * @throws {Nonconformity} nothing comes
   */
  async answer(request: Message): Promise<Message> {
    for await (const message of this.messages(this.patience.answer)) {
      const { type, code, id, token } = message;
      if (type === MessageType.RST && id === request.id) return message;
      if (!isResponse(code) || !equalBytes(token, request.token)) continue;
      if (type === MessageType.ACK && id !== request.id) continue;
      if (type === MessageType.CON) this.acknowledge(message);
      return message;
    }
    throw new Nonconformity('an answer', `nothing within ${this.patience.answer} ms`);
  }

  /**
   * Send a request and get what answers it. A target that wants to know first whether the checker receives at its address, and says so by 4.01 with Echo, is
   * asked once more with that Echo (RFC 9175, Section 2.3).
   *
   * @throws {Nonconformity} nothing comes
   */
  async ask(request: Message): Promise<Message> {
    this.send(request);
    const answer = await this.answer(request);
    const echo = findOption(answer.options, OptionNumber.Echo);
    if (answer.code !== Code.Unauthorized || echo === undefined) return answer;
    const again = { ...request, id: this.#messageId(), options: withOption(request.options, echo) };
    this.send(again);
    return this.answer(again);
  }

  /** An Empty Acknowledgement. */
  acknowledge({ id }: Message): void {
    this.send({ type: MessageType.ACK, code: 0, id, token: emptyBytes, options: [], payload: emptyBytes });
  }

  /** A Reset. */
  reset({ id }: Message): void {
    this.send({ type: MessageType.RST, code: 0, id, token: emptyBytes, options: [], payload: emptyBytes });
  }

  /**
   * All responses with the token of a request that come while `within` lasts, from now on; Confirmable ones are acknowledged.
   *
   * @throws {Nonconformity} something comes that is no message
   */
  async responses({ token }: Message, within: number = this.patience.silence): Promise<Message[]> {
    const all: Message[] = [];
    for await (const message of this.messages(within)) {
      if (!isResponse(message.code) || !equalBytes(message.token, token)) continue;
      if (message.type === MessageType.CON) this.acknowledge(message);
      all.push(message);
    }
    return all;
  }

  /** Let a while pass in which nothing may come. `wanted`: why, for the report. @throws {Nonconformity} something comes */
  async silence(wanted = 'no answer', within: number = this.patience.silence): Promise<void> {
    const message = await this.message(within);
    if (message !== undefined) throw new Nonconformity(wanted, describe(message));
  }
}
