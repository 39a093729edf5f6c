import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AceErrorCode,
  decodeExiCti,
  decodeTokenResponse,
  encodeAif,
  encodeTokenRequest,
  type Profile,
  scopeText,
  tokenHashText,
} from '../../../src/ace/index.ts';
import type { Policy } from '../../../src/as/index.ts';
import { formatCode, OptionNumber, uintOf } from '../../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex } from '../../../src/core/bytes.ts';
import { type CborValue, encode } from '../../../src/core/cbor.ts';
import { openCwt, type TokenKey } from '../../../src/core/cwt.ts';
import type { Change } from '../../../src/store/index.ts';
import { oscBytes } from '../../ace/osc.ts';
import { assertRefused, association, clients, encryptKey, keysOf, macKey, rs1, rs2, Workbench } from '../support.ts';

const c1 = 'client:c1';

test('RFC 9200 5.8.2: a granted request is answered 2.01 with token, lifetime and key', async () => {
  const bench = new Workbench();
  const { response, claims } = await bench.granted(c1, { audience: 'rs1', scope: 'r_temp w_led', aceProfile: null });
  assert.equal(response.expiresIn, 3600);
  assert.equal(response.aceProfile, 2);
  assert.equal(response.scope, undefined, 'the scope is the one that was asked');
  assert.equal(response.tokenType, undefined, 'PoP is the default');
  assert.equal(claims.aud, 'rs1');
  assert.equal(claims.scope, 'r_temp w_led');
  assert.equal(claims.exp, 1_700_003_600);
  assert.equal(claims.iss, undefined);
  assert.equal(claims.iat, undefined);
  assert.equal(claims.cti, undefined);
  assert.deepEqual(claims.cnf, response.cnf, 'RFC 9203 3.2: the same input material in both');
  assert.deepEqual([...(claims.cnf?.osc?.keys() ?? [])], [0, 2, 5]);
  assert.equal(oscBytes(claims.cnf, 2).length, 16);
  assert.equal(oscBytes(claims.cnf, 5).length, 0, 'the salt is there and empty');
  const issued = { type: 'token-issued', token: tokenHashText(response.accessToken), client: 'c1', audience: 'rs1', scope: 'r_temp w_led' };
  assert.deepEqual(bench.events, [{ ...issued, expiresIn: 3600, profile: 2, update: false, grant: 'client_credentials' }]);
  bench.close();
});

test('RFC 9200 5.8.2: ace_profile stands in the response only when it was asked for', async () => {
  const bench = new Workbench();
  assert.equal((await bench.granted(c1, { audience: 'rs1' })).response.aceProfile, undefined);
  assert.equal((await bench.granted(c1, { audience: 'rs1', aceProfile: 2 })).response.aceProfile, undefined);
  bench.close();
});

test('the wire budget: token 90, request 20, response 130 bytes', async () => {
  const aif = encodeAif([['temp', 1]]);
  const bench = new Workbench({ clients: [{ ...clients[0]!, grants: [{ audience: 'rs1', scope: aif }] }] });
  const request = { audience: 'rs1', scope: aif };
  assert.ok(encodeTokenRequest(request).length <= 20, `request ${encodeTokenRequest(request).length}`);
  const { response, payload } = await bench.granted(c1, request);
  assert.ok(response.accessToken.length <= 90, `token ${response.accessToken.length}`);
  assert.ok(payload.length <= 130, `response ${payload.length}`);
  assert.equal(toHex(response.accessToken.subarray(0, 3)), 'd83dd0', 'tag 61, then COSE_Encrypt0, in shortest form');
  const asked = await bench.granted(c1, { ...request, aceProfile: null });
  assert.ok(asked.payload.length <= 130, `response with ace_profile ${asked.payload.length}`);
  bench.close();
});

test('RFC 9200 5.8.1: a request that nobody protects, or a stranger, gets 4.01 and no word more', async () => {
  const bench = new Workbench();
  const payload = encode(new Map([[5, 'rs1']]));
  assertRefused(await bench.token.answer({ payload, contentFormat: 19 }), '4.01');
  assertRefused(await bench.token.answer({ payload, contentFormat: 19, association: association(undefined) }), '4.01');
  assertRefused(await bench.ask('client:nobody', { audience: 'rs1' }), '4.01');
  assert.deepEqual(
    bench.events.map((event) => event.type === 'refused' && event.reason),
    ['unprotected', 'unknown-peer', 'unknown-peer'],
  );
  assert.deepEqual(await keysOf(bench.store, ''), []);
  bench.close();
});

