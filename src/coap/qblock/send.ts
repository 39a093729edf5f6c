import { concat, emptyBytes } from '../../core/bytes.ts';
import { digest } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import { blockSize } from '../blockwise/block-option.ts';
import { type Deadlines, Task } from '../deadline.ts';
import type { Reply, Response } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { findOption, type Option, OptionNumber, uintOption, withOption, withoutOptions } from '../message/option.ts';
import { withQBlock2 } from './option.ts';
import type { QBlockTiming } from './parameters.ts';
import { endOfSet } from './receive.ts';

/** A response body as it is kept for its payloads. The options hold an ETag and neither Q-Block2 nor Observe. */
export interface Representation {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/**
 * A copy of a response to take payloads from. Without an ETag of its own it gets one from its content, so that no two bodies share one (RFC 9177, Section 4.4).
 */
export function representationOf(response: Response): Representation {
  const payload = response.payload.slice();
  const left = [OptionNumber.Observe, OptionNumber.QBlock1, OptionNumber.QBlock2, OptionNumber.Size2];
  let options: readonly Option[] = copyOptions(withoutOptions(response.options, ...left));
  if (findOption(options, OptionNumber.ETag) === undefined) {
    const format = findOption(options, OptionNumber.ContentFormat)?.value ?? emptyBytes;
    const hash = digest('sha256', concat(Uint8Array.of(response.code, format.length), format, payload));
    options = withOption(options, { number: OptionNumber.ETag, value: hash.slice(0, 8) });
  }
  return { code: response.code, options: withOption(options, uintOption(OptionNumber.Size2, payload.length)), payload };
}

export function blockCount(representation: Representation, szx: number): number {
  return Math.max(1, Math.ceil(representation.payload.length / blockSize(szx)));
}

/** One payload of a body, to be sent in a message of `type`. */
export function payloadOf(representation: Representation, number: number, szx: number, type: 'CON' | 'NON'): Response {
  const { code, payload } = representation;
  const size = blockSize(szx);
  const more = number < blockCount(representation, szx) - 1;
  const options = withQBlock2(representation.options, [{ number, more, szx }]);
  return { code, options, payload: payload.subarray(number * size, (number + 1) * size), qBlock: type };
}

export interface SendingOptions {
  readonly representation: Representation;
  readonly szx: number;
  readonly type: 'CON' | 'NON';
  /** Stands in each payload of a notification (RFC 9177, Section 4.5). */
  readonly observe: Option | undefined;
  /** Block numbers, ascending. */
  readonly numbers: readonly number[];
  /** Nothing more is sent under this token once the last payload is. */
  readonly final: boolean;
  readonly timing: QBlockTiming;
  readonly deadlines: Deadlines;
  readonly env: Env;
  /** A set was sent. */
  progress(): void;
  /** All that there is to send was sent, or nobody wants it. */
  ended(): void;
}

/**
 * Payloads of one body on their way under one token: a MAX_PAYLOADS_SET at once, then a delay of NON_TIMEOUT_RANDOM or until a 'Continue' comes.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9177#section-7.2
 */
export class Sending {
  readonly #reply: Reply;
  readonly #options: SendingOptions;
  readonly #delay: number;
  readonly #task: Task = new Task(() => this.#sendSet());
  /** When the last set left. */
  sentAt = 0;
  #at = 0;
  #over = false;

  constructor(reply: Reply, options: SendingOptions) {
    this.#reply = reply;
    this.#options = options;
    this.#delay = options.timing.nonTimeoutRandom();
  }

  get representation(): Representation {
    return this.#options.representation;
  }

  start(): void {
    if (this.#options.final) this.#reply.onCancel(() => this.stop());
    this.#sendSet();
  }

  /** A 'Continue' for the set that begins with this block. Returns whether it was the one that is next. */
  continueWith(number: number): boolean {
    if (this.#over || this.#options.numbers[this.#at] !== number) return false;
    this.#sendSet();
    return true;
  }

  /** Payloads were asked for and sent meanwhile: the delay begins anew. */
  postpone(): void {
    if (!this.#over) this.#options.deadlines.set(this.#task, this.#delay);
  }

  /** Send no more. The reply of a notification is left as it is. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    const { deadlines, final, numbers, ended } = this.#options;
    deadlines.clear(this.#task);
    if (final && this.#at < numbers.length) this.#reply.dismiss?.();
    ended();
  }

  #sendSet(): void {
    const { numbers, timing, representation, szx, type, observe, final, deadlines, env, progress } = this.#options;
    deadlines.clear(this.#task);
    this.sentAt = env.now();
    const end = endOfSet(numbers[this.#at]!, timing.maxPayloads);
    while (!this.#over && this.#at < numbers.length && numbers[this.#at]! < end) {
      const payload = payloadOf(representation, numbers[this.#at++]!, szx, type);
      const response = observe === undefined ? payload : { ...payload, options: withOption(payload.options, observe) };
      if (final && this.#at === numbers.length) this.#reply.respond(response);
      else this.#reply.notify(response);
    }
    if (this.#over) return;
    if (this.#at === numbers.length) this.stop();
    else {
      progress();
      deadlines.set(this.#task, this.#delay);
    }
  }
}
