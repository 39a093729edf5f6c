import { emptyBytes } from '../../core/bytes.ts';
import type { Cancel, Env } from '../../core/env.ts';
import { Tally } from '../../core/tally.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Handler, Reply, Request, Response } from '../layer.ts';
import { copyOptions, endpointKey, observationKey } from '../message/cache-key.ts';
import { Code, codeClass } from '../message/code.ts';
import { findOption, OptionNumber, readUint, uintOf, uintOption, withOption, withoutOptions } from '../message/option.ts';
import type { ObserveLimits } from './limits.ts';

/** Observation as a server sees it. @see https://www.rfc-editor.org/rfc/rfc7641#section-4 */
export class ObserveServer {
  readonly env: Env;
  readonly limits: ObserveLimits;
  readonly #registrations: ExpiringTable<Registration>;
  /** Registrations by endpoint and target. */
  readonly #targets = new Tally();
  /** What makes the clock of one process go on where that of the last one stopped. */
  readonly #origin: number;
  #count = 0;

  constructor(limits: ObserveLimits, env: Env) {
    this.env = env;
    this.limits = limits;
    this.#origin = Math.floor(env.epoch() * 1000 - env.now());
    const bounds = { lifetime: limits.idle, entries: limits.maxObservers + 1 };
    this.#registrations = new ExpiringTable(env, bounds, (registration) => registration.expire());
  }

  get size(): number {
    return this.#registrations.size;
  }

  close(): void {
    for (const registration of this.#registrations.values()) registration.close();
    this.#registrations.clear();
    this.#targets.clear();
  }

  register(request: Request, reply: Reply, next: Handler): void {
    const owner = endpointKey(request);
    const target = observationKey(request);
    // Who observes this already renews (RFC 7641 §4.1). The exchange below ends the entry that the new one replaces, but only then: there is room for one more.
    const room = this.#targets.of(target) > 0 ? 1 : 0;
    if (this.size >= this.limits.maxObservers + room || this.#registrations.countOf(owner) >= this.limits.maxObserversPerPeer + room) {
      next({ ...request, options: withoutOptions(request.options, OptionNumber.Observe) }, reply);
      return;
    }
    const registration = new Registration(this, String(this.#count++), target, reply);
    this.#registrations.set(registration.key, owner, registration);
    this.#targets.add(target);
    reply.onCancel(() => registration.cancelled());
    next(request, registration);
  }

  /** The registration was used; the number for its next notification, larger than `last` (RFC 7641, Section 4.4). */
  touch(key: string, last: number): number {
    this.#registrations.get(key);
    return Math.max(last + 1, this.#origin + Math.floor(this.env.now()));
  }

  forget(registration: Registration): void {
    this.#registrations.delete(registration.key);
    this.#targets.remove(registration.target);
  }
}

/** An entry in the list of observers. To the handler it is the reply. */
class Registration implements Reply {
  readonly key: string;
  readonly target: string;
  readonly #server: ObserveServer;
  readonly #lower: Reply;
  #number = 0;
  /** Of the first representation: `''` where it has none. */
  #format: string | undefined;
  #cancelRefresh: Cancel | undefined;
  #ended = false;
  #cancelled = false;
  #tasks: (() => void)[] | undefined;

  constructor(server: ObserveServer, key: string, target: string, lower: Reply) {
    this.#server = server;
    this.key = key;
    this.target = target;
    this.#lower = lower;
  }

  notify(response: Response): void {
    if (this.#ended) return;
    if (codeClass(response.code) !== 2) {
      // RFC 7641 §4.2: an error is the last notification and has no Observe option.
      const tasks = this.#end();
      this.#lower.respond(response);
      for (const task of tasks) task();
      return;
    }
    if (!this.#keepsFormat(response)) {
      this.notify({ code: Code.NotAcceptable, options: [], payload: emptyBytes });
      return;
    }
    this.#number = this.#server.touch(this.key, this.#number);
    this.#lower.notify({ ...response, options: withOption(response.options, uintOption(OptionNumber.Observe, this.#number % 0x100_0000)) });
    this.#refreshLater(response);
  }

  /** RFC 7641 §4.2: the Content-Format stays that of the first notification. 2.03 has none. */
  #keepsFormat(response: Response): boolean {
    if (response.code === Code.Valid) return true;
    const option = findOption(response.options, OptionNumber.ContentFormat);
    const format = option === undefined ? '' : `${readUint(option.value)}`;
    this.#format ??= format;
    return this.#format === format;
  }

  respond(response: Response): void {
    if (this.#ended) return;
    this.#end();
    this.#lower.respond(response);
  }

  onCancel(task: () => void): void {
    if (this.#cancelled) task();
    if (this.#ended) return;
    this.#tasks ??= [];
    this.#tasks.push(task);
  }

  cancelled(): void {
    if (this.#ended) return;
    this.#cancelled = true;
    for (const task of this.#end()) task();
  }

  /** End without a word. */
  close(): void {
    this.#ended = true;
    this.#cancelRefresh?.();
  }

  expire(): void {
    this.notify({ code: Code.ServiceUnavailable, options: [], payload: emptyBytes });
  }

  /** RFC 7641 §4.3.1: the same again just before it is stale, so that the client has no time without a representation. */
  #refreshLater(response: Response): void {
    const { env, limits } = this.#server;
    this.#cancelRefresh?.();
    this.#cancelRefresh = undefined;
    const freshFor = 1000 * (uintOf(response.options, OptionNumber.MaxAge) ?? 60);
    if (this.#ended || limits.refresh === undefined || freshFor <= limits.refresh) return;
    const copy = { ...response, options: copyOptions(response.options), payload: response.payload.slice() };
    this.#cancelRefresh = env.schedule(freshFor - limits.refresh, () => this.notify(copy));
  }

  #end(): readonly (() => void)[] {
    this.#ended = true;
    this.#cancelRefresh?.();
    this.#server.forget(this);
    const tasks = this.#tasks ?? [];
    this.#tasks = undefined;
    return tasks;
  }
}
