import assert from 'node:assert/strict';
import { systemEnv } from '../../src/core/env.ts';

export function pause(delay: number): Promise<void> {
  return new Promise((resolve) => systemEnv.schedule(delay, () => resolve()));
}

/** Wait for what comes soon, on real sockets. */
export async function until(holds: () => boolean, seconds = 20): Promise<void> {
  for (let i = 0; i < 100 * seconds && !holds(); i++) await pause(10);
  assert.ok(holds(), `it did not come to hold within ${seconds} seconds`);
}
