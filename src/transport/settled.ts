import type { Env } from '../core/env.ts';

/** Milliseconds between two looks. */
const interval = 10;

/** Wait until `is` holds, at most until `end` on the clock of `env`. What was just sent has a turn of the event loop to leave, too. */
export async function settled(is: () => boolean, end: number, env: Env): Promise<void> {
  const turn = (delay: number): Promise<void> => new Promise((resolve) => env.schedule(delay, () => resolve()));
  for (await turn(0); !is() && env.now() < end; ) await turn(Math.min(interval, end - env.now()));
}
