import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Caller, readValClaims, SealServer, SimC, SimS, type ValAuthenticator } from '../../../../profiles/seal/index.ts';
import { type AccessInformation, AceErrorCode, decodeHints, type TokenResponse } from '../../../../src/ace/index.ts';
import { AuthorizationServer, type ClientRegistration } from '../../../../src/as/index.ts';
import { AceClient, type AuthorizationGrant } from '../../../../src/client/index.ts';
import {
  allowTargets,
  decodeMessage,
  Endpoint,
  findOption,
  isRequest,
  OptionNumber,
  type ProxyEvent,
  type ProxyOptions,
  ProxyServer,
  pathOf,
} from '../../../../src/coap/index.ts';
import { toBase64Url, toHex } from '../../../../src/core/bytes.ts';
import { Curve, KeyType } from '../../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../../src/core/crypto/index.ts';
import { type ClaimsSet, openCwt, symmetricKey } from '../../../../src/core/cwt.ts';
import { audience, inLab, Lab, type LabOptions, type Rows, simSAddress, tokenKey, valSystem } from './lab.ts';

const refused =
  (code: string, error?: number): ((thrown: unknown) => boolean) =>
  (thrown) => {
    const { code: got, error: reason } = thrown as { readonly code?: string; readonly error?: number };
    assert.deepEqual([got, reason], [code, error]);
    return true;
  };

const unauthorized = refused('ERR_ACE_REFUSED', AceErrorCode.unauthorized_client);

function ask(lab: Lab, grant?: AuthorizationGrant, simC: AceClient = lab.simC): Promise<TokenResponse> {
  return lab.finish(simC.token({ audience, scope: 'note:read', ...(grant === undefined ? {} : { grant }) }));
}

const claimsIn = ({ accessToken }: TokenResponse): ClaimsSet => openCwt(accessToken, [tokenKey]).claims;
const issued = (lab: Lab): number => lab.simSEvents.filter(({ type }) => type === 'token-issued').length;

/** The registration of the first client of the lab, with more than the lab gives it. */
function client(more: Partial<ClientRegistration>): ClientRegistration {
  const credentials = { masterSecret: new Uint8Array(16).fill(0x10), senderId: Uint8Array.of(0x80), recipientId: Uint8Array.of(0) };
  return { id: 'ue1', credentials, grants: [{ audience, scope: 'note:read note:write' }], ...more };
}

async function identitiesAreProvisioned(): Promise<void> {
  await inLab({ simS: { identities: [] } }, async (lab) => {
    await assert.rejects(ask(lab), unauthorized);
    await lab.simS.identities.put({ kind: 'user', id: 'anna@val.example', valServiceIds: ['v2x', 'mcx'] });
    await lab.simS.identities.put({ kind: 'ue', id: 'ue1', valUserIds: ['anna@val.example'], valServiceIds: ['v2x', 'factory'] });
    await lab.restartSimS();
    const claims = claimsIn(await ask(lab));
    assert.equal(claims.sub, 'anna@val.example');
    assert.deepEqual(readValClaims(claims), { valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['v2x'], valSystemId: valSystem });
    assert.equal(await lab.simS.identities.remove('user', 'anna@val.example'), true);
    await assert.rejects(ask(lab), unauthorized);
    await lab.simS.identities.put({ kind: 'user', id: 'anna@val.example', valServiceIds: ['mcx'] });
    await assert.rejects(ask(lab), unauthorized, 'a VAL service that the user has, and the device has not');
    assert.equal(issued(lab), 1);
  });
}

async function servicesMapToUes(): Promise<void> {
  const clients = [
    { id: 'ue1', valUeId: 'ue1', valServiceIds: ['v2x', 'mcx'] },
    { id: 'ue2', valUeId: 'ue2' },
    { id: 'ue3', valUeId: 'ue3', valServiceIds: ['mcx'] },
  ];
  await inLab({ clients, simS: { services: { v2x: [audience], mcx: ['elsewhere'] } } }, async (lab) => {
    assert.deepEqual(readValClaims(claimsIn(await ask(lab))).valServiceIds, ['v2x']);
    await assert.rejects(ask(lab, undefined, lab.simCOf(1)), unauthorized, 'a VAL UE without a VAL service');
    await assert.rejects(ask(lab, undefined, lab.simCOf(2)), unauthorized, 'a VAL service of other servers');
  });
  await inLab({ simS: { identities: [{ kind: 'ue', id: 'another', valServiceIds: ['v2x'] }] } }, async (lab) => {
    await assert.rejects(ask(lab), unauthorized, 'a client that is no VAL UE');
    assert.equal(issued(lab), 0);
  });
}

