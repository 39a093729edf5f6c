import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfileWith } from '../../profiles/oscore/index.ts';
import type { AceClient } from '../../src/client/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { Parties, rsUri } from './parties.ts';
import { repeats } from './repeats.ts';

/** As the command line runs: processes that share a store reserve their numbers one by one. */
const shared = { profiles: [oscoreProfileWith({ block: 1 })] };

const startProcesses = (parties: Parties, count: number): AceClient[] => Array.from({ length: count }, () => parties.newClient(shared));

async function readAll(parties: Parties, processes: readonly AceClient[]): Promise<string[]> {
  const answers = await parties.finish(Promise.all(processes.map((client) => client.fetch(`${rsUri}/temperature`))));
  for (const client of processes) await client.close();
  return answers.map(({ codeText }) => codeText);
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
