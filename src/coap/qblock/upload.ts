import type { ProtocolError } from '../../core/errors.ts';
import { type Block, blockOf, blockOption, blockSize, lastBlockNumber } from '../blockwise/block-option.ts';
import { type Deadlines, Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Request, Response } from '../layer.ts';
import { sameAssociation } from '../message/cache-key.ts';
import { Code } from '../message/code.ts';
import { type Option, OptionNumber, uintOption, withOption } from '../message/option.ts';
import type { Exchanges, Heard } from './exchanges.ts';
import { decodeMissingBlocks, listsMissingBlocks } from './option.ts';
import type { QBlockTiming } from './parameters.ts';
import { bytesOf, probingWait } from './probing.ts';
import { endOfSet } from './receive.ts';

export interface UploadOptions {
  readonly timing: QBlockTiming;
  readonly deadlines: Deadlines;
  readonly exchanges: Exchanges;
  readonly szx: number;
  /** A Request-Tag that no other body has. */
  tag(): Option;
  /** The peer takes the Q-Block options. */
  supported(): void;
  /** It does not, and has acted upon nothing. */
  unsupported(): void;
  /** The response to the whole request, on the exchange `id`. */
  concluded(response: Response, last: boolean, id: number): void;
  failed(error: ProtocolError): void;
}

/** How often one payload is sent at the most, as a multiple of what NON_MAX_RETRANSMIT allows: a server that always asks for it gets no further. */
const patience = 4;

/**
 * A request body going out by Q-Block1.
 *
 * Non-confirmable: a MAX_PAYLOADS_SET at once, the next after NON_TIMEOUT_RANDOM or a 2.31, missing ones when a 4.08 names them; when everything was sent and
 * nothing is heard, the last payload again, which makes a server say what it lacks, or its response again. Confirmable: as many as MAX_PAYLOADS at once wait for
 * their acknowledgement, as far as NSTART lets them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-4.3
 */
export class QBlockUpload implements Heard {
  /** Without Q-Block, Size1 and Request-Tag of ours; nobody else writes to its payload. */
  readonly #request: Request;
  readonly #options: UploadOptions;
  readonly #confirmable: boolean;
  readonly #delay: number;
  readonly #task: Task = new Task(() => this.#due());
  #tag: Option;
  #szx: number;
  #count = 0;
  /** The first block that was not sent yet. */
  #next = 0;
  #missing: number[] = [];
  /** Which block an exchange carries, and whether it was acknowledged. */
  #sent = new Map<number, { readonly number: number; acknowledged: boolean }>();
  #times = new Uint8Array(0);
  #unacknowledged = 0;
  /** How often the last payload was sent again since something was heard. */
  #nudges = 0;
  /** When the server was last heard, or else when the body began to leave. */
  #contact = 0;
  #heardOf = false;
  #restarted = false;
  #over = false;

  constructor(request: Request, options: UploadOptions) {
    this.#request = request;
    this.#options = options;
    this.#confirmable = request.nonConfirmable !== true;
    this.#delay = options.timing.nonTimeoutRandom();
    this.#szx = options.szx;
    this.#tag = options.tag();
  }

  /** The Request-Tag of this body, for questions about the response to it. */
  get tag(): Option {
    return this.#tag;
  }

  start(): void {
    this.#count = Math.max(1, Math.ceil(this.#request.payload.length / blockSize(this.#szx)));
    if (this.#count > lastBlockNumber + 1) {
      this.stop();
      this.#options.failed(new CoapError('ERR_COAP_BODY_SIZE', `expected at most ${lastBlockNumber + 1} blocks, got ${this.#count}`));
      return;
    }
    this.#times = new Uint8Array(this.#count);
    this.#next = 0;
    this.#missing = [];
    this.#sent = new Map();
    this.#unacknowledged = 0;
    this.#nudges = 0;
    this.#contact = this.#options.deadlines.now;
    this.#advance();
  }

