/**
 * The DTLS profile with an AS, a client and a resource server whose messages and tokens are dcaf's, a Rust implementation of RFC 9200. It has no transport: its
 * messages travel over ours. Its tokens have no COSE tag.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { encodePskIdentity } from '../../profiles/dtls/params.ts';
import { encodeAif } from '../../src/ace/index.ts';
import { AuthorizationServer, type TimedTokenKey } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import { type CoapResponse, Code } from '../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { Algorithm, type CoseKey, Curve, KeyType } from '../../src/core/cose/index.ts';
import { type CurveKeyPair, keyPair } from '../../src/core/crypto/index.ts';
import type { TokenKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import type { SessionCredentials } from '../../src/dtls/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { authenticatorOf, CoapClient, dtls, dtlsSchemes, request, schemes, serve, udp } from '../../src/transport/index.ts';
import { freePortPair } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { JsonPeer } from './processes.ts';
import { dcafPeer } from './tools.ts';

const test = testsWith({ peer: 'dcaf', transport: 'UDP', security: 'DTLS PSK' });

const aceCbor = 19;
const { random } = systemEnv;

/** A key as the orders of `dcaf/src` have it. */
interface PeerKey {
  readonly k?: string;
  readonly x?: string;
  readonly y?: string;
  readonly d?: string;
  readonly kid?: string;
}

interface PeerClaims {
  readonly audience: string;
  readonly exp: number;
  readonly scope: string;
  readonly cnf: PeerKey;
}

const rawKey = (): CurveKeyPair & { readonly kty: number } => ({ kty: KeyType.EC2, ...keyPair(Curve.P256, random) });

const publicPart = ({ x, y }: CurveKeyPair): PeerKey => ({ x: toHex(x), y: toHex(y!) });

const tokenSecret = random(16);
const encryption: TokenKey = { use: 'encrypt0', algorithm: Algorithm.AES_CCM_16_64_128, key: { kty: KeyType.Symmetric, k: tokenSecret }, untagged: true };
const signingKey = rawKey();
const { d: _, ...verifyingKey } = signingKey;
const signature: TokenKey = { use: 'sign1', algorithm: Algorithm.ES256, key: verifyingKey, untagged: true };
/** The same keys at dcaf. */
const theirs = { encryption: { k: toHex(tokenSecret) }, signature: { ...publicPart(signingKey), d: toHex(signingKey.d) } } as const;

/** Between a client and the AS. */
const channel = { identity: utf8('client1'), key: random(16) };
const clientKey = rawKey();
const serverKey = rawKey();
const scopes = { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['PUT'] } };

interface Rs {
  readonly port: number;
  uri(path: string): string;
}

/** Our RS on a pair of ports. */
async function startRs(t: TestContext, as: string, options: { readonly scopes?: typeof scopes } = { scopes }): Promise<Rs> {
  const port = await freePortPair();
  const sessions = await dtls({ port: port + 1, server: { psk: {}, rawPublicKey: { own: serverKey, client: 'require' } } });
  const rs = new ResourceServer({
    audience: 'rs1',
    issuers: [{ uri: as, tokenKeys: [encryption, signature] }],
    profiles: [dtlsProfileWith({ sessions })],
    store: memoryStore(),
    ...options,
  });
  t.after(() => rs.close());
  rs.resource('/temperature', { get: () => '21.5' });
  rs.resource('/led', { put: () => undefined });
  await rs.listen([await udp({ port }), sessions]);
  return { port, uri: (path) => `coap://127.0.0.1:${port}${path}` };
}

/** Our AS, which knows client1 and rs1. */
async function startAs(t: TestContext, ...more: readonly TimedTokenKey[]): Promise<string> {
  const sessions = await dtls({ server: { psk: {} } });
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [dtlsProfileWith({ sessions, as: { clientKeys: { client1: [clientKey] }, serverKeys: { rs1: serverKey } } })],
    clients: [{ id: 'client1', credentials: { psk: channel }, grants: [{ audience: 'rs1', scope: 'r_temp w_led' }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [encryption, ...more], tokenLifetime: 600 }],
  });
  t.after(() => as.close());
  const { local } = await as.listen(sessions);
  return `coaps://127.0.0.1:${local.port}/token`;
}

/** A client of sessions with these credentials. */
function clientWith(t: TestContext, credentials: SessionCredentials): CoapClient {
  const client = new CoapClient({ schemes: [...schemes, ...dtlsSchemes({ credentials })] });
  t.after(() => client.close());
  return client;
}

const upload = (rs: Rs, token: string): Promise<CoapResponse> =>
  request(rs.uri('/authz-info'), { method: 'POST', payload: fromHex(token), contentFormat: 'application/cwt' });

const inHex = ({ payload }: CoapResponse): string => toHex(payload);

