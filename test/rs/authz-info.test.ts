import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceError, encodeAif } from '../../src/ace/index.ts';
import { Code, ContentFormat, Endpoint, formatCode, Method, OptionNumber, pathOptions, sortOptions, uintOf, uintOption } from '../../src/coap/index.ts';
import { concat, utf8 } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { encrypt0 } from '../../src/core/cose/index.ts';
import { type ClaimsSet, protectCwt, type TokenKey } from '../../src/core/cwt.ts';
import { Simulator } from '../support/simulator.ts';
import { Bench, holder, kid, macKey, tokenKey } from './support.ts';

const otherKey: TokenKey = { ...tokenKey, key: { kty: 4, k: new Uint8Array(16).fill(9) } };

interface Case {
  readonly name: string;
  readonly token: (bench: Bench) => Uint8Array;
  readonly code: string;
  readonly reason?: string;
}

const of =
  (claims: Partial<Record<keyof ClaimsSet, unknown>>): Case['token'] =>
  (bench) =>
    bench.token(claims);

const cases: readonly Case[] = [
  { name: 'a valid token', token: of({}), code: '2.01' },
  { name: 'not CBOR', token: () => Uint8Array.of(0xff, 0xff), code: '4.00', reason: 'ERR_RS_TOKEN_FORMAT' },
  { name: 'no bytes at all', token: () => new Uint8Array(0), code: '4.00', reason: 'ERR_RS_TOKEN_FORMAT' },
  { name: 'CBOR that is no CWT', token: () => encode('token'), code: '4.00', reason: 'ERR_RS_TOKEN_FORMAT' },
  { name: 'bytes after the token', token: (b) => concat(b.token(), Uint8Array.of(0)), code: '4.00', reason: 'ERR_RS_TOKEN_FORMAT' },
  { name: 'a security wrapper that fails', token: (b) => b.token({}, otherKey), code: '4.01', reason: 'ERR_RS_TOKEN_PROTECTION' },
  { name: 'a wrapper of another kind', token: (b) => b.token({}, macKey), code: '4.01', reason: 'ERR_RS_TOKEN_PROTECTION' },
  { name: 'claims that cannot be read', token: badClaims, code: '4.00', reason: 'ERR_RS_TOKEN_FORMAT' },
  { name: 'iss of the AS whose key it is', token: of({ iss: 'as1' }), code: '2.01' },
  { name: 'iss of another AS', token: of({ iss: 'as2' }), code: '4.01', reason: 'ERR_RS_ISSUER' },
  { name: 'exp in the past', token: (b) => b.token({ exp: b.now - 1 }), code: '4.01', reason: 'ERR_RS_EXPIRED' },
  { name: 'exp with a fraction that is in the past', token: (b) => b.token({ exp: b.now + 0.001 }), code: '4.01', reason: 'ERR_RS_EXPIRED' },
  { name: 'no end at all', token: of({ exp: undefined }), code: '4.01', reason: 'ERR_RS_EXPIRED' },
  { name: 'nbf in the future', token: (b) => b.token({ nbf: b.now + 10 }), code: '4.01', reason: 'ERR_RS_NOT_YET' },
  { name: 'nbf in the past', token: (b) => b.token({ nbf: b.now - 10 }), code: '2.01' },
  { name: 'aud of another RS', token: of({ aud: 'rs2' }), code: '4.03', reason: 'ERR_RS_AUDIENCE' },
  { name: 'no aud', token: of({ aud: undefined }), code: '4.03', reason: 'ERR_RS_AUDIENCE' },
  { name: 'aud in a list', token: of({ aud: ['rs2', 'group1'] }), code: '2.01' },
  { name: 'scope that is not known', token: of({ scope: 'r_temp w_door' }), code: '4.00', reason: 'ERR_RS_SCOPE' },
  { name: 'scope with two spaces', token: of({ scope: 'r_temp  w_led' }), code: '4.00', reason: 'ERR_RS_SCOPE' },
  { name: 'scope of bytes where names are used', token: of({ scope: encodeAif([['temp', 1]]) }), code: '4.00', reason: 'ERR_RS_SCOPE' },
  { name: 'no scope', token: of({ scope: undefined }), code: '4.00', reason: 'ERR_RS_SCOPE' },
  { name: 'a key that the profile cannot use', token: of({ cnf: undefined }), code: '4.00', reason: 'ERR_FAKE_KEY' },
  { name: 'ace_profile of another profile', token: of({ aceProfile: 1 }), code: '4.00', reason: 'ERR_RS_PROFILE' },
  // The order of the list: the first that fails decides.
  { name: 'iss before exp', token: (b) => b.token({ iss: 'as2', exp: b.now - 1 }), code: '4.01', reason: 'ERR_RS_ISSUER' },
  { name: 'exp before aud', token: (b) => b.token({ exp: b.now - 1, aud: 'rs2' }), code: '4.01', reason: 'ERR_RS_EXPIRED' },
  { name: 'aud before scope', token: of({ aud: 'rs2', scope: 'nothing' }), code: '4.03', reason: 'ERR_RS_AUDIENCE' },
  { name: 'scope before cnf', token: of({ scope: 'nothing', cnf: undefined }), code: '4.00', reason: 'ERR_RS_SCOPE' },
];

