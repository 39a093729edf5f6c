import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfileWith } from '../../profiles/oscore/index.ts';
import type { AceClient } from '../../src/client/index.ts';
import { decodeMessage, findOption, OptionNumber } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { memoryStore } from '../../src/store/index.ts';
import { Parties, rsUri } from './parties.ts';

/** As the command line runs: processes that share a store reserve their numbers one by one. */
const shared = { profiles: [oscoreProfileWith({ block: 1 })] };

const startProcesses = (parties: Parties, count: number): AceClient[] => Array.from({ length: count }, () => parties.newClient(shared));

async function readAll(parties: Parties, processes: readonly AceClient[]): Promise<string[]> {
  const answers = await parties.finish(Promise.all(processes.map((client) => client.fetch(`${rsUri}/temperature`))));
  for (const client of processes) await client.close();
  return answers.map(({ codeText }) => codeText);
}

/** Requests that were protected with the same number under the same identifier, other than by retransmission. */
function repeats(parties: Parties): string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const { from, datagram } of parties.simulator.wire) {
    const message = decodeMessage(datagram);
    const option = findOption(message.options, OptionNumber.Oscore);
    if (option === undefined || message.code >= 32) continue;
    const key = toHex(option.value);
    const body = `${from} ${toHex(message.payload)}`;
    if (seen.has(key) && seen.get(key) !== body) found.push(key);
    seen.set(key, body);
  }
  return found;
}

test('processes: 20 at once that share a session', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.deepEqual(await readAll(parties, startProcesses(parties, 20)), Array(20).fill('2.05'));
  assert.equal(parties.rsEvents.filter((event) => event.type === 'token-accepted').length, 1);
  assert.deepEqual(repeats(parties), []);
  await parties.close();
});

test('processes: 20 at once that start from nothing', async () => {
  const parties = await new Parties().start();
  assert.deepEqual(await readAll(parties, startProcesses(parties, 20)), Array(20).fill('2.05'));
  assert.deepEqual(await readAll(parties, startProcesses(parties, 20)), Array(20).fill('2.05'));
  await parties.close();
});

test('processes: 20 in turn', async () => {
  const parties = await new Parties().start();
  for (let i = 0; i < 20; i++) assert.deepEqual(await readAll(parties, startProcesses(parties, 1)), ['2.05']);
  assert.equal(parties.rsEvents.filter((event) => event.type === 'token-accepted').length, 1);
  assert.deepEqual(repeats(parties), []);
  await parties.close();
});

test('processes: 5 at once after the RS lost its contexts', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  parties.stores.rs = memoryStore();
  await parties.startRs();
  assert.deepEqual(await readAll(parties, startProcesses(parties, 5)), Array(5).fill('2.05'));
  await parties.close();
});

test('processes: 20 at once after AS and RS were restarted', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  await parties.as.close();
  await parties.startAs();
  await parties.startRs();
  assert.deepEqual(await readAll(parties, startProcesses(parties, 20)), Array(20).fill('2.05'));
  assert.equal(parties.rsEvents.filter((event) => event.type === 'token-accepted').length, 1);
  assert.deepEqual(repeats(parties), []);
  await parties.close();
});
