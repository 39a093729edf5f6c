import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomFetch } from 'openid-client';
import { logInByForm } from '../../../../../profiles/seal/https/index.ts';
import { anna, appSecret, claimsOf, headerOf, inOpenIdLab, password, redirectUri, serverSecret } from './openid-lab.ts';

test('TS 33.434 A.4.2: a whole code flow gives an ID token, an access token and a refresh token', () =>
  inOpenIdLab(async (lab) => {
    const code = await lab.code();
    const { status, body, headers } = await lab.exchange(code);
    assert.equal(status, 200, JSON.stringify([body, lab.logins, lab.events]));
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(body['token_type'], 'bearer');
    assert.equal(body['expires_in'], 3600);
    assert.equal(body['scope'], 'km');
    assert.equal(typeof body['refresh_token'], 'string');
    const access = claimsOf(body['access_token']);
    const id = claimsOf(body['id_token']);
    assert.deepEqual(
      [access['iss'], access['aud'], access['scope'], access['client_id'], access['val_user_id'], access['val_service_ids'], access['val_system_id']],
      [lab.issuer, 'seal1', 'km', 'app', anna, ['v2x'], 'val.example'],
    );
    assert.equal(Number(access['exp']) - Number(access['iat']), 3600);
    assert.equal(typeof access['jti'], 'string');
    assert.equal(headerOf(body['access_token'])['typ'], 'at+jwt');
    assert.deepEqual([id['iss'], id['aud'], id['sub'], id['val_service_ids']], [lab.issuer, 'app', access['sub'], ['v2x']]);
    assert.notEqual(access['sub'], anna);
    assert.deepEqual(
      lab.logins.map(({ type }) => type),
      ['login'],
    );
    assert.equal(lab.events.filter(({ type }) => type === 'token-issued').length, 1);
  }));

test('client_credentials: a VAL server gets an access token and nothing else', () =>
  inOpenIdLab(async (lab) => {
    const { status, body } = await lab.post('/token', { grant_type: 'client_credentials', scope: 'km' }, 'val1', serverSecret);
    assert.equal(status, 200, JSON.stringify([body, lab.events, lab.logins]));
    assert.deepEqual(Object.keys(body).sort(), ['access_token', 'expires_in', 'scope', 'token_type']);
    assert.deepEqual([claimsOf(body['access_token'])['sub'], claimsOf(body['access_token'])['val_service_ids']], ['val1', ['v2x']]);
  }));

test('OpenIdSimC logs in, refreshes and logs out at the SIM-S', () =>
  inOpenIdLab(async (lab) => {
    const simC = lab.simC();
    const answer = await logInByForm({
      uri: await simC.authorizationUri(),
      redirectUri: 'http://127.0.0.1:8731/callback',
      username: anna,
      password: 'correct horse battery',
      fetch: lab.fetch,
    });
    const login = await simC.callback(answer);
    assert.deepEqual(login?.valServiceIds, ['v2x']);
    const before = await simC.accessToken();
    const again = await simC.refresh();
    assert.equal(again.subject, login!.subject);
    assert.notEqual(await simC.accessToken(), before);
    await simC.logout();
    assert.equal(lab.events.filter(({ type }) => type === 'token-revoked').length, 2);
  }));

test('openid-client, a standard library, completes the login', () =>
  inOpenIdLab(async (lab) => {
    const library = await import('openid-client');
    // Its requests go by the certificate of the lab.
    const fetchOfLab: CustomFetch = async (uri, init) => {
      const { status, headers, body } = await lab.fetch(uri, {
        method: init.method,
        headers: init.headers,
        ...(init.body === null || init.body === undefined ? {} : { body: String(init.body) }),
      });
      return new Response(new Uint8Array(body), { status, headers: Object.entries(headers).map(([name, value]) => [name, String(value)]) });
    };
    const config = await library.discovery(new URL(lab.issuer), 'app', undefined, library.ClientSecretBasic(appSecret), { [library.customFetch]: fetchOfLab });
    const [state, verifier] = [library.randomState(), library.randomPKCECodeVerifier()];
    const uri = library.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid km',
      state,
      acr_values: '3gpp:acr:password',
      code_challenge: await library.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const answer = await logInByForm({ uri: uri.href, redirectUri, username: anna, password, fetch: lab.fetch });
    const checks = { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true };
    // With its secret in the header the library says no more who it is, unless it is told to.
    const tokens = await library.authorizationCodeGrant(config, new URL(answer), checks, { client_id: 'app' });
    assert.deepEqual(tokens.claims()?.['val_service_ids'], ['v2x']);
    const again = await library.refreshTokenGrant(config, tokens.refresh_token!);
    assert.equal(again.claims()?.sub, tokens.claims()?.sub);
    assert.equal((await library.tokenIntrospection(config, again.access_token)).active, true);
    await library.tokenRevocation(config, again.refresh_token!);
    assert.equal((await library.tokenIntrospection(config, again.access_token)).active, false);
  }));
