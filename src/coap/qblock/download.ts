import { equalBytes } from '../../core/bytes.ts';
import type { ProtocolError } from '../../core/errors.ts';
import type { Block } from '../blockwise/block-option.ts';
import { type Deadlines, Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Response } from '../layer.ts';
import { findOption, OptionNumber, uintOf } from '../message/option.ts';
import { isNewer } from '../observe/reordering.ts';
import { decodeQBlock, qBlocksOf, withoutQBlocks } from './option.ts';
import type { QBlockTiming } from './parameters.ts';
import { endOfSet, ReceivedBody } from './receive.ts';

export interface DownloadPort {
  readonly timing: QBlockTiming;
  readonly deadlines: Deadlines;
  readonly maxBody: number;
  readonly confirmable: boolean;
  /** Payloads come in answer to a registration. */
  readonly observes: boolean;
  /** Ask for blocks. Returns how long such a question may be without an answer, by PROBING_RATE. */
  ask(blocks: readonly Block[]): number;
  whole(response: Response): void;
  /** The body that was under way is given up. */
  failed(error: ProtocolError): void;
}

interface Current {
  readonly etag: Uint8Array;
  readonly head: Response;
  readonly body: ReceivedBody;
  /** Questions for what is missing since something new came. */
  asked: number;
  continued: number;
  reported: number;
}

/** ETags of bodies that were given up, whose payloads may still come. */
const remembered = 4;

/**
 * Response bodies that come in by Q-Block2, one at a time, with what is asked for to make them whole.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-4.4
 */
export class QBlockDownload {
  readonly #port: DownloadPort;
  readonly #task: Task = new Task(() => this.#overdue());
  #current: Current | undefined;
  /** The newest notification that a body began with. */
  #newest: Response | undefined;
  #past: Uint8Array[] = [];

  constructor(port: DownloadPort) {
    this.#port = port;
  }

  /** A payload, on whatever exchange. */
  take(response: Response): void {
    const blocks = qBlocksOf(response.options);
    const block = blocks?.qBlock2.length === 1 ? decodeQBlock(blocks.qBlock2[0]!) : 'bad';
    // RFC 9177 §4.1: one Q-Block2 option in a response, and no Block option beside it.
    if (block === 'bad' || blocks!.mixed) {
      this.#fail('ERR_COAP_BLOCK', 'expected one Q-Block2 option and no Block options, got others');
      return;
    }
    const etag = findOption(response.options, OptionNumber.ETag)?.value;
    const size = uintOf(response.options, OptionNumber.Size2);
    if (block.number === 0 && !block.more && (etag === undefined || size === undefined)) {
      this.drop();
      this.#port.whole(withoutQBlocks(response));
      return;
    }
    if (etag === undefined || size === undefined) {
      this.#fail('ERR_COAP_BLOCK', 'expected an ETag and Size2 in each payload, got a payload without');
      return;
    }
    if (this.#current === undefined || !equalBytes(this.#current.etag, etag)) {
      if (!this.#begins(response, etag) || !this.#begin(response, etag, size, block)) return;
    }
    this.#place(this.#current!, block, response);
  }

  /** Forget the body that is under way. */
  drop(): void {
    this.#port.deadlines.clear(this.#task);
    if (this.#current === undefined) return;
    this.#past = [this.#current.etag, ...this.#past].slice(0, remembered);
    this.#current = undefined;
  }

  /** Whether a payload with another ETag is of a newer body. */
  #begins(response: Response, etag: Uint8Array): boolean {
    const notifies = findOption(response.options, OptionNumber.Observe) !== undefined;
    // An answer to a question has no Observe option (RFC 9177 §4.5), and begins no body where notifications do.
    if (this.#port.observes) return notifies && (this.#newest === undefined || isNewer(this.#newest, response));
    return !this.#past.some((past) => equalBytes(past, etag));
  }

  #begin(response: Response, etag: Uint8Array, size: number, block: Block): boolean {
    if (size > this.#port.maxBody) {
      this.#fail('ERR_COAP_BODY_SIZE', `expected a body of at most ${this.#port.maxBody} bytes, got ${size}`);
      return false;
    }
    // RFC 9177 §4.4: the missing blocks of the old body are unlikely to be had.
    this.drop();
    if (this.#port.observes) this.#newest = response;
    this.#current = { etag: etag.slice(), head: response, body: new ReceivedBody(size, block.szx), asked: 0, continued: 0, reported: 0 };
    return true;
  }

  #place(current: Current, block: Block, response: Response): void {
    const { body } = current;
    const placed = body.place(block, response.payload);
    // RFC 9177 §4.4: the payload of a duplicate is silently ignored.
    if (placed === 'duplicate') return;
    if (placed === 'bad') {
      this.#fail('ERR_COAP_BLOCK', `expected a payload that fits a body of ${body.size} bytes, got block ${block.number} of ${response.payload.length} bytes`);
      return;
    }
    current.asked = 0;
    if (body.complete) {
      this.drop();
      // What came before is no past: a body may come back.
      this.#past = this.#past.slice(1);
      this.#port.whole({ ...withoutQBlocks(current.head), payload: body.bytes });
      return;
    }
    const { maxPayloads, nonReceiveTimeout, maxTransmitSpan } = this.#port.timing;
    const setStart = block.number - (block.number % maxPayloads);
    if (body.prefix % maxPayloads === 0 && body.prefix > body.highest && body.prefix > current.continued) {
      current.continued = body.prefix;
      this.#port.ask([{ number: body.prefix, more: true, szx: body.szx }]);
    } else if (!this.#port.confirmable && body.prefix < setStart && setStart > current.reported) {
      // RFC 9177 §7.2: on a payload of the next set, ask for what is missing of those before.
      current.reported = setStart;
      this.#port.ask(asRequested(body.missing(setStart, maxPayloads), body, maxPayloads));
    }
    if (this.#current === current) this.#port.deadlines.set(this.#task, this.#port.confirmable ? maxTransmitSpan : nonReceiveTimeout);
  }

  #overdue(): void {
    const current = this.#current;
    if (current === undefined) return;
    const { body } = current;
    const { timing, deadlines, confirmable } = this.#port;
    if (current.asked >= timing.nonMaxRetransmit) {
      this.#fail('ERR_COAP_TIMEOUT', `expected ${body.count} blocks, got no more than some of them`);
      return;
    }
    current.asked++;
    const begun = endOfSet(body.highest, timing.maxPayloads);
    const blocks =
      body.prefix < begun ? asRequested(body.missing(begun, timing.maxPayloads), body, timing.maxPayloads) : [{ number: begun, more: true, szx: body.szx }];
    const probing = this.#port.ask(blocks);
    if (this.#current !== current) return;
    deadlines.set(this.#task, Math.max((confirmable ? timing.maxTransmitSpan : timing.nonReceiveTimeout) * 2 ** current.asked, probing));
  }

  #fail(code: string, message: string): void {
    this.drop();
    this.#port.failed(new CoapError(code, message));
  }
}

/** Missing blocks as Q-Block2 options: one by one, and with M set where nothing came of the rest of a MAX_PAYLOADS_SET (RFC 9177, Section 10.2.4). */
function asRequested(missing: readonly number[], { szx, count }: ReceivedBody, maxPayloads: number): readonly Block[] {
  const first = missing[0]!;
  const end = Math.min(endOfSet(first, maxPayloads), count);
  const rest = first !== 0 && missing.length > 1 && missing.length === end - first && missing[missing.length - 1] === end - 1;
  return rest ? [{ number: first, more: true, szx }] : missing.map((number) => ({ number, more: false, szx }));
}
