import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, type Handler, type Peer } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { authenticatorOf, type DtlsTransportOptions, type KeptState } from '../../src/transport/index.ts';
import { decodeKept, encodeKept } from '../../src/transport/kept-session.ts';
import { freePort } from '../support/ports.ts';
import { Simulator } from '../support/simulator.ts';
import { alice, bob, carol, clientAddress, identity, known, type Party, party, port, reach, serverAddress, simulated, whoami } from './dtls-parties.ts';

const at = `${serverAddress}:${port}`;

/** Handshake records in the clear, since then. */
function handshakes(sim: Simulator, since: number): number {
  return sim.wire.slice(since).filter(({ datagram }) => datagram[0] === 22 && datagram[4] === 0).length;
}

async function end(server: Party): Promise<readonly KeptState[]> {
  const kept = server.transport.handOver();
  await server.endpoint.close();
  return kept;
}

async function begin(sim: Simulator, kept: readonly KeptState[], options: DtlsTransportOptions = known, handler: Handler = whoami): Promise<Party> {
  const server = simulated(sim, serverAddress, options, { handler });
  for (const { bytes } of kept) await server.transport.take(bytes);
  return server;
}

async function connected(sim: Simulator, credentials = alice, address = clientAddress): Promise<{ readonly client: Party; readonly peer: Peer }> {
  const client = simulated(sim, address, { credentials });
  return { client, peer: await sim.finish(reach(client)) };
}

async function ask(sim: Simulator, { client, peer }: { readonly client: Party; readonly peer: Peer }): Promise<string> {
  return fromUtf8((await sim.finish(client.endpoint.request({ peer }))).payload);
}

for (const [name, credentials] of [
  ['alice', alice],
  ['carol', carol],
] as const)
  test(`a server restarts three times, and ${name} goes on in the same session, by the same name`, async () => {
    const sim = new Simulator();
    let server = simulated(sim, serverAddress, known, { handler: whoami });
    const client = await connected(sim, credentials);
    assert.equal(await ask(sim, client), `dtls ${name}`);
    for (let round = 0; round < 3; round++) {
      const since = sim.wire.length;
      const kept = await end(server);
      assert.equal(kept.length, 2, 'the session, and what may be resumed');
      server = await begin(sim, kept);
      assert.equal(sim.wire.length, since, 'nothing is sent for it');
      assert.equal(await ask(sim, client), `dtls ${name}`);
      assert.equal(handshakes(sim, since), 0);
    }
    assert.equal(client.client.transport.stats()['sessions'], 1);
    const numbers = sim.wire.filter(({ from }) => from === at).flatMap(({ datagram }) => decodeRecords(datagram).records);
    const ours = numbers.filter(({ epoch }) => epoch === 1).map(({ sequence }) => sequence);
    assert.equal(new Set(ours).size, ours.length, 'RFC 6347 4.1: no sequence number comes twice');
    assert.equal(server.transport.end(name), 1);
    await sim.sleep(100);
    assert.equal(client.client.transport.stats()['sessions'], 0, 'the client is told of the end');
  });

test('a session is taken once, at the same port, and what is damaged takes nothing else with it', async () => {
  const sim = new Simulator();
  const before = simulated(sim, serverAddress, known, { handler: whoami });
  const client = await connected(sim);
  const kept = await end(before);
  const server = simulated(sim, serverAddress, known, { handler: whoami });
  const [session] = kept as [KeptState];
  // The client hears nothing of it.
  sim.filter = () => false;
  for (let i = 0; i < session.bytes.length; i += 7) {
    const changed = session.bytes.slice();
    changed[i]! ^= 0x10;
    // In what stands around the connection a change is another address, or another name.
    const outcome = await server.transport.take(changed).catch((error: { code: string }) => error.code);
    assert.ok(['refused', 'ERR_DTLS_IMPORT', 'taken'].includes(outcome), outcome);
    if (outcome === 'taken') assert.equal(server.transport.end('alice'), 1);
  }
  const elsewhere = { ...(decodeKept(session.bytes) as Parameters<typeof encodeKept>[0]), local: port + 1 };
  await assert.rejects(server.transport.take(encodeKept(elsewhere)), { code: 'ERR_DTLS_IMPORT' });
  await server.endpoint.close();
  sim.filter = undefined;
  const third = await begin(sim, kept);
  await assert.rejects(third.transport.take(session.bytes), { code: 'ERR_DTLS_IMPORT' });
  assert.equal(await ask(sim, client), 'dtls alice');
});

