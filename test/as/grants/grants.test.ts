import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import {
  AceErrorCode,
  decodeError,
  decodeIntrospectionResponse,
  decodeTokenResponse,
  encodeIntrospectionRequest,
  GrantType,
  type TokenRequest,
  tokenHashText,
} from '../../../src/ace/index.ts';
import {
  AuthorizationServer,
  type AuthorizationServerEvent,
  type CodeGrant,
  type GrantTypeName,
  hashSecret,
  issueCode,
  removePassword,
  setPassword,
} from '../../../src/as/index.ts';
import { TokenRecords } from '../../../src/as/token/token-records.ts';
import { formatCode, OptionNumber, uintOf } from '../../../src/coap/index.ts';
import { toHex, utf8 } from '../../../src/core/bytes.ts';
import { openCwt } from '../../../src/core/cwt.ts';
import { systemEnv } from '../../../src/core/env.ts';
import { memoryStore, type Store, StoreError } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';
import { Flow } from '../flow.ts';
import { assertRefused, association, cheap, clients, encryptKey, keysOf, rs1, rs2, Workbench } from '../support.ts';

const grantTypes: readonly GrantTypeName[] = ['client_credentials', 'refresh_token', 'password', 'authorization_code'];
const everyGrant = clients.map((client) => ({ ...client, grantTypes }));
const benchWith = (): Workbench => new Workbench({ clients: everyGrant, grantTypes });

/** A code for c4, which has no grants of its own. */
function codeFor(bench: Workbench, more: Partial<CodeGrant> = {}): Promise<Uint8Array> {
  const grant = { client: 'c4', audience: 'rs1', scope: 'r_temp w_led', expiresAt: bench.clock.epoch() + 60, ...more };
  return issueCode(bench.store, bench.clock, grant);
}
const withCode = (code: Uint8Array, more: TokenRequest = {}): TokenRequest => ({ grantType: GrantType.authorization_code, code, ...more });

test('RFC 6749 4.1.3: a code gives its client what the owner granted, with a refresh token', async () => {
  const bench = benchWith();
  const { response, claims } = await bench.granted('client:c4', withCode(await codeFor(bench)));
  assert.equal(claims.aud, 'rs1');
  assert.equal(claims.scope, 'r_temp w_led');
  const refresh = { grantType: GrantType.refresh_token, refreshToken: response.refreshToken! };
  assert.deepEqual((await bench.granted('client:c4', refresh)).claims.cnf, response.cnf);
});

test('RFC 6749 4.1.2: a second use of a code is refused and revokes what came of the first', async () => {
  const bench = benchWith();
  const code = await codeFor(bench);
  const { response } = await bench.granted('client:c4', withCode(code));
  const next = await bench.granted('client:c4', { grantType: GrantType.refresh_token, refreshToken: response.refreshToken! });
  // Long after the code itself is over, while something lives that came of it.
  await bench.clock.advance(3000);
  assertRefused(await bench.ask('client:c4', withCode(code)), '4.00', AceErrorCode.invalid_grant);
  for (const { accessToken } of [response, next.response]) assert.equal(await bench.records.find(accessToken), undefined);
  const refresh = { grantType: GrantType.refresh_token, refreshToken: next.response.refreshToken! };
  assertRefused(await bench.ask('client:c4', refresh), '4.00', AceErrorCode.invalid_grant);
});

test('RFC 6749 4.1.2: without refresh tokens too a second use revokes; of two at once at most one is of use', async () => {
  const some: readonly GrantTypeName[] = ['authorization_code'];
  const bench = new Workbench({ clients: clients.map((client) => ({ ...client, grantTypes: some })), grantTypes: some });
  const code = await codeFor(bench);
  const answers = await Promise.all([bench.ask('client:c4', withCode(code)), bench.ask('client:c4', withCode(code))]);
  assert.deepEqual(answers.map(({ code: answered }) => formatCode(answered)).sort(), ['2.01', '4.00']);
  assert.equal(bench.events.filter(({ type }) => type === 'grant-revoked').length, 1);
});