test('RFC 9200 5.8.3: invalid_request for a payload that is no map, or has a wrong type, or text keys', async () => {
  const bench = new Workbench();
  for (const payload of ['', '80', 'ff', 'a1', 'a10501', 'a1616101', 'a2056161056161', 'a10563727331ff', 'a104a10341', 'bf0563727331ff']) {
    const answer = await bench.token.answer({ payload: fromHex(payload), contentFormat: 19, association: association(c1) });
    assertRefused(answer, '4.00', AceErrorCode.invalid_request);
  }
  assert.equal(bench.events.length, 10);
  assert.deepEqual(await keysOf(bench.store, ''), []);
  bench.close();
});

test('RFC 9200 5.8.1: another Content-Format than 19, or none, is 4.15', async () => {
  const bench = new Workbench();
  const payload = encode(new Map([[5, 'rs1']]));
  assertRefused(await bench.token.answer({ payload, contentFormat: 60, association: association(c1) }), '4.15');
  assertRefused(await bench.token.answer({ payload, contentFormat: 0, association: association(c1) }), '4.15');
  assertRefused(await bench.token.answer({ payload, association: association(c1) }), '4.15');
  assert.deepEqual(await keysOf(bench.store, ''), []);
  bench.close();
});

test('RFC 6749 3.2: unknown parameters are ignored', async () => {
  const bench = new Workbench();
  const unknown = new Map<number, CborValue>([
    [99, 'x'],
    [-70_000, 1],
  ]);
  await bench.granted(c1, { audience: 'rs1', scope: 'r_temp', unknown });
  bench.close();
});

test('RFC 9200 5.8.4.1: unsupported_grant_type for all but client_credentials', async () => {
  const bench = new Workbench();
  for (const grantType of [0, 1, 3, 77]) assertRefused(await bench.ask(c1, { audience: 'rs1', grantType }), '4.00', AceErrorCode.unsupported_grant_type);
  await bench.granted(c1, { audience: 'rs1', grantType: 2 });
  bench.close();
});

test('RFC 6749 5.2: invalid_client for a client_id that is not the authenticated client', async () => {
  const bench = new Workbench();
  assertRefused(await bench.ask(c1, { audience: 'rs1', clientId: 'c2' }), '4.00', AceErrorCode.invalid_client);
  assertRefused(await bench.ask(c1, { audience: 'rs1', clientId: '' }), '4.00', AceErrorCode.invalid_client);
  await bench.granted(c1, { audience: 'rs1', clientId: 'c1' });
  bench.close();
});

