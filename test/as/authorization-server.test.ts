import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeError, decodeIntrospectionResponse, decodeTokenResponse, encodeIntrospectionRequest, encodeTokenRequest } from '../../src/ace/index.ts';
import { AuthorizationServerError, type AuthorizationServerOptions } from '../../src/as/index.ts';
import { Code, formatCode, Method, OptionNumber, pathOptions, uintOption } from '../../src/coap/index.ts';
import { oscBytes } from '../ace/osc.ts';
import { asPeer, Flow } from './flow.ts';
import { clients, rs1, rs2 } from './support.ts';

test('RFC 9203 5: a token over OSCORE; the first request after a start is answered by Echo once', async () => {
  const flow = new Flow();
  await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  const first = await client.token({ audience: 'rs1', scope: 'r_temp' });
  assert.equal(formatCode(first.code), '2.01');
  assert.equal(first.association?.kind, 'oscore');
  assert.equal(decodeTokenResponse(first.payload).expiresIn, 3600);
  assert.equal(flow.sim.wire.length, 4, 'request, Echo, request, response');
  await client.token({ audience: 'rs1', scope: 'r_temp' });
  assert.equal(flow.sim.wire.length, 6);
  await client.close();
  await flow.server?.close();
});

test('RFC 9200 5.8: an unprotected POST /token is refused with 4.01, without payload, and nothing is kept', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const before = server.stats();
  const stranger = flow.stranger(1);
  for (const path of ['token', 'introspect', 'nowhere']) {
    const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, 19)];
    const response = await flow.sim.finish(
      stranger.request({ code: Method.POST, peer: asPeer, options, payload: encodeTokenRequest({ audience: 'rs1', scope: 'r_temp' }) }),
    );
    assert.equal(formatCode(response.code), '4.01');
    assert.equal(response.payload.length, 0);
  }
  assert.deepEqual(flow.reasons(), ['refused unprotected', 'refused unprotected', 'refused unprotected']);
  await flow.sim.sleep(300_000);
  assert.deepEqual(server.stats(), before);
  await stranger.close();
  await server.close();
});

test('an unprotected upload in blocks ends at its first block', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const stranger = flow.stranger(1);
  const response = await flow.sim.finish(
    stranger.request({ code: Method.POST, peer: asPeer, options: pathOptions(['token']), payload: new Uint8Array(20_000) }),
  );
  assert.equal(formatCode(response.code), '4.01');
  assert.equal(flow.sim.wire.length, 2);
  await stranger.close();
  await server.close();
});

test('RFC 7252 5.10.1: discovery is open to all', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const stranger = flow.stranger(1);
  const response = await flow.sim.finish(stranger.request({ code: Method.GET, peer: asPeer, options: pathOptions(['.well-known', 'core']) }));
  assert.equal(formatCode(response.code), '2.05');
  assert.match(new TextDecoder().decode(response.payload), /<\/token>/);
  await stranger.close();
  await server.close();
});

test('RFC 9200 5.8.1: /token takes POST only', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  for (const code of [Method.GET, Method.PUT, Method.DELETE, Method.FETCH, Method.PATCH, Method.iPATCH]) {
    assert.equal((await client.post('token', encodeTokenRequest({ audience: 'rs1' }), 19, code)).code, Code.MethodNotAllowed);
  }
  assert.equal((await client.post('other', encodeTokenRequest({ audience: 'rs1' }))).code, Code.NotFound);
  await client.close();
  await server.close();
});

test('RFC 9200 5.8.3: errors travel protected, with their payload', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  const refused = await client.token({ audience: 'rs1', scope: 'nothing' });
  assert.equal(refused.association?.kind, 'oscore');
  assert.equal(formatCode(refused.code), '4.00');
  assert.equal(decodeError(19, refused.payload)?.error, 6);
  assert.equal((await client.post('token', encodeTokenRequest({ audience: 'rs1' }), 60)).code, Code.UnsupportedContentFormat);
  await client.close();
  await server.close();
});

test('RFC 9200 5.9: an RS introspects a token for it over its own context, another RS may not', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  const own = flow.peer(rs1.credentials, 2);
  const other = flow.peer(rs2.credentials, 3);
  const { accessToken } = decodeTokenResponse((await client.token({ audience: 'rs1', scope: 'r_temp' })).payload);
  const question = encodeIntrospectionRequest({ token: accessToken, tokenTypeHint: 2 });
  const answer = await own.post('introspect', question);
  assert.equal(formatCode(answer.code), '2.01');
  assert.equal(decodeIntrospectionResponse(answer.payload).active, true);
  const refused = await other.post('introspect', question);
  assert.equal(formatCode(refused.code), '4.03');
  assert.equal(refused.payload.length, 0);
  for (const party of [client, own, other]) await party.close();
  await server.close();
});

