import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import {
  type AccessTokenVerifier,
  accessTokenVerifier,
  CapifCoreSimulator,
  CapifInvoker,
  formatCapifScope,
  parseCapifScope,
  readSecurityNotification,
  readServiceSecurity,
} from '../../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { fetchHttps, type HttpsResponse } from '../../../../../src/transport/index.ts';
import { jsonOf } from '../face-lab.ts';
import { CapifLab } from './capif-lab.ts';
import { anchorsPath, san } from './names.ts';

test('TS 29.222: the scope of a token, read and written', () => {
  const scope = '3gpp#aef1:api1,api2;aef2:api3';
  const grants = parseCapifScope(scope);
  assert.deepEqual(
    [...grants],
    [
      ['aef1', new Set(['api1', 'api2'])],
      ['aef2', new Set(['api3'])],
    ],
  );
  assert.equal(formatCapifScope(grants), scope);
  const many = Array.from({ length: 257 }, (_, index) => `a${index}`);
  const others = ['', 'aef1:api1', '3gpp#', '3gpp#aef1', '3gpp#aef1:', '3gpp#:api1', '3gpp#a:b;', '3gpp#a:b,', '3gpp#a:b,b', '3gpp#a:b;a:c', '3gpp#a:b:c'];
  for (const other of [
    ...others,
    '3gpp#a:b c',
    '3gpp#a:"',
    '3gpp# a:b',
    '3GPP#a:b',
    `3gpp#a:${many.join(',')}`,
    `3gpp#${many.map((name) => `${name}:b`).join(';')}`,
  ]) {
    assert.throws(() => parseCapifScope(other), { code: 'ERR_CAPIF_SCOPE' }, other);
  }
  assert.throws(() => formatCapifScope([]), { code: 'ERR_CAPIF_SCOPE' });
  assert.throws(() => formatCapifScope([['a;b', ['c']]]), { code: 'ERR_CAPIF_SCOPE' });
});

test('RFC 6749 5.2: errors of the token endpoint of a core function', async () => {
  await CapifLab.within({}, async (lab) => {
    await lab.invoker('val1');
    const ask = (body: string, id = 'val1', type = 'application/x-www-form-urlencoded'): Promise<HttpsResponse> =>
      fetchHttps(`${lab.apiRoot}/capif-security/v1/securities/${id}/token`, { ...lab.tls('val1'), method: 'POST', headers: { 'content-type': type }, body });
    const good = `grant_type=client_credentials&client_id=val1&scope=${encodeURIComponent(`3gpp#${san}:spatial-anchors`)}`;
    const { access_token: token, ...rest } = jsonOf(await ask(good));
    assert.equal(typeof token, 'string');
    assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 300, scope: `3gpp#${san}:spatial-anchors` });
    const cases: readonly (readonly [answer: Promise<HttpsResponse>, status: number, error: string])[] = [
      [ask(good, 'val1', 'application/json'), 400, 'invalid_request'],
      [ask(`${good}&client_id=val1`), 400, 'invalid_request'],
      [ask('client_id=val1'), 400, 'invalid_request'],
      [ask('grant_type=password&client_id=val1'), 400, 'unsupported_grant_type'],
      [ask(good, 'san-client'), 401, 'invalid_client'],
      [ask('grant_type=client_credentials&client_id=san-client'), 401, 'invalid_client'],
      [ask('grant_type=client_credentials&client_id=val1&scope=km'), 400, 'invalid_scope'],
      [ask(`grant_type=client_credentials&client_id=val1&scope=${encodeURIComponent('3gpp#nef1:msgin5g-delivery')}`), 400, 'invalid_scope'],
      [ask(`${good}&resOwnerId=bert`), 400, 'unauthorized_client'],
    ];
    for (const [answer, status, error] of cases) {
      const response = await answer;
      assert.deepEqual([response.status, jsonOf(response)['error'], response.headers['cache-control']], [status, error, 'no-store'], error);
    }
  });
});

