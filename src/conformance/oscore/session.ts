import {
  type Body,
  Code,
  codeClass,
  decodeBody,
  findOption,
  isResponse,
  type Message,
  MessageType,
  type Option,
  OptionNumber,
  opaqueOption,
  type Request,
  type Response,
  sortOptions,
} from '../../coap/index.ts';
import { equalBytes } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import { decodeOscoreOption, deriveContext, protectRequest, type RequestBinding, type SecurityContext, unprotectResponse } from '../../oscore/index.ts';
import type { Bench, RequestInit } from '../bench.ts';
import type { Channel } from '../channel.ts';
import { codeText } from '../code-text.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { ConformanceError, Nonconformity } from '../errors.ts';
import type { OscoreKeys } from '../target.ts';

/** A protected request, and what the response to it is verified by. */
export interface Sealed {
  readonly message: Message;
  readonly binding: RequestBinding;
}

/** What goes out under one Sender Key, over all cases of a run. */
interface Numbers {
  next: number;
}

const peer = { key: 'target', address: 'target', port: 0 };

/** What this process has used, by the name of the Sender Key: two targets, or two places of one, may hold the same keys. */
const counters = new Map<string, Numbers>();

/** One counter for each Sender Key that a target was given: no number is used twice. @throws {ConformanceError} nobody has said where the numbers begin */
function numbersOf({ senderKeyId }: SecurityContext, { firstSequence }: OscoreKeys): Numbers {
  if (!Number.isSafeInteger(firstSequence) || firstSequence < 0)
    throw new ConformanceError('ERR_CONFORMANCE_TARGET', `expected firstSequence, a sender sequence number that nobody has used, got ${firstSequence}`);
  const numbers = counters.get(senderKeyId) ?? { next: 0 };
  numbers.next = Math.max(numbers.next, firstSequence);
  counters.set(senderKeyId, numbers);
  return numbers;
}

/** An OSCORE Security Context with the target, and a socket for it. */
export class OscoreSession implements Channel {
  readonly bench: Bench;
  readonly line: DatagramLine;
  readonly context: SecurityContext;
  readonly #numbers: Numbers;

  /** With keys that nobody has used before, the numbers begin at 0. */
  constructor(bench: Bench, line: DatagramLine, context: SecurityContext, numbers: Numbers = { next: 0 }) {
    this.bench = bench;
    this.line = line;
    this.context = context;
    this.#numbers = numbers;
  }

  /** The next sender sequence number; `skip`: those in between are never used. */
  sequence(skip = 0): number {
    const sequence = this.#numbers.next + skip;
    this.#numbers.next = sequence + 1;
    return sequence;
  }

  protect(path: string, init: RequestInit = {}, sequence: number = this.sequence()): Sealed {
    return this.seal(this.bench.request(path, init), sequence);
  }

  /** `inner`: the message as it would be without OSCORE. */
  seal(inner: Message, sequence: number = this.sequence()): Sealed {
    const request: Request = { code: inner.code, options: inner.options, payload: inner.payload, peer };
    const { message, binding } = protectRequest(request, this.context, sequence);
    const { type, id, token } = inner;
    return { message: { type, id, token, code: message.code, options: message.options, payload: message.payload }, binding };
  }

  /** The original response. @throws {Nonconformity} it is not protected, or does not verify */
  open(answer: Message, { binding }: Sealed): Response {
    if (answer.type === MessageType.RST) throw new Nonconformity('a response', 'a Reset');
    if (findOption(answer.options, OptionNumber.Oscore) === undefined)
      throw new Nonconformity('a protected response', `${codeText(answer.code)} without protection`);
    try {
      return unprotectResponse(answer, this.context, binding).response;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new Nonconformity('a response that verifies', error.message);
    }
  }

  /** Whether it is a response to this request. */
  opens(answer: Message, sealed: Sealed): boolean {
    try {
      this.open(answer, sealed);
      return true;
    } catch (error) {
      if (error instanceof Nonconformity) return false;
      throw error;
    }
  }

  /** What was encrypted, with the Inner options as they stand there; of a message that `open` has taken. */
  plaintextOf({ options, payload }: Message, { binding }: Sealed): Body {
    const { partialIv } = decodeOscoreOption(findOption(options, OptionNumber.Oscore)!.value);
    const { recipient } = this.context;
    return decodeBody(recipient.aead.open(partialIv === undefined ? binding.nonce : recipient.nonce(partialIv), binding.aad, payload));
  }

  /** Send it and get the message that answers it, as it comes. @throws {Nonconformity} nothing comes */
  answerTo({ message }: Sealed): Promise<Message> {
    return this.line.ask(message);
  }

  /**
   * Send a request that is not to be served, and get what comes of it: a response, a Reset, or after a while of silence nothing.
   *
   * @param sealed - where the target can read what was protected, so that its refusal may be protected too
   * @throws {Nonconformity} a success comes; without `sealed` a protected response looks like one, whatever it holds
   */
  async refused(message: Message, wanted: string, sealed?: Sealed): Promise<Message | undefined> {
    this.line.send(message);
    for await (const answer of this.line.messages(this.bench.patience.silence)) {
      if (answer.type === MessageType.RST && answer.id === message.id) return answer;
      if (!isResponse(answer.code) || !equalBytes(answer.token, message.token)) continue;
      if (answer.type === MessageType.CON) this.line.acknowledge(answer);
      const { code } = sealed !== undefined && this.opens(answer, sealed) ? this.open(answer, sealed) : answer;
      if (codeClass(code) === 2) throw new Nonconformity(wanted, codeText(code));
      return answer;
    }
    return undefined;
  }

  /** A target that has lost its replay window asks for an Echo first (RFC 8613, Appendix B.1.2), and gets it. */
  async ask(path: string, init: RequestInit = {}): Promise<Body> {
    const sealed = this.protect(path, init);
    const response = this.open(await this.answerTo(sealed), sealed);
    const challenge = findOption(response.options, OptionNumber.Echo);
    if (response.code !== Code.Unauthorized || challenge === undefined) return response;
    const again = this.protect(path, { ...init, id: this.bench.messageId(), options: sortOptions([...(init.options ?? []), echo(challenge)]) });
    return this.open(await this.answerTo(again), again);
  }
}

function echo({ value }: Option): Option {
  return opaqueOption(OptionNumber.Echo, value);
}

/** A session by a context that the target was given. @throws {ConformanceError} without a first number */
export function sessionOf(bench: Bench, line: DatagramLine, keys: OscoreKeys): OscoreSession {
  const { firstSequence: _counted, ...parameters } = keys;
  const context = deriveContext(parameters, { window: 'fresh' });
  return new OscoreSession(bench, line, context, numbersOf(context, keys));
}