const others: readonly (readonly [string, DtlsTransportOptions, 'refused' | 'ERR_DTLS_IMPORT'])[] = [
  ['an identity that is no longer known', { authenticator: authenticatorOf({}) }, 'refused'],
  ['another key', { authenticator: authenticatorOf({ psk: [{ identity, key: utf8('sixteen others k'), credential: 'alice' }] }) }, 'refused'],
  ['another name', { authenticator: authenticatorOf({ psk: [{ identity, key: utf8('sixteen bytes ok'), credential: 'malice' }] }) }, 'refused'],
  ['no authenticator', {}, 'refused'],
  ['a suite that is not configured', { ...known, server: { psk: {}, suites: ['TLS_PSK_WITH_AES_128_CCM'] } }, 'ERR_DTLS_IMPORT'],
];
for (const [name, options, outcome] of others)
  test(`a session does not go on with ${name}; who is refused is told, and shakes hands anew`, async () => {
    const sim = new Simulator();
    const before = simulated(sim, serverAddress, known, { handler: whoami });
    const client = await connected(sim);
    const kept = await end(before);
    const server = simulated(sim, serverAddress, { server: known.server!, ...options }, { handler: whoami });
    const [session] = kept as [KeptState];
    assert.equal(await server.transport.take(session.bytes).catch((error: { code: string }) => error.code), outcome);
    assert.deepEqual(server.transport.stats(), { sessions: 0, accepted: 0, admitted: 0, places: 0, handshakes: 0, failures: 0 });
    await sim.sleep(100);
    assert.equal(client.client.transport.stats()['sessions'], outcome === 'refused' ? 0 : 1);
  });

test('what may be resumed is kept too: a client that has lost its session resumes it at the server that comes after', async () => {
  const sim = new Simulator();
  const before = simulated(sim, serverAddress, known, { handler: whoami });
  const { client } = await connected(sim, bob);
  const kept = await end(before);
  const server = await begin(sim, kept);
  assert.ok(kept.every(({ expiresAt }) => expiresAt > sim.env().epoch()));
  server.transport.end('bob');
  await sim.sleep(100);
  const again = (await sim.finish(reach(client))) as Peer & { readonly association: { readonly isResumed: boolean } };
  assert.equal(again.association.isResumed, true);
  assert.equal(await ask(sim, { client, peer: again }), 'dtls bob');
});

test('over a real socket: a request that waits for its answer while the server restarts is answered by the next one, without a handshake', async (t) => {
  const at = { address: '127.0.0.1', port: await freePort() };
  const silent = await party(t, { ...known, ...at } as DtlsTransportOptions, { handler: () => {} });
  const client = await party(t, { credentials: alice }, { parameters: { ackTimeout: 100 } });
  const peer = await client.endpoint.resolve(at.address, at.port);
  const answer = client.endpoint.request({ peer });
  while (silent.endpoint.stats()['replies'] === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const kept = silent.transport.handOver();
  assert.equal(silent.transport.stats()['sessions'], 0);
  await silent.endpoint.close();
  const next = await party(t, { ...known, ...at } as DtlsTransportOptions, { handler: whoami });
  for (const { bytes } of kept) assert.equal(await next.transport.take(bytes), 'taken');
  const { code, payload } = await answer;
  assert.equal(code, Code.Content);
  assert.equal(fromUtf8(payload), 'dtls alice');
  assert.deepEqual(
    client.events.flatMap((event) => (event.type === 'session' ? [event.state] : [])),
    ['opened'],
  );
});
