import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, Endpoint, Method, OptionNumber, type Peer, pathOptions, uintOption } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type DtlsAssociation, decodeSession, encodeSession, type RevocationCheck, type SessionCredentials } from '../../src/dtls/index.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { authenticatorOf, CoapClient, dtls, dtlsSchemes, type ResumableSessions, type Scheme, schemes, serve, tap, udp } from '../../src/transport/index.ts';
import { body } from '../coap/harness.ts';
import { certificate, own } from '../dtls/certificates.ts';
import { FakeStore, mirrored, parameters } from '../oscore/support.ts';
import { until } from '../support/wait.ts';
import { alice, bob, carol, identity, known, type Party, party, whoami } from './dtls-parties.ts';

const local = (server: Party, client: Party): Promise<Peer> => client.endpoint.resolve('127.0.0.1', server.endpoint.local.port);

describe('coaps', () => {
  for (const [name, credentials] of Object.entries({ alice, bob, carol }))
    it(`a request in a session has the association of its client: ${name}`, async (t) => {
      const server = await party(t, known, { handler: whoami });
      const client = await party(t, { credentials });
      const peer = await local(server, client);
      const response = await client.endpoint.request({ peer });
      assert.equal(fromUtf8(response.payload), `dtls ${name}`);
      assert.equal(response.association, peer.association);
      assert.equal(peer.association?.kind, 'dtls');
    });

  it('one server with plain CoAP beside it: observation, bodies in blocks and all methods', async (t) => {
    let state = 'first';
    const rows: readonly Scheme[] = [...schemes, ...dtlsSchemes({ ...known, credentials: bob })];
    const server = await serve({
      listen: ['coap://127.0.0.1:0', 'coaps://127.0.0.1:0'],
      schemes: rows,
      resources: { '/state': { get: () => state, put: (asked) => void (state = asked.text()), observable: true }, '/echo': { post: (asked) => asked.payload } },
    });
    const client = new CoapClient({ schemes: rows });
    t.after(() => client.close().then(() => server.close()));
    for (const url of server.urls) {
      assert.equal((await client.request(`${url}/state`, { method: 'PUT', payload: `put at ${url}` })).codeText, '2.04');
      assert.equal((await client.request(`${url}/state`)).text(), `put at ${url}`);
      assert.deepEqual((await client.request(`${url}/echo`, { method: 'POST', payload: body(5000) })).payload, body(5000));
      const stream = client.observe(`${url}/state`);
      assert.equal((await stream.next()).value!.text(), state);
      state = 'changed';
      server.changed('/state');
      assert.equal((await stream.next()).value!.text(), 'changed');
      await stream.return!();
    }
    assert.equal(client.stats()['channels'], 2, 'a socket for each scheme');
  });

  it('OSCORE inside DTLS: a message is of the inner association, and both are needed', async (t) => {
    const context = (side: 'client' | 'server'): ReturnType<typeof deriveContext> => deriveContext(side === 'client' ? parameters : mirrored(parameters));
    const layerOf = (own: ReturnType<typeof deriveContext>): ReturnType<typeof oscore> => {
      const contexts = new ContextTable();
      contexts.add(own);
      return oscore({ contexts, store: new FakeStore(), env: systemEnv });
    };
    const [own, other] = [context('client'), context('server')];
    const asked: (string | undefined)[] = [];
    const large = body(3000);
    const server = await party(t, known, {
      layers: [layerOf(other)],
      handler: (request, reply) => {
        asked.push(`${request.association?.kind} in ${request.peer.association?.credential}`);
        reply.respond({ code: Code.Content, options: [], payload: large });
      },
    });
    const client = await party(t, { credentials: alice }, { layers: [layerOf(own)] });
    const peer = await local(server, client);
    const response = await client.endpoint.request({ peer, association: own });
    assert.deepEqual(response.payload, large);
    assert.equal(response.association, own);
    assert.equal((await client.endpoint.request({ peer })).association, peer.association);
    assert.deepEqual(asked, [`${own.kind} in alice`, 'dtls in alice']);
  });

  it('what cannot be: other schemes, no credentials, the association of another session', async (t) => {
    const server = await party(t, known, { handler: whoami });
    const client = await party(t, { credentials: (host) => (host === '127.0.0.1' ? alice : undefined) });
    await assert.rejects(client.endpoint.resolve('127.0.0.1', server.endpoint.local.port, { scheme: 'coap' }), { code: 'ERR_TRANSPORT_SCHEME' });
    await assert.rejects(client.endpoint.resolve('localhost', server.endpoint.local.port), { code: 'ERR_TRANSPORT_CREDENTIALS' });
    const peer = await local(server, client);
    const other = await party(t, { credentials: bob });
    const { association } = await local(server, other);
    await assert.rejects(client.endpoint.request({ peer, association: association! }), { code: 'ERR_COAP_ASSOCIATION' });
    const rows: readonly Scheme[] = schemes;
    await assert.rejects(serve({ listen: 'coaps://127.0.0.1:0', resources: {}, schemes: rows }), { code: 'ERR_TRANSPORT_CREDENTIALS' });
    await assert.rejects(new CoapClient().request('coaps://127.0.0.1/'), { code: 'ERR_TRANSPORT_CREDENTIALS' });
    await assert.rejects(dtls({ server: {} }), { code: 'ERR_DTLS_CONFIG' });
  });

  it('a handshake that fails is told at once to all who wait for it', async (t) => {
    const server = await party(t, known, { handler: whoami });
    const stranger: SessionCredentials = { psk: { identity: utf8('mallory'), key: utf8('sixteen bytes no') } };
    const client = new CoapClient({ schemes: [...schemes, ...dtlsSchemes({ credentials: stranger })] });
    t.after(() => client.close());
    const url = `coaps://127.0.0.1:${server.endpoint.local.port}/`;
    const answers = await Promise.allSettled([client.request(url), client.request(url), client.observe(url).next()]);
    for (const answer of answers) assert.equal(answer.status === 'rejected' && answer.reason.code, 'ERR_DTLS_ALERT');
    assert.equal(server.events.filter(({ type }) => type === 'handshake-failed').length, 1, 'one handshake for all of them');
    assert.deepEqual(server.transport.stats(), { sessions: 0, accepted: 0, admitted: 0, places: 0, handshakes: 0, failures: 1 });
  });

  it('requests at once share a session', async (t) => {
    const server = await party(t, known, { handler: whoami });
    const client = await party(t, { credentials: alice });
    const peers = await Promise.all([local(server, client), local(server, client), local(server, client)]);
    assert.equal(new Set(peers).size, 1);
    assert.equal(await local(server, client), peers[0]);
    assert.deepEqual([client.transport.stats()['sessions'], server.transport.stats()['sessions']], [1, 1]);
  });

  it('both sides ask in one session, whoever opened it', async (t) => {
    const server = await party(t, known);
    const client = await party(t, { credentials: alice }, { handler: whoami });
    const { port } = client.endpoint.local;
    await client.endpoint.request({ peer: await local(server, client) });
    const peer = await server.endpoint.resolve('127.0.0.1', port);
    assert.equal(peer.association?.credential, 'alice');
    assert.equal(fromUtf8((await server.endpoint.request({ peer })).payload), 'dtls undefined');
  });

  it('a profile lets clients in, opens sessions and ends them by name', async (t) => {
    const server = await party(t, { server: { psk: {} } }, { handler: whoami });
    const client = await party(t, {});
    const key = utf8('of the profile');
    const credentials = { psk: { identity: utf8('kid'), key }, credential: 'rs' };
    const at: Peer = { key: 'anything', address: '127.0.0.1', port: server.endpoint.local.port };
    await assert.rejects(client.transport.connect(at, credentials), { code: 'ERR_DTLS_ALERT' });
    const first = server.transport.authenticate({ psk: () => Promise.resolve({ key, credential: 'first' }) });
    const newer = server.transport.authenticate({
      psk: (identity) => (fromUtf8(identity) === 'kid' ? { key, credential: 'newer' } : undefined),
    });
    const peer = await client.transport.connect(at, credentials);
    assert.equal(peer.association.credential, 'rs');
    assert.equal(fromUtf8((await client.endpoint.request({ peer })).payload), 'dtls newer');
    newer();
    const again = await client.transport.connect(peer, credentials);
    assert.notEqual(again.association.id, peer.association.id);
    assert.equal(fromUtf8((await client.endpoint.request({ peer: again })).payload), 'dtls first');
    await assert.rejects(client.endpoint.request({ peer }), { code: 'ERR_COAP_SESSION' });
    const material = again.association.exportKeyingMaterial('EXPORTER-test', 16);
    assert.equal(material.length, 16);
    assert.equal(server.transport.end('newer'), 0, 'it was replaced');
    assert.equal(server.transport.end('first'), 1);
    await until(() => client.transport.stats()['sessions'] === 0);
    assert.throws(() => again.association.exportKeyingMaterial('EXPORTER-test', 16), { code: 'ERR_DTLS_STATE' });
    first();
    server.transport.authenticate({ psk: () => ({ alert: 'illegal_parameter' }) });
    await assert.rejects(client.transport.connect(at, credentials), { message: /illegal_parameter/ });
    server.transport.authenticate({ psk: () => Promise.reject(new Error('the database is gone')), rawPublicKey: () => undefined });
    server.transport.authenticate({ psk: () => ({ key: new Uint8Array() }) });
    await assert.rejects(client.transport.connect(at, credentials), { message: /decrypt_error/ });
  });

  it('close tells all peers, and they forget', async (t) => {
    const server = await party(t, known, { handler: whoami });
    const clients = await Promise.all([alice, bob].map((credentials) => party(t, { credentials })));
    await Promise.all(clients.map((client) => local(server, client)));
    await server.endpoint.close();
    await until(() => clients.every((client) => client.transport.stats()['sessions'] === 0));
    for (const { events } of clients) assert.equal(events.filter((event) => event.type === 'session' && event.state === 'closed' && !event.error).length, 1);
    const late = clients[0]!.transport.connect({ key: '', address: '127.0.0.1', port: server.endpoint.local.port }, alice);
    await clients[0]!.endpoint.close();
    await assert.rejects(late, { code: 'ERR_TRANSPORT_CLOSED' });
  });

  it('a tap sees the messages in the clear', async (t) => {
    const server = await party(t, known, { handler: whoami });
    const seen: number[] = [];
    const transport = tap(await dtls({ credentials: alice }), ({ datagram }) => seen.push(datagram[0]! >> 6));
    const plain = tap(await udp(), () => {});
    const client = new Endpoint({ transport: [plain, transport] });
    t.after(() => client.close());
    const peer = await client.resolve('127.0.0.1', server.endpoint.local.port, { scheme: 'coaps' });
    await client.request({ peer, code: Method.GET, options: [...pathOptions(['a']), uintOption(OptionNumber.Accept, 0)] });
    assert.deepEqual(seen, [1, 1], 'version 1 of CoAP');
  });

  it('who fails too often from one address is not answered for a while, and the server says so once a second', async (t) => {
    const server = await party(t, { ...known, server: { ...known.server, failures: { burst: 2, rate: 0.01 } } }, { handler: whoami });
    const wrong: SessionCredentials = { psk: { identity: utf8('bob'), key: utf8('sixteen bytes hm') } };
    const client = { retransmission: { initialTimeout: 50 }, handshakeTimeout: 400 };
    for (let i = 0; i < 2; i++) await assert.rejects(local(server, await party(t, { credentials: wrong })), { message: /decrypt_error/ });
    for (const credentials of [wrong, bob]) await assert.rejects(local(server, await party(t, { credentials, client })), { code: 'ERR_DTLS_TIMEOUT' });
    const told = server.events.flatMap((event) => (event.type === 'handshake-failed' ? [event.error.code] : []));
    assert.deepEqual(told.slice(0, 3), ['ERR_DTLS_HANDSHAKE', 'ERR_DTLS_HANDSHAKE', 'ERR_DTLS_LIMITED']);
    assert.ok(told.length <= 4, `${told}`);
  });

  it('sessions that a program keeps are resumed by the next transport; what failed is not offered again', async (t) => {
    const server = await party(t, known, { handler: whoami });
    let kept: Uint8Array | undefined;
    const resumption: ResumableSessions = {
      load: () => (kept === undefined ? undefined : decodeSession(kept)),
      save: (session) => void (kept = encodeSession(session)),
      remove: () => void (kept = undefined),
    };
    const isResumed = async (): Promise<boolean | undefined> => {
      const client = await party(t, { credentials: alice, resumption });
      const { association } = await local(server, client);
      await client.endpoint.close();
      return (association as DtlsAssociation).isResumed;
    };
    assert.deepEqual([await isResumed(), await isResumed(), await isResumed()], [false, true, true]);
    const other = await party(t, { credentials: bob, resumption });
    assert.equal(((await local(server, other)).association as DtlsAssociation).isResumed, false, 'the session of another is not taken');
    const wrong: SessionCredentials = { psk: { identity, key: utf8('sixteen bytes hm') } };
    await assert.rejects(local(server, await party(t, { credentials: wrong, resumption })), { message: /decrypt_error/ });
    assert.equal(kept, undefined);
  });

  it('a client asks whether the certificate of the server is revoked; who cannot be asked about is not trusted', async (t) => {
    const server = await party(t, { server: { certificate: { own: own('deep-server', 'intermediate') } } }, { handler: whoami });
    const { port } = server.endpoint.local;
    const asked: string[] = [];
    const ask = async (isRevoked: RevocationCheck['isRevoked']): Promise<unknown> => {
      const trusted = { roots: [certificate('root')], host: 'server.example', ...(isRevoked === undefined ? {} : { isRevoked }) };
      const client = await party(t, {});
      return client.transport.connect({ key: '', address: '127.0.0.1', port }, { certificate: trusted });
    };
    await ask(undefined);
    await ask(({ subject }) => {
      asked.push(subject);
      return false;
    });
    assert.equal(asked.length, 1);
    await assert.rejects(
      ask(() => true),
      { message: /certificate_revoked/ },
    );
    await assert.rejects(
      ask(async () => true),
      { message: /certificate_revoked/ },
    );
    await assert.rejects(
      ask(() => Promise.reject(new Error('no list'))),
      { message: /certificate_unknown/ },
    );
  });

  it('an unknown client is not told from one with a wrong key', async (t) => {
    const server = await party(t, { ...known, authenticator: authenticatorOf({}) });
    for (const credentials of [alice, bob]) await assert.rejects(local(server, await party(t, { credentials })), { message: /decrypt_error/ });
    await assert.rejects(local(server, await party(t, { credentials: carol })), { message: /handshake_failure/ });
  });

  it('a key of an authenticator that is none is as good as an unknown one, and ends nothing but the handshake', async (t) => {
    for (const key of [new Uint8Array(0), new Uint8Array(65_536), 'sixteen bytes ok', undefined]) {
      const server = await party(t, { ...known, authenticator: { psk: () => ({ credential: 'alice', key: key as Uint8Array }) } });
      await assert.rejects(local(server, await party(t, { credentials: alice })), { message: /decrypt_error/ }, `${typeof key} of ${key?.length}`);
      assert.equal(server.transport.stats()['admitted'], 0);
    }
  });
});
