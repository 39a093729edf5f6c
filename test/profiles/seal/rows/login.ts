import assert from 'node:assert/strict';
import type { CompactSign, JSONWebKeySet } from 'jose';
import type { OpenIdError } from '../../../../profiles/seal/https/sim-c/openid-error.ts';
import type { OpenIdLogin, OpenIdSimC } from '../../../../profiles/seal/https/sim-c/openid-sim-c.ts';
import type { Fetch } from '../../../../profiles/seal/https/sim-c/provider-metadata.ts';
import { emptyBytes, utf8 } from '../../../../src/core/bytes.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import type { FakeSimS } from '../https/sim-c/fake-sims.ts';
import type { Rows } from './lab.ts';

/** JOSE is loaded where it is needed, and not in each process that looks at other rows. */
const fakes = () => import('../https/sim-c/fake-sims.ts');

async function newSimS(): Promise<FakeSimS> {
  const { FakeSimS: Fake } = await fakes();
  return new Fake();
}

async function logIn(simS: FakeSimS, simC: OpenIdSimC): Promise<OpenIdLogin | undefined> {
  return simC.callback(simS.answer(await simC.authorizationUri()));
}

/** An ID token that is otherwise good is refused, and nobody is logged in. */
async function refused(change: (simS: FakeSimS) => void, what: string): Promise<void> {
  const simS = await newSimS();
  change(simS);
  const simC = simS.simC();
  await assert.rejects(logIn(simS, simC), ({ code }: OpenIdError) => code === 'ERR_OPENID_ID_TOKEN', what);
  assert.equal(await simC.login(), undefined);
}

async function refusedClaims(claims: Readonly<Record<string, unknown>>): Promise<void> {
  await refused(
    (simS) => {
      simS.claims = claims;
    },
    JSON.stringify(Object.keys(claims)),
  );
}

/** The rows of TS 33.434, 5.2 and Annex A, that the login page and the client answer for. */
export const rows: Rows = {
  // A provider is loaded where it is needed, and not in each process that looks at other rows.
  'R-040': async () => {
    const { anna, inOpenIdLab, password, redirectUri } = await import('../https/openid/openid-lab.ts');
    const { accessTokenVerifier, logInByForm } = await import('../../../../profiles/seal/https/index.ts');
    await inOpenIdLab(async (lab) => {
      const shown: string[] = [];
      const fetch: Fetch = async (uri, init = {}) => {
        if (!uri.startsWith(lab.issuer)) {
          shown.push(String((init.headers as Readonly<Record<string, unknown>>)['Authorization']));
          return { status: 200, headers: {}, body: emptyBytes };
        }
        return lab.fetch(uri, init);
      };
      const simC = lab.simC({ fetch });
      // Whoever has not signed in gets no code.
      const { headers } = await lab.fetch(await simC.authorizationUri({ prompt: 'none' }));
      assert.equal(new URL(headers.location!).searchParams.get('error'), 'login_required');
      const { claims } = (await simC.callback(await logInByForm({ uri: await simC.authorizationUri(), redirectUri, username: anna, password, fetch })))!;
      assert.deepEqual([claims['val_user_id'], claims['acr']], [anna, '3gpp:acr:password']);
      await simC.fetch('https://seal1.val.example/notes');
      const keys = (await lab.face.jwks()) as JSONWebKeySet;
      const verifier = accessTokenVerifier({ issuer: lab.issuer, audience: 'seal1', valSystem: 'val.example', keys, env: lab.env });
      const [, token] = /^Bearer (\S+)$/.exec(shown[0]!) ?? [];
      const { val_user_id: name, scope, sub } = await verifier.verify(token!);
      assert.deepEqual([name, scope, sub], [anna, 'km', claims['sub']]);
    });
  },
  'R-044': async () => {
    const { anna, bert, inProviderLab, password } = await import('../https/login/provider-lab.ts');
    const { Visit } = await import('../https/login/visit.ts');
    await inProviderLab(async (lab) => {
      const visit = await Visit.start(lab);
      const statusOf = async (name: string, secret: string): Promise<number> => {
        const { status, headers } = await visit.logIn(name, secret);
        assert.equal(headers.location !== undefined, status === 303);
        return status;
      };
      // He has the password, and is not provisioned.
      assert.equal(await statusOf(bert, password), 403);
      for (let times = 0; times < 5; times++) assert.equal(await statusOf(anna, 'wrong'), 403);
      assert.equal(await statusOf(anna, password), 429);
      lab.env.skew = 31;
      assert.equal(await statusOf(anna, password), 303);
    });
  },
  'R-046': async () => {
    const simS = await newSimS();
    const store = memoryStore({ env: simS.env });
    assert.deepEqual((await logIn(simS, simS.simC({ store })))?.valServiceIds, ['v2x', 'maps']);
    assert.deepEqual((await simS.simC({ store }).login())?.valServiceIds, ['v2x', 'maps']);
    simS.claims = { val_service_ids: ['v2x'] };
    assert.deepEqual((await simS.simC({ store }).refresh()).valServiceIds, ['v2x']);
  },
  'R-101': async () => {
    for (const name of ['iss', 'sub', 'aud', 'exp', 'iat']) await refusedClaims({ [name]: undefined });
  },
  'R-113': async () => {
    const simS = await newSimS();
    const simC = simS.simC();
    const uri = await simC.authorizationUri();
    const before = simS.requests.length;
    for (const state of ['another', `${new URL(uri).searchParams.get('state')}x`, undefined])
      assert.equal(await simC.callback(simS.answer(uri, { state: state ?? '' })), undefined);
    assert.equal(simS.requests.length, before);
    assert.ok((await simC.callback(simS.answer(uri))) !== undefined);
    assert.equal(simS.tokenRequests.length, 1);
  },
  'R-120': async () => {
    const { clientId, issuer, strangeKey } = await fakes();
    const { CompactSign: Sign } = await import('jose');
    const { now } = await newSimS();
    const wrong = [
      { iss: 'https://other.example' },
      { aud: 'other' },
      { aud: [clientId, 'other'] },
      { azp: 'other' },
      { exp: now - 31 },
      { iat: now + 31 },
      { nonce: 'another' },
      { nonce: undefined },
      { at_hash: 'another' },
    ];
    for (const claims of wrong) await refusedClaims(claims);
    const signed =
      (alg: string, key: Parameters<CompactSign['sign']>[0]): FakeSimS['sign'] =>
      (payload) =>
        new Sign(payload).setProtectedHeader({ alg, kid: 'first' }).sign(key);
    for (const sign of [signed('ES256', strangeKey), signed('HS256', utf8(issuer.padEnd(32)))])
      await refused((simS) => {
        simS.sign = sign;
      }, 'signature');
    const simS = await newSimS();
    simS.claims = { exp: now - 29, aud: [clientId, 'other'], azp: clientId };
    assert.ok((await logIn(simS, simS.simC())) !== undefined);
  },
  'R-122': async () => {
    const simS = await newSimS();
    simS.response = { refresh_token: undefined };
    const simC = simS.simC();
    await logIn(simS, simC);
    const uri = 'https://seal1.val.example/notes';
    simS.now += 299;
    assert.equal((await simC.fetch(uri)).status, 200);
    simS.now += 1;
    const before = simS.requests.length;
    await assert.rejects(simC.fetch(uri), ({ code }: OpenIdError) => code === 'ERR_OPENID_LOGIN');
    assert.equal(simS.requests.length, before);
  },
};
