import assert from 'node:assert/strict';
import type { JSONWebKeySet } from 'jose';
import type { OpenIdLab, OpenIdLabOptions } from '../https/openid/openid-lab.ts';
import type { Rows } from './lab.ts';

type LabModule = typeof import('../https/openid/openid-lab.ts');

/** In a lab of its own, without a provider in each process that looks at other rows. */
async function inLab(use: (lab: OpenIdLab, module: LabModule) => Promise<void>, options?: (module: LabModule) => OpenIdLabOptions): Promise<void> {
  const module = await import('../https/openid/openid-lab.ts');
  await module.inOpenIdLab((lab) => use(lab, module), options?.(module));
}

/** Who verifies tokens with the keys that the SIM-S publishes takes this one, and none that is changed. */
async function verified(lab: OpenIdLab, token: unknown, options: { readonly audience: string; readonly typ?: string }): Promise<void> {
  const { createLocalJWKSet, jwtVerify } = await import('jose');
  const keys = createLocalJWKSet((await lab.face.jwks()) as JSONWebKeySet);
  await jwtVerify(String(token), keys, { issuer: lab.issuer, algorithms: ['ES256'], ...options });
  const [header, payload, signature] = String(token).split('.') as [string, string, string];
  const other = `${payload.slice(0, 8)}${payload[8] === 'A' ? 'B' : 'A'}${payload.slice(9)}`;
  await assert.rejects(jwtVerify([header, other, signature].join('.'), keys));
}

async function wholeFlow(lab: OpenIdLab): Promise<void> {
  const { access_token: access, id_token: id, refresh_token: refresh } = await lab.tokens();
  await verified(lab, access, { audience: 'seal1', typ: 'at+jwt' });
  await verified(lab, id, { audience: 'app' });
  assert.equal((await lab.refresh(refresh)).status, 200);
  await assert.rejects(lab.code(lab.authorizationUri({ scope: 'openid other' })), /invalid_scope/);
}