/** Protected as it should be, and the scope is a number. */
function badClaims(bench: Bench): Uint8Array {
  const claims = new Map<number, unknown>([
    [3, 'rs1'],
    [9, 42],
  ]);
  const object = encrypt0({ key: tokenKey.key, algorithm: 10, plaintext: encode(claims as never), nonce: bench.simulator.env('n').random(13) });
  return encode(object);
}

for (const { name, token, code, reason } of cases) {
  test(`RFC 9200 5.10.1.1: ${name}: ${code}`, async () => {
    const bench = await new Bench().start();
    assert.equal(await bench.upload(token(bench)), code);
    assert.deepEqual(bench.refusals(), reason === undefined ? [] : [reason]);
    assert.equal(bench.rs.stats()['tokens'], code === '2.01' ? 1 : 0);
    await bench.close();
  });
}

test('RFC 9200 5.10.3, RFC 7519 4.1.4: a leeway for clocks that differ, to the moment', async () => {
  const bench = await new Bench({ rs: { leeway: 30 } }).start();
  for (const [claims, code] of [
    [{ exp: bench.now - 29 }, '2.01'],
    [{ exp: bench.now - 31 }, '4.01'],
    [{ nbf: bench.now + 29 }, '2.01'],
    [{ nbf: bench.now + 31 }, '4.01'],
  ] as const)
    assert.equal(await bench.upload(bench.token(claims)), code, JSON.stringify(claims));
  assert.deepEqual(bench.refusals(), ['ERR_RS_EXPIRED', 'ERR_RS_NOT_YET']);
  await bench.close();
});

test('RFC 9200 5.10.3: a leeway ends too, and a restart makes it no longer', async () => {
  const bench = await new Bench({ rs: { leeway: 30 } }).start();
  assert.equal(await bench.upload(bench.token({ exp: bench.now + 10 })), '2.01');
  const by = `${holder} 1`;
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(20_000);
  await bench.restart();
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.simulator.sleep(21_000);
  assert.equal(await bench.code('/temp', { by }), '4.01');
  assert.equal(bench.rs.stats()['tokens'], 0);
  await bench.close();
});

test('RFC 9200 5.10.3: without a leeway in the options there is none, and none above the cap', async () => {
  await assert.rejects(new Bench({ rs: { leeway: 301 } }).start(), {
    name: 'ResourceServerError',
    code: 'ERR_RS_CONFIG',
    message: 'leeway: expected 0 to 300 seconds, got 301',
  });
  await assert.rejects(new Bench({ rs: { leeway: 6, leewayCap: 5 } }).start(), { code: 'ERR_RS_CONFIG', message: 'leeway: expected 0 to 5 seconds, got 6' });
  for (const wrong of [
    { leeway: -1 },
    { leeway: Number.NaN },
    { leeway: Number.POSITIVE_INFINITY },
    { leewayCap: -1 },
    { leewayCap: Number.POSITIVE_INFINITY },
  ])
    await assert.rejects(new Bench({ rs: wrong }).start(), { code: 'ERR_RS_CONFIG' }, JSON.stringify(wrong));
  const bench = await new Bench({ rs: { leeway: 600, leewayCap: 600 } }).start();
  assert.equal(await bench.upload(bench.token({ exp: bench.now - 599 })), '2.01');
  await bench.close();
});