test('RFC 6749 2.3: invalid_request for a second way to authenticate', async () => {
  const bench = new Workbench();
  assertRefused(await bench.ask(c1, { audience: 'rs1', clientSecret: fromHex('00') }), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 6749 5.2: unauthorized_client for a resource server that asks for a token', async () => {
  const bench = new Workbench();
  assertRefused(await bench.ask('rs:rs1', { audience: 'rs2' }), '4.00', AceErrorCode.unauthorized_client);
  bench.close();
});

test('RFC 9200 5.8.3: invalid_request for an audience that is unknown or of others, by the same answer', async () => {
  const bench = new Workbench();
  const unknown = await bench.ask('client:c2', { audience: 'nowhere' });
  const foreign = await bench.ask('client:c2', { audience: 'rs2' });
  assertRefused(unknown, '4.00', AceErrorCode.invalid_request);
  assert.deepEqual(foreign, unknown);
  bench.close();
});

test('RFC 9200 5.8.1: without an audience the only grant counts; with several, or none, invalid_request', async () => {
  const bench = new Workbench();
  assert.equal((await bench.granted('client:c2', {})).claims.aud, 'rs1');
  assertRefused(await bench.ask(c1, {}), '4.00', AceErrorCode.invalid_request);
  assertRefused(await bench.ask('client:c4', {}), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 6749 5.2: invalid_scope for a scope that is unknown, foreign, of another kind or malformed', async () => {
  const bench = new Workbench();
  for (const scope of ['r_door', 'b', '', 'r_temp  w_led', encodeAif([['temp', 1]])]) {
    assertRefused(await bench.ask(c1, { audience: 'rs1', scope }), '4.00', AceErrorCode.invalid_scope);
  }
  for (const scope of ['r_temp', fromHex('ff'), fromHex('80'), encodeAif([['door', 1]]), encodeAif([['temp', 2]])]) {
    assertRefused(await bench.ask(c1, { audience: 'rs2', scope }), '4.00', AceErrorCode.invalid_scope);
  }
  assert.deepEqual(await keysOf(bench.store, ''), []);
  bench.close();
});

test('RFC 6749 3.3: a scope that is granted in part, or by default, stands in the response', async () => {
  const bench = new Workbench();
  const part = await bench.granted('client:c2', { audience: 'rs1', scope: 'w_led r_temp' });
  assert.equal(part.response.scope, 'r_temp');
  assert.equal(part.claims.scope, 'r_temp');
  const byDefault = await bench.granted(c1, { audience: 'rs1' });
  assert.equal(byDefault.response.scope, 'r_temp');
  const aif = await bench.granted(c1, {
    audience: 'rs2',
    scope: encodeAif([
      ['led', 7],
      ['x', 1],
    ]),
  });
  assert.equal(scopeText(aif.response.scope ?? ''), '[["led", 5]]');
  const whole = await bench.granted(c1, { audience: 'rs2', scope: encodeAif([['led', 5]]) });
  assert.equal(whole.response.scope, undefined);
  bench.close();
});

test('RFC 9200 5.8.3: incompatible_ace_profiles when client and RS share none, or not the one asked for', async () => {
  const bench = new Workbench();
  assertRefused(await bench.ask('client:c3', { audience: 'rs1' }), '4.00', AceErrorCode.incompatible_ace_profiles);
  assertRefused(await bench.ask(c1, { audience: 'rs1', aceProfile: 1 }), '4.00', AceErrorCode.incompatible_ace_profiles);
  await bench.granted(c1, { audience: 'rs1', aceProfile: 2 });
  bench.close();
});

test('RFC 9200 5.8.3: unsupported_pop_key for an asymmetric key that the profile has no use for', async () => {
  const bench = new Workbench();
  const coseKey = {
    kty: 2,
    crv: 1,
    x: fromHex('bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff'),
    y: fromHex('20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e'),
  };
  assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { coseKey } }), '4.00', AceErrorCode.unsupported_pop_key);
  assert.deepEqual(await keysOf(bench.store, 'as/'), []);
  bench.close();
});

test('RFC 9201 3.1: invalid_request for a symmetric key value in req_cnf', async () => {
  const bench = new Workbench();
  assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { coseKey: { kty: 4, k: fromHex('0011') } } }), '4.00', AceErrorCode.invalid_request);
  const osc = new Map<number, CborValue>([
    [0, fromHex('01')],
    [2, fromHex('00112233445566778899aabbccddeeff')],
  ]);
  assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { osc } }), '4.00', AceErrorCode.invalid_request);
  const none = await bench.token.answer({
    payload: encode(
      new Map<number, CborValue>([
        [5, 'rs1'],
        [4, new Map([[77, 1]])],
      ]),
    ),
    contentFormat: 19,
    association: association(c1),
  });
  assertRefused(none, '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 9203 3.1: an update by kid gets a token with the kid, and no cnf in the response', async () => {
  const bench = new Workbench();
  const first = await bench.granted(c1, { audience: 'rs1', scope: 'r_temp' });
  const kid = oscBytes(first.claims.cnf, 0);
  const second = await bench.granted(c1, { audience: 'rs1', scope: 'r_temp w_led', reqCnf: { kid } });
  assert.equal(second.response.cnf, undefined);
  assert.deepEqual(second.claims.cnf, { kid });
  assert.equal(second.claims.scope, 'r_temp w_led');
  assert.equal(bench.profiles.get(2)?.stats()['inputMaterials'], 1);
  bench.close();
});

test('RFC 9203 3.1: invalid_request for a kid that is unknown, of another client, for another audience, or expired', async () => {
  const bench = new Workbench();
  const first = await bench.granted(c1, { audience: 'rs1', scope: 'r_temp' });
  const kid = oscBytes(first.claims.cnf, 0);
  for (const unknown of ['', '77', '0000', '00112233445566', '00'.repeat(3000)]) {
    assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { kid: fromHex(unknown) } }), '4.00', AceErrorCode.invalid_request);
  }
  assertRefused(await bench.ask('client:c2', { audience: 'rs1', reqCnf: { kid } }), '4.00', AceErrorCode.invalid_request);
  assertRefused(await bench.ask(c1, { audience: 'rs2', reqCnf: { kid } }), '4.00', AceErrorCode.invalid_request);
  await bench.clock.advance(3600);
  assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { kid } }), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 9203 3.1: two audiences of one RS do not share a key', async () => {
  const bench = new Workbench();
  const first = await bench.granted(c1, { audience: 'rs2' });
  const kid = oscBytes(first.claims.cnf, 0);
  assertRefused(await bench.ask(c1, { audience: 'rs2-b', reqCnf: { kid } }), '4.00', AceErrorCode.invalid_request);
  const second = await bench.granted(c1, { audience: 'rs2-b' });
  assert.notDeepEqual(oscBytes(second.claims.cnf, 0), kid, 'identifiers are unique for the RS, not for the audience');
  bench.close();
});

