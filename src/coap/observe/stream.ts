import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import type { Response, ResponseListener } from '../layer.ts';

type Result = IteratorResult<Response, undefined>;

interface Waiter {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: ProtocolError) => void;
}

/**
 * An observation as an async iterator: callbacks in, promises out.
 *
 * What a slow consumer has not taken is bounded: the oldest gives way, since a notification is worth less than the one after it (RFC 7641, Section 1.3). The
 * first response, the answer to the registration, stays.
 */
export class ObservationStream implements ResponseListener, AsyncIterableIterator<Response, undefined, undefined> {
  readonly #capacity: number;
  readonly #waiting: Response[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #onEnd: () => void;
  #first: Response | undefined;
  #started = false;
  #ended = false;
  #error: ProtocolError | undefined;
  #cancel: Cancel | undefined;

  /** `onEnd` runs once, however it ends. */
  constructor(capacity: number, onEnd: () => void) {
    this.#capacity = capacity;
    this.#onEnd = onEnd;
  }

  /** What ends the observation when the consumer leaves. */
  attach(cancel: Cancel): void {
    if (this.#ended) cancel();
    else this.#cancel = cancel;
  }

  response(response: Response, last: boolean): void {
    if (this.#ended) return;
    if (last) this.#end();
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve({ done: false, value: response });
    else if (!this.#started) this.#first = response;
    else {
      if (this.#waiting.length >= this.#capacity) this.#waiting.shift();
      this.#waiting.push(response);
    }
    this.#started = true;
    if (last) this.#dismiss();
  }

  error(error: ProtocolError): void {
    if (this.#ended) return;
    this.#end();
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.reject(error);
    else this.#error = error;
    this.#dismiss();
  }

  /** No more will come. What was not taken yet is still there to take. */
  finish(): void {
    this.#end();
    this.#dismiss();
  }

  next(): Promise<Result> {
    const value = this.#first ?? this.#waiting.shift();
    this.#first = undefined;
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  return(): Promise<Result> {
    const cancel = this.#cancel;
    this.#first = undefined;
    this.#waiting.length = 0;
    this.#error = undefined;
    this.#end();
    cancel?.();
    this.#dismiss();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancel = undefined;
    this.#onEnd();
  }

  #dismiss(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ done: true, value: undefined });
  }
}
