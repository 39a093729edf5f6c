/** Ends what was started; calling it again does nothing. */
export type Cancel = () => void;

/** The only view of time and chance that an engine, a role or a profile has. */
export interface Env {
  /** Milliseconds of a clock that never goes back; its zero is arbitrary. */
  now(): number;
  /** Seconds since 1970-01-01T00:00:00Z, with fraction: for `exp`, `nbf`, `iat`. */
  epoch(): number;
  /** `length` fresh bytes of cryptographic quality. */
  random(length: number): Uint8Array;
  /** Run `task` once, `delay` milliseconds from now, unless cancelled. */
  schedule(delay: number, task: () => void): Cancel;
}

interface Globals {
  readonly performance: { now(): number };
  readonly crypto: { getRandomValues(into: Uint8Array): Uint8Array };
  setTimeout(task: () => void, delay: number): unknown;
  clearTimeout(timer: unknown): void;
}

const host = globalThis as unknown as Globals;

/** The longest delay that a host timer takes: 2^31-1 ms. Longer ones run out in pieces. */
const longestTimer = 0x7fff_ffff;

function schedule(delay: number, task: () => void): Cancel {
  let timer: unknown;
  const arm = (left: number): void => {
    timer = left > longestTimer ? host.setTimeout(() => arm(left - longestTimer), longestTimer) : host.setTimeout(task, Math.max(0, left));
  };
  arm(delay);
  return () => host.clearTimeout(timer);
}

/** The most that getRandomValues gives in one call. */
const mostRandom = 65_536;

/** Up to this length they come of a pool: a call of the host costs more than a few bytes. */
const shortRandom = 64;
const pool: Uint8Array = new Uint8Array(2048);
let taken: number = pool.length;

function random(length: number): Uint8Array {
  if (length <= shortRandom) return fromPool(length);
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += mostRandom) host.crypto.getRandomValues(bytes.subarray(offset, offset + mostRandom));
  return bytes;
}

/** What was given out is in the pool no more. */
function fromPool(length: number): Uint8Array {
  if (taken + length > pool.length) {
    host.crypto.getRandomValues(pool);
    taken = 0;
  }
  const bytes = pool.slice(taken, taken + length);
  for (let i = taken; i < taken + length; i++) pool[i] = 0;
  taken += length;
  return bytes;
}

/** The real world, through globals only, so that it works wherever JavaScript does. */
export const systemEnv: Env = {
  now: () => host.performance.now(),
  epoch: () => Date.now() / 1000,
  random,
  schedule,
};