test('RFC 9203 3.1: an update makes the key live as long as its token', async () => {
  const bench = new Workbench();
  const first = await bench.granted(c1, { audience: 'rs1' });
  const kid = oscBytes(first.claims.cnf, 0);
  await bench.clock.advance(3000);
  await bench.granted(c1, { audience: 'rs1', reqCnf: { kid } });
  await bench.clock.advance(3000);
  await bench.granted(c1, { audience: 'rs1', reqCnf: { kid } });
  bench.close();
});

test('RFC 9203 3.2: every client gets another input material', async () => {
  const bench = new Workbench();
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { claims } = await bench.granted(i % 2 ? c1 : 'client:c2', { audience: 'rs1', scope: 'r_temp' });
    seen.add(toHex(oscBytes(claims.cnf, 0)));
    seen.add(toHex(oscBytes(claims.cnf, 2)));
  }
  assert.equal(seen.size, 40);
  bench.close();
});

test('RFC 9200 5.3.1: cnonce is copied into the token', async () => {
  const bench = new Workbench();
  const { claims } = await bench.granted(c1, { audience: 'rs1', cnonce: fromHex('e0a156bb3f') });
  assert.equal(toHex(claims.cnonce ?? fromHex('')), 'e0a156bb3f');
  assert.equal((await bench.granted(c1, { audience: 'rs1' })).claims.cnonce, undefined);
  bench.close();
});

test('RFC 9200 5.10.3: a token with exi has cti with the next sequence number and no exp', async () => {
  const bench = new Workbench({ resourceServers: [{ ...rs1, exi: true, tokenLifetime: 120 }, rs2] });
  for (const sequence of [1, 2, 3]) {
    const { claims, response } = await bench.granted(c1, { audience: 'rs1' });
    assert.equal(claims.exp, undefined);
    assert.equal(claims.exi, 120);
    assert.equal(response.expiresIn, 120);
    const cti = decodeExiCti(claims.cti ?? fromHex(''));
    assert.equal(fromUtf8(cti?.resourceServer ?? fromHex('')), 'rs1');
    assert.equal(cti?.sequence, sequence);
  }
  assert.equal((await bench.granted(c1, { audience: 'rs2' })).claims.exi, undefined);
  bench.close();
});

test('RFC 9200 5.10.3: sequence numbers and identifiers of exi tokens go on after a restart and after expiry', async () => {
  const first = new Workbench({ resourceServers: [{ ...rs1, exi: true, tokenLifetime: 120 }, rs2] });
  const before = await first.granted(c1, { audience: 'rs1' });
  await first.clock.advance(10_000);
  assert.deepEqual(await keysOf(first.store, 'as/oscore/'), []);
  first.close();
  const second = new Workbench({ resourceServers: [{ ...rs1, exi: true, tokenLifetime: 120 }, rs2], store: first.store });
  const after = await second.granted(c1, { audience: 'rs1' });
  assert.equal(decodeExiCti(after.claims.cti ?? fromHex(''))?.sequence, 2);
  assert.notDeepEqual(oscBytes(after.claims.cnf, 0), oscBytes(before.claims.cnf, 0));
  second.close();
});

test('iss stands in the tokens of a resource server that is registered to want it', async () => {
  const bench = new Workbench({ resourceServers: [{ ...rs1, iss: true }, rs2], issuer: 'as.example' });
  assert.equal((await bench.granted(c1, { audience: 'rs1' })).claims.iss, 'as.example');
  assert.equal((await bench.granted(c1, { audience: 'rs2' })).claims.iss, undefined);
  bench.close();
});

test('RFC 9202 3.2.1: Max-Age stays within expires_in', async () => {
  const bench = new Workbench({ resourceServers: [{ ...rs1, tokenLifetime: 30 }, rs2] });
  assert.equal(uintOf((await bench.ask(c1, { audience: 'rs1' })).options, OptionNumber.MaxAge), 30);
  assert.equal(uintOf((await bench.ask(c1, { audience: 'rs2' })).options, OptionNumber.MaxAge), undefined);
  bench.close();
});

