import assert from 'node:assert/strict';
import { ConfigurationService } from '../../../../profiles/seal/configuration/index.ts';
import { SpatialService } from '../../../../profiles/seal/spatial/index.ts';
import { AceError } from '../../../../src/ace/index.ts';
import type { AceClient, AceRequestInit } from '../../../../src/client/index.ts';
import { formatCode } from '../../../../src/coap/index.ts';
import { type ClaimsSet, protectCwt, type TokenKey } from '../../../../src/core/cwt.ts';
import type { Env } from '../../../../src/core/env.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { assertProblem, cborBody } from '../answers.ts';
import { audience, inLab, type Lab, type LabClient, type LabOptions, type Rows, tokenKey } from './lab.ts';
import { RpkLab, signatureKeys } from './rpk-lab.ts';

const anchors = '/su-san/v1/anchors';
const profiles = '/su-up/v1/val-services/v2x/user-profiles';
const configurations = '/su-uc/v1/val-services/v2x/ue-configurations';

const anchor = { valServiceId: 'v2x', location: { lat: 50.1, lon: 8.7 } };
const profile = { valTgtUe: { valUserId: 'anna@val.example' }, profileInformation: { status: true } };
const configuration = { valServiceDomain: 'v2x.example', valUeIds: { uris: Array.from({ length: 7 }, (_, index) => `anna${index}`) } };

const spatial = (store = memoryStore(), env?: Env): SpatialService => new SpatialService({ store, ...(env === undefined ? {} : { env }) });

/** One user at so many devices, each with one scope. */
function clientsFor(scopes: readonly string[], user = 'anna'): LabClient[] {
  return scopes.map((scope, index) => {
    const id = `${user}${index}`;
    return { id, valUserId: `${user}@val.example`, valUeId: id, valServiceIds: ['v2x'], scope };
  });
}

type Operation = readonly [path: string, init: AceRequestInit];

/** What each scope gets for each operation, by a client that has this scope and no other. */
async function assertMatrix(lab: Lab, scopes: readonly string[], operations: readonly Operation[], expected: Readonly<Record<string, string>>): Promise<void> {
  for (const [index, scope] of scopes.entries()) {
    const codes: string[] = [];
    for (const [path, init] of operations) codes.push((await lab.fetch(path, { ...init, scope, upgrade: false }, lab.simCOf(index))).codeText);
    assert.equal(codes.join(' '), expected[scope], scope);
  }
}

async function create(lab: Lab, path: string, body: unknown, simC: AceClient, scope: string): Promise<string> {
  const { location, codeText } = await lab.fetch(path, { method: 'POST', ...cborBody(body), scope }, simC);
  assert.equal(codeText, '2.01');
  return location!;
}

const spatialLab: LabOptions = { services: ({ stores, simulator }) => [spatial(stores.server, simulator.env('spatial'))] };

/** A scope for each operation: a token to read does not write. */
async function spatialMatrix(): Promise<void> {
  const names = ['create', 'discover', 'read', 'subscribe', 'update', 'delete'];
  const scopes = names.map((name) => `spatial-anchor:${name}`);
  await inLab({ ...spatialLab, clients: clientsFor(scopes) }, async (lab) => {
    const item = await create(lab, anchors, anchor, lab.simCOf(0), scopes[0]!);
    const operations: Operation[] = [
      [anchors, { method: 'POST', ...cborBody(anchor) }],
      [anchors, {}],
      [item, {}],
      [item, { method: 'PUT', ...cborBody(anchor) }],
      [item, { method: 'DELETE' }],
    ];
    await assertMatrix(lab, scopes, operations, {
      'spatial-anchor:create': '2.01 4.05 4.03 4.03 4.03',
      'spatial-anchor:discover': '4.05 2.05 4.03 4.03 4.03',
      'spatial-anchor:read': '4.03 4.03 2.05 4.05 4.05',
      'spatial-anchor:subscribe': '4.05 2.05 2.05 4.05 4.05',
      'spatial-anchor:update': '4.03 4.03 4.05 2.04 4.05',
      'spatial-anchor:delete': '4.03 4.03 4.05 4.05 2.02',
    });
  });
}