test('RFC 6749 4.1.2: what a process began to revoke before it was killed is revoked by the next', async () => {
  const clock = new Clock();
  const inner = memoryStore({ env: clock });
  const scan: Store['scan'] = (prefix, options) => {
    if (prefix.startsWith('as/family/')) throw new StoreError('ERR_STORE_IO', 'expected a process that lives, got none');
    return inner.scan(prefix, options);
  };
  const killed = new Workbench({ clients: everyGrant, grantTypes, clock, store: { ...inner, scan } });
  const code = await codeFor(killed);
  const { response } = await killed.granted('client:c4', withCode(code));
  await assert.rejects(killed.ask('client:c4', withCode(code)), { code: 'ERR_STORE_IO' });
  const find = (): Promise<unknown> => new TokenRecords({ store: inner, env: clock }).find(response.accessToken);
  assert.notEqual(await find(), undefined);
  const events: AuthorizationServerEvent[] = [];
  const emit = (event: AuthorizationServerEvent): unknown => events.push(event);
  const registered = { profiles: [oscoreProfile], clients: everyGrant, resourceServers: [rs1, rs2] };
  const next = new AuthorizationServer({ store: inner, env: clock, grantTypes, ...registered, emit });
  await next.start();
  assert.equal(await find(), undefined);
  const told = events.filter((event) => event.type === 'grant-revoked');
  assert.deepEqual(
    told.map(({ client, reason, tokens }) => [client, reason, tokens.length]),
    [['c4', 'code-reuse', 1]],
  );
  assert.deepEqual(await keysOf(inner, 'as/revoking/'), []);
  await next.close();
});

test('RFC 6749 4.1.2: what could not be revoked while the store was gone is revoked by the same process once it is back', async () => {
  for (const gone of ['put', 'scan', 'batch'] as const) {
    const inner = memoryStore();
    let fails = false;
    const failing = (): void => {
      if (fails) throw new StoreError('ERR_STORE_IO', 'expected a store that is there, got none');
    };
    const store: Store = {
      ...inner,
      put: async (key, ...more) => {
        if (gone === 'put' && key.startsWith('as/revoking/')) failing();
        return inner.put(key, ...more);
      },
      scan: (prefix, options) => {
        if (gone === 'scan' && prefix.startsWith('as/family/')) failing();
        return inner.scan(prefix, options);
      },
      batch: async (changes) => {
        if (gone === 'batch' && changes.some(({ key }) => key.startsWith('as/trl/'))) failing();
        return inner.batch(changes);
      },
    };
    const flow = new Flow({ store, clients: everyGrant, grantTypes }, { epoch: Math.floor(systemEnv.epoch()) });
    const server = await flow.start();
    const env = flow.sim.env('codes');
    const party = flow.peer(everyGrant[3]!.credentials, 4);
    const code = await issueCode(inner, env, { client: 'c4', audience: 'rs1', scope: 'r_temp', expiresAt: env.epoch() + 600 });
    const token = decodeTokenResponse((await party.token(withCode(code))).payload).accessToken;
    fails = true;
    assert.equal(formatCode((await party.token(withCode(code))).code), '5.00', gone);
    const find = (): Promise<unknown> => new TokenRecords({ store: inner, env }).find(token);
    assert.equal(server.stats()['unfinished'], 1);
    assert.notEqual(await find(), undefined);
    fails = false;
    await flow.sim.sleep(1000);
    assert.equal(await find(), undefined, gone);
    assert.equal(server.stats()['unfinished'], 0);
    assert.deepEqual(
      flow.events.flatMap((event) => (event.type === 'grant-revoked' ? [[event.client, event.reason, event.tokens.length]] : [])),
      [['c4', 'code-reuse', 1]],
    );
    for (const prefix of ['as/revoking/', 'as/family/']) assert.deepEqual(await keysOf(inner, prefix), []);
    await party.close();
    await server.close();
  }
});

test('RFC 6749 6: a resource owner who is no more takes along what they granted by a password', async () => {
  const bench = benchWith();
  for (const user of ['anna', 'bob']) await setPassword(bench.store, systemEnv.random, user, 'correct horse', cheap);
  const [ofAnna, ofBob] = [
    await bench.granted('client:c1', withPassword('anna', 'correct horse')),
    await bench.granted('client:c1', withPassword('bob', 'correct horse')),
  ];
  assert.equal(await removePassword(bench.store, 'anna'), true);
  const refresh = ({ response }: typeof ofAnna): TokenRequest => ({ grantType: GrantType.refresh_token, refreshToken: response.refreshToken! });
  assertRefused(await bench.ask('client:c1', refresh(ofAnna)), '4.00', AceErrorCode.invalid_grant);
  assert.equal(await bench.records.find(ofAnna.response.accessToken), undefined);
  await bench.granted('client:c1', refresh(ofBob));
  // Another of the name is another.
  await setPassword(bench.store, systemEnv.random, 'anna', 'correct horse', cheap);
  assertRefused(await bench.ask('client:c1', refresh(ofAnna)), '4.00', AceErrorCode.invalid_grant);
  const revoked = bench.events.filter((event) => event.type === 'grant-revoked');
  assert.deepEqual(revoked[0], { type: 'grant-revoked', client: 'c1', reason: 'account', tokens: [tokenHashText(ofAnna.response.accessToken)] });
});