test('RFC 9203 3.2: a token with a Master Secret is encrypted, an update may use the first key', async () => {
  const bench = new Workbench({ resourceServers: [{ ...rs1, tokenKeys: [macKey(7), encryptKey(8)] }, rs2] });
  const first = await bench.granted(c1, { audience: 'rs1' });
  assert.equal(toHex(first.response.accessToken.subarray(0, 3)), 'd83dd0');
  const kid = oscBytes(first.claims.cnf, 0);
  const second = await bench.granted(c1, { audience: 'rs1', reqCnf: { kid } });
  assert.equal(toHex(second.response.accessToken.subarray(0, 3)), 'd83dd1');
  bench.close();
});

test('RFC 9203 3.2: tokens of both AES-CCM-16-64 key lengths, and of COSE_Sign1 where nothing is secret', async () => {
  // RFC 8032, Section 7.1, TEST 1.
  const d = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const x = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  const sign: TokenKey = { use: 'sign1', algorithm: -8, key: { kty: 1, crv: 6, x, d } };
  const encrypt: TokenKey = { use: 'encrypt0', algorithm: 11, key: { kty: 4, k: new Uint8Array(32).fill(3) } };
  const bench = new Workbench({ resourceServers: [{ ...rs1, tokenKeys: [sign, encrypt] }, rs2] });
  const first = decodeTokenResponse((await bench.ask(c1, { audience: 'rs1' })).payload);
  const opened = openCwt(first.accessToken, [encrypt]);
  assert.equal(opened.key.use, 'encrypt0');
  const reqCnf = { kid: oscBytes(opened.claims.cnf, 0) };
  const second = decodeTokenResponse((await bench.ask(c1, { audience: 'rs1', reqCnf })).payload);
  assert.equal(toHex(second.accessToken.subarray(0, 3)), 'd83dd2');
  assert.deepEqual(openCwt(second.accessToken, [{ ...sign, key: { kty: 1, crv: 6, x } }]).claims.cnf, reqCnf);
  bench.close();
});

test('a policy decides audience, scope and a shorter lifetime; a longer one does not count', async () => {
  const lifetimes = [60, 1e9];
  const policy: Policy = {
    decide: async ({ client, update }) => ({ permit: true, audience: 'rs1', scope: `for-${client}-${update}`, lifetime: lifetimes.shift() ?? 1 }),
  };
  const bench = new Workbench({ policy });
  const first = await bench.granted(c1, {});
  assert.equal(first.claims.scope, 'for-c1-false');
  assert.equal(first.response.expiresIn, 60);
  const kid = oscBytes(first.claims.cnf, 0);
  const second = await bench.granted(c1, { reqCnf: { kid } });
  assert.equal(second.claims.scope, 'for-c1-true');
  assert.equal(second.response.expiresIn, 3600);
  bench.close();
});

test('a policy that names an audience of nobody issues nothing', async () => {
  const bench = new Workbench({ policy: { decide: () => ({ permit: true, audience: 'nowhere', scope: 'x' }) } });
  assertRefused(await bench.ask(c1, {}), '4.00', AceErrorCode.invalid_request);
  bench.close();
});

test('RFC 8516: a client with too many living tokens is told to wait, and may go on when they have expired', async () => {
  const bench = new Workbench({ tokensPerClient: 2 });
  await bench.granted(c1, { audience: 'rs1' });
  await bench.granted(c1, { audience: 'rs1' });
  const refused = await bench.ask(c1, { audience: 'rs1' });
  assertRefused(refused, '4.29');
  assert.equal(uintOf(refused.options, OptionNumber.MaxAge), 60);
  await bench.granted('client:c2', { audience: 'rs1' });
  await bench.clock.advance(3601);
  await bench.granted(c1, { audience: 'rs1' });
  bench.close();
});

test('tokensPerClient: requests at once get no more tokens than one after the other', async () => {
  const bench = new Workbench({ tokensPerClient: 2 });
  const codes = async (): Promise<string[]> =>
    (await Promise.all(Array.from({ length: 6 }, () => bench.ask(c1, { audience: 'rs1' })))).map(({ code }) => formatCode(code)).sort();
  assert.deepEqual(await codes(), ['2.01', '2.01', '4.29', '4.29', '4.29', '4.29']);
  assert.equal(bench.records.count('c1'), 2);
  await bench.clock.advance(3601);
  // What was refused, for whatever reason, is not counted.
  for (let i = 0; i < 3; i++) assertRefused(await bench.ask(c1, { audience: 'rs9' }), '4.00', AceErrorCode.invalid_request);
  assert.deepEqual(await codes(), ['2.01', '2.01', '4.29', '4.29', '4.29', '4.29']);
  bench.close();
});