test('RFC 9200 5.10.1.1: any byte of the token altered: never accepted', async () => {
  const bench = await new Bench({ rs: { limits: { uploadBurst: 1000 } } }).start();
  const token = bench.token();
  for (let i = 0; i < token.length; i++) {
    const altered = token.slice();
    altered[i]! ^= 1;
    assert.match(await bench.upload(altered), /^4\.0[01]$/, `byte ${i}`);
  }
  assert.equal(bench.rs.stats()['tokens'], 0);
  await bench.close();
});

test('RFC 9200 5.10.1: every prefix of a token: refused', async () => {
  const bench = await new Bench({ rs: { limits: { uploadBurst: 1000 } } }).start();
  const token = bench.token();
  for (let length = 0; length < token.length; length++) assert.equal(await bench.upload(token.subarray(0, length)), '4.00', `${length} bytes`);
  await bench.close();
});

test('RFC 9200 5.10.1: a Content-Format of no profile: 4.15', async () => {
  const bench = await new Bench().start();
  assert.equal(await bench.upload(bench.token(), { options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)] }), '4.15');
  assert.equal(await bench.upload(bench.token(), { options: [] }), '4.15');
  assert.deepEqual(bench.refusals(), ['ERR_RS_CONTENT_FORMAT', 'ERR_RS_CONTENT_FORMAT']);
  await bench.close();
});

test('RFC 9200 5.10.1.2: GET, PUT and DELETE on authz-info: 4.05', async () => {
  const bench = await new Bench().start();
  for (const method of ['GET', 'PUT', 'DELETE'] as const) assert.equal(await bench.code('/authz-info', { method }), '4.05', method);
  await bench.close();
});

test('RFC 9200 5.10.1.2: uploads of one address are limited: 4.29 with the time to wait, and then they go on', async () => {
  const bench = await new Bench({ rs: { limits: { uploadBurst: 3, uploadRate: 0.1 } } }).start();
  const token = bench.token();
  for (let i = 0; i < 3; i++) assert.equal(await bench.upload(token), '2.01');
  const response = await bench.simulator.finish(
    bench.request('/authz-info', { method: 'POST', payload: token, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cwt)] }),
  );
  assert.equal(formatCode(response.code), '4.29');
  const wait = uintOf(response.options, OptionNumber.MaxAge);
  assert.equal(wait, 10);
  await bench.simulator.sleep(wait * 1000);
  assert.equal(await bench.upload(token), '2.01');
  await bench.simulator.sleep(100_000);
  assert.equal(bench.rs.stats()['uploaders'], 0);
  await bench.close();
});

test('RFC 9200 5.10.1.2: who has one IPv6 address has the whole /64, and all of it counts as one uploader', async () => {
  const bench = await new Bench({ rs: { limits: { uploadBurst: 3, uploadRate: 0.1 } } }).start();
  const from = async (address: string): Promise<string> => {
    const peer = new Endpoint({ transport: bench.simulator.transport(address, 5683), env: bench.simulator.env(address) });
    const options = sortOptions([...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, ContentFormat.Cwt)]);
    const { code } = await bench.simulator.finish(
      peer.request({ code: Method.POST, options, payload: bench.token(), peer: bench.simulator.peer('10.0.0.2', 5683) }),
    );
    await peer.close();
    return formatCode(code);
  };
  for (const host of ['1', '2', '3']) assert.equal(await from(`2001:db8::${host}`), '2.01');
  assert.equal(await from('2001:db8::4'), '4.29');
  assert.equal(await from('2001:db8:0:1::4'), '2.01');
  await bench.close();
});

test('RFC 9200 5.10.1: an upload that is too large: 4.13 on its first block, and nothing is kept', async () => {
  const bench = await new Bench({ rs: { limits: { upload: 512 } } }).start();
  assert.equal(await bench.upload(new Uint8Array(513)), '4.13');
  assert.equal(await bench.upload(new Uint8Array(5000)), '4.13');
  assert.deepEqual(bench.refusals(), ['size', 'size']);
  assert.equal(bench.rs.stats()['endpoint.blockwise.uploads'], 0);
  await bench.close();
});

test('RFC 9200 5.10.1: an upload in blocks', async () => {
  const bench = await new Bench({ rs: { scopes: { [`s${'x'.repeat(2000)}`]: { '/temp': ['GET'] } } } }).start();
  assert.equal(await bench.upload(bench.token({ scope: `s${'x'.repeat(2000)}` })), '2.01');
  assert.equal(await bench.code('/temp', { by: `${holder} 1` }), '2.05');
  await bench.close();
});

