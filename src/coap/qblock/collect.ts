import { emptyBytes } from '../../core/bytes.ts';
import { type Block, blockOption } from '../blockwise/block-option.ts';
import { type Deadlines, Task } from '../deadline.ts';
import type { Reply, Request, Response } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { Code } from '../message/code.ts';
import { type Option, OptionNumber, withoutOptions } from '../message/option.ts';
import { codeOnly, missingBlocksResponse } from './option.ts';
import type { QBlockTiming } from './parameters.ts';
import { bytesOf, probingWait } from './probing.ts';
import { endOfSet, ReceivedBody } from './receive.ts';

export interface CollectorOptions {
  readonly timing: QBlockTiming;
  readonly deadlines: Deadlines;
  /** The body is whole. */
  whole(request: Request, reply: Reply): void;
  /** The body is given up: it is stale, or the client has forgotten it. */
  stale(): void;
}

/**
 * One request body that comes in by Q-Block1, and what its client is told meanwhile.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-4.3
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #body: ReceivedBody;
  readonly #task: Task = new Task(() => this.#overdue());
  #requestOptions: readonly Option[] = [];
  /** Under the token of the payload that came last. */
  #reply: Reply | undefined;
  /** Requests for missing payloads since something new came. */
  #asked = 0;
  /** Up to this block a 2.31 was sent. */
  #continued = 0;
  /** Up to this block a 4.08 was sent because a payload of a later set came. */
  #reported = 0;
  #over = false;

  constructor(size: number, szx: number, options: CollectorOptions) {
    this.#body = new ReceivedBody(size, szx);
    this.#options = options;
  }

  /** Whether the payload is of this body, by its sizes. */
  fits(size: number, block: Block): boolean {
    return this.#body.size === size && this.#body.szx === block.szx && block.number < this.#body.count;
  }

  take(request: Request, reply: Reply, block: Block): void {
    const placed = this.#body.place(block, request.payload);
    if (placed === 'bad') {
      reply.respond(typed(codeOnly(Code.BadRequest), request));
      return;
    }
    const before = this.#reply;
    this.#reply = reply;
    before?.dismiss?.();
    // RFC 7959 §2.10: If-None-Match may be on the first block only.
    if (block.number === 0 || this.#requestOptions.length === 0) this.#requestOptions = copyOptions(operationOptions(request.options));
    if (this.#body.complete) {
      this.stop();
      this.#options.whole({ ...request, options: this.#requestOptions, payload: this.#body.bytes }, reply);
      this.#body.release();
      this.#reply = undefined;
      return;
    }
    // RFC 9177 §4.3: every Confirmable payload is acknowledged, no response is required, and the client finds out by itself what is missing (§5).
    if (request.nonConfirmable !== true) reply.acknowledge?.();
    else this.#tell(block, placed === 'new');
  }

  /** Wait for nothing any more. */
  stop(): void {
    this.#over = true;
    this.#options.deadlines.clear(this.#task);
  }

  /** Forget the body. */
  discard(): void {
    this.stop();
    const reply = this.#reply;
    this.#reply = undefined;
    reply?.dismiss?.();
  }

  /** RFC 9177 §7.2: 2.31 once a MAX_PAYLOADS_SET is complete, 4.08 when one is not and the next has begun. */
  #tell(block: Block, fresh: boolean): void {
    const { timing, deadlines } = this.#options;
    const { prefix, szx } = this.#body;
    const setEnd = endOfSet(block.number, timing.maxPayloads);
    const setStart = setEnd - timing.maxPayloads;
    if (fresh) this.#asked = 0;
    const complete = prefix - (prefix % timing.maxPayloads);
    // A duplicate is answered as the block was when it came first: it may be that the 2.31 got lost.
    if (complete > this.#continued || (!fresh && complete >= setEnd)) {
      this.#continued = complete;
      this.#answer({ code: Code.Continue, options: [blockOption(OptionNumber.QBlock1, { number: complete - 1, more: true, szx })], payload: emptyBytes });
    } else if (prefix < setStart && setStart > this.#reported) {
      this.#reported = setStart;
      this.#answer(missingBlocksResponse(this.#body.missing(setStart, timing.maxPayloads)));
    }
    if (!this.#over) deadlines.set(this.#task, timing.nonReceiveTimeout * 2 ** this.#asked);
  }

  #overdue(): void {
    const { timing, deadlines } = this.#options;
    if (this.#asked >= timing.nonMaxRetransmit) {
      this.#options.stale();
      return;
    }
    const { highest, prefix } = this.#body;
    // Up to the end of the set that has begun; where all before it came, those of the next set.
    const begun = endOfSet(highest, timing.maxPayloads);
    const response = missingBlocksResponse(this.#body.missing(prefix < begun ? begun : begun + timing.maxPayloads, timing.maxPayloads));
    this.#asked++;
    this.#answer(response);
    if (!this.#over) deadlines.set(this.#task, Math.max(timing.nonReceiveTimeout * 2 ** this.#asked, probingWait(bytesOf(response), timing)));
  }

  #answer(response: Response): void {
    const reply = this.#reply;
    if (reply === undefined) return;
    // RFC 9177 §4.3: a Reset tells that the client has forgotten the body.
    reply.onCancel(() => {
      if (this.#reply === reply && !this.#over) this.#options.stale();
    });
    reply.notify({ ...response, qBlock: 'NON' });
  }
}

/** In a message of the type of the request. */
export function typed(response: Response, request: Request): Response {
  return { ...response, qBlock: request.nonConfirmable === true ? 'NON' : 'CON' };
}

/** The options of the operation as a whole: a Request-Tag tells operations apart on the wire and means nothing above (RFC 9177, Section 8). */
function operationOptions(options: readonly Option[]): Option[] {
  return withoutOptions(options, OptionNumber.QBlock1, OptionNumber.QBlock2, OptionNumber.Size1, OptionNumber.RequestTag);
}
