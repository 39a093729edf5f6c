import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { prf } from '../../src/dtls/key-schedule.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, ClientParty, configsOf, parties, ServerParty } from './parties.ts';

const line = /^CLIENT_RANDOM ([0-9a-f]{64}) ([0-9a-f]{96})$/;

for (const suite of allSuites)
  test(`the key log of NSS, ${suite}: both sides give the same line, and what it says are the keys`, async () => {
    const sim = new Simulator();
    const [ofClient, ofServer]: [string[], string[]] = [[], []];
    const { client } = parties(sim, suite, { keyLog: (one) => ofClient.push(one) }, { keyLog: (one) => ofServer.push(one) });
    client.connection.start();
    await sim.run(() => client.connection.isConnected);
    assert.equal(ofClient.length, 1);
    assert.deepEqual(ofServer, ofClient);
    const [, random, master] = line.exec(ofClient[0]!)!;
    // RFC 5705: from the same master secret and randoms comes what the connection exports. The server_random stands in ServerHello.
    const hello = sim.wire.map(({ datagram }) => toHex(datagram)).find((datagram) => datagram.startsWith('16fefd') && datagram.slice(26, 28) === '02')!;
    const seed = fromHex(random! + hello.slice(54, 118));
    const exported = client.connection.exportKeyingMaterial('EXPORTER-test', 32);
    assert.deepEqual(prf(suitesOf([suite])[0]!.hash, fromHex(master!), 'EXPORTER-test', seed, 32), exported);
  });

test('the key log of NSS: a session that is resumed has a line of its own, with the master secret of the first', async () => {
  const sim = new Simulator();
  const lines: string[] = [];
  const { client, server } = configsOf('TLS_PSK_WITH_AES_128_CCM_8');
  new ServerParty(sim, { ...server, maxSessions: 10 });
  const first = new ClientParty(sim, client);
  first.connection.start();
  await sim.run(() => first.connection.isConnected);
  const second = new ClientParty(sim, { ...client, session: first.connection.session!, keyLog: (one) => lines.push(one) }, '10.0.0.3');
  second.connection.start();
  await sim.run(() => second.connection.isConnected);
  assert.ok(second.connection.agreement!.isResumed);
  assert.equal(lines.length, 1);
  assert.equal(line.exec(lines[0]!)![2], toHex(first.connection.session!.master));
});