async function tokensAreShortLived(): Promise<void> {
  await inLab({ simS: { resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], tokenLifetime: 90 }] } }, async (lab) => {
    const response = await ask(lab);
    const claims = claimsIn(response);
    assert.deepEqual([response.expiresIn, claims.exp], [90, Math.floor(lab.epoch) + 90]);
    const { valUeId, valServiceIds } = readValClaims(claims);
    assert.deepEqual([valUeId, valServiceIds], ['ue1', ['v2x']]);
    assert.deepEqual([claims.iss, claims.aud, claims.sub], [lab.simSUri, audience, 'anna@val.example']);
    assert.equal((await lab.fetch('/note')).codeText, '2.05');
    await lab.simulator.sleep(91_000);
    lab.serverEvents.length = 0;
    assert.equal((await lab.fetch('/note')).codeText, '2.05');
    assert.ok(
      lab.serverEvents.some(({ type }) => type === 'token-accepted'),
      'a token that has ended opens nothing: there is another',
    );
  });
}

async function refreshTokensAreForTheSimS(): Promise<void> {
  const grantTypes = ['client_credentials', 'refresh_token'] as const;
  await inLab({ simS: { grantTypes, refreshTokens: { clientCredentials: true }, clients: [client({ grantTypes })] } }, async (lab) => {
    const { refreshToken } = await ask(lab);
    assert.equal(await lab.upload(refreshToken!), '4.00');
    const again = await lab.finish(lab.simC.token({ audience, scope: 'note:read', refresh: true }));
    assert.equal(readValClaims(claimsIn(again)).valUeId, 'ue1');
    assert.equal(lab.server.stats()['tokens'], 0);
  });
}

async function otherSystemsAreRefused(): Promise<void> {
  await inLab({}, async (lab) => {
    const otherSystem = new Map([...lab.claimsOf(lab.clients[0]!).unknown!, [-65_540, 'other.example'] as const]);
    assert.equal(await lab.upload(lab.token({ unknown: otherSystem })), '4.01');
    assert.equal(await lab.upload(lab.token({ iss: 'coap://10.9.9.9/token' })), '4.01');
    assert.equal(await lab.upload(lab.token({}, symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(8)))), '4.01');
    assert.deepEqual(lab.refusals(), ['ERR_SEAL_SYSTEM', 'ERR_RS_ISSUER', 'ERR_RS_TOKEN_PROTECTION']);
    assert.equal(await lab.upload(lab.token()), '2.01');
  });
  const simS = { uri: 'coap://10.9.9.9/token', issuer: 'coap://10.9.9.9/token', tokenKeys: [tokenKey] };
  await inLab({ server: { simS } }, async (lab) => {
    await assert.rejects(lab.fetch('/note'), refused('ERR_ACE_AS_NOT_ALLOWED'));
    assert.equal(issued(lab), 0);
  });
}

