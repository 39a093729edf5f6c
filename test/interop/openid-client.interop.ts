import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as openid from 'openid-client';
import { type Fetch, logInByForm, passwordAcr } from '../../profiles/seal/https/index.ts';
import { anna, clientId, clientSecret, inProviderLab, password, redirectUri } from '../profiles/seal/https/login/provider-lab.ts';

/** What the library asks the platform for, over HTTPS that trusts the authority of the lab. */
const through =
  (fetch: Fetch): openid.CustomFetch =>
  async (uri, { method, headers, body }) => {
    const sent = body === undefined || body === null ? {} : { body: String(body) };
    const { status, headers: received, body: bytes } = await fetch(uri, { method, headers: { ...headers }, ...sent });
    const fields = Object.entries(received).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, String(one)]));
    return new Response(status === 204 ? null : Uint8Array.from(bytes), { status, headers: fields });
  };

test('openid-client logs a VAL user in, refreshes and revokes', () =>
  inProviderLab(async ({ issuer, fetch }) => {
    const config = await openid.discovery(new URL(issuer), clientId, undefined, openid.ClientSecretBasic(clientSecret), {
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
    const tokens = await openid.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true });
    const claims = tokens.claims()!;
    assert.equal(claims['acr'], passwordAcr);
    assert.deepEqual(claims['val_service_ids'], ['v2x', 'maps']);
    assert.equal(tokens.token_type, 'bearer');
    const renewed = await openid.refreshTokenGrant(config, tokens.refresh_token!);
    assert.notEqual(renewed.access_token, tokens.access_token);
    await openid.tokenRevocation(config, renewed.refresh_token!);
    await assert.rejects(openid.refreshTokenGrant(config, renewed.refresh_token!), { error: 'invalid_grant' });
  }));
