import type { Cancel, Env } from '../../../../src/core/env.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { Tally } from '../../../../src/core/tally.ts';
import type { DeviceAnswer } from './device-link.ts';

/** What ends a delivery: an answer, or that its time is over without one. */
export type DeliveryEnd = Exclude<DeviceAnswer, { readonly outcome: 'unreachable' }> | { readonly outcome: 'expired' };

/** Something that is to reach a device. */
export interface DeliveryJob {
  readonly id: string;
  /** Whose it is: of the attempts at once, each SCS/AS has half. */
  readonly scsAsId: string;
  /** One at a time goes to each. */
  readonly device: string;
  /** Those with more go first. */
  readonly priority: number;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** @param timeout - milliseconds */
  attempt(timeout: number, signal: AbortSignal): Promise<DeviceAnswer>;
  /** Runs at the end, unless the job is taken back; again after a pause where it fails, since the end was not kept then. */
  ended(end: DeliveryEnd): Promise<void>;
  /** Runs after each attempt that reached nobody. */
  unreached?(): void;
}

export interface DeliveryQueueOptions {
  readonly env: Env;
  /** Milliseconds for an attempt. */
  readonly attemptTimeout: number;
  /** Attempts at once. */
  readonly atOnce: number;
}

interface Entry {
  readonly job: DeliveryJob;
  readonly order: number;
  attempts: number;
  /** When it is tried next. */
  timer: Cancel | undefined;
  abort: AbortController | undefined;
  /** Nothing is sent any more: its end is being kept. */
  isOver: boolean;
}

/** Milliseconds between attempts, which double. */
const firstPause = 2_000;
const longestPause = 300_000;

/** Deliveries that wait for their devices: each is tried until it is answered or its time is over. */
export class DeliveryQueue {
  readonly #options: DeliveryQueueOptions;
  readonly #entries = new Map<string, Entry>();
  /** Ready to be tried. */
  readonly #ready = new Set<Entry>();
  readonly #busy = new Set<string>();
  /** Attempts under way, by SCS/AS. */
  readonly #attempts = new Tally();
  #order = 0;
  #closed = false;

  constructor(options: DeliveryQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** One of the same id that is there is taken back. Once it is closed, nothing is taken. */
  add(job: DeliveryJob): void {
    if (this.#closed) return;
    this.remove(job.id);
    const entry: Entry = { job, order: this.#order++, attempts: 0, timer: undefined, abort: undefined, isOver: false };
    this.#entries.set(job.id, entry);
    this.#ready.add(entry);
    this.#run();
  }

  /** Whether it waits (`waiting`), is on its way (`sending`, until its end is kept), or is not there. */
  state(id: string): 'waiting' | 'sending' | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    return entry.abort === undefined && !entry.isOver ? 'waiting' : 'sending';
  }

  /** Take it back. Of what is on its way nobody hears any more. */
  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#drop(entry);
    entry.abort?.abort();
  }

  close(): void {
    this.#closed = true;
    for (const id of [...this.#entries.keys()]) this.remove(id);
  }

  #run(): void {
    const { atOnce } = this.#options;
    const inOrder = [...this.#ready].sort((a, b) => b.job.priority - a.job.priority || a.order - b.order);
    for (const entry of inOrder) {
      if (this.#busy.size >= atOnce) return;
      const { device, scsAsId } = entry.job;
      if (this.#busy.has(device) || this.#attempts.of(scsAsId) >= Math.ceil(atOnce / 2)) continue;
      this.#ready.delete(entry);
      this.#busy.add(device);
      this.#attempts.add(scsAsId);
      void this.#try(entry);
    }
  }

  async #try(entry: Entry): Promise<void> {
    const { job } = entry;
    const { env, attemptTimeout } = this.#options;
    const abort = new AbortController();
    entry.abort = abort;
    // The first attempt is made in any case; those behind it have what time is left.
    const left = entry.attempts === 0 ? attemptTimeout : (job.expiresAt - env.epoch()) * 1000;
    const answer: DeviceAnswer =
      left <= 0 ? { outcome: 'unreachable' } : await job.attempt(Math.min(attemptTimeout, Math.max(1, left)), abort.signal).catch(failedBy);
    entry.abort = undefined;
    this.#busy.delete(job.device);
    this.#attempts.remove(job.scsAsId);
    if (this.#entries.get(job.id) === entry) this.#after(entry, answer);
    if (!this.#closed) this.#run();
  }

  #after(entry: Entry, answer: DeviceAnswer): void {
    const { job } = entry;
    if (answer.outcome !== 'unreachable') {
      void this.#end(entry, answer, firstPause);
      return;
    }
    const { env } = this.#options;
    const left = (job.expiresAt - env.epoch()) * 1000;
    const pause = Math.min(longestPause, Math.max(firstPause * 2 ** entry.attempts, (answer.after ?? 0) * 1000));
    entry.attempts++;
    job.unreached?.();
    if (pause >= left) this.#endLater(entry, { outcome: 'expired' }, Math.max(0, left));
    else
      entry.timer = env.schedule(pause, () => {
        entry.timer = undefined;
        this.#ready.add(entry);
        this.#run();
      });
  }

  /** It is there until its end is kept: else nobody would hear of it before the next start. */
  async #end(entry: Entry, end: DeliveryEnd, pause: number): Promise<void> {
    entry.isOver = true;
    try {
      await entry.job.ended(end);
    } catch {
      if (this.#entries.get(entry.job.id) === entry) this.#endLater(entry, end, pause, Math.min(longestPause, 2 * pause));
      return;
    }
    if (this.#entries.get(entry.job.id) === entry) this.#drop(entry);
  }

  #endLater(entry: Entry, end: DeliveryEnd, delay: number, pause: number = firstPause): void {
    entry.timer = this.#options.env.schedule(delay, () => void this.#end(entry, end, pause));
  }

  #drop(entry: Entry): void {
    entry.timer?.();
    this.#ready.delete(entry);
    this.#entries.delete(entry.job.id);
  }
}

function failedBy(error: unknown): DeviceAnswer {
  return { outcome: 'failed', reason: messageOf(error) };
}
