import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CompactSign, FlattenedSign } from 'jose';
import type { OpenIdError } from '../../../../../profiles/seal/https/sim-c/openid-error.ts';
import type { OpenIdLogin, OpenIdSimC } from '../../../../../profiles/seal/https/sim-c/openid-sim-c.ts';
import { fromUtf8, toBase64Url, utf8 } from '../../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../../src/store/index.ts';
import { anna, clientId, FakeSimS, issuer, publicKeyText, redirectUri, strangeKey } from './fake-sims.ts';

async function logIn(simS: FakeSimS, simC: OpenIdSimC): Promise<OpenIdLogin> {
  const login = await simC.callback(simS.answer(await simC.authorizationUri()));
  assert.ok(login !== undefined);
  return login;
}

const isCode =
  (code: string, pattern = /./) =>
  (error: OpenIdError): boolean =>
    error.code === code && pattern.test(error.message);

test('TS 33.434 A.4.2.2: the authorization request has every parameter, and no two are alike', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC({ scope: 'km openid note:read' });
  const [one, two] = [new URL(await simC.authorizationUri()), new URL(await simC.authorizationUri({ loginHint: anna, prompt: 'login' }))];
  assert.equal(one.origin + one.pathname, `${issuer}/auth`);
  const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(one.searchParams);
  assert.deepEqual(rest, {
    response_type: 'code',
    client_id: clientId,
    scope: 'openid km note:read',
    redirect_uri: redirectUri,
    acr_values: '3gpp:acr:password',
    code_challenge_method: 'S256',
  });
  for (const value of [state, nonce, challenge]) assert.match(value!, /^[\w-]{43}$/);
  for (const name of ['state', 'nonce', 'code_challenge']) assert.notEqual(one.searchParams.get(name), two.searchParams.get(name));
  assert.deepEqual([two.searchParams.get('login_hint'), two.searchParams.get('prompt')], [anna, 'login']);
});

test('TS 33.434 A.4.2.4: the token request, with the secret in the Authorization header alone', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  const uri = await simC.authorizationUri();
  await simC.callback(simS.answer(uri));
  const [{ method, authorization, form }] = simS.tokenRequests as [(typeof simS.tokenRequests)[0]];
  assert.equal(method, 'POST');
  // RFC 6749, Section 2.3.1
  assert.equal(authorization, `Basic ${btoa('app+one:a%3Ab%25c')}`);
  const { code_verifier: verifier, ...rest } = form;
  assert.deepEqual(rest, { grant_type: 'authorization_code', code: 'the-code', client_id: clientId, redirect_uri: redirectUri });
  assert.equal(new URL(uri).searchParams.get('code_challenge'), createHash('sha256').update(verifier!).digest('base64url'));
});

test('TS 33.434 A.4.2.3: an answer with another state is dropped, and nothing is sent', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  const uri = await simC.authorizationUri();
  const right = simS.answer(uri);
  const before = simS.requests.length;
  const changed = ['x', '', undefined, new URL(uri).searchParams.get('state')!.slice(0, -1)].map((state) => simS.answer(uri, { state: state ?? '' }));
  const twice = `${right}&state=again`;
  for (const wrong of [...changed, twice, simS.answer(uri, { state: 'x', error: 'access_denied' }), 'no uri', redirectUri])
    assert.equal(await simC.callback(wrong), undefined);
  assert.equal(simS.requests.length, before);
  assert.ok((await simC.callback(right)) !== undefined);
  assert.equal(simS.tokenRequests.length, 1);
  // Once, and not after ten minutes.
  assert.equal(await simC.callback(right), undefined);
  const late = simS.answer(await simC.authorizationUri());
  simS.now += 601;
  assert.equal(await simC.callback(late), undefined);
  assert.equal(simS.tokenRequests.length, 1);
});

