import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { clientSettings } from '../../src/dtls/config.ts';
import type { ClientConfig, DtlsServerConfig } from '../../src/dtls/index.ts';
import { mostForgeries, mostRecords } from '../../src/dtls/limits.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { Simulator } from '../support/simulator.ts';
import { ClientParty, clientAddress, configsOf, identity, nothingHeld, type Parties, parties, port, psk, serverAddress } from './parties.ts';

const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
const from = `${clientAddress}:${port}`;
const to = `${serverAddress}:${port}`;

async function connect(sim: Simulator, client: Partial<ClientConfig> = {}, server: Partial<DtlsServerConfig> = {}): Promise<Parties> {
  const both = parties(sim, suite, client, server);
  both.client.connection.start();
  await sim.run(() => both.client.connection.isConnected, 5000);
  await sim.sleep(100);
  return both;
}

test('an association of which nothing is heard ends, on both sides, and leaves nothing', async () => {
  for (const [client, server] of [
    [{ idleLifetime: 60_000 }, {}],
    [{}, { idleLifetime: 60_000 }],
  ] as const) {
    const sim = new Simulator();
    const both = await connect(sim, client, server);
    for (let i = 0; i < 4; i++) {
      await sim.sleep(40_000);
      assert.ok(both.client.connection.isConnected && both.server.server.stats().connections === 1, 'as long as it is used, it is there');
      both.client.connection.send(utf8('busy'));
    }
    await sim.sleep(61_000);
    const [ends, hears] = 'idleLifetime' in client ? [both.client, both.server] : [both.server, both.client];
    assert.equal(ends.end, 'ERR_DTLS_EXPIRED');
    assert.equal(hears.end, '', 'by close_notify');
    assert.deepEqual(both.server.server.stats(), nothingHeld);
    assert.equal(sim.pending, 0, 'no timer is left');
  }
});

test('idle associations of a server end each in its time, by one timer', async () => {
  const sim = new Simulator();
  const { server } = await connect(sim, {}, { idleLifetime: 60_000 });
  await sim.sleep(20_000);
  const other = new ClientParty(sim, configsOf(suite).client, '10.0.0.3');
  other.connection.start();
  await sim.run(() => other.connection.isConnected, 5000);
  await sim.sleep(100);
  assert.equal(sim.pending, 3, 'one of each client, one of the server');
  for (const left of [1, 0]) {
    await sim.sleep(left === 1 ? 41_000 : 20_000);
    assert.equal(server.server.stats().connections, left);
  }
});

test('an association ends when it is too old, however busy it is, and so does one that resumes its session', async () => {
  const sim = new Simulator();
  const both = await connect(sim, {}, { maxLifetime: 600_000, maxSessions: 10 });
  const { server } = both;
  await sim.sleep(300_000);
  const { session } = both.client.connection;
  both.client.connection.close();
  await sim.sleep(100);
  await both.client.close();
  const resumed = new ClientParty(sim, { ...configsOf(suite).client, session: session! });
  resumed.connection.start();
  await sim.run(() => resumed.connection.isConnected, 5000);
  assert.ok(resumed.connection.agreement!.isResumed);
  for (let i = 0; i < 29; i++) {
    await sim.sleep(10_000);
    resumed.connection.send(utf8('busy'));
  }
  assert.equal(server.all('closed').length, 1);
  await sim.sleep(11_000);
  resumed.connection.send(utf8('too late'));
  await sim.sleep(100);
  assert.equal(server.end, '');
  assert.equal(server.all('closed').at(-1)!.error?.code, 'ERR_DTLS_EXPIRED');
  assert.equal(server.all('data').length, 29);
  assert.equal(resumed.end, '');
});

test('a client ends an association that is too old without being used for it', async () => {
  const sim = new Simulator();
  const { client } = await connect(sim, { maxLifetime: 60_000 });
  await sim.sleep(59_000);
  assert.ok(client.connection.isConnected);
  await sim.sleep(2_000);
  assert.equal(client.end, 'ERR_DTLS_EXPIRED');
});

test('RFC 9147 4.5.3: a key protects so many records, the last of which says that the association ends', async () => {
  const sim = new Simulator();
  const { client, server } = await connect(sim, { maxRecords: 10 });
  // Finished was the first.
  for (let i = 1; i <= 8; i++) {
    assert.ok(client.connection.isConnected, `before record ${i}`);
    client.connection.send(utf8('data'));
  }
  assert.equal(client.end, 'ERR_DTLS_EXHAUSTED');
  assert.throws(() => client.connection.send(utf8('data')), { code: 'ERR_DTLS_STATE' });
  await sim.run();
  assert.equal(server.end, '');
  assert.equal(server.all('data').length, 8);
  const numbers = sim.wire
    .filter((packet) => packet.from === from)
    .flatMap(({ datagram }) => decodeRecords(datagram).records)
    .filter(({ epoch }) => epoch === 1);
  assert.equal(numbers.length, 10);
});

test('RFC 9147 4.5.3: records that do not verify are counted; over the limit the key is given up', async () => {
  const sim = new Simulator();
  const { client, server } = await connect(sim, {}, { maxForgeries: 5 });
  client.connection.send(utf8('data'));
  const forged = sim.wire.at(-1)!.datagram.slice();
  forged[forged.length - 1]! ^= 1;
  forged[10] = 0x77;
  await sim.sleep(100);
  for (let i = 1; i <= 5; i++) {
    assert.equal(server.end, undefined);
    sim.inject(forged, from, to);
    await sim.sleep(10);
  }
  assert.equal(server.end, 'ERR_DTLS_FORGERIES');
});

test('RFC 9147 4.5.3: the limits of each AEAD, which a configuration only lowers', () => {
  const settings = clientSettings({ psk: { identity, key: psk } });
  const limits = suitesOf(['TLS_PSK_WITH_AES_128_GCM_SHA256', 'TLS_PSK_WITH_AES_128_CCM', suite]).map(({ cipher }) => [
    Math.log2(mostRecords(cipher, settings)).toFixed(1),
    Math.log2(mostForgeries(cipher, settings)).toFixed(1),
  ]);
  assert.deepEqual(limits, [
    ['24.5', '36.0'],
    ['23.0', '23.5'],
    ['23.0', '20.0'],
  ]);
  const { cipher } = suitesOf([suite])[0]!;
  const lower = clientSettings({ psk: { identity, key: psk }, maxRecords: 100, maxForgeries: 7 });
  assert.deepEqual([mostRecords(cipher, lower), mostForgeries(cipher, lower)], [100, 7]);
  for (const config of [{ idleLifetime: 0 }, { maxLifetime: -1 }, { maxRecords: 1 }, { maxForgeries: 0 }, { recordSizeLimit: 63 }, { recordSizeLimit: 16_385 }])
    assert.throws(() => clientSettings({ psk: { identity, key: psk }, ...config }), { code: 'ERR_DTLS_CONFIG' });
});