async function leewayIsCapped(): Promise<void> {
  await inLab({ server: { leeway: 30 } }, async (lab) => {
    assert.equal(await lab.upload(lab.token({ exp: Math.floor(lab.epoch) - 29 })), '2.01');
    assert.equal(await lab.upload(lab.token({ exp: Math.floor(lab.epoch) - 31 })), '4.01');
  });
  const lab = new Lab({ server: { leeway: 31 } });
  await assert.rejects(lab.startServer(), refused('ERR_RS_CONFIG'));
  const { loadRsConfig, writeSealLab } = await import('../../../../src/operate/index.ts');
  const folder = mkdtempSync(join(tmpdir(), 'seal-'));
  try {
    await writeSealLab(folder, { random: (length) => new Uint8Array(length).fill(1) });
    const file = join(folder, 'rs.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('leeway: 0', 'leeway: 31'));
    assert.throws(() => loadRsConfig(folder), /leeway: expected at most 30 seconds/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function rolesAreThoseOfAce(): Promise<void> {
  assert.ok(SimS.prototype instanceof AuthorizationServer);
  assert.ok(SimC.prototype instanceof AceClient);
  await inLab({}, async (lab) => {
    assert.ok(lab.server instanceof SealServer);
    const hints = decodeHints((await lab.plain('GET', '/note')).payload);
    assert.deepEqual([hints.as, hints.audience], [lab.simSUri, audience]);
    assert.equal(await lab.upload(lab.token()), '2.01');
  });
}

async function usersAreAuthenticatedFirst(): Promise<void> {
  const asked: string[] = [];
  const known = new Map([['ue1', { valUeId: 'ue1' }]]);
  const authenticator: ValAuthenticator = {
    authenticate: async (grant) => {
      asked.push(grant.client);
      return known.get(grant.client);
    },
  };
  await inLab({ simS: { authenticator } }, async (lab) => {
    assert.equal(claimsIn(await ask(lab)).sub, 'ue1');
    known.clear();
    await assert.rejects(ask(lab), unauthorized);
    assert.deepEqual([asked, issued(lab)], [['ue1', 'ue1'], 1]);
  });
  await passwordsTellUsersApart();
}

/** Two users share a VAL UE: a password says who of them asks. */
async function passwordsTellUsersApart(): Promise<void> {
  const grantTypes = ['client_credentials', 'password'] as const;
  const services = { valServiceIds: ['v2x'] };
  const options: LabOptions = {
    simS: {
      grantTypes,
      clients: [client({ grantTypes })],
      passwords: { verify: async (_username, password) => password === 'right' },
      identities: [
        ...['anna', 'bert', 'carl'].map((id) => ({ kind: 'user' as const, id, ...services })),
        { kind: 'ue', id: 'ue1', valUserIds: ['anna', 'bert'], ...services },
      ],
    },
  };
  const by = (username: string, password = 'right'): AuthorizationGrant => ({ username, password });
  await inLab(options, async (lab) => {
    for (const user of ['bert', 'anna']) {
      const { sub, unknown } = claimsIn(await ask(lab, by(user)));
      assert.deepEqual([sub, readValClaims({ ...(unknown && { unknown }) }).valUserId], [user, user]);
    }
    assert.equal(claimsIn(await ask(lab)).sub, 'ue1', 'nobody has said which user it is');
    await assert.rejects(ask(lab, by('anna', 'wrong')), refused('ERR_ACE_REFUSED', AceErrorCode.invalid_grant));
    await assert.rejects(ask(lab, by('carl')), unauthorized, 'a user of another device');
    await assert.rejects(ask(lab, by('dora')), unauthorized, 'a user who is not provisioned');
    assert.equal(issued(lab), 3);
  });
}

const proxyAddress = '10.0.0.5:5683';

/** A lab whose SIM-C has no way but through a proxy of ours, and what the proxy logs. */
async function throughProxy(
  options: LabOptions,
  proxying: Partial<ProxyOptions>,
  check: (lab: Lab, log: readonly ProxyEvent[]) => Promise<void>,
): Promise<void> {
  await inLab(options, async (lab) => {
    const log: ProxyEvent[] = [];
    const env = lab.simulator.env('proxy');
    const proxy = new ProxyServer({ ...proxying, env, emit: (event) => log.push(event) });
    const endpoint = new Endpoint({ transport: lab.simulator.transport('10.0.0.5', 5683), env, proxying: proxy });
    try {
      await check(lab, log);
    } finally {
      await endpoint.close();
    }
  });
}

const forward: Partial<ProxyOptions> = { forward: { allow: allowTargets('10.0.0.1', '10.0.0.2') } };

/** Neither the log of the proxy, nor a datagram on its way, says what was asked for. */
async function assertBlind(lab: Lab, log: readonly ProxyEvent[], secrets: readonly Uint8Array[]): Promise<void> {
  const { loggable } = await import('../../../../src/operate/index.ts');
  const logged = JSON.stringify(log, (_key, value) => loggable(value));
  assert.ok(log.length > 0);
  for (const word of ['note', 'authz-info', '/token', 'anna', 'v2x']) assert.ok(!logged.includes(word), `the log of the proxy has ${word}`);
  for (const secret of secrets)
    for (const text of [toHex(secret), toBase64Url(secret)]) assert.ok(!logged.includes(text), 'the log of the proxy has a token or a key');
  for (const word of ['note', 'anna', 'v2x', valSystem]) assert.ok(!lab.wireHas(word), `${word} stands on the wire`);
  for (const secret of [tokenKey.key.k!, new Uint8Array(16).fill(0x10)]) assert.ok(!lab.wireHas(secret), 'a key stands on the wire');
}

/** Method and path of the requests to a party that nothing protects. */
function openRequests(lab: Lab, address: string): string[] {
  const requests = lab.simulator.wire.filter(({ to }) => to === address).map(({ datagram }) => decodeMessage(datagram));
  const open = requests.filter(({ code, options }) => isRequest(code) && findOption(options, OptionNumber.Oscore) === undefined);
  return open.map(({ code, options }) => `${code} /${pathOf(options).join('/')}`);
}

async function tokenRequestsGoEndToEnd(): Promise<void> {
  await throughProxy({ simC: { proxy: 'coap://10.0.0.5' } }, forward, async (lab, log) => {
    const { accessToken } = await ask(lab);
    assert.ok(lab.simulator.wire.every(({ from, to }) => from === proxyAddress || to === proxyAddress));
    assert.deepEqual([openRequests(lab, proxyAddress), openRequests(lab, simSAddress)], [[], []]);
    assert.ok(!lab.wireHas(accessToken), 'the token stands on the wire');
    await assertBlind(lab, log, [accessToken, tokenKey.key.k!]);
  });
}

/** RFC 9203, Section 4.1, leaves the first request and the upload in clear: the one names no path but the root, the other has the token as a ciphertext. */
async function oscoreCrossesProxies(): Promise<void> {
  const tokens: Uint8Array[] = [];
  const checkGrant = ({ accessToken }: AccessInformation): void => void tokens.push(accessToken!);
  await throughProxy({ simC: { proxy: 'coap://10.0.0.5', checkGrant } }, forward, async (lab, log) => {
    assert.equal((await lab.fetch('/note')).codeText, '2.05');
    assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'across' })).codeText, '2.04');
    assert.deepEqual(lab.handled, ['GET /note', 'PUT /note']);
    assert.deepEqual(openRequests(lab, '10.0.0.2:5683'), ['1 /', '2 /authz-info']);
    assert.equal(tokens.length, 1);
    await assertBlind(lab, log, [tokenKey.key.k!, ...tokens]);
    assert.ok(!lab.wireHas('across'));
  });
  await throughProxy({}, { reverse: [{ target: 'coap://10.0.0.2' }] }, async (lab, log) => {
    const response = await lab.finish(lab.simC.fetch('coap://10.0.0.5/note'));
    assert.deepEqual([response.codeText, response.protected, response.association?.kind], ['2.05', true, 'oscore']);
    assert.ok(log.some((event) => event.type === 'forwarded' && event.protected));
    assert.deepEqual(lab.handled, ['GET /note']);
  });
}