test('an answer that names an error, another SIM-S, or no code', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  const answers: readonly (readonly [changes: Record<string, string | undefined>, code: string, pattern: RegExp])[] = [
    [
      { error: 'access_denied', error_description: 'no\u001b[31m', code: undefined },
      'ERR_OPENID_REFUSED',
      /access_denied: no {2}\[31m|access_denied: no \[31m/,
    ],
    [{ iss: 'https://other.example' }, 'ERR_OPENID_RESPONSE', /^iss:/],
    [{ iss: undefined }, 'ERR_OPENID_RESPONSE', /^iss:/],
    [{ code: undefined }, 'ERR_OPENID_RESPONSE', /^code:/],
  ];
  for (const [changes, code, pattern] of answers)
    await assert.rejects(simC.callback(simS.answer(await simC.authorizationUri(), changes)), isCode(code, pattern));
  assert.equal(simS.tokenRequests.length, 0);
});

test('OpenID Connect Core 3.1.3.7: ID tokens that do not hold', async () => {
  const now = new FakeSimS().now;
  const claims: readonly (readonly [changes: Record<string, unknown>, pattern: RegExp])[] = [
    [{ iss: undefined }, /iss:/],
    [{ iss: `${issuer}/` }, /iss:/],
    [{ sub: undefined }, /sub:/],
    [{ sub: '' }, /sub:/],
    [{ sub: 'x'.repeat(256) }, /sub:/],
    [{ sub: 7 }, /sub:/],
    [{ aud: undefined }, /aud:/],
    [{ aud: 'other' }, /aud:/],
    [{ aud: [clientId, 'other'] }, /azp:/],
    [{ aud: [clientId, 'other'], azp: 'other' }, /azp:/],
    [{ azp: 'other' }, /azp:/],
    [{ exp: undefined }, /exp:/],
    [{ exp: String(now + 300) }, /exp:/],
    [{ exp: now - 30 }, /exp:/],
    [{ iat: undefined }, /iat:/],
    [{ iat: now + 31 }, /iat:/],
    [{ nonce: undefined }, /nonce:/],
    [{ nonce: 'another' }, /nonce:/],
    [{ at_hash: 'another' }, /at_hash:/],
  ];
  for (const [changes, pattern] of claims) {
    const simS = new FakeSimS();
    simS.claims = changes;
    const simC = simS.simC();
    await assert.rejects(logIn(simS, simC), isCode('ERR_OPENID_ID_TOKEN', pattern), JSON.stringify(changes));
    assert.equal(await simC.login(), undefined);
  }
  for (const good of [
    { exp: now - 29 },
    { iat: now + 30 },
    { aud: [clientId, 'other'], azp: clientId },
    { aud: [clientId] },
    { at_hash: undefined },
    { unknown: {} },
  ]) {
    const simS = new FakeSimS();
    simS.claims = good;
    assert.equal((await logIn(simS, simS.simC())).subject, anna);
  }
});

test('OpenID Connect Core 3.1.3.7: signatures that do not count', async () => {
  const unsigned = async (payload: Uint8Array): Promise<string> => `${toBase64Url(utf8('{"alg":"none"}'))}.${toBase64Url(payload)}.`;
  const forgeries: readonly NonNullable<FakeSimS['sign']>[] = [
    unsigned,
    async (payload) => new CompactSign(payload).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(utf8(await publicKeyText())),
    (payload, header) => new CompactSign(payload).setProtectedHeader(header as { alg: string }).sign(strangeKey),
    async (payload, header) =>
      (await new CompactSign(payload).setProtectedHeader(header as { alg: string }).sign(new FakeSimS().key)).replace(/\.[\w-]+$/, '.AAAA'),
    async (payload, header) => {
      const { protected: start, signature } = await new FlattenedSign(payload)
        .setProtectedHeader({ ...header, alg: 'ES256', b64: false, crit: ['b64'] })
        .sign(new FakeSimS().key);
      return `${start}.${fromUtf8(payload).replaceAll('.', '')}.${signature}`;
    },
    async () => 'no token',
    async () => '',
  ];
  for (const [index, sign] of forgeries.entries()) {
    const simS = new FakeSimS();
    simS.sign = sign;
    await assert.rejects(logIn(simS, simS.simC()), isCode('ERR_OPENID_ID_TOKEN'), String(index));
  }
});

test('a SIM-S that has changed its keys is asked for them once more', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  await logIn(simS, simC);
  simS.rotate();
  simS.now += 10;
  await logIn(simS, simC);
  assert.equal(simS.requests.filter(({ path }) => path === '/jwks').length, 2);
});

