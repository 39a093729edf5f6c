import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import type { AceError, Profile } from '../../../src/ace/index.ts';
import { AuthorizationServer } from '../../../src/as/index.ts';
import { AceClient, type AceResponse } from '../../../src/client/index.ts';
import { Endpoint, formatCode, Method, pathOptions } from '../../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../../src/core/bytes.ts';
import { openCwt, protectCwt } from '../../../src/core/cwt.ts';
import { ResourceServer } from '../../../src/rs/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { dtlsOver } from '../../../src/transport/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { clientKey, DtlsParties, figure9, type Mode, partyAt, serverKey, tokenKey } from './parties.ts';

const modes: readonly Mode[] = ['psk', 'psk-identity', 'derived', 'rpk'];

for (const mode of modes) {
  test(`RFC 9202 2, ${mode}: from a URI to a protected answer, more rights in the same session, and nothing readable on the wire`, async () => {
    const parties = await new DtlsParties(mode).start();
    assert.equal(await parties.fetch('/temperature', { scope: 'r_temp' }), '2.05 21.5');
    assert.deepEqual(parties.steps, ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
    assert.equal(await parties.fetch('/temperature', { scope: 'r_temp' }), '2.05 21.5');
    assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'blue' }), '2.04');
    assert.equal(parties.led, 'blue');
    for (const { datagram } of parties.simulator.wire) assert.ok(!/21\.5|blue/.test(Buffer.from(datagram).toString('latin1')));
    await parties.close();
  });
}

test('RFC 9202 4: the rights of a session grow without another handshake', async () => {
  for (const mode of ['psk', 'derived', 'rpk'] as const) {
    const parties = await new DtlsParties(mode).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    const { accepted } = parties.rsSessions.stats();
    assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'on' }), '2.04');
    assert.ok(parties.steps.includes('update'), mode);
    assert.deepEqual(parties.rsSessions.stats()['accepted'], accepted);
    assert.equal(accepted, 1);
    await parties.close();
  }
});

test('RFC 9202 3.3.2: a coaps URI is enough, and with the token in the handshake nothing is uploaded', async () => {
  const parties = await new DtlsParties('psk-identity').start();
  const response = await parties.finish(parties.client.fetch('coaps://10.0.0.2/temperature'));
  assert.equal(`${response.codeText} ${response.text()} ${response.protected}`, '2.05 21.5 true');
  const uploads = parties.rsEvents.flatMap((event) => (event.type === 'request-served' && event.reason === 'authz-info' ? [event] : []));
  assert.deepEqual(uploads, []);
  assert.ok(parties.rsEvents.some(({ type }) => type === 'token-accepted'));
  await parties.close();
});

test('RFC 9202 5: when the last token ends, a lasting request hears 4.01 and the session ends; the next request gets a new token', async () => {
  for (const mode of ['psk', 'rpk'] as const) {
    const parties = await new DtlsParties(mode, { tokenLifetime: 20 }).start();
    const observed = parties.client.observe('coap://10.0.0.2/temperature');
    const first = (await parties.finish(observed.next())) as IteratorResult<AceResponse>;
    assert.equal(first.value.text(), '21.5');
    assert.equal(parties.rsSessions.stats()['accepted'], 1);
    const ended = assert.rejects(observed.next(), (error: AceError) => error.code === 'ERR_ACE_TOKEN_ENDED');
    await parties.simulator.sleep(25_000);
    await ended;
    assert.equal(parties.rsSessions.stats()['accepted'], 0);
    assert.equal(parties.rs.stats()['profile1.keys'], 0);
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.close();
  }
});

test('RFC 9200 5.10.3, RFC 9202 5: what is not answered yet when the token ends is answered 4.01, in the session', async () => {
  const parties = await new DtlsParties('psk').start();
  const { simulator } = parties;
  const clock = simulator.env('handler');
  parties.rs.reconfigure({ scopes: { r_slow: { '/slow': ['GET'] } } });
  // An answer after the end of the token, and before that of its sessions.
  parties.rs.resource('/slow', { get: () => new Promise((resolve) => clock.schedule(11_000, () => resolve('what nobody may know any more'))) });
  const env = simulator.env('somebody');
  const key = new Uint8Array(16).fill(3);
  const cnf = { coseKey: { kty: 4, kid: Uint8Array.of(1), k: key } };
  const identity = protectCwt({ aud: 'rs1', scope: 'r_slow', exp: env.epoch() + 10, cnf }, tokenKey, env.random);
  const sessions = dtlsOver(simulator.transport('10.0.0.6', 41_000), { env });
  const endpoint = new Endpoint({ transport: sessions, env });
  const peer = await parties.finish(sessions.connect(simulator.peer('10.0.0.2', 5684), { psk: { identity, key } }));
  const begun = simulator.now;
  const { association } = peer;
  const answer = await parties.finish(endpoint.request({ code: Method.GET, options: pathOptions(['slow']), payload: emptyBytes, peer, association }));
  assert.deepEqual([formatCode(answer.code), answer.payload.length, answer.association], ['4.01', 0, association]);
  assert.ok(simulator.now - begun < 11_000, 'as soon as the token ends');
  assert.equal(parties.rs.stats()['lasting'], 0);
  await endpoint.close();
  await parties.close();
});

test('RFC 9202 3.4: hints in a session that has outlived its token lead to another token, and the request is answered', async () => {
  const parties = await new DtlsParties('psk').start();
  await parties.fetch('/temperature');
  // Room for one token: that of another client drives it out.
  parties.rs.reconfigure({ limits: { tokens: 1 } });
  const other = parties.newClient('c2');
  assert.equal(await parties.fetch('/temperature', {}, other), '2.05 21.5');
  parties.steps.length = 0;
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  assert.deepEqual(parties.steps.slice(0, 3), ['request', 'response', 'probe']);
  assert.ok(parties.steps.includes('token-request'));
  await other.close();
  await parties.close();
});

