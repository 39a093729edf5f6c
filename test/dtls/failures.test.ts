import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import type { ClientConfig, DtlsServerConfig } from '../../src/dtls/index.ts';
import { Simulator } from '../support/simulator.ts';
import { ClientParty, clientAddress, configsOf, identity, psk, ServerParty } from './parties.ts';

const { client: right, server: known } = configsOf('TLS_PSK_WITH_AES_128_CCM_8');
const wrong = { ...right, psk: { identity, key: utf8('another sixteen!') } };
const unknown = { ...right, psk: { identity: utf8('nobody'), key: psk } };
const failures = { burst: 3, rate: 0.1 };

function site(config: Partial<DtlsServerConfig> = {}): { readonly sim: Simulator; readonly server: ServerParty; readonly limited: () => number } {
  const sim = new Simulator();
  const server = new ServerParty(sim, { ...known, failures, ...config });
  return { sim, server, limited: () => server.all('discarded').filter(({ reason }) => reason === 'limited').length };
}

let tries = 0;

/** A client that begins a handshake, and what became of it within two seconds. */
async function attempt(sim: Simulator, config: ClientConfig = wrong, address = clientAddress): Promise<string> {
  const client = new ClientParty(sim, config, address, `try ${++tries}`);
  client.connection.start();
  for (let waited = 0; waited < 2_000 && !client.connection.isConnected && client.end === undefined; waited += 50) await sim.sleep(50);
  const outcome = client.connection.isConnected ? 'connected' : (client.error?.message.replace(/^.*: /, '') ?? 'silence');
  client.connection.replace();
  await client.close();
  return outcome;
}

describe('handshakes that fail, by address', () => {
  it('who guesses keys is not answered any more, whether he hits on one or not; others are, and time lets him begin again', async () => {
    const { sim, server, limited } = site();
    for (let i = 0; i < 3; i++) assert.equal(await attempt(sim), 'decrypt_error');
    assert.equal(await attempt(sim), 'silence');
    assert.equal(await attempt(sim, right), 'silence', 'the right key opens nothing now, and tells nothing');
    assert.ok(limited() > 0);
    assert.equal(await attempt(sim, right, '10.0.0.7'), 'connected', 'another address');
    await sim.sleep(20_000);
    assert.equal(await attempt(sim, right), 'connected');
    assert.equal(server.server.stats().failures, 1);
    await sim.sleep(30_000);
    assert.equal(server.server.stats().failures, 0);
  });

  it('identities that nobody has count as wrong keys do: the limit tells nobody which there are', async () => {
    const { sim } = site();
    for (let i = 0; i < 3; i++) assert.equal(await attempt(sim, unknown), 'decrypt_error');
    assert.equal(await attempt(sim, unknown), 'silence');
  });

  it('many at once are no more guesses than one after the other', async () => {
    const { sim, server } = site();
    assert.equal(await attempt(sim), 'decrypt_error');
    const before = server.all('psk-identity').length;
    // The others are not over yet.
    server.answers = false;
    const crowd = Array.from({ length: 10 }, (_, index) => {
      const client = new ClientParty(sim, wrong, clientAddress, `crowd ${index}`, 40_000 + index);
      client.connection.start();
      return client;
    });
    await sim.sleep(900);
    assert.equal(server.all('psk-identity').length - before, 2);
    for (const client of crowd) await client.close();
  });

  it('a session that is there goes on, and clients that connect are never counted', async () => {
    const { sim, server } = site();
    const honest = new ClientParty(sim, right, clientAddress, 'honest', 6000);
    honest.connection.start();
    await sim.run(() => honest.connection.isConnected, 2_000);
    for (let i = 0; i < 5; i++) assert.equal(await attempt(sim, right), 'connected');
    for (let i = 0; i < 3; i++) assert.equal(await attempt(sim), 'decrypt_error');
    assert.equal(await attempt(sim), 'silence');
    honest.connection.send(utf8('still here'));
    await sim.run(() => honest.data.length > 0, 2_000);
    assert.equal(honest.data.length, 1);
    assert.equal(server.server.stats().failures, 1);
  });

  it('a handshake that comes to nothing by loss or silence is no failure', async () => {
    const { sim, server } = site({ handshakeTimeout: 1_000 });
    for (let i = 0; i < 5; i++) {
      let sent = 0;
      sim.filter = ({ from }) => !from.startsWith(clientAddress) || ++sent <= 2;
      assert.equal(await attempt(sim), 'silence');
    }
    sim.filter = undefined;
    assert.equal(server.server.stats().failures, 0);
    assert.equal(await attempt(sim), 'decrypt_error');
  });

  it('nothing but a Finished tells whether a key is right: what else is protected is not looked into before', async () => {
    const { sim, server } = site();
    // Each record in a datagram of its own; that of Finished is lost.
    const client = new ClientParty(sim, { ...right, mtu: 64 });
    sim.filter = ({ from, datagram }) => !from.startsWith(clientAddress) || datagram[0] !== 22 || datagram[4] === 0;
    client.connection.start();
    await sim.sleep(100);
    const before = sim.wire.length;
    client.connection.close();
    await sim.sleep(50);
    assert.deepEqual(
      sim.wire.slice(before).map(({ from, datagram }) => [from.startsWith(clientAddress), ...datagram.subarray(0, 5)]),
      [[true, 21, 0xfe, 0xfd, 0, 1]],
      'an alert under the right key, and no answer',
    );
    assert.equal(server.server.stats().handshakes, 1);
  });

  it('false: any number; a rate that is none is refused', async () => {
    const { sim, server } = site({ failures: false });
    for (let i = 0; i < 8; i++) assert.equal(await attempt(sim), 'decrypt_error');
    assert.equal(server.server.stats().failures, 0);
    for (const wrongRate of [
      { burst: 0, rate: 1 },
      { burst: 1, rate: 0 },
      { burst: Number.NaN, rate: 1 },
    ])
      assert.throws(() => site({ failures: wrongRate }), { code: 'ERR_DTLS_CONFIG' });
  });
});