test('RFC 9203 3.1: rights are updated by kid after a restart of the AS', async () => {
  const flow = new Flow();
  await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  const first = decodeTokenResponse((await client.token({ audience: 'rs1', scope: 'r_temp' })).payload);
  await flow.start();
  const kid = oscBytes(first.cnf, 0);
  const answer = await client.token({ audience: 'rs1', scope: 'r_temp w_led', reqCnf: { kid } });
  assert.equal(formatCode(answer.code), '2.01');
  assert.equal(decodeTokenResponse(answer.payload).cnf, undefined);
  await client.close();
  await flow.server?.close();
});

test('everything that the AS holds ends with its lifetimes', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  await client.token({ audience: 'rs1', scope: 'nothing' });
  await flow.sim.sleep(400_000);
  const before = server.stats();
  for (let i = 0; i < 10; i++) await client.token({ audience: 'rs1', scope: 'r_temp' });
  assert.equal(server.stats()['tokens'], 10);
  await flow.sim.sleep(4_500_000);
  assert.deepEqual(server.stats(), before);
  await client.close();
  await server.close();
});

test('RFC 7252 5.9.3.4: more requests at once than the limit are told to come back', async () => {
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const policy: AuthorizationServerOptions['policy'] = {
    decide: async () => {
      await gate;
      return { permit: true, audience: 'rs1', scope: 'r_temp' };
    },
  };
  const flow = new Flow({ policy, limits: { pending: 1 } });
  const server = await flow.start();
  const one = flow.peer(clients[0]!.credentials, 1);
  const two = flow.peer(clients[1]!.credentials, 2);
  // Both windows are restored first: the requests below arrive at once.
  await one.post('nowhere', new Uint8Array(1));
  await two.post('nowhere', new Uint8Array(1));
  const waiting = one.token({});
  const refused = await two.token({});
  assert.equal(formatCode(refused.code), '5.03');
  release();
  assert.equal(formatCode((await waiting).code), '2.01');
  assert.deepEqual(flow.reasons().slice(-1), ['refused busy']);
  await one.close();
  await two.close();
  await server.close();
});

test('a store that fails is 5.00 without detail, and a fault for the operator', async () => {
  const flow = new Flow();
  await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  await client.token({ audience: 'rs1' });
  flow.store.batch = () => Promise.reject(new Error('disk full'));
  const answer = await client.token({ audience: 'rs1' });
  assert.equal(formatCode(answer.code), '5.00');
  assert.equal(answer.payload.length, 0);
  assert.deepEqual(
    flow.events.find((event) => event.type === 'fault'),
    { type: 'fault', reason: 'Error', detail: 'disk full' },
  );
  await client.close();
  await flow.server?.close();
});

test('a body above the limit is refused with 4.13', async () => {
  const flow = new Flow({ limits: { payload: 1024 } });
  const server = await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  assert.equal((await client.post('token', new Uint8Array(4000))).code, Code.RequestEntityTooLarge);
  await client.close();
  await server.close();
});

test('one server listens once, and not after it was closed', async () => {
  const flow = new Flow();
  const server = await flow.start();
  const misuse = (error: unknown): boolean => error instanceof AuthorizationServerError && error.code === 'ERR_AS_USE';
  await assert.rejects(server.listen(flow.sim.transport('10.0.0.9', 1)), misuse);
  await server.close();
  await assert.rejects(server.listen(flow.sim.transport('10.0.0.9', 2)), misuse);
});

test('credentials of a wrong shape stop the start', async () => {
  const flow = new Flow({ clients: [{ ...clients[0]!, credentials: { masterSecret: 'x' } }] });
  await assert.rejects(flow.start(), { code: 'ERR_OSCORE_PROFILE_CREDENTIALS' });
});

test('a token key that does not fit its algorithm stops the start', async () => {
  const tokenKeys = [rs1.tokenKeys[0]!, { ...rs1.tokenKeys[0]!, key: { kty: 4, k: new Uint8Array(5) } }];
  const flow = new Flow({ resourceServers: [{ ...rs1, tokenKeys }, rs2] });
  await assert.rejects(
    flow.start(),
    (error: unknown) =>
      error instanceof AuthorizationServerError && error.code === 'ERR_AS_CONFIG' && error.message.startsWith('resource server "rs1": tokenKeys[1]:'),
  );
});

test('20 % loss, duplication and reordering: tokens still come, one for each request', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const flow = new Flow({}, { seed, loss: 0.2, duplication: 0.2, reorder: 0.2 });
    const server = await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    let granted = 0;
    for (let i = 0; i < 3; i++) {
      try {
        granted += (await client.token({ audience: 'rs1', scope: 'r_temp' })).code === Code.Created ? 1 : 0;
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_COAP_TIMEOUT');
      }
    }
    assert.ok(granted > 0, `seed ${seed}`);
    const issued = flow.events.filter((event) => event.type === 'token-issued').length;
    assert.ok(issued <= 3, `seed ${seed}: ${issued} tokens for 3 requests`);
    await client.close();
    await server.close();
  }
});
