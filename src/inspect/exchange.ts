import { isRequest, isResponse, type Message, MessageType, OptionNumber } from '../coap/index.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Entry } from './entry.ts';
import { uintIn } from './option.ts';
import { Remembered, type RememberedLimits } from './remembered.ts';

/** A request and what came of it. Of entries no more is held than what is asked of them: what they say of a message is longer than it. */
export interface Exchange {
  readonly number: number;
  readonly request: Pick<Entry, 'number' | 'time' | 'remarks'>;
  readonly token: Uint8Array;
  /** The path of the request, the inner one where it was opened. */
  path: readonly string[];
  /** Of an upload to authz-info: what its answer derives a context with. */
  upload?: { readonly token: Uint8Array; readonly nonce1: Uint8Array; readonly id1: Uint8Array };
  /** Of the last response. */
  remarks?: string[];
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
/** Of messages, of exchanges, and of those without an answer. */
const limits: RememberedLimits = { entries: 16_384, bytes: 1 << 25 };
/** Bytes that are held of a message for each of its own, at most: a copy of it, and of what it brings. */
const copies = 2;

/** Finds which messages belong together: by Message ID, and by token (RFC 7252, Sections 4 and 5.3.2). */
export class Exchanges {
  /** By conversation in the direction of the request, and token. */
  readonly #byToken = new Remembered<Exchange>(limits);
  /** By conversation in its direction, and Message ID. */
  readonly #byId = new Remembered<{ readonly time: number; readonly bytes: Uint8Array; readonly exchange: Exchange | undefined }>(limits);
  /** Without an answer so far, by number. */
  readonly #open = new Remembered<Exchange>(limits);
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
    if (before !== undefined && entry.time - before.time < lifetime && equalBytes(before.bytes, bytes)) return this.#repeated(entry, before, message);
    const match = this.#first(entry, message, bytes, forth, back, isAnswerById);
    if (!isStream) this.#byId.set(idKey, { time: entry.time, bytes: bytes.slice(), exchange: match.exchange }, bytes.length);
    return match;
  }

  /** Says of the requests that nobody has answered so far that it is so. */
  finish(): void {
    for (const { number, request } of this.#open.values()) {
      request.remarks.push('no answer');
      this.#open.delete(`${number}`);
    }
  }

  #repeated(entry: Entry, { exchange }: { readonly exchange: Exchange | undefined }, { type, code }: Message): Match {
    if (!isRequest(code)) entry.remarks.push(type === MessageType.ACK ? 'the same answer again' : 'retransmission');
    else if (exchange?.remarks === undefined) entry.remarks.push(type === MessageType.CON ? 'retransmission' : 'duplicate');
    else {
      entry.remarks.push('again, though answered');
      exchange.remarks.push('lost? asked for again');
    }
    return { isRepeated: true, ...(exchange === undefined ? {} : { exchange }) };
  }

  #first(entry: Entry, message: Message, bytes: Uint8Array, forth: string, back: string, isAnswerById: boolean): Match {
    const { code, id, token, type } = message;
    if (isRequest(code)) return { isRepeated: false, exchange: this.#begin(entry, token, forth, bytes.length) };
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
    this.#answer(exchange, entry, message);
    return { isRepeated: false, exchange };
  }

  #begin({ number, time, remarks }: Entry, token: Uint8Array, forth: string, size: number): Exchange {
    const exchange: Exchange = { number: ++this.#number, request: { number, time, remarks }, token: token.slice(), path: [], responses: 0 };
    this.#byToken.set(`${forth} ${toHex(token)}`, exchange, copies * size);
    this.#open.set(`${exchange.number}`, exchange, copies * size);
    return exchange;
  }

  #answer(exchange: Exchange, entry: Entry, { options }: Message): void {
    exchange.responses++;
    this.#open.delete(`${exchange.number}`);
    if (exchange.responses > 1)
      entry.remarks.push(uintIn(options, OptionNumber.Observe) === undefined ? 'another answer' : `notification ${exchange.responses}`);
    else entry.answerTime = entry.time - exchange.request.time;
    exchange.remarks = entry.remarks;
  }
}