/** TS 33.434 v19, 6.1.2: a token for each spatial service; the entities that an owner allows, and nobody else; to the end of the token and no longer. */
async function spatialServices(): Promise<void> {
  const scope = 'spatial-anchor:create spatial-anchor:read spatial-anchor:subscribe';
  const others: LabClient[] = [
    { id: 'ue2', valUserId: 'bert@val.example', valServiceIds: ['tours'], scope },
    { id: 'ue3', valUserId: 'carl@val.example', valServiceIds: ['v2x'], scope },
    { id: 'ue4', valUserId: 'anna@val.example', valUeId: 'ue4', valServiceIds: ['tours'], scope },
  ];
  await inLab({ ...spatialLab, clients: [...clientsFor([scope]), ...others], simC: { renewal: 0 } }, async (lab) => {
    assert.equal(formatCode((await lab.plain('GET', anchors)).code), '4.01');
    const item = await create(lab, anchors, { ...anchor, allowedEntities: [{ valUserId: 'bert@val.example' }] }, lab.simCOf(0), scope);
    assert.equal((await lab.fetch(item, { scope })).codeText, '2.05');
    assert.equal((await lab.fetch(item, { scope }, lab.simCOf(1))).codeText, '2.05');
    assertProblem(await lab.fetch(item, { scope }, lab.simCOf(2)), '4.03', 'ERR_SEAL_RIGHTS');
    // Its owner, with a token for another VAL service.
    assertProblem(await lab.fetch(item, { scope }, lab.simCOf(3)), '4.03', 'ERR_SEAL_RIGHTS');
    assertProblem(await lab.fetch(anchors, { method: 'POST', ...cborBody(anchor), scope }, lab.simCOf(3)), '4.03', 'ERR_SEAL_SERVICE');
    const stream = lab.simC.observe(`${lab.serverUri}${item}`, { scope });
    assert.equal((await lab.finish(stream.next())).value?.codeText, '2.05');
    assert.equal(lab.server.stats()['observers'], 1);
    // Notifications as long as the token lives, so long as what is observed is fresh; then the end.
    await assert.rejects(
      lab.finish(
        (async () => {
          for await (const { codeText } of stream) assert.equal(codeText, '2.05');
        })(),
      ),
      (error) => error instanceof AceError && error.code === 'ERR_ACE_TOKEN_ENDED',
    );
    assert.equal(lab.server.stats()['observers'], 0);
  });
}

async function subscribeScope(): Promise<void> {
  const scopes = ['spatial-anchor:create', 'spatial-anchor:read', 'spatial-anchor:discover'];
  await inLab({ ...spatialLab, clients: clientsFor(scopes) }, async (lab) => {
    const item = await create(lab, anchors, anchor, lab.simCOf(0), scopes[0]!);
    for (const [index, path] of [
      [1, item],
      [2, anchors],
    ] as const) {
      const stream = lab.simCOf(index).observe(`${lab.serverUri}${path}`, { scope: scopes[index]!, upgrade: false });
      assertProblem((await lab.finish(stream.next())).value!, '4.03', 'ERR_SEAL_RIGHTS');
      await lab.finish(stream.return());
    }
    assert.equal(lab.server.stats()['observers'], 0);
  });
}

const simSSignature = signatureKeys(5);
const otherSignature = signatureKeys(6);

/** TS 33.434 v19, 6.1.2 over DTLS with raw public keys: the token is signed by the SIM-S, and the server holds the key that verifies it. */
async function signedTokens(): Promise<void> {
  const options = { services: (env: Env) => [spatial(memoryStore(), env)], valServiceIds: ['v2x'] };
  const good = await new RpkLab({ ...options, keys: simSSignature }).start();
  const post = { method: 'POST', ...cborBody(anchor) } as const;
  assert.equal((await good.finish(good.simC.fetch(`coap://10.0.0.2${anchors}`, post))).codeText, '2.01');
  await good.close();
  const bad = await new RpkLab({ ...options, keys: { own: otherSignature.own, known: simSSignature.known } }).start();
  await assert.rejects(bad.finish(bad.simC.fetch(`coap://10.0.0.2${anchors}`, post)), (error) => error instanceof AceError && error.code === 'ERR_ACE_UPLOAD');
  const refusals = new Set(bad.serverEvents.flatMap((event) => (event.type === 'token-refused' ? [event.reason] : [])));
  assert.deepEqual([...refusals], ['ERR_RS_TOKEN_PROTECTION']);
  await bad.close();
}