test('what lives in memory and store ends with its lifetimes', async () => {
  const bench = new Workbench();
  for (let i = 0; i < 5; i++) await bench.granted(c1, { audience: i % 2 ? 'rs1' : 'rs2' });
  assert.equal(bench.records.size, 5);
  assert.equal((await keysOf(bench.store, 'as/token/')).length, 5);
  assert.equal((await keysOf(bench.store, 'as/oscore/')).length, 5);
  await bench.clock.advance(3601);
  assert.equal(bench.records.size, 0);
  assert.equal(bench.records.count('c1'), 0);
  await bench.clock.advance(400);
  assert.equal(bench.profiles.get(2)?.stats()['inputMaterials'], 0);
  assert.deepEqual(await keysOf(bench.store, 'as/'), []);
  assert.equal(bench.clock.timers, 0);
  bench.close();
});

test('no token, key or secret is in an event', async () => {
  const bench = new Workbench();
  const { response, claims } = await bench.granted(c1, { audience: 'rs1' });
  await bench.ask(c1, { audience: 'rs1', scope: 'nothing' });
  const log = JSON.stringify(bench.events);
  for (const secret of [response.accessToken, oscBytes(claims.cnf, 2)]) {
    assert.equal(log.includes(toHex(secret)), false);
    assert.equal(log.includes(JSON.stringify([...secret])), false);
  }
  assert.equal(log.includes('invalid_scope'), true);
  bench.close();
});

test('RFC 9200 Appendix C: unknownKey of the profile answers a kid that it does not know', async () => {
  const other: Profile = {
    id: 2,
    name: 'other',
    as: () => ({
      unknownKey: AceErrorCode.unsupported_pop_key,
      confidential: false,
      layers: [],
      addPeer: async () => {},
      removePeer: () => {},
      bind: async () => undefined,
      stats: () => ({}),
      close: async () => {},
    }),
  };
  const bench = new Workbench({ profiles: [other] });
  assertRefused(await bench.ask(c1, { audience: 'rs1', reqCnf: { kid: fromHex('01') } }), '4.00', AceErrorCode.unsupported_pop_key);
  bench.close();
});

test('a token, its key and its record become durable in one batch, and again with another key where another process got ahead', async () => {
  const bench = new Workbench();
  const batches: (readonly Change[])[] = [];
  const batch = bench.store.batch;
  bench.store.batch = async (changes) => {
    // The identifier is taken while the token is made.
    if (batches.length === 0) await bench.store.put(changes[0]!.key, Uint8Array.of(0x80));
    batches.push(changes);
    return batch(changes);
  };
  const { accessToken } = decodeTokenResponse((await bench.ask(c1, { audience: 'rs1' })).payload);
  assert.deepEqual(
    batches.map((changes) => changes.map(({ key }) => key.replace(/token\/.*/, 'token'))),
    [
      ['as/oscore/rs1/00', 'as/token'],
      ['as/oscore/rs1/01', 'as/token'],
    ],
  );
  assert.deepEqual(await bench.records.find(accessToken!), { client: 'c1', resourceServer: 'rs1', expiresAt: bench.clock.epoch() + 3600 });
  assert.equal(bench.records.size, 1);
  bench.close();
});

test('RFC 9201 3.2: rs_cnf stands in each response for an RS with a public key where a deployment says so', async () => {
  // The generator of P-256.
  const x = fromHex('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296');
  const y = fromHex('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5');
  const rawPublicKey = { kty: 2, crv: 1, x, y };
  const resourceServers = [{ ...rs1, rawPublicKey }, rs2];
  for (const nameServerKey of [false, true]) {
    const bench = new Workbench({ resourceServers, tokenRules: { nameServerKey } });
    const { response } = await bench.granted(c1, { audience: 'rs1', scope: 'r_temp' });
    assert.deepEqual(response.rsCnf?.coseKey?.x, nameServerKey ? rawPublicKey.x : undefined);
    assert.equal((await bench.granted(c1, { audience: 'rs2' })).response.rsCnf, undefined, 'it has none');
    bench.close();
  }
});
