import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceErrorCode, decodeIntrospectionResponse, encodeIntrospectionRequest, type IntrospectionResponse } from '../../../src/ace/index.ts';
import { formatCode, OptionNumber, type Response, uintOf } from '../../../src/coap/index.ts';
import { fromHex } from '../../../src/core/bytes.ts';
import { oscBytes } from '../../ace/osc.ts';
import { assertRefused, association, encryptKey, rs1, rs2, Workbench } from '../support.ts';

function ask(bench: Workbench, credential: string, token: Uint8Array): Promise<Response> {
  return bench.introspection.answer({ payload: encodeIntrospectionRequest({ token }), contentFormat: 19, association: association(credential) });
}

async function introspect(bench: Workbench, credential: string, token: Uint8Array): Promise<IntrospectionResponse> {
  const answer = await ask(bench, credential, token);
  assert.equal(formatCode(answer.code), '2.01');
  assert.equal(uintOf(answer.options, OptionNumber.ContentFormat), 19);
  return decodeIntrospectionResponse(answer.payload);
}

test('RFC 9200 5.9.2: the RS that a token is for reads its claims and its key', async () => {
  const bench = new Workbench();
  const { response, claims } = await bench.granted('client:c1', { audience: 'rs1', scope: 'r_temp', cnonce: fromHex('0102') });
  const answer = await introspect(bench, 'rs:rs1', response.accessToken);
  assert.deepEqual(answer, {
    active: true,
    aud: 'rs1',
    exp: claims.exp,
    scope: 'r_temp',
    cnonce: fromHex('0102'),
    cnf: claims.cnf,
    clientId: 'c1',
  });
  bench.close();
});

test('RFC 9201 5: cnf of an update is the kid', async () => {
  const bench = new Workbench();
  const first = await bench.granted('client:c1', { audience: 'rs1' });
  const kid = oscBytes(first.claims.cnf, 0);
  const second = await bench.granted('client:c1', { audience: 'rs1', reqCnf: { kid } });
  assert.deepEqual((await introspect(bench, 'rs:rs1', second.response.accessToken)).cnf, { kid });
  bench.close();
});

test('RFC 9200 5.9: a client reads about its own token, and gets no key', async () => {
  const bench = new Workbench();
  const { response } = await bench.granted('client:c1', { audience: 'rs1', scope: 'r_temp' });
  const answer = await introspect(bench, 'client:c1', response.accessToken);
  assert.equal(answer.active, true);
  assert.equal(answer.scope, 'r_temp');
  assert.equal(answer.cnf, undefined);
  bench.close();
});

test('RFC 9200 5.9.3: 4.03 without payload for a requester without the right', async () => {
  const bench = new Workbench();
  const { response } = await bench.granted('client:c1', { audience: 'rs1' });
  assertRefused(await ask(bench, 'rs:rs2', response.accessToken), '4.03');
  assertRefused(await ask(bench, 'client:c2', response.accessToken), '4.03');
  bench.close();
});

test('RFC 9200 5.9.3: active false for a token that is unknown, altered or expired', async () => {
  const bench = new Workbench();
  const { response } = await bench.granted('client:c1', { audience: 'rs1' });
  assert.deepEqual(await introspect(bench, 'rs:rs1', fromHex('')), { active: false });
  assert.deepEqual(await introspect(bench, 'rs:rs1', fromHex('00112233')), { active: false });
  for (let i = 0; i < response.accessToken.length; i++) {
    const altered = response.accessToken.slice();
    altered[i]! ^= 1;
    assert.deepEqual(await introspect(bench, 'rs:rs1', altered), { active: false });
  }
  assert.equal((await introspect(bench, 'rs:rs1', response.accessToken)).active, true);
  await bench.clock.advance(3600);
  assert.deepEqual(await introspect(bench, 'rs:rs1', response.accessToken), { active: false });
  bench.close();
});

test('RFC 9200 5.9.3: active false when the key that protects the token is no longer the RS’s', async () => {
  const first = new Workbench();
  const { response } = await first.granted('client:c1', { audience: 'rs1' });
  first.close();
  const second = new Workbench({ store: first.store, resourceServers: [{ ...rs1, tokenKeys: [encryptKey(9)] }, rs2] });
  assert.deepEqual(await introspect(second, 'rs:rs1', response.accessToken), { active: false });
  second.close();
});

test('a token is known after a restart of the AS, and forgotten when it has expired', async () => {
  const first = new Workbench();
  const { response } = await first.granted('client:c1', { audience: 'rs1' });
  first.close();
  const second = new Workbench({ store: first.store, clock: first.clock });
  await second.records.start();
  assert.equal(second.records.size, 1);
  assert.equal(second.records.count('c1'), 1);
  assert.equal((await introspect(second, 'rs:rs1', response.accessToken)).active, true);
  second.close();
  await first.clock.advance(4000);
  const third = new Workbench({ store: first.store, clock: first.clock });
  await third.records.start();
  assert.equal(third.records.size, 0);
  assert.deepEqual(await introspect(third, 'rs:rs1', response.accessToken), { active: false });
  third.close();
});

test('RFC 9200 5.9.2: exi and cti of a token without exp', async () => {
  const bench = new Workbench({ resourceServers: [{ ...rs1, exi: true }, rs2] });
  const { response, claims } = await bench.granted('client:c1', { audience: 'rs1' });
  const answer = await introspect(bench, 'rs:rs1', response.accessToken);
  assert.equal(answer.exi, 3600);
  assert.equal(answer.exp, undefined);
  assert.deepEqual(answer.cti, claims.cti);
  await bench.clock.advance(3600);
  assert.deepEqual(await introspect(bench, 'rs:rs1', response.accessToken), { active: false });
  bench.close();
});

test('RFC 9200 5.9.3: a stranger gets 4.01', async () => {
  const bench = new Workbench();
  const { response } = await bench.granted('client:c1', { audience: 'rs1' });
  const payload = encodeIntrospectionRequest({ token: response.accessToken });
  assertRefused(await bench.introspection.answer({ payload, contentFormat: 19 }), '4.01');
  assertRefused(await ask(bench, 'rs:other', response.accessToken), '4.01');
  bench.close();
});

test('RFC 9200 5.9.1: another Content-Format is 4.15, a bad map invalid_request', async () => {
  const bench = new Workbench();
  const payload = encodeIntrospectionRequest({ token: fromHex('00') });
  assertRefused(await bench.introspection.answer({ payload, contentFormat: 60, association: association('rs:rs1') }), '4.15');
  assertRefused(await bench.introspection.answer({ payload, association: association('rs:rs1') }), '4.15');
  for (const hex of ['', 'a0', '80', 'a10b00', 'a10b6161', 'a165746f6b656e4100', 'a10b41']) {
    const answer = await bench.introspection.answer({ payload: fromHex(hex), contentFormat: 19, association: association('rs:rs1') });
    assertRefused(answer, '4.00', AceErrorCode.invalid_request);
  }
  bench.close();
});