  stop(): void {
    this.#over = true;
    this.#options.deadlines.clear(this.#task);
  }

  acknowledged(id: number): void {
    const payload = this.#sent.get(id);
    if (this.#over || payload === undefined || payload.acknowledged) return;
    payload.acknowledged = true;
    this.#unacknowledged--;
    this.#advance();
  }

  response(response: Response, last: boolean, id: number): void {
    if (this.#over) return;
    if (!sameAssociation(this.#request, response)) {
      this.#conclude(response, last, id);
      return;
    }
    this.#nudges = 0;
    this.#contact = this.#options.deadlines.now;
    if (response.code === Code.Continue) this.#continue(blockOf(response.options, OptionNumber.QBlock1), id);
    else if (listsMissingBlocks(response)) this.#repeat(decodeMissingBlocks(response.payload));
    else if (response.code === Code.RequestEntityIncomplete && !this.#restarted) {
      // RFC 7959 §2.9.2: the server lost what it had; nothing was acted upon.
      this.#restarted = true;
      this.#restart(this.#szx);
    } else if (response.code === Code.BadOption && !this.#heardOf) {
      this.stop();
      this.#options.unsupported();
    } else {
      const smaller = response.code === Code.RequestEntityTooLarge ? blockOf(response.options, OptionNumber.QBlock1) : undefined;
      // RFC 7959 §2.9.3: a smaller SZX in a 4.13 is a hint to try with it.
      if (smaller !== undefined && smaller !== 'bad' && smaller.szx < this.#szx) this.#restart(smaller.szx);
      else this.#conclude(response, last, id);
      return;
    }
    if (this.#confirmable) this.acknowledged(id);
  }

  error(error: ProtocolError, id: number): void {
    if (this.#over) return;
    const payload = this.#sent.get(id);
    this.#sent.delete(id);
    // RFC 7252 §4.3: a Non-confirmable message may be rejected with a Reset for an option that is not understood.
    if (error.code === 'ERR_COAP_RESET' && !this.#heardOf && !this.#confirmable) {
      this.stop();
      this.#options.unsupported();
    } else if (payload?.acknowledged !== true) {
      this.stop();
      this.#options.failed(error);
    }
  }

  #continue(block: Block | 'bad' | undefined, by: number): void {
    this.#positive();
    if (block === undefined || block === 'bad') return;
    for (const [id, { number }] of this.#sent) {
      // RFC 9177 §4.3: the tokens of what is acknowledged are released, but the one that the server uses now: a 4.08 may follow under it.
      if (number > block.number || id >= by) continue;
      this.#sent.delete(id);
      this.#options.exchanges.close(id);
    }
    this.#missing = this.#missing.filter((number) => number > block.number);
    if (!this.#confirmable && block.number + 1 >= this.#next && this.#next < this.#count) this.#burst();
  }

  /** RFC 9177 §5: what a 4.08 lists is sent again; `undefined`: a list that is none, and is dropped. */
  #repeat(missing: readonly number[] | undefined): void {
    if (missing === undefined) return;
    this.#positive();
    if (missing[0]! >= this.#next) {
      // All that was sent has arrived, and the server waits for more.
      if (this.#next < this.#count && !this.#confirmable) this.#burst();
      return;
    }
    this.#missing = missing.filter((number) => number < this.#next);
    if (!this.#confirmable) this.#burst();
    else this.#advance();
  }

  #positive(): void {
    if (this.#heardOf) return;
    this.#heardOf = true;
    this.#options.supported();
  }

  #conclude(response: Response, last: boolean, id: number): void {
    this.stop();
    this.#options.concluded(response, last, id);
  }

  #restart(szx: number): void {
    this.#options.exchanges.closeAll();
    this.#szx = szx;
    // Another Request-Tag: what is left of the first attempt must not be mixed with this one.
    this.#tag = this.#options.tag();
    this.start();
  }

  #advance(): void {
    if (!this.#confirmable) {
      this.#burst();
      return;
    }
    const { maxPayloads } = this.#options.timing;
    while (!this.#over && this.#unacknowledged < maxPayloads) {
      const number = this.#missing.shift() ?? (this.#next < this.#count ? this.#next++ : undefined);
      if (number === undefined) break;
      this.#unacknowledged++;
      this.#send(number);
    }
    if (!this.#over && this.#unacknowledged === 0) this.#options.deadlines.set(this.#task, this.#options.timing.exchangeLifetime);
  }

  /** A MAX_PAYLOADS_SET: first of what is missing, else of what was not sent yet. */
  #burst(): void {
    const { timing, deadlines } = this.#options;
    deadlines.clear(this.#task);
    const numbers: number[] = [];
    if (this.#missing.length > 0) {
      const end = endOfSet(this.#missing[0]!, timing.maxPayloads);
      while (this.#missing.length > 0 && this.#missing[0]! < end) numbers.push(this.#missing.shift()!);
    } else {
      const end = Math.min(endOfSet(this.#next, timing.maxPayloads), this.#count);
      while (this.#next < end) numbers.push(this.#next++);
    }
    for (const number of numbers) {
      if (this.#over) return;
      this.#send(number);
    }
    if (this.#over) return;
    if (this.#missing.length > 0 || this.#next < this.#count) deadlines.set(this.#task, this.#delay);
    else this.#await();
  }

  /** Everything was sent. The server asks for what it lacks after NON_RECEIVE_TIMEOUT; only then it is our turn. */
  #await(): void {
    const { timing, deadlines } = this.#options;
    const last = bytesOf(this.#payload(this.#count - 1));
    const patient = timing.nonReceiveTimeout * 2 ** this.#nudges + this.#delay;
    deadlines.set(this.#task, this.#nudges === 0 ? patient : Math.max(patient, probingWait(last, timing)));
  }

  #due(): void {
    if (this.#confirmable) this.#fail('expected a response to a body that was acknowledged, got none');
    else if (this.#missing.length > 0 || this.#next < this.#count) this.#burst();
    else if (this.#nudges >= this.#options.timing.nonMaxRetransmit || !this.#isRemembered()) this.#fail('expected a response to a body, got none');
    else {
      this.#nudges++;
      this.#send(this.#count - 1);
      if (!this.#over) this.#await();
    }
  }

  /** A server that has forgotten the body would take what comes for the beginning of another one, and act on it twice. */
  #isRemembered(): boolean {
    const { timing, deadlines } = this.#options;
    return deadlines.now - this.#contact <= timing.nonPartialTimeout - timing.maxLatency;
  }

  #send(number: number): void {
    this.#times[number] = Math.min(255, this.#times[number]! + 1);
    if (this.#times[number]! > patience * (this.#options.timing.nonMaxRetransmit + 1)) {
      this.#fail(`expected the server to take block ${number}, got no end of questions for it`);
      return;
    }
    const payload = { number, acknowledged: false };
    const { exchanges } = this.#options;
    const sent = this.#sent;
    const id = exchanges.send(this.#payload(number), this);
    if (this.#sent === sent && !this.#over) sent.set(id, payload);
  }

  #payload(number: number): Request {
    const { payload } = this.#request;
    const size = blockSize(this.#szx);
    // RFC 9177 §4.6: Size1 in all payloads. §4.5: Observe, if it is there, too.
    let options = withOption(this.#request.options, uintOption(OptionNumber.Size1, payload.length));
    options = withOption(options, blockOption(OptionNumber.QBlock1, { number, more: number < this.#count - 1, szx: this.#szx }));
    const at = options.findIndex((option) => option.number > OptionNumber.RequestTag);
    options.splice(at < 0 ? options.length : at, 0, this.#tag);
    return { ...this.#request, options, payload: payload.subarray(number * size, (number + 1) * size) };
  }

  #fail(message: string): void {
    this.stop();
    this.#options.failed(new CoapError('ERR_COAP_TIMEOUT', message));
  }
}
