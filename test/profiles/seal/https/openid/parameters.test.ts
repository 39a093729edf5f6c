import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../../../../src/core/bytes.ts';
import { appSecret, codeVerifier, inOpenIdLab, type OpenIdLab, redirectUri } from './openid-lab.ts';

/** The error of an authorization request for each parameter; `400`: nobody knows whom to tell it, so it is a page. */
const errorOf = {
  response_type: 'invalid_request',
  client_id: '400',
  scope: 'invalid_request',
  redirect_uri: '400',
  state: 'invalid_request',
  acr_values: 'invalid_request',
  code_challenge: 'invalid_request',
  code_challenge_method: 'invalid_request',
} as const;

test('TS 33.434 A.4.2.2: a parameter of the authorization request that is missing or empty', () =>
  inOpenIdLab(async (lab) => {
    for (const [name, error] of Object.entries(errorOf))
      for (const value of [undefined, '']) assert.equal(await lab.outcome(lab.authorizationUri({ [name]: value })), error, `${name}: ${value}`);
    assert.equal(await lab.outcome(lab.authorizationUri()), 'login');
  }));

test('TS 33.434 A.4.2.2: a parameter of the authorization request that is there twice, with the same value or another', () =>
  inOpenIdLab(async (lab) => {
    const right = lab.authorizationUri();
    for (const [name, error] of Object.entries(errorOf))
      for (const value of [new URL(right).searchParams.get(name)!, 'another', ''])
        assert.equal(await lab.outcome(`${right}&${name}=${encodeURIComponent(value)}`), error, `${name}: ${value}`);
  }));

test('TS 33.434 A.4.2.2: a parameter of the authorization request that is almost the right one', () =>
  inOpenIdLab(async (lab) => {
    const challenge = new URL(lab.authorizationUri()).searchParams.get('code_challenge')!;
    const rows: readonly (readonly [name: keyof typeof errorOf, values: readonly string[], error: string])[] = [
      ['response_type', ['token', 'id_token', 'none', 'code token', 'code id_token', 'CODE', 'code code', ' code'], 'unsupported_response_type'],
      ['client_id', ['App', 'app ', 'val1', 'app\u0000'], '400'],
      ['scope', ['km', 'OpenID km', 'openid2 km', 'km,openid', 'openidkm'], 'invalid_request'],
      ['scope', ['openid other', 'openid KM'], 'invalid_scope'],
      ['acr_values', ['3gpp:acr:other', '3GPP:acr:password', '3gpp:acr:passwords', '0'], 'unmet_authentication_requirements'],
      ['code_challenge', [challenge.slice(1), `${challenge}=`, `${challenge.slice(1)}+`, 'a'.repeat(129), `${challenge.slice(1)} `], 'invalid_request'],
      ['code_challenge_method', ['plain', 's256', 'S512', 'S256 plain', 'none'], 'invalid_request'],
    ];
    for (const [name, values, error] of rows)
      for (const value of values) {
        const outcome = await lab.outcome(lab.authorizationUri({ [name]: value }));
        // OAuth 2.0 Multiple Response Types 2.1: where tokens were asked for the error is in the fragment.
        const said = /#error=(\w+)/.exec(outcome)?.[1] ?? outcome;
        assert.equal(said, error, `${name}: ${JSON.stringify(value)}`);
      }
  }));

test('RFC 7636 4.4.1: plain PKCE, or none, ends at the authorization request, and a verifier that is its own challenge gives nothing', () =>
  inOpenIdLab(async (lab) => {
    const plain = { code_challenge: codeVerifier, code_challenge_method: 'plain' };
    for (const change of [plain, { ...plain, code_challenge_method: undefined }, { code_challenge: undefined, code_challenge_method: undefined }])
      assert.equal(await lab.outcome(lab.authorizationUri(change)), 'invalid_request', JSON.stringify(change));
    const code = await lab.code(lab.authorizationUri({ code_challenge: codeVerifier }));
    assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
  }));

/** The token request of a code, in which a field may be changed as text. */
async function askWith(
  lab: OpenIdLab,
  change: (fields: readonly string[]) => readonly string[],
): Promise<{ readonly status: number; readonly error: unknown }> {
  const fields = { grant_type: 'authorization_code', code: await lab.code(), redirect_uri: redirectUri, client_id: 'app', code_verifier: codeVerifier };
  const { status, body } = await lab.fetch(`${lab.issuer}/token`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Authorization: `Basic ${btoa(`app:${encodeURIComponent(appSecret)}`)}`,
    },
    body: change(Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)).join('&'),
  });
  const answer = JSON.parse(fromUtf8(body)) as Readonly<Record<string, unknown>>;
  assert.equal(answer['access_token'] !== undefined, status === 200);
  return { status, error: answer['error'] };
}

const isOf = (name: string) => (field: string) => field.startsWith(`${name}=`);

test('TS 33.434 A.4.2.4: a parameter of the token request that is missing, empty, there twice or another', () =>
  inOpenIdLab(async (lab) => {
    assert.equal((await askWith(lab, (fields) => fields)).status, 200);
    const rows = [
      ['grant_type', 'invalid_request', 'unsupported_grant_type', 'authorization_code2'],
      ['code', 'invalid_request', 'invalid_grant', 'another'],
      ['redirect_uri', 'invalid_request', 'invalid_grant', `${redirectUri}/`],
      ['code_verifier', 'invalid_grant', 'invalid_grant', codeVerifier.replace('a', 'b')],
    ] as const;
    for (const [name, none, wrong, value] of rows) {
      const without = (put: readonly string[]) => (fields: readonly string[]) => [...fields.filter((field) => !isOf(name)(field)), ...put];
      assert.deepEqual(await askWith(lab, without([])), { status: 400, error: none }, `${name} missing`);
      assert.deepEqual(await askWith(lab, without([`${name}=`])), { status: 400, error: none }, `${name} empty`);
      const twice = (fields: readonly string[]) => [...fields, fields.find(isOf(name))!];
      assert.deepEqual(await askWith(lab, twice), { status: 400, error: 'invalid_request' }, `${name} twice`);
      assert.deepEqual(await askWith(lab, without([`${name}=${encodeURIComponent(value)}`])), { status: 400, error: wrong }, `${name} another`);
    }
    for (const put of [[], ['client_id=']])
      assert.deepEqual(
        await askWith(lab, (fields) => [...fields.filter((field) => !isOf('client_id')(field)), ...put]),
        { status: 400, error: 'invalid_request' },
        `client_id ${put.length === 0 ? 'missing' : 'empty'}`,
      );
    for (const other of ['client_id=val1', 'client_id=App'])
      assert.equal((await askWith(lab, (fields) => [...fields.filter((field) => !isOf('client_id')(field)), other])).status, 400, other);
    assert.equal((await askWith(lab, (fields) => [...fields, 'client_id=app'])).status, 400);
  }));

test('RFC 6749 4.1.2: a code that is used twice takes back what its refresh tokens gave as well', () =>
  inOpenIdLab(async (lab) => {
    const code = await lab.code();
    const first = (await lab.exchange(code)).body;
    const second = (await lab.refresh(first['refresh_token'])).body;
    const isActive = async (token: unknown): Promise<unknown> => (await lab.post('/introspect', { token: String(token) })).body['active'];
    const given = [first['access_token'], second['access_token'], second['refresh_token']];
    for (const token of given) assert.equal(await isActive(token), true);
    assert.equal((await lab.exchange(code)).body['error'], 'invalid_grant');
    for (const token of given) assert.equal(await isActive(token), false);
  }));
