import type { Env } from '../../core/env.ts';
import { checkTime } from '../bounds.ts';
import { CoapError } from '../errors.ts';

/** A caller's own end of waiting. */
export interface DeadlineOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** One signal for the end of all that is done for a caller: its own signal, or its time is over. */
export class TimeLimit {
  readonly signal: AbortSignal;
  readonly #clear: () => void;
  readonly #error: Promise<never> | undefined;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(options: DeadlineOptions, env: Env) {
    const { signal, timeout } = options;
    checkTime('timeout', timeout);
    const controller = new AbortController();
    this.signal = controller.signal;
    if (signal === undefined && timeout === undefined) {
      this.#clear = () => {};
      this.#error = undefined;
      return;
    }
    let fail: (error: CoapError) => void = () => {};
    this.#error = new Promise<never>((_, reject) => {
      fail = reject;
    });
    // Whoever waits hears of it; nobody may be waiting.
    this.#error.catch(() => {});
    const end = (error: CoapError): void => {
      fail(error);
      controller.abort(error);
    };
    const aborted = (): void => end(new CoapError('ERR_COAP_ABORTED', 'the request was aborted', { cause: signal?.reason }));
    const cancel =
      timeout === undefined
        ? undefined
        : env.schedule(timeout, () => end(new CoapError('ERR_COAP_TIMEOUT', `expected a response within ${timeout} ms, got none`)));
    signal?.addEventListener('abort', aborted);
    this.#clear = () => {
      cancel?.();
      signal?.removeEventListener('abort', aborted);
    };
    if (signal?.aborted) aborted();
  }

  /**
   * Wait for something that may go on without us.
   *
   * @throws {CoapError} `ERR_COAP_TIMEOUT`, `ERR_COAP_ABORTED`
   */
  wait<T>(promise: Promise<T>): Promise<T> {
    return this.#error === undefined ? promise : Promise.race([this.#error, promise]);
  }

  /** Nobody waits any more: stop the timer, and let go of the caller's signal. */
  clear(): void {
    this.#clear();
  }
}