test('TS 33.434 A.4.2.5: token responses that are none', async () => {
  const responses: readonly (readonly [response: Record<string, unknown>, pattern: RegExp])[] = [
    [{ access_token: undefined }, /^access_token:/],
    [{ token_type: undefined }, /^token_type:/],
    [{ token_type: 'DPoP' }, /^token_type:/],
    [{ expires_in: undefined }, /^expires_in:/],
    [{ expires_in: 0 }, /^expires_in:/],
    [{ id_token: undefined }, /^id_token:/],
    [{ refresh_token: 7 }, /^refresh_token:/],
  ];
  for (const [response, pattern] of responses) {
    const simS = new FakeSimS();
    simS.response = response;
    await assert.rejects(logIn(simS, simS.simC()), isCode('ERR_OPENID_RESPONSE', pattern));
  }
  const simS = new FakeSimS();
  [simS.status, simS.response] = [400, { error: 'invalid_grant', error_description: 'the code is over' }];
  await assert.rejects(logIn(simS, simS.simC()), (error: OpenIdError) => error.code === 'ERR_OPENID_REFUSED' && error.error === 'invalid_grant');
});

test('OpenID Connect Discovery 4.3: metadata of another issuer, and endpoints without TLS', async () => {
  const wrong: readonly (readonly [metadata: Record<string, unknown>, pattern: RegExp])[] = [
    [{ issuer: `${issuer}/` }, /^issuer:/],
    [{ token_endpoint: 'http://sims.val.example/token' }, /^token_endpoint:/],
    [{ authorization_endpoint: undefined }, /^authorization_endpoint:/],
    [{ jwks_uri: 'keys' }, /^jwks_uri:/],
    [{ code_challenge_methods_supported: ['plain'] }, /^code_challenge_methods_supported:/],
  ];
  for (const [metadata, pattern] of wrong) {
    const simS = new FakeSimS();
    simS.metadata = metadata;
    await assert.rejects(simS.simC().authorizationUri(), isCode('ERR_OPENID_METADATA', pattern));
  }
  for (const [options, pattern] of [
    [{ issuer: 'http://sims.val.example' }, /^issuer:/],
    [{ leeway: 31 }, /^leeway:/],
    [{ redirectUri: 'callback' }, /^redirectUri:/],
  ] as const)
    assert.throws(() => new FakeSimS().simC(options), isCode('ERR_OPENID_CONFIG', pattern));
});

test('TS 33.434 A.8: an access token that has expired is sent to nobody', async () => {
  const simS = new FakeSimS();
  simS.response = { refresh_token: undefined };
  const simC = simS.simC();
  const server = 'https://seal1.val.example/su-up';
  await assert.rejects(simC.fetch(server), isCode('ERR_OPENID_LOGIN'));
  await logIn(simS, simC);
  simS.now += 299;
  assert.equal((await simC.fetch(server, { headers: { Accept: 'text/plain' } })).status, 200);
  assert.deepEqual(simS.requests.at(-1), { method: 'GET', path: '/su-up', authorization: 'Bearer access-1', form: {} });
  simS.now += 1;
  const before = simS.requests.length;
  await assert.rejects(simC.fetch(server), isCode('ERR_OPENID_LOGIN'));
  await assert.rejects(simC.fetch('http://seal1.val.example/su-up'), isCode('ERR_OPENID_CONFIG'));
  assert.equal(simS.requests.length, before);
});

