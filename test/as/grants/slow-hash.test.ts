import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceError } from '../../../src/ace/index.ts';
import { hashSecret, SlowHashes } from '../../../src/as/grants/slow-hash.ts';
import { Code } from '../../../src/coap/index.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { systemEnv } from '../../../src/core/env.ts';

const secret = utf8('battery staple');
const hash = await hashSecret(secret, systemEnv.random, { N: 1024, r: 8, p: 1 });

function isBusy(error: unknown): boolean {
  assert.ok(error instanceof AceError, String(error));
  assert.deepEqual([error.code, error.responseCode, error.retryAfter], ['ERR_AS_BUSY', Code.ServiceUnavailable, 5]);
  assert.ok(!error.message.includes('staple'));
  return true;
}

test('slow hashes: of many at once, two are computed and 64 wait; the others are told to come later', async () => {
  const hashes = new SlowHashes();
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => hashes.verify(secret, hash)));
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.equal(refused.length, 100 - 66);
  for (const { reason } of refused) isBusy(reason);
  for (const outcome of outcomes.slice(0, 66)) assert.deepEqual(outcome, { status: 'fulfilled', value: true });
  assert.equal(await hashes.verify(utf8('wrong'), hash), false);
});

test('slow hashes: who has gone away waits no longer, and gives the place to another', async () => {
  const hashes = new SlowHashes();
  const gone = new AbortController();
  const running = [1, 2].map(() => hashes.verify(secret, hash));
  const order: string[] = [];
  const left = Array.from({ length: 64 }, () => hashes.verify(secret, hash, gone.signal).finally(() => order.push('left')));
  const late = hashes.verify(secret, hash);
  await assert.rejects(late, isBusy);
  const refusals = left.map((one) => assert.rejects(one, isBusy));
  gone.abort();
  await Promise.all(refusals);
  const stayed = hashes.verify(secret, hash).finally(() => order.push('stayed'));
  assert.deepEqual(await Promise.all([...running, stayed]), [true, true, true]);
  assert.equal(order.indexOf('stayed'), 64);
  await assert.rejects(hashes.verify(secret, hash, gone.signal), isBusy);
  assert.equal(await hashes.verify(secret, hash), true);
});
