import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repeat } from '../support/scale.ts';
import { Parties, rsUri } from './parties.ts';

test('fetch: at 20 % loss, duplication and reordering every seed succeeds, and each handler runs once for each request', async () => {
  const totals = await repeat('client-loss', { quick: 15, full: 200 }, async (seed) => {
    const parameters = { maxRetransmit: 8 };
    const simulator = { seed, loss: 0.2, duplication: 0.2, reorder: 0.2, delay: [5, 50] as const };
    const parties = await new Parties({ simulator, client: { parameters }, rs: { parameters }, as: { parameters } }).start();
    const before = parties.rs.stats();
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05', `seed ${seed}`);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: `${seed}` }))).codeText, '2.04', `seed ${seed}`);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05', `seed ${seed}`);
    assert.deepEqual(parties.handled, ['GET /temperature', 'PUT /led', 'GET /temperature'], `seed ${seed}`);
    const packets = parties.simulator.wire.length;
    await parties.simulator.sleep(8_000_000);
    assert.deepEqual(parties.rs.stats(), before, `seed ${seed}`);
    await parties.close();
    return { packets };
  });
  assert.ok(totals['packets']! > 0);
});