test('with a refresh token there is a new access token, and the refresh token that came with it is the next', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  simS.now += 300;
  await simC.fetch('https://seal1.val.example/a');
  assert.equal(simS.requests.at(-1)?.authorization, 'Bearer access-2');
  assert.deepEqual(simS.tokenRequests[1]!.form, { grant_type: 'refresh_token', refresh_token: 'refresh-1', client_id: clientId });
  // It need not rotate, nor give an ID token.
  simS.response = { refresh_token: undefined, id_token: undefined };
  for (const token of ['refresh-2', 'refresh-2']) {
    await simC.refresh();
    assert.equal(simS.tokenRequests.at(-1)!.form['refresh_token'], token);
  }
  simS.response = {};
  for (const claims of [{ sub: 'bert@val.example' }, { nonce: 'another' }]) {
    simS.claims = claims;
    await assert.rejects(simC.refresh(), isCode('ERR_OPENID_ID_TOKEN'));
  }
  simS.claims = { nonce: undefined };
  assert.equal((await simC.refresh()).subject, anna);
});

test('a refresh token that the SIM-S takes no more ends the login; one that it could not look at does not', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  [simS.status, simS.response] = [503, { error: 'temporarily_unavailable' }];
  await assert.rejects(simC.refresh(), isCode('ERR_OPENID_REFUSED'));
  assert.ok((await simC.login()) !== undefined);
  [simS.status, simS.response] = [400, { error: 'invalid_grant' }];
  await assert.rejects(simC.refresh(), isCode('ERR_OPENID_LOGIN'));
  assert.equal(await simC.login(), undefined);
});

test('processes that share a store use a refresh token once', async () => {
  const simS = new FakeSimS();
  const store = memoryStore({ env: simS.env });
  const [one, two] = [simS.simC({ store }), simS.simC({ store })];
  await logIn(simS, one);
  const logins = await Promise.all([one.refresh(), one.refresh(), two.refresh()]);
  assert.equal(simS.tokenRequests.length, 2);
  assert.equal(new Set(await Promise.all([one.accessToken(), two.accessToken()])).size, 1);
  assert.equal(new Set(logins.map(({ expiresAt }) => expiresAt)).size, 1);
});

test('who logs out while a refresh is under way stays so, and what the refresh has brought is revoked', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  simS.meanwhile = async () => {
    simS.meanwhile = async () => {};
    await simC.logout();
  };
  await assert.rejects(simC.refresh(), isCode('ERR_OPENID_LOGIN'));
  assert.equal(await simC.login(), undefined);
  const revoked = simS.requests.filter(({ path }) => path === '/revoke').map(({ form }) => form['token']);
  assert.deepEqual(revoked, ['refresh-1', 'access-1', 'refresh-2', 'access-2']);
});

test('a refresh of a login that is over puts nothing in the place of the next one', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  simS.meanwhile = async () => {
    simS.meanwhile = async () => {};
    await simC.logout();
    await logIn(simS, simC);
    // The one who waits has another nonce.
    simS.response = { id_token: undefined };
  };
  await assert.rejects(simC.refresh(), isCode('ERR_OPENID_LOGIN'));
  assert.equal(await simC.accessToken(), 'access-2');
});

test('RFC 7009 2.2.1: a logout whose tokens the SIM-S does not revoke says so, and the login is forgotten', async () => {
  for (const status of [503, 401]) {
    const simS = new FakeSimS();
    const simC = simS.simC();
    await logIn(simS, simC);
    simS.revocation = [status, { error: 'temporarily_unavailable' }];
    await assert.rejects(simC.logout(), (error: OpenIdError) => error.code === 'ERR_OPENID_REFUSED' && error.error === 'temporarily_unavailable');
    assert.equal(await simC.login(), undefined);
    const asked = simS.requests.filter(({ path }) => path === '/revoke').map(({ form }) => form['token']);
    assert.deepEqual(asked, ['refresh-1', 'access-1']);
  }
});

test('TS 33.434 A.8: a token that was asked for before the clock was set back is not sent: nobody knows any more when it ends', async () => {
  const simS = new FakeSimS();
  const simC = simS.simC();
  await logIn(simS, simC);
  simS.now -= 3600;
  assert.equal(await simC.accessToken(), 'access-2');
  assert.equal(await simC.accessToken(), 'access-2');
});