test('RFC 9200 5.10.1: the same token again: 2.01, and it is one token', async () => {
  const bench = await new Bench().start();
  const token = bench.token();
  assert.equal(await bench.upload(token), '2.01');
  assert.equal(await bench.upload(token), '2.01');
  assert.equal(bench.rs.stats()['tokens'], 1);
  await bench.close();
});

test('RFC 9203 4.2: whatever fails in a protected upload: 4.01, and the token in use stays', async () => {
  const bench = await new Bench().start();
  await bench.upload(bench.token());
  const by = `${holder} 1`;
  assert.equal(await bench.code('/temp', { by }), '2.05');
  for (const claims of [{ aud: 'rs2' }, { scope: 'nothing' }, { cnf: undefined }, { exp: 1 }]) {
    assert.equal(await bench.upload(bench.token(claims), { by }), '4.01', JSON.stringify(claims));
  }
  assert.equal(await bench.upload(utf8('nonsense'), { by }), '4.01');
  assert.equal(await bench.code('/temp', { by }), '2.05');
  await bench.close();
});

test('authz-info: what a profile refuses has its code, and a fault of ours is 5.00', async () => {
  const bench = await new Bench().start();
  bench.fake.refusal = new AceError('ERR_FAKE_BUSY', 'busy', { responseCode: Code.ServiceUnavailable, retryAfter: 5 });
  assert.equal(await bench.upload(bench.token()), '5.03');
  bench.fake.refusal = new TypeError('a fault') as never;
  assert.equal(await bench.upload(bench.token()), '5.00');
  assert.equal(bench.rs.stats()['tokens'], 0);
  assert.equal(bench.rs.stats()['uploads'], 0);
  await bench.close();
});

test('RFC 9237: a scope that is an AIF', async () => {
  const bench = await new Bench({ rs: { aif: true } }).start();
  assert.equal(await bench.upload(bench.token({ scope: encodeAif([['/temp', 1]]) })), '2.01');
  assert.equal(await bench.code('/temp', { by: `${holder} 1` }), '2.05');
  assert.equal(await bench.code('/led', { by: `${holder} 1` }), '4.03');
  assert.equal(await bench.upload(bench.token({ scope: Uint8Array.of(0xff) })), '4.00');
  await bench.close();
});

test('RFC 9200 5.3.1: a cnonce that is absent, wrong or old: 4.01', async () => {
  const bench = await new Bench({ rs: { cnonce: true } }).start();
  assert.equal(await bench.upload(bench.token()), '4.01');
  assert.equal(await bench.upload(bench.token({ cnonce: new Uint8Array(12) })), '4.01');
  assert.equal(await bench.upload(bench.token({ cnonce: new Uint8Array(3) })), '4.01');
  const { cnonce } = await bench.hints('/temp');
  assert.equal(await bench.upload(bench.token({ cnonce })), '2.01');
  assert.equal(await bench.upload(bench.token({ cnonce, cnf: { kid: Uint8Array.of(2) } })), '2.01', 'a token may be uploaded again while its cnonce is fresh');
  await bench.simulator.sleep(301_000);
  assert.equal(await bench.upload(bench.token({ cnonce })), '4.01');
  assert.deepEqual([...new Set(bench.refusals())], ['ERR_RS_CNONCE', 'unprotected']);
  await bench.close();
});

test('RFC 9200 5.10.1.1: a key of the issuer whose time is over protects no token any more: 4.01', async () => {
  const simulator = new Simulator();
  const until = Math.floor(simulator.env('rs').epoch()) + 10;
  const issuer = { issuer: 'as1', uri: 'coap://as.example/token', tokenKeys: [{ ...tokenKey, until }] };
  const bench = await new Bench({ simulator, rs: { issuers: [issuer] } }).start();
  assert.equal(await bench.upload(bench.token()), '2.01');
  await simulator.sleep(11_000);
  assert.equal(await bench.upload(bench.token()), '4.01');
  await bench.close();
});

test('RFC 8392 7.2: a token under COSE_Mac0, where the issuer is registered with such a key', async () => {
  const bench = await new Bench({ rs: { issuers: [{ issuer: 'as1', uri: 'coap://as.example/token', tokenKeys: [tokenKey, macKey] }] } }).start();
  const token = protectCwt({ aud: 'rs1', exp: bench.now + 10, scope: 'r_temp', cnf: { kid } }, macKey, () => new Uint8Array(0));
  assert.equal(await bench.upload(token), '2.01');
  await bench.close();
});
