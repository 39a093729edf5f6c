import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceErrorCode, decodeTokenResponse, GrantType, type TokenRequest, type TokenResponse } from '../../../src/ace/index.ts';
import type { ClientRegistration, GrantTypeName } from '../../../src/as/index.ts';
import { concat, equalBytes, toHex } from '../../../src/core/bytes.ts';
import { assertRefused, type BenchOptions, clients, keysOf, rs1, Workbench } from '../support.ts';

const grantTypes: readonly GrantTypeName[] = ['client_credentials', 'refresh_token'];
const refreshing: readonly ClientRegistration[] = clients.map((client) => ({ ...client, grantTypes }));

function benchWith(options: BenchOptions = {}): Workbench {
  return new Workbench({
    clients: refreshing,
    grantTypes,
    refreshTokens: { lifetime: 100_000, familyLifetime: 250_000, clientCredentials: true },
    ...options,
  });
}

/** The first grant of c1 at rs1, with its refresh token. */
async function first(bench: Workbench): Promise<TokenResponse & { readonly refreshToken: Uint8Array }> {
  const { response } = await bench.granted('client:c1', { audience: 'rs1', scope: 'r_temp w_led' });
  assert.ok(response.refreshToken !== undefined);
  return { ...response, refreshToken: response.refreshToken };
}

const by = (refreshToken: Uint8Array, more: TokenRequest = {}): TokenRequest => ({ grantType: GrantType.refresh_token, refreshToken, ...more });

async function active(bench: Workbench, token: Uint8Array): Promise<boolean> {
  return (await bench.records.find(token)) !== undefined;
}

test('RFC 6749 4.4.3: client_credentials come with a refresh token only where the server says so', async () => {
  const bench = benchWith({ refreshTokens: {} });
  const { response } = await bench.granted('client:c1', { audience: 'rs1' });
  assert.equal(response.refreshToken, undefined);
});

test('RFC 6749 6, RFC 9200 5.8.1: a refresh token gives a token for the same key, audience and scope, and is replaced', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  assert.equal(granted.refreshToken.length, 32);
  const { response, claims } = await bench.granted('client:c1', by(granted.refreshToken));
  assert.equal(claims.aud, 'rs1');
  assert.equal(claims.scope, 'r_temp w_led');
  assert.deepEqual(response.cnf, granted.cnf);
  assert.deepEqual(claims.cnf, granted.cnf);
  assert.ok(response.refreshToken !== undefined && !equalBytes(response.refreshToken, granted.refreshToken));
  assert.ok(await active(bench, granted.accessToken));
});

test('RFC 9200 5.8.1: after the end of its token too the key is that of the first', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  await bench.clock.advance(50_000);
  assert.equal(await active(bench, granted.accessToken), false);
  const { claims } = await bench.granted('client:c1', by(granted.refreshToken));
  assert.deepEqual(claims.cnf, granted.cnf);
});

test('RFC 9203 3.2: with req_cnf the token changes the rights of the living association', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  const kid = granted.cnf!.osc!.get(0) as Uint8Array;
  const { response, claims } = await bench.granted('client:c1', by(granted.refreshToken, { reqCnf: { kid } }));
  assert.deepEqual(claims.cnf, { kid });
  assert.equal(response.cnf, undefined);
  const foreign = await bench.ask('client:c1', by(response.refreshToken!, { reqCnf: { kid: Uint8Array.of(0x7f) } }));
  assertRefused(foreign, '4.00', AceErrorCode.invalid_request);
});

test('RFC 6749 6: the scope may be narrower and not wider; the next refresh token has the first scope', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  const narrow = await bench.granted('client:c1', by(granted.refreshToken, { scope: 'r_temp' }));
  assert.equal(narrow.claims.scope, 'r_temp');
  assertRefused(await bench.ask('client:c1', by(narrow.response.refreshToken!, { scope: 'r_temp other' })), '4.00', AceErrorCode.invalid_scope);
  const full = await bench.granted('client:c1', by(narrow.response.refreshToken!));
  assert.equal(full.claims.scope, 'r_temp w_led');
});

test('RFC 9200 5.8.1: another audience is refused', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  assertRefused(await bench.ask('client:c1', by(granted.refreshToken, { audience: 'rs2' })), '4.00', AceErrorCode.invalid_request);
});

test('RFC 6749 5.2: what is no refresh token, is missing, or is of another client', async () => {
  const bench = benchWith();
  const { refreshToken } = await first(bench);
  assertRefused(await bench.ask('client:c1', { grantType: GrantType.refresh_token }), '4.00', AceErrorCode.invalid_request);
  for (const bad of [new Uint8Array(0), new Uint8Array(32), refreshToken.subarray(1), concat(refreshToken, Uint8Array.of(0))]) {
    assertRefused(await bench.ask('client:c1', by(bad)), '4.00', AceErrorCode.invalid_grant);
  }
  assertRefused(await bench.ask('client:c2', by(refreshToken)), '4.00', AceErrorCode.invalid_grant);
  // Who has stolen it and not the channel does no harm to the client.
  await bench.granted('client:c1', by(refreshToken));
});