test('dcaf client -> our AS and our RS: hints, a token for a pre-shared key, a session by it', 'ACE', async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  const as = await startAs(t);
  const rs = await startRs(t, as);
  const refused = await request(rs.uri('/temperature'));
  assert.equal(refused.codeText, '4.01');
  assert.deepEqual(await dcaf.tell({ read: 'hints', cbor: inHex(refused) }), { as, kid: null, audience: 'rs1', scope: 'r_temp', cnonce: null });

  const { cbor } = await dcaf.tell<{ readonly cbor: string }>({ make: 'request', client: 'client1', audience: 'rs1', scope: 'r_temp', profile: true });
  const client = clientWith(t, { psk: channel });
  const answer = await client.request(as, { method: 'POST', payload: fromHex(cbor), contentFormat: aceCbor });
  assert.equal(answer.codeText, '2.01');
  const given = await dcaf.tell<{ readonly token: string; readonly cnf: { readonly k: string; readonly kid: string } }>({
    read: 'response',
    cbor: inHex(answer),
  });
  const { token, cnf } = given;
  assert.deepEqual(given, { token, expires_in: 600, profile: 'coap_dtls', scope: null, cnf, rs_cnf: null });

  // What the token says is for the RS, and dcaf opens it as one would that is dcaf's.
  const claims = await dcaf.tell<PeerClaims>({ read: 'token', token, key: theirs.encryption });
  assert.deepEqual([claims.audience, claims.scope, claims.cnf], ['rs1', 'r_temp', cnf]);

  assert.equal((await upload(rs, token)).codeText, '2.01');
  const session = clientWith(t, { psk: { identity: encodePskIdentity(fromHex(cnf.kid)), key: fromHex(cnf.k) } });
  const at = `coaps://127.0.0.1:${rs.port + 1}`;
  assert.equal((await session.request(`${at}/temperature`)).text(), '21.5');
  assert.equal((await session.request(`${at}/led`, { method: 'PUT', payload: 'on' })).codeText, '4.03');
});

test('dcaf client -> our AS and our RS: a raw public key in req_cnf, and a token that is signed', { feature: 'ACE', security: 'DTLS RPK' }, async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  // The later key: it takes over where nothing in the token is secret.
  const as = await startAs(t, { ...signature, key: signingKey, from: 1 });
  const rs = await startRs(t, as);
  const { cbor } = await dcaf.tell<{ readonly cbor: string }>({ make: 'request', audience: 'rs1', scope: 'r_temp', cnf: publicPart(clientKey) });
  const answer = await clientWith(t, { psk: channel }).request(as, { method: 'POST', payload: fromHex(cbor), contentFormat: aceCbor });
  const { token, rs_cnf: named } = await dcaf.tell<{ readonly token: string; readonly rs_cnf: PeerKey }>({ read: 'response', cbor: inHex(answer) });
  assert.deepEqual([named.x, named.y], Object.values(publicPart(serverKey)));
  const { cnf } = await dcaf.tell<PeerClaims>({ read: 'token', token, key: theirs.signature });
  assert.deepEqual(cnf, { ...publicPart(clientKey), kid: cnf.kid });
  assert.equal((await upload(rs, token)).codeText, '2.01');
  const session = clientWith(t, { rawPublicKey: { own: clientKey, server: serverKey } });
  assert.equal((await session.request(`coaps://127.0.0.1:${rs.port + 1}/temperature`)).text(), '21.5');
});

test('dcaf client -> our AS: errors of the token endpoint', 'ACE', async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  const as = await startAs(t);
  const client = clientWith(t, { psk: channel });
  for (const [order, code, error] of [
    [{ audience: 'rs1', scope: 'everything' }, '4.00', 'InvalidScope'],
    [{ audience: 'rs9', scope: 'r_temp' }, '4.00', 'InvalidRequest'],
    [{ audience: 'rs1', scope: 'r_temp', cnf: { k: toHex(random(16)) } }, '4.00', 'InvalidRequest'],
    [{ audience: 'rs1', scope: 'r_temp', cnf: publicPart(rawKey()) }, '4.00', 'UnsupportedPopKey'],
    [{ client: 'client2', audience: 'rs1', scope: 'r_temp' }, '4.00', 'InvalidClient'],
  ] as const) {
    const { cbor } = await dcaf.tell<{ readonly cbor: string }>({ make: 'request', ...order });
    const answer = await client.request(as, { method: 'POST', payload: fromHex(cbor), contentFormat: aceCbor });
    const told = await dcaf.tell<{ readonly error: string }>({ read: 'error', cbor: inHex(answer) });
    assert.deepEqual([answer.codeText, told.error], [code, error], JSON.stringify(order));
  }
});

