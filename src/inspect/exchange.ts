import { isRequest, isResponse, type Message, MessageType, OptionNumber } from '../coap/index.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Entry } from './entry.ts';
import { uintIn } from './option.ts';

/** A request and what came of it. */
export interface Exchange {
  readonly number: number;
  readonly request: Entry;
  readonly token: Uint8Array;
  /** The path of the request, the inner one where it was opened. */
  path: readonly string[];
  /** Of an upload to authz-info: what its answer derives a context with. */
  upload?: { readonly token: Uint8Array; readonly nonce1: Uint8Array; readonly id1: Uint8Array };
  /** The last response. */
  response?: { readonly entry: Entry; readonly bytes: Uint8Array };
  responses: number;
}

/** What a message is to those before it. */
export interface Match {
  readonly exchange?: Exchange;
  /** It was there before. */
  readonly isRepeated: boolean;
}

/** EXCHANGE_LIFETIME (RFC 7252, Section 4.8.2), in milliseconds: so long a Message ID belongs to one message. */
const lifetime = 247_000;
/** Messages and exchanges that are remembered; the oldest go first. */
const mostRemembered = 16_384;

class Remembered<T> extends Map<string, T> {
  override set(key: string, value: T): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > mostRemembered) this.delete(this.keys().next().value!);
    return this;
  }
}

/** Finds which messages belong together: by Message ID, and by token (RFC 7252, Sections 4 and 5.3.2). */
export class Exchanges {
  /** By conversation in the direction of the request, and token. */
  readonly #byToken = new Remembered<Exchange>();
  /** By conversation in its direction, and Message ID. */
  readonly #byId = new Remembered<{ readonly entry: Entry; readonly bytes: Uint8Array; readonly exchange: Exchange | undefined }>();
  readonly #open = new Set<Exchange>();
  #number = 0;

  /**
   * Put a message to those before it. `forth` names the direction that it goes in and `back` the other one; on a stream messages have no Message IDs.
   *
   * What it finds is noted in the entries.
   */
  match(entry: Entry, message: Message, bytes: Uint8Array, forth: string, back: string, isStream: boolean): Match {
    const { type, id } = message;
    const isAnswerById = !isStream && (type === MessageType.ACK || type === MessageType.RST);
    const idKey = `${isAnswerById ? `${back} answered` : forth} ${id}`;
    const before = isStream ? undefined : this.#byId.get(idKey);
    if (before !== undefined && entry.time - before.entry.time < lifetime && equalBytes(before.bytes, bytes)) return this.#repeated(entry, before, message);
    const match = this.#first(entry, message, bytes, forth, back, isAnswerById);
    if (!isStream) this.#byId.set(idKey, { entry, bytes: bytes.slice(), exchange: match.exchange });
    return match;
  }

  /** Says of the requests that nobody has answered so far that it is so. */
  finish(): void {
    for (const { request } of this.#open) request.remarks.push('no answer');
    this.#open.clear();
  }

  #repeated(entry: Entry, { exchange }: { readonly exchange: Exchange | undefined }, { type, code }: Message): Match {
    if (!isRequest(code)) entry.remarks.push(type === MessageType.ACK ? 'the same answer again' : 'retransmission');
    else if (exchange?.response === undefined) entry.remarks.push(type === MessageType.CON ? 'retransmission' : 'duplicate');
    else {
      entry.remarks.push('again, though answered');
      exchange.response.entry.remarks.push('lost? asked for again');
    }
    return { isRepeated: true, ...(exchange === undefined ? {} : { exchange }) };
  }

  #first(entry: Entry, message: Message, bytes: Uint8Array, forth: string, back: string, isAnswerById: boolean): Match {
    const { code, id, token, type } = message;
    if (isRequest(code)) return { isRepeated: false, exchange: this.#begin(entry, token, forth) };
    const named = isAnswerById ? this.#byId.get(`${back} ${id}`) : undefined;
    if (!isResponse(code)) {
      if (type === MessageType.RST) entry.remarks.push(named?.exchange === undefined ? 'reset' : 'reset: not wanted');
      return { isRepeated: false, ...(named?.exchange === undefined ? {} : { exchange: named.exchange }) };
    }
    const exchange = this.#byToken.get(`${back} ${toHex(token)}`);
    if (exchange === undefined) {
      entry.remarks.push('answers nothing that was seen');
      return { isRepeated: false };
    }
    this.#answer(exchange, entry, message, bytes);
    return { isRepeated: false, exchange };
  }

  #begin(entry: Entry, token: Uint8Array, forth: string): Exchange {
    const exchange: Exchange = { number: ++this.#number, request: entry, token: token.slice(), path: [], responses: 0 };
    this.#byToken.set(`${forth} ${toHex(token)}`, exchange);
    this.#open.add(exchange);
    if (this.#open.size > mostRemembered) this.#open.delete(this.#open.values().next().value!);
    return exchange;
  }

  #answer(exchange: Exchange, entry: Entry, { options }: Message, bytes: Uint8Array): void {
    exchange.responses++;
    this.#open.delete(exchange);
    if (exchange.responses > 1)
      entry.remarks.push(uintIn(options, OptionNumber.Observe) === undefined ? 'another answer' : `notification ${exchange.responses}`);
    else entry.answerTime = entry.time - exchange.request.time;
    exchange.response = { entry, bytes };
  }
}