/** Rows of TS 33.434, 5.2 and Annex A, that the SIM-S answers for over HTTPS. */
export const rows: Rows = {
  'R-040': () => inLab(wholeFlow),
  'R-041': () =>
    inLab(async (lab, { claimsOf }) => {
      assert.equal(claimsOf((await lab.tokens())['access_token'])['aud'], 'seal1');
      assert.equal(await lab.outcome(lab.authorizationUri({ resource: 'audience:seal2' })), 'invalid_target');
      assert.equal(await lab.outcome(lab.authorizationUri({ resource: 'audience:seal1' })), 'login');
    }),
  'R-045': () =>
    inLab(async (lab) => {
      const tokens = await lab.tokens();
      for (const name of ['id_token', 'access_token', 'refresh_token']) assert.equal(typeof tokens[name], 'string', name);
    }),
  'R-047': () =>
    inLab(async (lab, { anna, claimsOf }) => {
      assert.deepEqual(claimsOf((await lab.tokens())['id_token'])['val_service_ids'], ['v2x']);
      const code = await lab.code();
      await lab.simS.identities.put({ kind: 'user', id: anna, valServiceIds: [] });
      assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
    }),
  'R-051': () =>
    inLab(async (lab, { anna, claimsOf }) => {
      const asked: string[] = [];
      const { inOpenIdLab } = await import('../https/openid/openid-lab.ts');
      // Another way to know a user takes the place of passwords.
      const authenticate = async (name: string, shown: string): Promise<string | undefined> => {
        asked.push(name);
        return shown === 'another way' ? name : undefined;
      };
      await inOpenIdLab(
        async (other) => {
          await assert.rejects(other.code(), ({ code }: { code: string }) => code === 'ERR_OPENID_SIGN_IN');
        },
        { face: { authenticator: { authenticate } } },
      );
      assert.deepEqual(asked, [anna]);
      assert.equal(claimsOf((await lab.tokens())['access_token'])['val_user_id'], anna);
    }),
  'R-052': () =>
    inLab(async (lab) => {
      const { request } = await import('node:http');
      const reached = await new Promise<boolean>((resolve) => {
        const plain = request(`http://127.0.0.1:${lab.server.port}/.well-known/openid-configuration`, () => resolve(true));
        plain.on('error', () => resolve(false));
        plain.end();
      });
      assert.equal(reached, false);
      assert.throws(
        () => lab.simC({ issuer: lab.issuer.replace('https', 'http') }),
        ({ code }: { code: string }) => code === 'ERR_OPENID_CONFIG',
      );
    }),
  'R-053': () =>
    inLab(async (lab) => {
      const { access_token: token } = await lab.tokens();
      await assert.rejects(verified(lab, token, { audience: 'seal2', typ: 'at+jwt' }));
      await verified(lab, token, { audience: 'seal1', typ: 'at+jwt' });
    }),
  'R-100': () =>
    inLab(async (lab, { anna, claimsOf }) => {
      const { id_token: token } = await lab.tokens();
      await verified(lab, token, { audience: 'app' });
      const { val_user_id: user, val_system_id: system } = claimsOf(token);
      assert.deepEqual([user, system], [anna, 'val.example']);
    }),
  'R-101': () =>
    inLab(async (lab, { claimsOf }) => {
      const { iss, sub, aud, exp, iat } = claimsOf((await lab.tokens())['id_token']);
      assert.deepEqual([iss, aud], [lab.issuer, 'app']);
      assert.match(String(sub), /^[\w-]{22}$/);
      assert.ok(Number(exp) > Number(iat) && Number(iat) > 1e9);
    }),
  'R-102': () =>
    inLab(async (lab, { anna, claimsOf }) => {
      const subject = async (): Promise<unknown> => claimsOf((await lab.tokens())['id_token'])['sub'];
      const first = await subject();
      assert.equal(await subject(), first);
      await lab.simS.identities.remove('user', anna);
      await lab.simS.identities.put({ kind: 'user', id: anna, valServiceIds: ['v2x'] });
      const second = await subject();
      assert.notEqual(second, first);
      assert.ok(String(second).length <= 255);
      await assert.rejects(lab.simS.identities.put({ kind: 'user', id: 'a'.repeat(256) }), ({ code }: { code: string }) => code === 'ERR_SEAL_IDENTITY');
    }),
  'R-104': () =>
    inLab(async (lab, { anna, claimsOf }) => {
      await lab.simS.identities.put({ kind: 'user', id: anna, valServiceIds: ['v2x'], sKeyProv: true });
      const tokens = await lab.tokens();
      assert.deepEqual([claimsOf(tokens['access_token'])['SKeyProv'], claimsOf(tokens['id_token'])['SKeyProv']], [true, true]);
    }),
  'R-105': () =>
    inLab(async (lab, { headerOf }) => {
      const { access_token: token } = await lab.tokens();
      await verified(lab, token, { audience: 'seal1', typ: 'at+jwt' });
      assert.deepEqual(Object.keys(headerOf(token)).sort(), ['alg', 'kid', 'typ']);
    }),
  'R-106': () =>
    inLab(async (lab, { claimsOf }) => {
      const { exp, scope, client_id: client, iat } = claimsOf((await lab.tokens())['access_token']);
      assert.deepEqual([Number(exp) - Number(iat), scope, client], [3600, 'km', 'app']);
    }),
  'R-107': () =>
    inLab(async (lab) => {
      for (const change of [{ client_id: 'other' }, { redirect_uri: 'http://127.0.0.1:8731/other' }, { redirect_uri: 'http://127.0.0.1:8732/callback' }]) {
        assert.equal(await lab.outcome(lab.authorizationUri(change)), '400', JSON.stringify(change));
      }
      assert.equal(await lab.outcome(lab.authorizationUri()), 'login');
    }),
  'R-108': () =>
    inLab(async (lab) => {
      const without = { code_challenge: undefined, code_challenge_method: undefined };
      assert.equal(await lab.outcome(lab.authorizationUri(without)), 'invalid_request');
      const wrong = await lab.exchange(await lab.code(), { code_verifier: 'another-code-verifier-of-forty-three-characters' });
      assert.deepEqual([wrong.status, wrong.body['error']], [400, 'invalid_grant']);
    }),
  'R-109': () =>
    inLab(async (lab) => {
      const names = ['response_type', 'client_id', 'scope', 'redirect_uri', 'state', 'acr_values', 'code_challenge', 'code_challenge_method'];
      for (const name of names) assert.notEqual(await lab.outcome(lab.authorizationUri({ [name]: undefined })), 'login', name);
      assert.equal(await lab.outcome(lab.authorizationUri()), 'login');
    }),
  'R-110': () =>
    inLab(async (lab) => {
      assert.match(await lab.outcome(lab.authorizationUri({ scope: 'km' })), /^invalid_(scope|request)$/);
      assert.match(await lab.outcome(lab.authorizationUri({ scope: 'OpenID km' })), /^invalid_(scope|request)$/);
    }),
  'R-111': () =>
    inLab(async (lab) => {
      assert.equal(await lab.outcome(lab.authorizationUri({ acr_values: '3gpp:acr:other' })), 'unmet_authentication_requirements');
      assert.equal(await lab.outcome(lab.authorizationUri({ acr_values: '3gpp:acr:other 3gpp:acr:password' })), 'login');
      const { body } = await lab.fetch(`${lab.issuer}/.well-known/openid-configuration`);
      assert.deepEqual((JSON.parse(new TextDecoder().decode(body)) as { acr_values_supported: unknown }).acr_values_supported, ['3gpp:acr:password']);
    }),
  'R-112': () =>
    inLab(async (lab, { codeVerifier }) => {
      const plain = { code_challenge: codeVerifier, code_challenge_method: 'plain' };
      assert.equal(await lab.outcome(lab.authorizationUri(plain)), 'invalid_request');
    }),
  'R-114': () =>
    inLab(async (lab, { appSecret }) => {
      const code = await lab.code();
      const refused = async (fields: Readonly<Record<string, string>>, client: string | undefined, secret?: string): Promise<void> => {
        const { status, body } = await lab.exchange(code, fields, client, secret);
        assert.ok([400, 401].includes(status) && body['access_token'] === undefined, JSON.stringify(body));
      };
      await refused({}, '');
      await refused({ client_secret: appSecret }, '');
      await refused({ client_secret: appSecret }, 'app');
      await refused({}, 'app', 'wrong');
      await refused({ redirect_uri: 'http://127.0.0.1:8731/' }, 'app');
      await refused({ client_id: 'val1' }, 'app');
      await refused({ client_id: '' }, 'app');
      // It was the request that was wrong, and not the code.
      assert.equal((await lab.exchange(code)).status, 200);
    }),
  'R-115': () =>
    inLab(async (lab) => {
      const { access_token: token, token_type: type, expires_in: expires } = await lab.tokens();
      assert.deepEqual([typeof token, type, expires], ['string', 'bearer', 3600]);
    }),
  'R-116': () =>
    inLab(async (lab, { serverSecret }) => {
      const { refresh_token: token } = await lab.tokens();
      assert.equal((await lab.refresh(token, { scope: 'openid km notes:read' })).body['error'], 'invalid_scope');
      assert.equal((await lab.refresh(token, { scope: 'km' })).body['scope'], 'km');
      const own = await lab.post('/token', { grant_type: 'client_credentials' }, 'val1', serverSecret);
      assert.deepEqual([own.status, own.body['refresh_token']], [200, undefined]);
    }),
  'R-117': () =>
    inLab(async (lab, { anna }) => {
      const { refresh_token: token } = await lab.tokens();
      await lab.simS.identities.remove('user', anna);
      assert.equal((await lab.refresh(token)).body['error'], 'invalid_grant');
      assert.equal(lab.events.filter(({ type }) => type === 'token-revoked').length, 1);
      await lab.simS.identities.put({ kind: 'user', id: anna, valServiceIds: ['v2x'] });
      assert.equal((await lab.refresh(token)).body['error'], 'invalid_grant');
    }),
  'R-122': () =>
    inLab(async (lab, { appSecret }) => {
      const { access_token: token } = await lab.tokens();
      const active = async (): Promise<unknown> => (await lab.post('/introspect', { token: String(token) }, 'app', appSecret)).body['active'];
      assert.equal(await active(), true);
      lab.env.skew = 3601;
      assert.equal(await active(), false);
    }),
  'R-302': () =>
    inLab(async (lab) => {
      const { access_token: token } = await lab.tokens();
      const { entries } = await lab.simS.administration.listTokens('app');
      assert.equal(entries.length, 1);
      await lab.simS.administration.revokeToken(String(entries[0]!['id']));
      assert.equal((await lab.post('/introspect', { token: String(token) })).body['active'], false);
    }),
};