async function claimsAreThere(): Promise<void> {
  await inLab({ server: { limits: { uploadBurst: 10 } } }, async (lab) => {
    assert.equal(await lab.upload(lab.token({ exp: undefined, exi: 100 })), '4.00');
    for (const name of ['exp', 'scope', 'cnf'] as const) assert.equal(await lab.upload(lab.token({ [name]: undefined })), '4.00', `without ${name}`);
    assert.deepEqual(lab.refusals(), new Array(4).fill('ERR_SEAL_CLAIM'));
    const { exp, scope, cnf } = claimsIn(await ask(lab));
    assert.ok(exp !== undefined && scope === 'note:read' && cnf?.osc !== undefined);
  });
  await inLab({ simS: { resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], exi: true }] } }, async (lab) => {
    await assert.rejects(ask(lab), refused('ERR_ACE_REFUSED', AceErrorCode.invalid_request));
    assert.equal(issued(lab), 0);
  });
}

async function valClaimsPass(): Promise<void> {
  const seen: (Caller | undefined)[] = [];
  const resources: LabOptions['resources'] = (server) => {
    server.resource('/who', { get: (request) => void seen.push(server.callerOf(request)) });
  };
  await inLab({ resources, scopes: { who: { '/who': ['GET'] } } }, async (lab) => {
    await lab.fetch('/who');
    const { expiresAt, ...caller } = seen[0]!;
    assert.deepEqual(caller, { subject: 'anna@val.example', valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['v2x'], scope: 'who' });
    assert.ok(expiresAt > lab.epoch);
    const unknown = new Map([...lab.claimsOf(lab.clients[0]!).unknown!, [-70_000, 'of somebody else'] as const]);
    assert.equal(await lab.upload(lab.token({ unknown })), '2.01');
  });
}

async function serverKeysAreNamed(): Promise<void> {
  const { d: _, ...rawPublicKey } = { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(3)) };
  const resourceServers = [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], rawPublicKey }];
  await inLab({ simS: { resourceServers } }, async (lab) => {
    const { x } = (await ask(lab)).rsCnf?.coseKey ?? {};
    assert.deepEqual(x, rawPublicKey.x);
  });
  await inLab({}, async (lab) => assert.equal((await ask(lab)).rsCnf, undefined));
}

/** The deployment: identities of the SIM-S, systems apart, proxies between, and what stands in each token. */
export const rows: Rows = {
  'R-013': tokenRequestsGoEndToEnd,
  'R-043': identitiesAreProvisioned,
  'R-048': tokensAreShortLived,
  'R-049': refreshTokensAreForTheSimS,
  'R-050': servicesMapToUes,
  'R-079': otherSystemsAreRefused,
  'R-103': leewayIsCapped,
  'R-207': rolesAreThoseOfAce,
  'R-210': usersAreAuthenticatedFirst,
  'R-220': oscoreCrossesProxies,
  'R-223': claimsAreThere,
  'R-226': valClaimsPass,
  'R-234': serverKeysAreNamed,
};
