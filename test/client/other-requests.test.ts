import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceError } from '../../src/ace/index.ts';
import { attributeOf } from '../../src/coap/index.ts';
import { openCwt } from '../../src/core/cwt.ts';
import { asUri, Parties, rsUri, tokenKey } from './parties.ts';

test('token: asks the AS, and nothing is kept', async () => {
  const parties = await new Parties().start();
  const granted = await parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_temp w_led' }));
  const { claims } = openCwt(granted.accessToken, [tokenKey]);
  assert.deepEqual([claims.aud, claims.scope], ['rs1', 'r_temp w_led']);
  assert.ok(granted.cnf?.osc);
  assert.equal(parties.client.stats()['sessions'], 0);
  assert.deepEqual(parties.steps(), ['token-request', 'token-response']);
  await parties.close();
});

test('introspect: with the credentials of the resource server', async () => {
  const parties = await new Parties().start();
  const { accessToken } = await parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_temp' }));
  const rs = parties.newClient({
    authorizationServers: [
      { uri: asUri, credentials: { masterSecret: new Uint8Array(16).fill(2), senderId: Uint8Array.of(0xd0), recipientId: Uint8Array.of(0xa0) } },
    ],
  });
  const answer = await parties.finish(rs.introspect(accessToken, { as: asUri }));
  assert.deepEqual([answer.active, answer.scope, answer.aud], [true, 'r_temp', 'rs1']);
  assert.equal((await parties.finish(rs.introspect(Uint8Array.of(1, 2, 3)))).active, false);
  await rs.close();
  await parties.close();
});

test('discover: the resources of an RS, without a token', async () => {
  const parties = await new Parties().start();
  const links = await parties.finish(parties.client.discover(rsUri));
  assert.deepEqual(links.map(({ target }) => target).sort(), ['/authz-info', '/led', '/log', '/open', '/temperature']);
  const [found, ...others] = await parties.finish(parties.client.discover(`${rsUri}?rt=ace.ai`));
  assert.equal(found?.target, '/authz-info');
  assert.equal(attributeOf(found, 'rt'), 'ace.ai');
  assert.deepEqual(others, []);
  await parties.close();
});

test('discover: where the list is protected, with a token, if there is one to be had', async () => {
  const parties = await new Parties({ rs: { protectDiscovery: true } }).start();
  await assert.rejects(parties.finish(parties.client.discover(rsUri)), (error: AceError) => error.code === 'ERR_ACE_DISCOVERY');
  await parties.close();
});

test('client: stats return to where they were once tokens and lifetimes have ended', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 50 }, client: { renewal: 0 } }).start();
  const before = { client: parties.client.stats(), rs: parties.rs.stats(), as: parties.as.stats() };
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  const stream = parties.client.observe(`${rsUri}/temperature`);
  await parties.finish(stream.next());
  await assert.rejects(parties.finish(stream.next()));
  await parties.simulator.sleep(4_500_000);
  // The channel to the AS stays.
  const { 'profile2.contexts': contexts, 'profile2.servers': servers, 'profile2.sequences': sequences, ...rest } = parties.client.stats();
  assert.deepEqual([contexts, servers, sequences], [1, 1, 1]);
  const { 'profile2.contexts': _c, 'profile2.servers': _s, 'profile2.sequences': _q, ...restBefore } = before.client;
  assert.deepEqual(rest, restBefore);
  assert.deepEqual(parties.rs.stats(), before.rs);
  const left: string[] = [];
  for await (const [key] of parties.stores.client.scan('client/')) left.push(key);
  for await (const [key] of parties.stores.rs.scan('rs/')) left.push(key);
  for await (const [key] of parties.stores.client.scan('oscore/client-id/')) left.push(key);
  assert.deepEqual(left, []);
  await parties.close();
});
