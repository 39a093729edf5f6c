import { Code, OptionNumber, RateLimit, type Reply, type Response, uintOption } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { messageOf } from '../core/errors.ts';
import { AuthorizationServerError } from './error.ts';
import type { AuthorizationServerEvent, Emit } from './events.ts';

/** What an auditor reads: all but what engines and profiles say of single messages, and that a message was answered. */
export type AuditedEvent = Exclude<AuthorizationServerEvent, { readonly type: 'profile' | 'endpoint' | 'answered' }>;

/** Somebody is refused whom anybody could be. */
export type RefusalEvent = Extract<AuditedEvent, { readonly type: 'refused' | 'login-refused' }>;

/** Where what an auditor reads goes. */
export interface AuditSink {
  /** Fulfilled when the event is durable; in the order of the calls. Rejected: it is not, and what it is about must not be answered. */
  append(event: AuditedEvent): Promise<void>;
}

export interface AuditOptions {
  /** Absent: there is no audit log. */
  readonly sink: AuditSink | undefined;
  readonly env: Env;
  /** Where every event goes beside. */
  readonly tell: Emit;
}

/** Refusals of strangers that are written at once, and per second after that, of each face: an audit log that anybody can fill is none. */
const strangers = { burst: 64, rate: 16, entries: 2 };

function unavailable(): Response {
  return { code: Code.ServiceUnavailable, options: [uintOption(OptionNumber.MaxAge, 5)], payload: emptyBytes };
}

/**
 * Sees to it that nothing is answered before what there is to say of it is in the audit log.
 *
 * Events come from whatever works on a request, and requests are worked on side by side. So a request waits for all that was said before its answer; where any
 * of that could not be written while it was worked on, it is refused with 5.03. What it did then stays done, but nobody hears of it: a token that was made is
 * not given away.
 */
export class Audit {
  readonly #options: AuditOptions;
  readonly #strangers: RateLimit;
  readonly #unrecorded = { coap: 0, https: 0 };
  #settled: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#strangers = new RateLimit(options.env, strangers);
  }

  /** Tell an event, and write it. */
  readonly emit = (event: AuthorizationServerEvent): void => {
    this.#options.tell(event);
    if (isAudited(event)) this.#append(event);
  };

  /** The answer that `work` gives, once all that was said is durable. */
  answer(work: () => Promise<Response>): Promise<Response> {
    return this.#options.sink === undefined ? work() : this.#recorded(work);
  }

  async #recorded(work: () => Promise<Response>): Promise<Response> {
    const recorded = this.watch();
    const response = await work();
    return (await recorded()) ? response : unavailable();
  }

  /** Begin to work on something; what comes of it may be told when the result is fulfilled with `true`: all that was said since is durable. */
  watch(): () => Promise<boolean> {
    const failures = this.#failures;
    return async () => {
      if (this.#options.sink !== undefined) await this.#settled;
      return failures === this.#failures;
    };
  }

  /**
   * Do something that no request asked for, once all that was said of it is durable.
   *
   * @throws {AuthorizationServerError} `ERR_AS_AUDIT` where it could not be written. What was done stays done
   */
  async done<T>(work: () => Promise<T>): Promise<T> {
    const recorded = this.watch();
    const result = await work();
    if (await recorded()) return result;
    throw new AuthorizationServerError('ERR_AS_AUDIT', 'expected to write to the audit log what was done, and could not; it is done all the same');
  }

  /** The answer to a request that a fault of this server ended: 5.00. */
  fault(error: unknown): Promise<Response> {
    return this.answer(async () => {
      this.emit({ type: 'fault', reason: faultReason(error), detail: messageOf(error) });
      return { code: Code.InternalServerError, options: [], payload: emptyBytes };
    });
  }

  /**
   * Refuse a request before it is known, or looked at, who sent it. Of many such refusals some are written and answered; the others are neither, but counted:
   * the next that is written says how many they were.
   */
  refuse(event: Extract<AuditedEvent, { readonly type: 'refused' }>, reply: Reply, response: Response): void {
    const { sink, tell } = this.#options;
    tell(event);
    if (sink === undefined) reply.respond(response);
    else if (response.suppress === true || this.#strangers.take('coap') > 0) {
      this.#unrecorded.coap++;
      reply.respond({ ...response, suppress: true });
    } else {
      this.#append({ ...event, ...this.#takeUnrecorded('coap') }).then((written) => reply.respond(written ? response : unavailable()));
    }
  }

  /**
   * The same over HTTPS, where whoever calls answers.
   *
   * @returns `false`: there is no entry of it, since there were too many, and who is refused must not hear why
   */
  stranger(event: RefusalEvent): boolean {
    const { sink, tell } = this.#options;
    tell(event);
    if (sink === undefined) return true;
    if (this.#strangers.take('https') > 0) {
      this.#unrecorded.https++;
      return false;
    }
    void this.#append({ ...event, ...this.#takeUnrecorded('https') });
    return true;
  }

  /** Write what was only counted. */
  async close(): Promise<void> {
    for (const face of ['coap', 'https'] as const)
      if (this.#unrecorded[face] > 0) await this.#append({ type: 'refused', reason: 'unrecorded', peer: 'several', ...this.#takeUnrecorded(face) });
    await this.#settled;
  }

  #takeUnrecorded(face: 'coap' | 'https'): { readonly unrecorded?: number } {
    const unrecorded = this.#unrecorded[face];
    this.#unrecorded[face] = 0;
    return unrecorded === 0 ? {} : { unrecorded };
  }

  /** Whether it was written. */
  #append(event: AuditedEvent): Promise<boolean> {
    const { sink, tell } = this.#options;
    if (sink === undefined) return Promise.resolve(true);
    const written = sink.append(event).then(
      () => true,
      (error: unknown) => {
        this.#failures++;
        tell({ type: 'fault', reason: faultReason(error), detail: messageOf(error) });
        return false;
      },
    );
    this.#settled = written.then(() => {});
    return written;
  }
}

/** The stable code of an error, or its class. */
export function faultReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function isAudited(event: AuthorizationServerEvent): event is AuditedEvent {
  return event.type !== 'profile' && event.type !== 'endpoint' && event.type !== 'answered';
}