test('a token that is asked for by itself is bound as the profile would have it', async () => {
  for (const mode of ['psk', 'rpk'] as const) {
    const parties = await new DtlsParties(mode).start();
    const { accessToken, cnf, rsCnf } = await parties.finish(parties.client.token({ audience: 'rs1' }));
    const { claims } = openCwt(accessToken, [tokenKey]);
    const bound = claims.cnf?.coseKey;
    // Only a key that other tokens have too needs to know which of them is the newer.
    assert.equal(claims.iat !== undefined, mode === 'rpk');
    if (mode === 'psk') assert.deepEqual([bound?.k, rsCnf], [cnf?.coseKey?.k, undefined]);
    else assert.deepEqual([bound?.x, rsCnf?.coseKey?.x], [clientKey.x, serverKey.x]);
    await parties.close();
  }
});

test('a session that ends while its token lasts is opened again, without another token', async () => {
  const parties = await new DtlsParties('psk').start();
  await parties.fetch('/temperature');
  const credentials = parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.credential] : []));
  assert.equal(parties.rsSessions.end(credentials[0]!), 1);
  await parties.simulator.sleep(100);
  parties.steps.length = 0;
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  assert.deepEqual(parties.steps, ['request', 'response']);
  await parties.close();
});

test('two clients have their own rights, at one RS', async () => {
  for (const mode of ['psk', 'rpk'] as const) {
    const parties = await new DtlsParties(mode).start();
    const other = parties.newClient('c2');
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.equal(await parties.fetch('/led', {}, other), '2.05 off');
    assert.equal(await parties.fetch('/temperature', { upgrade: false }), '2.05 21.5');
    assert.equal(await parties.fetch('/led', { upgrade: false }), '4.03');
    assert.equal(parties.rsSessions.stats()['accepted'], 2);
    await other.close();
    await parties.close();
  }
});

test('a client, an RS and an AS that restart go on with what their stores have', async () => {
  for (const mode of modes) {
    const parties = await new DtlsParties(mode).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.client.close();
    parties.client = parties.newClient('c1');
    parties.steps.length = 0;
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.deepEqual(parties.steps, ['context', 'request', 'response'], mode);
    await parties.rs.close();
    await parties.startRs();
    parties.steps.length = 0;
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.deepEqual(parties.steps, ['request', 'response'], mode);
    await parties.as.close();
    await parties.startAs();
    assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'on' }), '2.04');
    assert.ok(parties.steps.includes('update'), mode);
    await parties.close();
  }
});

test('RFC 9200 5.8.2: the profile is one that client and RS are registered with, the first that the RS prefers', async () => {
  for (const [preferred, name, kind] of [
    [[2, 1], 'coap_oscore', 'oscore'],
    [[1, 2], 'coap_dtls', 'dtls'],
    [[1], 'coap_dtls', 'dtls'],
  ] as const) {
    const simulator = new Simulator();
    const party = (role: 'as' | 'rs' | 'client', address: string, port = 5683): ReturnType<typeof partyAt> & { readonly profiles: readonly Profile[] } => {
      const own = partyAt({ role, simulator, env: simulator.env(role), address, port }, {});
      return { ...own, profiles: [oscoreProfile, own.profile] };
    };
    const [at, of, by] = [party('as', '10.0.0.1'), party('rs', '10.0.0.2'), party('client', '10.0.0.3', 40_000)];
    const psk = { identity: utf8('c1'), key: new Uint8Array(16).fill(1) };
    const as = new AuthorizationServer({
      store: memoryStore({ env: at.env }),
      profiles: at.profiles,
      clients: [{ id: 'c1', profile: 1, credentials: { psk }, profiles: [1, 2], grants: [{ audience: 'rs1', scope: 'r_temp' }] }],
      resourceServers: [{ id: 'rs1', audiences: ['rs1'], profiles: preferred, tokenKeys: [tokenKey] }],
      env: at.env,
    });
    await as.listen(at.transport);
    const uri = 'coaps://10.0.0.1/token';
    const seen: (string | undefined)[] = [];
    const accepted: string[] = [];
    const rs = new ResourceServer({
      audience: 'rs1',
      issuers: [{ uri, tokenKeys: [tokenKey] }],
      profiles: of.profiles,
      store: memoryStore(),
      scopes: { r_temp: { '/temperature': ['GET'] } },
      env: of.env,
      emit: (event) => event.type === 'token-accepted' && accepted.push(event.profile),
    });
    rs.resource('/temperature', {
      get: ({ association }) => {
        seen.push(association?.kind);
        return '21.5';
      },
    });
    await rs.listen(of.transport);
    const authorizationServers = [{ uri, profile: 1, credentials: { psk } }];
    const client = new AceClient({ transport: by.transport, store: memoryStore(), profiles: by.profiles, authorizationServers, env: by.env });
    const response = await simulator.finish(client.fetch('coap://10.0.0.2/temperature'));
    assert.deepEqual([response.text(), response.protected, response.association?.kind, accepted, seen], ['21.5', true, kind, [name], [kind]]);
    for (const role of [client, rs, as]) await role.close();
  }
});

test('an RS that drains: sessions that there are get 5.03, and no other begins', async () => {
  const parties = await new DtlsParties('psk').start();
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  void parties.rs.drain(60_000);
  assert.equal(await parties.fetch('/temperature'), '5.03');
  await assert.rejects(parties.knock({ psk: { identity: figure9, key: new Uint8Array(16) } }), { code: 'ERR_DTLS_TIMEOUT' });
  assert.equal(parties.rsSessions.stats()['handshakes'], 0);
  await parties.close();
});