test('TS 29.222: security contexts are made by their invoker and read by their AEF', async () => {
  await CapifLab.within({}, async (lab) => {
    await lab.invoker('val1');
    const at = `${lab.apiRoot}/capif-security/v1/trustedInvokers`;
    const send = (as: 'val1' | 'aef' | 'stranger', method: string, path: string, value?: unknown): Promise<HttpsResponse> =>
      fetchHttps(`${at}${path}`, {
        ...lab.tls(as),
        method,
        headers: { 'content-type': 'application/json' },
        ...(value === undefined ? {} : { body: JSON.stringify(value) }),
      });
    const read = jsonOf(await send('aef', 'GET', '/val1?authorizationInfo=true'));
    assert.deepEqual(read['securityInfo'], [
      { aefId: san, prefSecurityMethods: ['PKI', 'OAUTH'], selSecurityMethod: 'OAUTH', authorizationInfo: `3gpp#${san}:spatial-anchors` },
    ]);
    assert.equal((await send('val1', 'GET', '/val1')).status, 403);
    assert.equal((await send('stranger', 'PUT', '/val1', {})).status, 403);
    const entry = { aefId: san, prefSecurityMethods: ['PKI'] };
    const context = { securityInfo: [entry], notificationDestination: 'https://val1.example/' };
    for (const other of [
      {},
      { ...context, securityInfo: [] },
      { ...context, securityInfo: [{ ...entry, prefSecurityMethods: [7] }] },
      { ...context, securityInfo: [{ ...entry, aefId: undefined, interfaceDetails: { fqdn: 'aef.example' } }] },
      { securityInfo: [entry] },
      [],
    ]) {
      assert.equal((await send('val1', 'PUT', '/val1', other)).status, 400);
    }
    const updated = await send('val1', 'POST', '/val1/update', context);
    assert.deepEqual([updated.status, jsonOf(updated)['securityInfo']], [200, [{ ...entry, selSecurityMethod: 'PKI' }]]);
    const notification = { apiInvokerId: 'val1', apiIds: ['spatial-anchors'], cause: 'UNEXPECTED_REASON' };
    assert.equal((await send('aef', 'POST', '/val1/delete', notification)).status, 204);
    assert.equal((await send('aef', 'POST', '/val1/delete', { ...notification, apiInvokerId: 'sm-client' })).status, 400);
    // No right was left, and so no context.
    assert.equal((await send('aef', 'DELETE', '/val1')).status, 404);
    assert.equal((await send('val1', 'PUT', '/val1', context)).status, 201);
    assert.equal((await send('aef', 'DELETE', '/val1')).status, 204);
    assert.equal((await send('aef', 'GET', '/val1')).status, 404);
    assert.equal((await send('val1', 'POST', '/val1/update', context)).status, 404);
    assert.equal((await send('val1', 'PATCH', '/val1')).status, 405);
  });
});

test('TS 29.222: an AEF hears of revocations from the core function alone', async () => {
  await CapifLab.within({}, async (lab) => {
    const invoker = await lab.invoker('val1');
    const call = { aefId: san, apis: ['spatial-anchors'] };
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, call)).status, 200);
    assert.deepEqual(lab.aef.stats(), { contexts: 1 });
    const path = '/aef-security/v1/revoke-authorization';
    const revokeInfo = { apiInvokerId: 'val1', apiIds: ['spatial-anchors'], cause: 'OVERLIMIT_USAGE' };
    assert.equal((await lab.bare(path, 'val1', undefined, { method: 'POST', value: { revokeInfo } })).status, 403);
    const last = lab.told.at(-1)!;
    assert.deepEqual(last.type === 'request-refused' && [last.path, last.reason, last.status], [path, 'client', 403]);
    assert.equal((await lab.bare(path, 'core', undefined, { method: 'POST', value: { revokeInfo: {} } })).status, 400);
    assert.deepEqual(lab.aef.stats(), { contexts: 1 });
    assert.equal((await lab.bare(path, 'core', undefined, { method: 'POST', value: { revokeInfo } })).status, 200);
    assert.deepEqual(lab.aef.stats(), { contexts: 0 });
  });
});

