import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONWebKeySet } from 'jose';
import * as openid from 'openid-client';
import { accessTokenVerifier, type Fetch, logInByForm, passwordAcr } from '../../profiles/seal/https/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { anna, appSecret, inOpenIdLab, password, redirectUri } from '../profiles/seal/https/openid/openid-lab.ts';

/** What the library asks the platform for, over HTTPS that trusts the authority of the lab. */
const through =
  (fetch: Fetch): openid.CustomFetch =>
  async (uri, { method, headers, body }) => {
    const sent = body === undefined || body === null ? {} : { body: String(body) };
    const { status, headers: received, body: bytes } = await fetch(uri, { method, headers: { ...headers }, ...sent });
    const fields = Object.entries(received).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, String(one)]));
    return new Response(status === 204 ? null : Uint8Array.from(bytes), { status, headers: fields });
  };

test('openid-client logs a VAL user in at a SIM-S, refreshes and revokes', () =>
  inOpenIdLab(async ({ issuer, fetch, face }) => {
    const config = await openid.discovery(new URL(issuer), 'app', undefined, openid.ClientSecretBasic(appSecret), {
      [openid.customFetch]: through(fetch),
    });
    const [pkceCodeVerifier, expectedState, expectedNonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()];
    const uri = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid km',
      state: expectedState,
      nonce: expectedNonce,
      acr_values: passwordAcr,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const answer = new URL(await logInByForm({ uri: uri.href, redirectUri, username: anna, password, fetch }));
    // TS 33.434, A.4.2.4, wants it there, also with Basic.
    const named = { client_id: 'app' };
    const tokens = await openid.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, named);
    const claims = tokens.claims()!;
    assert.equal(claims['acr'], passwordAcr);
    assert.deepEqual([claims['val_user_id'], claims['val_service_ids']], [anna, ['v2x']]);
    assert.equal(tokens.token_type, 'bearer');
    const keys = (await face.jwks()) as JSONWebKeySet;
    const verifier = accessTokenVerifier({ issuer, audience: 'seal1', valSystem: 'val.example', keys, env: systemEnv });
    assert.equal((await verifier.verify(tokens.access_token)).scope, 'km');
    const renewed = await openid.refreshTokenGrant(config, tokens.refresh_token!);
    assert.notEqual(renewed.access_token, tokens.access_token);
    await openid.tokenRevocation(config, renewed.refresh_token!);
    await assert.rejects(openid.refreshTokenGrant(config, renewed.refresh_token!), { error: 'invalid_grant' });
  }));
