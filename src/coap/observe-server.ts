import { emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { endpointKey, observationKey } from './cache-key.ts';
import { Code, codeClass } from './code.ts';
import { ExpiringTable } from './expiring-table.ts';
import type { Handler, Reply, Request, Response } from './layer.ts';
import type { ObserveLimits } from './observe.ts';
import { OptionNumber, uintOption, withOption, withoutOptions } from './option.ts';

/** Observation as a server sees it. @see https://www.rfc-editor.org/rfc/rfc7641#section-4 */
export class ObserveServer {
  readonly #env: Env;
  readonly #limits: ObserveLimits;
  readonly #registrations: ExpiringTable<Registration>;
  /** Registrations by endpoint and target. */
  readonly #targets = new Map<string, number>();
  /** What makes the clock of one process go on where that of the last one stopped. */
  readonly #origin: number;
  #count = 0;

  constructor(limits: ObserveLimits, env: Env) {
    this.#env = env;
    this.#limits = limits;
    this.#origin = Math.floor(env.epoch() * 1000 - env.now());
    const bounds = { lifetime: limits.idle, entries: limits.maxObservers + 1 };
    this.#registrations = new ExpiringTable(env, bounds, (registration) => registration.expire());
  }

  get size(): number {
    return this.#registrations.size;
  }

  close(): void {
    this.#registrations.clear();
    this.#targets.clear();
  }

  register(request: Request, reply: Reply, next: Handler): void {
    const owner = endpointKey(request);
    const target = observationKey(request);
    // Who observes this already renews (RFC 7641 §4.1). The exchange below ends the entry that the new one replaces, but only then: there is room for one more.
    const room = this.#targets.has(target) ? 1 : 0;
    if (this.size >= this.#limits.maxObservers + room || this.#registrations.countOf(owner) >= this.#limits.maxObserversPerPeer + room) {
      next({ ...request, options: withoutOptions(request.options, OptionNumber.Observe) }, reply);
      return;
    }
    const registration = new Registration(this, String(this.#count++), target, reply);
    this.#registrations.set(registration.key, owner, registration);
    this.#targets.set(target, (this.#targets.get(target) ?? 0) + 1);
    reply.onCancel(() => registration.cancelled());
    next(request, registration);
  }

  /** The registration was used; the number for its next notification, larger than `last` (RFC 7641, Section 4.4). */
  touch(key: string, last: number): number {
    this.#registrations.get(key);
    return Math.max(last + 1, this.#origin + Math.floor(this.#env.now()));
  }

  forget(registration: Registration): void {
    this.#registrations.delete(registration.key);
    const others = (this.#targets.get(registration.target) ?? 1) - 1;
    if (others === 0) this.#targets.delete(registration.target);
    else this.#targets.set(registration.target, others);
  }
}

/** An entry in the list of observers. To the handler it is the reply. */
class Registration implements Reply {
  readonly key: string;
  readonly target: string;
  readonly #server: ObserveServer;
  readonly #lower: Reply;
  #number = 0;
  #ended = false;
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
    this.#number = this.#server.touch(this.key, this.#number);
    this.#lower.notify({ ...response, options: withOption(response.options, uintOption(OptionNumber.Observe, this.#number % 0x100_0000)) });
  }

  respond(response: Response): void {
    if (this.#ended) return;
    this.#end();
    this.#lower.respond(response);
  }

  onCancel(task: () => void): void {
    if (this.#ended) return;
    this.#tasks ??= [];
    this.#tasks.push(task);
  }

  cancelled(): void {
    if (this.#ended) return;
    for (const task of this.#end()) task();
  }

  expire(): void {
    this.notify({ code: Code.ServiceUnavailable, options: [], payload: emptyBytes });
  }

  #end(): readonly (() => void)[] {
    this.#ended = true;
    this.#server.forget(this);
    const tasks = this.#tasks ?? [];
    this.#tasks = undefined;
    return tasks;
  }
}