/** An AS whose every message and token is dcaf's. */
async function startTheirs(t: TestContext, dcaf: JsonPeer, key: PeerKey): Promise<{ readonly uri: string; readonly asked: object[] }> {
  const asked: object[] = [];
  const server = await serve({
    listen: 'coaps://127.0.0.1:0',
    schemes: [...schemes, ...dtlsSchemes({ server: { psk: {} }, authenticator: authenticatorOf({ psk: [channel] }) })],
    resources: {
      '/token': {
        post: async (incoming) => {
          const wanted = await dcaf.tell<{ readonly scope: string | null; readonly cnf: PeerKey | null }>({ read: 'request', cbor: toHex(incoming.payload) });
          asked.push(wanted);
          if (wanted.scope === 'everything') {
            const { cbor } = await dcaf.tell<{ readonly cbor: string }>({ make: 'error', error: 'invalid_scope' });
            return { code: Code.BadRequest, payload: fromHex(cbor), contentFormat: aceCbor };
          }
          const cnf = wanted.cnf ?? { k: toHex(random(16)), kid: toHex(random(4)) };
          const scope = wanted.scope ?? 'r_temp';
          const exp = Math.floor(systemEnv.epoch()) + 600;
          const { token } = await dcaf.tell<{ readonly token: string }>({ make: 'token', key, audience: 'rs1', exp, scope, cnf });
          const keys = wanted.cnf === null ? { cnf } : { rs_cnf: publicPart(serverKey) };
          const { cbor } = await dcaf.tell<{ readonly cbor: string }>({ make: 'response', token, expires_in: 600, scope, ...keys });
          return { code: Code.Created, payload: fromHex(cbor), contentFormat: aceCbor };
        },
      },
    },
  });
  t.after(() => server.close());
  return { uri: `${server.url}/token`, asked };
}

/** Our ACE client, by its sessions. */
async function startClient(t: TestContext, as: string, ownKey?: CoseKey): Promise<AceClient> {
  const sessions = await dtls();
  const client = new AceClient({
    transport: [await udp(), sessions],
    store: memoryStore(),
    profiles: [dtlsProfileWith({ sessions, client: ownKey === undefined ? {} : { ownKey } })],
    authorizationServers: [{ uri: as, credentials: { psk: channel } }],
  });
  t.after(() => client.close());
  return client;
}

test('our ACE client and our RS -> dcaf AS: a pre-shared key, from a URI to an answer, and an error', 'ACE', async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  const { uri, asked } = await startTheirs(t, dcaf, theirs.encryption);
  const rs = await startRs(t, uri);
  const client = await startClient(t, uri);
  const response = await client.fetch(rs.uri('/temperature'));
  assert.deepEqual([response.codeText, response.text(), response.protected], ['2.05', '21.5', true]);
  assert.deepEqual(asked, [{ audience: 'rs1', scope: 'r_temp', profile: false, cnf: null }]);
  await assert.rejects(client.token({ audience: 'rs1', scope: 'everything' }), { code: 'ERR_ACE_REFUSED' });
});

test('our ACE client and our RS -> dcaf AS: raw public keys, and a token that is signed', { feature: 'ACE', security: 'DTLS RPK' }, async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  const { uri, asked } = await startTheirs(t, dcaf, theirs.signature);
  const rs = await startRs(t, uri);
  const client = await startClient(t, uri, clientKey);
  const response = await client.fetch(rs.uri('/temperature'));
  assert.deepEqual([response.codeText, response.text(), response.protected], ['2.05', '21.5', true]);
  const { cnf } = asked[0] as { readonly cnf: PeerKey };
  assert.deepEqual(cnf, { ...publicPart(clientKey), kid: cnf.kid });
});

test('dcaf client -> our RS: tokens that are for another, have expired, or were changed, and AIF in a token', 'ACE', async (t) => {
  const dcaf = new JsonPeer(t, dcafPeer);
  const rs = await startRs(t, 'coaps://127.0.0.1:1/token', {});
  const cnf = { k: toHex(random(16)), kid: '0a0b' };
  const good = {
    make: 'token',
    key: theirs.encryption,
    audience: 'rs1',
    exp: Math.floor(systemEnv.epoch()) + 600,
    aif: toHex(encodeAif([['/temperature', 1]])),
    cnf,
  };
  const codeOf = async (order: object): Promise<string> => (await upload(rs, (await dcaf.tell<{ readonly token: string }>(order)).token)).codeText;
  assert.equal(await codeOf({ ...good, audience: 'rs2' }), '4.03');
  assert.equal(await codeOf({ ...good, exp: 1_000_000_000 }), '4.01');
  assert.equal(await codeOf({ ...good, key: { k: toHex(random(16)) } }), '4.01');
  // A secret in a token that anybody may read.
  assert.equal(await codeOf({ ...good, key: theirs.signature }), '4.00');
  const { token } = await dcaf.tell<{ readonly token: string }>(good);
  const last = Number.parseInt(token.slice(-2), 16) ^ 1;
  assert.equal((await upload(rs, token.slice(0, -2) + last.toString(16).padStart(2, '0'))).codeText, '4.01');
  assert.equal((await upload(rs, token)).codeText, '2.01');
  const session = clientWith(t, { psk: { identity: encodePskIdentity(fromHex(cnf.kid)), key: fromHex(cnf.k) } });
  assert.equal((await session.request(`coaps://127.0.0.1:${rs.port + 1}/temperature`)).text(), '21.5');
  assert.equal((await session.request(`coaps://127.0.0.1:${rs.port + 1}/led`, { method: 'PUT', payload: 'on' })).codeText, '4.03');
});
