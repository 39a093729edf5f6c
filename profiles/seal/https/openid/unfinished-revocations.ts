import type { Cancel, Env } from '../../../../src/core/env.ts';
import type { RevocationReason } from './openid-grants.ts';

/** Why a grant is revoked, and of whom, as far as that is known. */
export interface Revocation {
  readonly grantId: string;
  readonly reason: RevocationReason | undefined;
  readonly client: string | undefined;
}

/** Milliseconds before the first new attempt; each pause is twice as long as the one before, up to the longest. */
const shortestPause = 1000;
const longestPause = 300_000;
/** Grants that are remembered: what of the others is in the store is finished at the next start. */
const mostGrants = 1024;

/** Grants that could not be revoked in full, because the store or the audit log did not take it: they are tried again until they are, or the server ends. */
export class UnfinishedRevocations {
  readonly #env: Pick<Env, 'schedule'>;
  readonly #revoke: (revocation: Revocation) => Promise<void>;
  readonly #fault: (error: unknown) => void;
  readonly #waiting = new Map<string, Revocation>();
  #pause = shortestPause;
  #timer: Cancel | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(env: Pick<Env, 'schedule'>, revoke: (revocation: Revocation) => Promise<void>, fault: (error: unknown) => void) {
    this.#env = env;
    this.#revoke = revoke;
    this.#fault = fault;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** This one has failed. */
  add(revocation: Revocation): void {
    if (this.#closed || (this.#waiting.size >= mostGrants && !this.#waiting.has(revocation.grantId))) return;
    this.#waiting.set(revocation.grantId, revocation);
    this.#arm();
  }

  /** Try no more; fulfilled when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.();
    this.#timer = undefined;
    await this.#running;
    this.#waiting.clear();
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
    for (const revocation of [...this.#waiting.values()]) {
      if (this.#closed) return;
      try {
        await this.#revoke(revocation);
        this.#waiting.delete(revocation.grantId);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#pause = failures.length === 0 ? shortestPause : Math.min(2 * this.#pause, longestPause);
    if (failures.length > 0) this.#fault(failures[0]);
  }
}
