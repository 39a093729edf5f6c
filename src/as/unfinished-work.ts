import type { Cancel, Env } from '../core/env.ts';

type Work = () => Promise<unknown>;

/** Milliseconds before the first new attempt; each pause is twice as long as the one before, up to the longest. */
const shortestPause = 1000;
const longestPause = 300_000;
/** Works that are remembered: what the store has of the others is done at the next start. */
const mostWorks = 1024;

/** What could not be done, because the store or the audit log did not take it: it is tried again until it is done, or the server ends. */
export class UnfinishedWork {
  /** Hears of what fails again: once for all that is tried at once. */
  readonly fault: (error: unknown) => void;
  readonly #env: Pick<Env, 'schedule'>;
  readonly #waiting = new Map<string, Work>();
  #pause = shortestPause;
  #timer: Cancel | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(env: Pick<Env, 'schedule'>, fault: (error: unknown) => void) {
    this.#env = env;
    this.fault = fault;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Do something that may be done more than once. Where it fails it is tried again later, and the error is that of now.
   *
   * @param name - of what is to be done: another work of the same name takes its place
   */
  async attempt(name: string, work: Work): Promise<void> {
    try {
      await work();
      this.#waiting.delete(name);
    } catch (error) {
      this.#add(name, work);
      throw error;
    }
  }

  /** Try no more; fulfilled when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.();
    this.#timer = undefined;
    await this.#running;
    this.#waiting.clear();
  }

  #add(name: string, work: Work): void {
    if (this.#closed || (this.#waiting.size >= mostWorks && !this.#waiting.has(name))) return;
    this.#waiting.set(name, work);
    this.#arm();
  }

  #arm(): void {
    if (this.#closed || this.#timer !== undefined || this.#running !== undefined) return;
    this.#timer = this.#env.schedule(this.#pause, () => {
      this.#timer = undefined;
      this.#running = this.#tryAll().finally(() => {
        this.#running = undefined;
        if (this.#waiting.size > 0) this.#arm();
      });
    });
  }

  async #tryAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const [name, work] of [...this.#waiting]) {
      if (this.#closed) return;
      try {
        await work();
        this.#waiting.delete(name);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#pause = failures.length === 0 ? shortestPause : Math.min(2 * this.#pause, longestPause);
    if (failures.length > 0) this.fault(failures[0]);
  }
}