test('RFC 6749 4.1.3, 5.2: a code of another client, for another audience or redirect_uri, of the past, or none', async () => {
  const bench = benchWith();
  const ask = async (client: string, request: TokenRequest): Promise<void> =>
    assertRefused(await bench.ask(client, request), '4.00', AceErrorCode.invalid_grant);
  const code = await codeFor(bench, { redirectUri: 'app:/here' });
  await ask('client:c1', withCode(code, { redirectUri: 'app:/here' }));
  await ask('client:c4', withCode(code));
  await ask('client:c4', withCode(code, { redirectUri: 'app:/there' }));
  await ask('client:c4', withCode(code, { redirectUri: 'app:/here', audience: 'rs2' }));
  await ask('client:c4', withCode(new Uint8Array(32)));
  await ask('client:c4', withCode(new Uint8Array(3)));
  assertRefused(await bench.ask('client:c4', { grantType: GrantType.authorization_code }), '4.00', AceErrorCode.invalid_request);
  const { claims } = await bench.granted('client:c4', withCode(code, { redirectUri: 'app:/here', scope: 'w_led x' }));
  assert.equal(claims.scope, 'w_led');
  const old = await codeFor(bench);
  await bench.clock.advance(60);
  await ask('client:c4', withCode(old));
});

test('codes are short-lived, and the store does not have them', async () => {
  const bench = benchWith();
  for (const expiresAt of [bench.clock.epoch() - 1, bench.clock.epoch() + 601, Number.NaN]) {
    await assert.rejects(codeFor(bench, { expiresAt }), { code: 'ERR_AS_CODE' });
  }
  await assert.rejects(codeFor(bench, { client: '' }), { code: 'ERR_AS_CODE' });
  const code = toHex(await codeFor(bench));
  for (const key of await keysOf(bench.store, 'as/code/')) assert.ok(!key.includes(code) && !toHex((await bench.store.get(key))!).includes(code));
});

const withPassword = (username: string, password: string): TokenRequest => ({ grantType: GrantType.password, audience: 'rs1', username, password });

test('RFC 6749 4.3: a user name and its password, within what the client may have', async () => {
  const bench = benchWith();
  await setPassword(bench.store, systemEnv.random, 'änne', 'correct horse', cheap);
  const { claims, response } = await bench.granted('client:c1', withPassword('änne', 'correct horse'));
  assert.equal(claims.scope, 'r_temp');
  assert.ok(response.refreshToken !== undefined);
  for (const [user, password] of [
    ['änne', 'wrong horse'],
    ['nobody', 'correct horse'],
    ['', 'x'],
    ['x'.repeat(500), 'x'],
    ['änne', 'y'.repeat(2000)],
  ] as const) {
    assertRefused(await bench.ask('client:c1', withPassword(user, password)), '4.00', AceErrorCode.invalid_grant);
  }
  assertRefused(await bench.ask('client:c1', { grantType: GrantType.password, username: 'änne' }), '4.00', AceErrorCode.invalid_request);
  assertRefused(await bench.ask('client:c4', withPassword('änne', 'correct horse')), '4.00', AceErrorCode.invalid_request);
  await assert.rejects(setPassword(bench.store, systemEnv.random, 'u', 'short', cheap), { code: 'ERR_AS_SECRET' });
});

test('RFC 6749 4.3.2, RFC 8516: many tries for one user are told to wait, whoever the user is; other users are not', async () => {
  const bench = benchWith();
  await setPassword(bench.store, systemEnv.random, 'anna', 'correct horse', cheap);
  for (const user of ['anna', 'nobody']) {
    for (let i = 0; i < 10; i++) assertRefused(await bench.ask('client:c1', withPassword(user, `guess ${i}`)), '4.00', AceErrorCode.invalid_grant);
    const answer = await bench.ask('client:c1', withPassword(user, 'correct horse'));
    assert.equal(formatCode(answer.code), '4.29');
    assert.equal(uintOf(answer.options, OptionNumber.MaxAge), 30);
  }
  await bench.clock.advance(30);
  await bench.granted('client:c1', withPassword('anna', 'correct horse'));
});

