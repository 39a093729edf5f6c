import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContextCache } from '../../../../../profiles/seal/https/capif/core-client.ts';

test('TS 33.122 6.5.2: a security context counts for its time, also where the clock is set back meanwhile', async () => {
  let now = 1_800_000_000;
  let asked = 0;
  const context = { securityInfo: [], notificationDestination: 'https://invoker.invalid/' };
  const contextOf = async (): Promise<typeof context> => {
    asked++;
    return context;
  };
  const cache = new ContextCache({ contextOf }, () => now, 60);
  for (const [seconds, times] of [
    [0, 1],
    [59, 1],
    [60, 2],
    [-3600, 3],
  ] as const) {
    now = 1_800_000_000 + seconds;
    assert.ok(((await cache.find('val1'))?.until ?? 0) <= now + 60);
    assert.equal(asked, times);
  }
});
