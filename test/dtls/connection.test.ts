import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { Simulator } from '../support/simulator.ts';
import { allSuites, clientKey, expectSameKeys, identity, parties, serverKey } from './parties.ts';

for (const suite of allSuites) {
  test(`${suite}: a handshake, data both ways, close_notify`, async () => {
    const sim = new Simulator();
    const both = parties(sim, suite);
    const { client, server } = both;
    client.connection.start();
    await sim.run(() => client.connection.isConnected, 5000);
    const [agreed] = client.all('connected');
    const [accepted] = server.all('connected');
    assert.equal(agreed?.suite, suite);
    assert.equal(accepted?.suite, suite);
    assert.ok(agreed.extendedMasterSecret && accepted.extendedMasterSecret);
    const psk = suite.includes('PSK');
    const keyOf = (id: typeof agreed.peerIdentity): unknown => (id.type === 'psk' ? id.identity : id.type === 'raw-public-key' ? id.key : undefined);
    const publicPart = ({ crv, x, y }: typeof serverKey): unknown => ({ crv, x, y });
    assert.deepEqual(keyOf(agreed.peerIdentity), psk ? identity : publicPart(serverKey));
    assert.deepEqual(keyOf(accepted.peerIdentity), psk ? identity : publicPart(clientKey));
    await expectSameKeys(sim, both);
    accepted.connection.send(utf8('from the server'));
    await sim.run(() => client.data.length === 2, 1000);
    client.connection.close();
    await sim.run();
    assert.equal(client.end, '');
    assert.equal(server.end, '');
    assert.deepEqual(server.server.stats(), { associations: 0, handshakes: 0, handshakeBytes: 0 });
    assert.equal(sim.pending, 0);
    assert.deepEqual(
      [...client.all('discarded'), ...server.all('discarded')].map(({ reason }) => reason),
      ['closed'],
    );
  });
}
