import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench } from '../../src/conformance/bench.ts';
import { ConformanceError, type OscoreKeys } from '../../src/conformance/index.ts';
import { sessionOf } from '../../src/conformance/oscore/session.ts';
import { systemEnv } from '../../src/core/env.ts';

const keys: OscoreKeys = { masterSecret: new Uint8Array(16).fill(0x7a), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2), firstSequence: 0 };

async function numbersOf(given: OscoreKeys, count: number): Promise<number[]> {
  const bench = new Bench({ coap: 'coap://127.0.0.1:9' });
  try {
    const session = sessionOf(bench, await bench.udp(), given);
    return Array.from({ length: count }, () => session.sequence());
  } finally {
    await bench.close();
  }
}

test('RFC 8613 7.2.1: targets with the same keys share one count of sender sequence numbers', async () => {
  assert.deepEqual(await numbersOf(keys, 2), [0, 1]);
  assert.deepEqual(await numbersOf({ ...keys, masterSecret: keys.masterSecret.slice() }, 2), [2, 3]);
  assert.deepEqual(await numbersOf({ ...keys, firstSequence: 100 }, 1), [100]);
  assert.deepEqual(await numbersOf(keys, 1), [101]);
  assert.deepEqual(await numbersOf({ ...keys, recipientId: Uint8Array.of(3), senderId: Uint8Array.of(9) }, 1), [0]);
});

test('RFC 8613 7.2.1: where nobody has said which numbers are unused, none is used, whatever the clock says', async () => {
  const env = { ...systemEnv, epoch: () => 1_800_000_000 };
  const bench = new Bench({ coap: 'coap://127.0.0.1:9' }, { env });
  try {
    const line = await bench.udp();
    const { firstSequence: _, ...unsaid } = keys;
    for (const firstSequence of [undefined, -1, Number.NaN, 2 ** 53]) {
      const given = { ...unsaid, ...(firstSequence !== undefined && { firstSequence }) } as OscoreKeys;
      assert.throws(() => sessionOf(bench, line, given), ConformanceError);
    }
  } finally {
    await bench.close();
  }
});