/**
 * Over OSCORE the token holds a secret and is encrypted (RFC 9203, Section 3.2): the key of that, which none but SIM-S and server have, vouches for it, or a
 * signature inside.
 */
async function encryptedTokens(): Promise<void> {
  const simS = { uri: 'coap://10.0.0.1/token', issuer: 'coap://10.0.0.1/token', tokenKeys: [tokenKey, simSSignature.known] };
  await inLab({ ...spatialLab, server: { simS } }, async (lab) => {
    const osc = new Map<number, Uint8Array>([
      [0, Uint8Array.of(3)],
      [2, new Uint8Array(16).fill(3)],
    ]);
    const claims: ClaimsSet = {
      iss: simS.issuer,
      aud: audience,
      exp: lab.epoch + 100,
      scope: 'spatial-anchor:read',
      cnf: { osc },
      ...lab.claimsOf(lab.clients[0]!),
    };
    const token = (keys: TokenKey | readonly [TokenKey, TokenKey]): Uint8Array => protectCwt(claims, keys, lab.simulator.env('token').random);
    assert.equal(await lab.upload(token([simSSignature.own, tokenKey])), '2.01');
    assert.equal(await lab.upload(token([otherSignature.own, tokenKey])), '4.01');
    const otherKey: TokenKey = { ...tokenKey, key: { kty: 4, k: new Uint8Array(16).fill(8) } };
    assert.equal(await lab.upload(token(otherKey)), '4.01');
    const wrong = protectCwt({ ...claims, cnf: { kid: Uint8Array.of(1) } }, otherSignature.own, lab.simulator.env('token').random);
    assert.equal(await lab.upload(wrong), '4.01');
  });
}

const configurationScopes = [
  'user-profile:read',
  'user-profile:write',
  'user-profile:read-all',
  'user-profile:write-all',
  'ue-configuration:read',
  'ue-configuration:read-all',
  'ue-configuration:write-all',
];

const configurationLab: LabOptions = {
  services: ({ stores, simulator }) => [new ConfigurationService({ store: stores.server, env: simulator.env('cm') })],
};

/** Each scope against each method, for documents about oneself and about others. */
async function configurationMatrix(): Promise<void> {
  const own = clientsFor(configurationScopes);
  const others = clientsFor(['user-profile:read', 'user-profile:write', 'user-profile:read-all', 'user-profile:write-all', 'ue-configuration:read'], 'bert');
  await inLab({ ...configurationLab, clients: [...own, ...others] }, async (lab) => {
    const scopeOf = (index: number): string => lab.clients[index]!.scope!;
    const [profileDoc, ueConfig] = [
      await create(lab, profiles, profile, lab.simCOf(3), scopeOf(3)),
      await create(lab, configurations, configuration, lab.simCOf(6), scopeOf(6)),
    ];
    const operations: Operation[] = [
      [profileDoc, {}],
      [profileDoc, { method: 'PUT', ...cborBody(profile) }],
      [profiles, { method: 'POST', ...cborBody(profile) }],
      [ueConfig, {}],
      [ueConfig, { method: 'PUT', ...cborBody(configuration) }],
    ];
    const codes: Record<string, string> = {};
    for (const index of lab.clients.keys()) {
      const got: string[] = [];
      for (const [path, init] of operations) got.push((await lab.fetch(path, { ...init, scope: scopeOf(index), upgrade: false }, lab.simCOf(index))).codeText);
      codes[`${index < own.length ? 'own' : 'other'} ${scopeOf(index)}`] = got.join(' ');
    }
    assert.deepEqual(codes, {
      'own user-profile:read': '2.05 4.05 4.05 4.03 4.03',
      'own user-profile:write': '4.05 2.04 2.01 4.03 4.03',
      'own user-profile:read-all': '2.05 4.05 4.05 4.03 4.03',
      'own user-profile:write-all': '4.05 2.04 2.01 4.03 4.03',
      'own ue-configuration:read': '4.03 4.03 4.03 2.05 4.05',
      'own ue-configuration:read-all': '4.03 4.03 4.03 2.05 4.05',
      'own ue-configuration:write-all': '4.03 4.03 4.03 4.05 2.04',
      'other user-profile:read': '4.03 4.05 4.05 4.03 4.03',
      'other user-profile:write': '4.05 4.03 4.03 4.03 4.03',
      'other user-profile:read-all': '2.05 4.05 4.05 4.03 4.03',
      'other user-profile:write-all': '4.05 2.04 2.01 4.03 4.03',
      'other ue-configuration:read': '4.03 4.03 4.03 4.03 4.05',
    });
  });
}