test('TS 33.122 6.3.1.2: an invoker that has negotiated nothing calls nothing', async () => {
  await CapifLab.within({ methods: ['PKI'] }, async (lab) => {
    const fresh = new CapifInvoker({ apiInvokerId: 'val1', apiRoot: lab.apiRoot, tls: lab.tls('val1') });
    const call = { aefId: san, apis: ['spatial-anchors'] };
    await assert.rejects(fresh.fetch(`${lab.uri}${anchorsPath}`, call), { code: 'ERR_CAPIF_METHOD' });
    const invoker = await lab.invoker('val1');
    await assert.rejects(invoker.fetch(`${lab.uri}${anchorsPath}`, { ...call, resOwnerId: 'anna' }), { code: 'ERR_CAPIF_METHOD' });
    assert.deepEqual(lab.refusals(), []);
  });
});

test('TS 33.122 6.3.1.2: who negotiates anew goes by the new method at once', async () => {
  await CapifLab.within({}, async (lab) => {
    const call = { aefId: san, apis: ['spatial-anchors'] };
    const at = `${lab.uri}${anchorsPath}`;
    const before = await lab.invoker('val1', ['OAUTH']);
    const token = await before.token(call);
    assert.equal((await before.fetch(at, call)).status, 200);
    const anew = await lab.invoker('val1', ['PKI']);
    assert.equal((await anew.fetch(at, call)).status, 200);
    assert.deepEqual([lab.refusals(), lab.asked], [[], 2]);
    // What is known of it is asked for again, but not at each refusal.
    for (let count = 0; count < 20; count++) assert.equal((await lab.bare(anchorsPath, 'val1', token)).status, 403);
    assert.ok(lab.asked < 18, `${lab.asked} questions`);
    assert.ok(lab.asked > 8, `${lab.asked} questions`);
  });
});

test('TS 29.222: an AEF takes no method that its operator does not allow, whatever the core function selects', async () => {
  await CapifLab.within({ allowed: ['PKI'] }, async (lab) => {
    const invoker = await lab.invoker('val1', ['OAUTH']);
    const call = { aefId: san, apis: ['spatial-anchors'] };
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, call)).status, 403);
    assert.deepEqual(lab.refusals(), ['method']);
  });
});

test('TS 29.222: what later releases add to its types is passed over', () => {
  const known = { aefId: 'aef1', prefSecurityMethods: ['PKI'] };
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const securityInfo = [
    { ...known, prefSecurityMethods: ['NEW', 'PKI'], selSecurityMethod: 'NEW', authenticationInfo: 'x' },
    { interfaceDetails: { fqdn: 'aef.example' }, prefSecurityMethods: ['PKI'] },
  ];
  const read = readServiceSecurity(text({ securityInfo, notificationDestination: 'https://val1.example/', supportedFeatures: '0' }));
  assert.deepEqual(read.securityInfo, [known]);
  const notification = { apiInvokerId: 'val1', apiIds: ['api1'], cause: 'NEW' };
  assert.deepEqual(readSecurityNotification(text(notification)), notification);
});