test('RFC 6749 10.4: an answer that was lost is given again, until what it brought is used', async () => {
  const bench = benchWith();
  const { refreshToken } = await first(bench);
  const lost = await bench.granted('client:c1', by(refreshToken));
  const again = await bench.granted('client:c1', by(refreshToken));
  assert.deepEqual(again.response.refreshToken, lost.response.refreshToken);
  assert.deepEqual(again.claims.cnf, lost.claims.cnf);
  const both = await Promise.all([bench.granted('client:c1', by(again.response.refreshToken!)), bench.granted('client:c1', by(again.response.refreshToken!))]);
  assert.deepEqual(both[0].response.refreshToken, both[1].response.refreshToken);
});

test('RFC 6749 10.4: an old refresh token revokes its family, and every living token of it', async () => {
  const bench = benchWith();
  const granted = await first(bench);
  const second = await bench.granted('client:c1', by(granted.refreshToken));
  const third = await bench.granted('client:c1', by(second.response.refreshToken!));
  const other = await first(bench);
  assertRefused(await bench.ask('client:c1', by(granted.refreshToken)), '4.00', AceErrorCode.invalid_grant);
  for (const { accessToken } of [granted, second.response, third.response]) assert.equal(await active(bench, accessToken), false);
  assertRefused(await bench.ask('client:c1', by(third.response.refreshToken!)), '4.00', AceErrorCode.invalid_grant);
  assert.ok(await active(bench, other.accessToken));
  await bench.granted('client:c1', by(other.refreshToken));
  const revoked = bench.events.find(({ type }) => type === 'grant-revoked');
  assert.ok(revoked?.type === 'grant-revoked' && revoked.reason === 'refresh-token-reuse');
  assert.equal(revoked.tokens.length, 3);
});

test('refresh tokens end by themselves, and their family with them', async () => {
  const bench = benchWith();
  const idle = await first(bench);
  await bench.clock.advance(100_000);
  assertRefused(await bench.ask('client:c1', by(idle.refreshToken)), '4.00', AceErrorCode.invalid_grant);
  let { refreshToken } = await first(bench);
  for (let turn = 0; turn < 3; turn++) {
    await bench.clock.advance(80_000);
    refreshToken = (await bench.granted('client:c1', by(refreshToken))).response.refreshToken!;
  }
  await bench.clock.advance(10_000);
  assertRefused(await bench.ask('client:c1', by(refreshToken)), '4.00', AceErrorCode.invalid_grant);
});

test('a client that lost its grant gets nothing for its refresh token', async () => {
  const bench = benchWith();
  const { refreshToken } = await first(bench);
  const later = benchWith({ store: bench.store, clock: bench.clock, clients: refreshing.map((client) => ({ ...client, grants: [] })), resourceServers: [rs1] });
  assertRefused(await later.ask('client:c1', by(refreshToken)), '4.00', AceErrorCode.invalid_request);
});

test('RFC 6749 5.2: the grant type has to be offered by the server, and allowed to the client', async () => {
  const off = new Workbench();
  assertRefused(await off.ask('client:c1', by(new Uint8Array(32))), '4.00', AceErrorCode.unsupported_grant_type);
  assertRefused(await off.ask('client:c1', { grantType: 99 }), '4.00', AceErrorCode.unsupported_grant_type);
  const notHers = new Workbench({ grantTypes });
  assertRefused(await notHers.ask('client:c1', by(new Uint8Array(32))), '4.00', AceErrorCode.unauthorized_client);
});

test('the store has neither a refresh token nor the key that it is for', async () => {
  const bench = benchWith();
  const { refreshToken, cnf } = await first(bench);
  const secret = cnf!.osc!.get(2) as Uint8Array;
  const next = await bench.granted('client:c1', by(refreshToken));
  const secrets = [refreshToken, refreshToken.subarray(16), next.response.refreshToken!.subarray(16), secret].map(toHex);
  for (const key of await keysOf(bench.store, 'as/')) {
    const value = toHex((await bench.store.get(key)) ?? new Uint8Array(0));
    for (const hidden of secrets) assert.ok(!value.includes(hidden) && !key.includes(hidden), key);
  }
  assert.equal((await keysOf(bench.store, 'as/refresh/')).length, 1);
});

test('a crash between the store and the answer: another process of the AS gives the answer that was lost', async () => {
  const bench = benchWith();
  const { refreshToken, cnf } = await first(bench);
  const lost = decodeTokenResponse((await bench.ask('client:c1', by(refreshToken))).payload);
  bench.close();
  const restarted = benchWith({ store: bench.store, clock: bench.clock });
  const { response, claims } = await restarted.granted('client:c1', by(refreshToken));
  assert.deepEqual(response.refreshToken, lost.refreshToken);
  assert.deepEqual(claims.cnf, cnf);
  await restarted.granted('client:c1', by(response.refreshToken!));
});