/** TS 33.434, B.3.5: a VAL service takes a token for that VAL service, of VAL servers too, and so does each server. */
async function perValService(): Promise<void> {
  const scope = 'user-profile:read-all user-profile:write-all';
  const clients: LabClient[] = [
    { id: 'val1', valServiceIds: ['v2x'], scope },
    { id: 'val2', valServiceIds: ['mcx'], scope },
  ];
  await inLab({ ...configurationLab, clients }, async (lab) => {
    const item = await create(lab, profiles, profile, lab.simCOf(0), scope);
    assert.equal((await lab.fetch(item, { scope })).codeText, '2.05');
    const query = '?val-tgt-ue=anna@val.example';
    for (const path of [item, `${profiles}${query}`]) assertProblem(await lab.fetch(path, { scope }, lab.simCOf(1)), '4.03', 'ERR_SEAL_SERVICE');
    const elsewhere = item.replace('/v2x/', '/mcx/');
    assertProblem(await lab.fetch(elsewhere, { scope }, lab.simCOf(1)), '4.04', 'ERR_SEAL_ABSENT');
    assert.equal(await lab.upload(lab.token({ aud: 'seal2', scope })), '4.03');
  });
}

/** What clients can make these servers hold is bounded, and comes back when it goes. */
async function boundedState(): Promise<void> {
  const limits = { documents: 4, perOwner: 3, document: 300, bytes: 1000 };
  const services = ({ stores, simulator }: Lab): SpatialService[] => [
    new SpatialService({ store: stores.server, env: simulator.env('spatial'), limits: { anchors: limits }, rate: { burst: 12, rate: 1 } }),
  ];
  const scope = 'spatial-anchor:create spatial-anchor:read spatial-anchor:delete';
  const clients = [...clientsFor([scope]), ...clientsFor([scope], 'bert')];
  await inLab({ services, clients }, async (lab) => {
    const post = (body: unknown, by = 0) => lab.simCOf(by).fetch(`${lab.serverUri}${anchors}`, { method: 'POST', ...cborBody(body), scope, timeout: 60_000 });
    assertProblem(await lab.finish(post({ ...anchor, content: 'x'.repeat(300) })), '4.13', 'ERR_SEAL_SIZE');
    const created = await lab.finish(Promise.all(Array.from({ length: 5 }, () => post(anchor))));
    assert.deepEqual(created.map(({ codeText }) => codeText).sort(), ['2.01', '2.01', '2.01', '4.03', '4.03']);
    assert.equal((await lab.finish(post(anchor, 1))).codeText, '2.01');
    const full = await lab.finish(post(anchor, 1));
    assertProblem(full, '5.03', 'ERR_SEAL_FULL');
    assert.equal(full.maxAge, 60);
    const { location } = created.find(({ codeText }) => codeText === '2.01')!;
    assert.equal((await lab.fetch(location!, { method: 'DELETE', scope })).codeText, '2.02');
    assert.equal((await lab.finish(post({ ...anchor, content: 'x'.repeat(200) }, 1))).codeText, '2.01');
    assert.equal(lab.server.stats()['spatialAnchors'], 4);
    await lab.restartServer();
    assert.equal(lab.server.stats()['spatialAnchors'], 4);
    assertProblem(await lab.finish(post(anchor, 1)), '5.03', 'ERR_SEAL_FULL');
    let last = '';
    for (let i = 0; i < 40 && last !== '4.29'; i++) last = (await lab.fetch(location!, { scope })).codeText;
    assert.equal(last, '4.29');
    await lab.simulator.sleep(60_000);
    assert.equal(lab.server.stats()['spatialCallers'], 0);
  });
}

/** Rows of the configuration management server and of the spatial server. */
export const rows: Rows = {
  'R-004': boundedState,
  'R-217': configurationMatrix,
  'R-221': perValService,
  'R-604': async () => {
    await spatialMatrix();
    await subscribeScope();
    await spatialServices();
  },
  'R-605': async () => {
    await signedTokens();
    await encryptedTokens();
  },
};