test('TS 33.122 C.2.2: a token of a core function has exp, client_id, scope and iss; what else it says counts', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] };
  const scope = '3gpp#aef1:api1';
  const verifierOf = (profile?: 'capif'): AccessTokenVerifier =>
    accessTokenVerifier({ issuer: 'https://ccf.example', audience: 'aef1', keys, leeway: 30, env: systemEnv, ...(profile === undefined ? {} : { profile }) });
  const claims = { iss: 'https://ccf.example', client_id: 'val1', scope, exp: Math.floor(systemEnv.epoch()) + 60 };
  const tokenOf = (changes: object = {}, typ?: string): Promise<string> =>
    new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg: 'ES256', ...(typ === undefined ? {} : { typ }) }).sign(privateKey);
  const capif = verifierOf('capif');
  for (const typ of [undefined, 'JWT', 'at+jwt']) {
    const { sub, client_id: clientId, aud } = await capif.verify(await tokenOf({}, typ));
    assert.deepEqual([sub, clientId, aud], ['val1', 'val1', []]);
  }
  await assert.rejects(verifierOf().verify(await tokenOf({}, 'at+jwt')), { reason: 'claims' });
  await assert.rejects(capif.verify(await tokenOf({}, 'id+jwt')), { reason: 'malformed' });
  await assert.rejects(capif.verify(await tokenOf({ aud: 'aef2' })), { reason: 'audience' });
  await assert.rejects(capif.verify(await tokenOf({ aud: [] })), { reason: 'claims' });
  for (const name of Object.keys(claims)) await assert.rejects(capif.verify(await tokenOf({ [name]: undefined })), { reason: 'claims' }, name);
  await assert.rejects(capif.verify(await tokenOf({ exp: claims.exp - 91 })), { reason: 'expired' });
  // Core functions may sign with RSA.
  const rsa = await generateKeyPair('RS256');
  const rsaKeys = { keys: [{ ...(await exportJWK(rsa.publicKey)), alg: 'RS256' }] };
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(rsa.privateKey);
  const options = { issuer: 'https://ccf.example', audience: 'aef1', keys: rsaKeys, env: systemEnv };
  assert.equal((await accessTokenVerifier({ ...options, profile: 'capif' }).verify(token)).client_id, 'val1');
  await assert.rejects(accessTokenVerifier(options).verify(token), { reason: 'algorithm' });
});

test('a core function for labs goes by its configuration of the moment', async () => {
  await CapifLab.within({}, async (lab) => {
    const invoker = await lab.invoker('val1', ['PKI']);
    const call = { aefId: san, apis: ['spatial-anchors'] };
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, call)).status, 200);
    await lab.core.reconfigure({ invokers: { val1: { names: ['val1.example'], rights: {} } }, aefs: lab.aefs });
    assert.deepEqual(lab.aef.stats(), { contexts: 0 });
    assert.equal((await invoker.fetch(`${lab.uri}${anchorsPath}`, call)).status, 403);
    await assert.rejects(lab.invoker('val1', ['PKI']), { code: 'ERR_CAPIF_REFUSED' });
    await assert.rejects(CapifCoreSimulator.make({ issuer: 'https://core.example', invokers: {}, aefs: {}, signingKey: 'none' }), { code: 'ERR_CAPIF_CONFIG' });
    const { status, body } = await fetchHttps(`${lab.apiRoot}/jwks`, lab.tls('aef'));
    assert.deepEqual([status, JSON.parse(Buffer.from(body).toString())], [200, lab.core.keys]);
    await assert.rejects(fetchHttps(`${lab.apiRoot}/jwks`, { ca: lab.tls('aef').ca }));
  });
});

test('an invoker asks for a token anew after its clock was set back', async () => {
  await CapifLab.within({ methods: ['OAUTH'] }, async (lab) => {
    let now = systemEnv.epoch();
    const invoker = new CapifInvoker({ apiInvokerId: 'val1', apiRoot: lab.apiRoot, tls: lab.tls('val1'), env: { epoch: () => now } });
    await invoker.negotiate([{ aefId: san, prefSecurityMethods: ['OAUTH'] }]);
    const call = { aefId: san, apis: ['spatial-anchors'] };
    const first = await invoker.token(call);
    assert.equal(await invoker.token(call), first);
    now -= 3600;
    const second = await invoker.token(call);
    assert.notEqual(second, first);
    assert.equal(await invoker.token(call), second);
  });
});