test('RFC 6749 2.3.1: a client with a secret has to show it, beside being the peer of its channel', async () => {
  const secret = await hashSecret(utf8('s3cret-s3cret'), systemEnv.random, cheap);
  const bench = new Workbench({ clients: clients.map((client) => (client.id === 'c1' ? { ...client, secret } : client)) });
  for (const request of [{}, { clientSecret: utf8('other') }]) {
    const answer = await bench.ask('client:c1', { audience: 'rs1', ...request });
    assert.equal(formatCode(answer.code), '4.01');
    assert.equal(decodeError(19, answer.payload)?.error, AceErrorCode.invalid_client);
  }
  for (let i = 0; i < 2; i++) await bench.granted('client:c1', { audience: 'rs1', clientSecret: utf8('s3cret-s3cret') });
  assertRefused(await bench.ask('client:c2', { audience: 'rs1', clientSecret: utf8('s3cret-s3cret') }), '4.00', AceErrorCode.invalid_request);
  assert.throws(() => new Workbench({ clients: clients.map((client) => ({ ...client, secret: 'scrypt$1$2' })) }), {
    code: 'ERR_AS_CONFIG',
    message: 'client "c1": secret: expected a hash of the form scrypt$N$r$p$salt$hash, got another text',
  });
  assert.throws(() => new Workbench({ clients: clients.map((client) => ({ ...client, grantTypes: ['implicit' as GrantTypeName] })) }), {
    code: 'ERR_AS_CONFIG',
  });
});

test('RFC 6749 2.3.1: who has the key of a client and guesses its secret is told to wait; the client that has shown it goes on', async () => {
  const secret = await hashSecret(utf8('s3cret-s3cret'), systemEnv.random, cheap);
  const bench = new Workbench({ clients: clients.map((client) => ({ ...client, secret })) });
  const right = { audience: 'rs1', clientSecret: utf8('s3cret-s3cret') };
  await bench.granted('client:c1', right);
  const codes: string[] = [];
  for (let i = 0; i < 11; i++) codes.push(formatCode((await bench.ask('client:c1', { audience: 'rs1', clientSecret: utf8(`guess ${i}`) })).code));
  assert.deepEqual(codes, [...Array.from({ length: 9 }, () => '4.01'), '4.29', '4.29']);
  await bench.granted('client:c1', right);
  await bench.granted('client:c2', right);
  await bench.clock.advance(30);
  assert.equal(formatCode((await bench.ask('client:c1', { audience: 'rs1', clientSecret: utf8('another') })).code), '4.01');
});

test('token keys roll over: the AS protects with the key whose time began last, and introspection knows the old one', async () => {
  const bench = new Workbench();
  const now = bench.clock.epoch();
  const [old, next] = [encryptKey(1), encryptKey(8)];
  const tokenKeys = [
    { ...old, until: now + 200 },
    { ...next, from: now + 100 },
  ];
  const rolling = new Workbench({ clock: bench.clock, resourceServers: [{ ...rs1, tokenKeys }, rs2] });
  const kidOf = async (): Promise<string> => {
    const { response } = await rolling.granted('client:c1', { audience: 'rs1' });
    const asked = { payload: encodeIntrospectionRequest({ token: response.accessToken }), contentFormat: 19, association: association('rs:rs1') };
    assert.equal(decodeIntrospectionResponse((await rolling.introspection.answer(asked)).payload).active, true);
    return toHex(openCwt(response.accessToken, [old, next]).key.kid!);
  };
  assert.equal(await kidOf(), '01');
  await rolling.clock.advance(100);
  assert.equal(await kidOf(), '08');
  await rolling.clock.advance(200);
  assert.equal(await kidOf(), '08');
  const over = new Workbench({ clock: bench.clock, resourceServers: [{ ...rs1, tokenKeys: [{ ...old, until: now }] }, rs2] });
  await assert.rejects(over.ask('client:c1', { audience: 'rs1' }), { code: 'ERR_AS_TOKEN_KEY' });
  assert.throws(() => new Workbench({ resourceServers: [{ ...rs1, tokenKeys: [{ ...old, from: 5, until: 5 }] }, rs2] }), { code: 'ERR_AS_CONFIG' });
});

test('RFC 7252 5.9.3.4: more passwords of one client at once than it may show are 5.03 with Max-Age, and no tries of their users', async () => {
  const bench = benchWith();
  await setPassword(bench.store, systemEnv.random, 'anna', 'correct horse', cheap);
  const names = [...Array.from({ length: 8 }, (_, i) => `user${i}`), ...Array.from({ length: 20 }, () => 'anna')];
  const answers = await Promise.all(names.map((name) => bench.ask('client:c1', withPassword(name, 'wrong horse'))));
  for (const answer of answers.slice(0, 8)) assertRefused(answer, '4.00', AceErrorCode.invalid_grant);
  for (const answer of answers.slice(8)) {
    assertRefused(answer, '5.03');
    assert.equal(uintOf(answer.options, OptionNumber.MaxAge), 5);
  }
  const others = await Promise.all(['client:c1', 'client:c2'].map((client) => bench.ask(client, withPassword('anna', 'correct horse'))));
  for (const answer of others) assert.equal(formatCode(answer.code), '2.01');
  bench.close();
});
