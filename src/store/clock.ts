import type { Env } from '../core/env.ts';

/** What every store takes. */
export interface StoreOptions {
  /** The clock that ends entries. */
  readonly env?: Pick<Env, 'epoch'>;
}

/** The latest time that each clock has shown. */
const latest = new WeakMap<Pick<Env, 'epoch'>, number>();

/** Seconds since 1970, and never less than before in this process: where the clock goes back, what has expired stays so. */
export function steadyEpoch(env: Pick<Env, 'epoch'>): number {
  const now = Math.max(env.epoch(), latest.get(env) ?? Number.NEGATIVE_INFINITY);
  latest.set(env, now);
  return now;
}
