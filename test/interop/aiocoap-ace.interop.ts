import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { decodeHints } from '../../src/ace/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CborMap, encode } from '../../src/core/cbor.ts';
import { type ClaimsSet, protectCwt, symmetricKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { contextFolder, mirrored, PythonPeer, type Told } from './oscore-peers.ts';

const test = testsWith({ peer: 'aiocoap', transport: 'UDP', security: 'OSCORE' });

const tokenSecret = fromHex('000102030405060708090a0b0c0d0e0f');
const tokenKey = symmetricKey('AES-CCM-16-64-128', tokenSecret);

/** The key between client and AS, from the side of the client. */
const clientKey: ContextParameters = { masterSecret: new Uint8Array(16).fill(0x11), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(0x81) };

interface Party {
  readonly port: number;
  uri(path: string): string;
}

function party(port: number): Party {
  return { port, uri: (path) => `coap://127.0.0.1:${port}${path}` };
}

async function startAs(t: TestContext): Promise<Party> {
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'client1', credentials: mirrored(clientKey), grants: [{ audience: 'rs1', scope: 'r_temp w_led', default: 'r_temp' }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey] }],
  });
  t.after(() => as.close());
  const { local } = await as.listen(await udp());
  return party(local.port);
}

interface Rs extends Party {
  led: string;
}

async function startRs(t: TestContext, asUri: string): Promise<Rs> {
  const rs = new ResourceServer({
    audience: 'rs1',
    issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
    store: memoryStore(),
    profiles: [oscoreProfile],
    scopes: { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['PUT'] } },
  });
  t.after(() => rs.close());
  rs.resource('/temperature', { get: () => '21' });
  rs.resource('/led', {
    put: (request) => {
      running.led = request.text();
      return undefined;
    },
  });
  const { local } = await rs.listen(await udp());
  const running: Rs = { ...party(local.port), led: 'off' };
  return running;
}

/** A client that is aiocoap and cbor2. */
class Foreign extends PythonPeer {
  static async start(t: TestContext, as?: Party): Promise<Foreign> {
    const foreign = new Foreign(t, 'ace_client.py', ...(as === undefined ? [] : ['--oscore', as.uri('/*'), contextFolder(t, 'as', clientKey)]));
    await foreign.hear();
    return foreign;
  }

  /** The code, and the payload as text. */
  async do(order: object): Promise<readonly [string, string]> {
    const { code, payload, error, detail } = await this.tell<Told & { readonly error?: string; readonly detail?: string }>(order);
    if (error !== undefined) throw new Error(`aiocoap: ${error}: ${detail}`);
    return [code, Buffer.from(payload, 'hex').toString()];
  }
}

const material: CborMap = new Map<number, Uint8Array>([
  [0, Uint8Array.of(7)],
  [2, new Uint8Array(16).fill(0x33)],
]);

function tokenOf(osc: CborMap, claims: Partial<ClaimsSet> = {}): { readonly token: string; readonly material: string } {
  const all: ClaimsSet = { aud: 'rs1', exp: Math.floor(systemEnv.epoch()) + 600, scope: 'r_temp', cnf: { osc }, ...claims };
  return { token: toHex(protectCwt(all, tokenKey, systemEnv.random)), material: toHex(encode(osc)) };
}

test('aiocoap ACE client -> our RS: upload of a token, protected GET, what the scope does not cover', 'ACE', async (t) => {
  const rs = await startRs(t, 'coap://127.0.0.1:1/token');
  const client = await Foreign.start(t);
  const refused = await client.tell<Told>({ uri: rs.uri('/temperature') });
  assert.deepEqual([refused.code, refused.contentFormat], ['4.01', 19]);
  const hints = decodeHints(fromHex(refused.payload));
  assert.deepEqual([hints.as, hints.audience, hints.scope], ['coap://127.0.0.1:1/token', 'rs1', 'r_temp']);
  const [uploaded] = await client.do({ upload: rs.uri('/authz-info'), for: rs.uri('/*'), with: tokenOf(material) });
  assert.equal(uploaded, '2.01');
  assert.deepEqual(await client.do({ uri: rs.uri('/temperature') }), ['2.05', '21']);
  assert.equal((await client.do({ method: 'DELETE', uri: rs.uri('/temperature') }))[0], '4.05');
  assert.equal((await client.do({ method: 'PUT', uri: rs.uri('/led'), payload: '6f6e' }))[0], '4.03');
  assert.equal(rs.led, 'off');
});

test('aiocoap ACE client -> our RS: salt, ID Context, algorithms of the input material', 'ACE', async (t) => {
  const rs = await startRs(t, 'coap://127.0.0.1:1/token');
  const full: CborMap = new Map<number, number | Uint8Array>([
    [0, Uint8Array.of(8)],
    [1, 1],
    [2, new Uint8Array(32).fill(0x44)],
    [3, 7],
    [4, 30],
    [5, fromHex('9e7ca92223786340')],
    [6, fromHex('37cbf3210017a2d3')],
  ]);
  const client = await Foreign.start(t);
  assert.equal((await client.do({ upload: rs.uri('/authz-info'), for: rs.uri('/*'), with: tokenOf(full) }))[0], '2.01');
  assert.deepEqual(await client.do({ uri: rs.uri('/temperature') }), ['2.05', '21']);
});

test('aiocoap ACE client -> our RS: tokens that are for another, have expired, or were changed', 'ACE', async (t) => {
  const rs = await startRs(t, 'coap://127.0.0.1:1/token');
  const client = await Foreign.start(t);
  const upload = async (token: { readonly token: string; readonly material: string }): Promise<string> =>
    (await client.do({ upload: rs.uri('/authz-info'), for: rs.uri('/*'), with: token }))[0];
  assert.equal(await upload(tokenOf(material, { aud: 'rs2' })), '4.03');
  assert.equal(await upload(tokenOf(material, { exp: 1_000_000_000 })), '4.01');
  const changed = tokenOf(material);
  const last = changed.token.slice(0, -2) + (Number.parseInt(changed.token.slice(-2), 16) ^ 1).toString(16).padStart(2, '0');
  assert.equal(await upload({ ...changed, token: last }), '4.01');
});

test('aiocoap ACE client -> our AS and our RS: token, upload, protected GET, an update of access rights, PUT', 'ACE', async (t) => {
  const as = await startAs(t);
  const rs = await startRs(t, as.uri('/token'));
  const client = await Foreign.start(t, as);
  assert.equal((await client.do({ token: as.uri('/token'), audience: 'rs1', scope: 'everything' }))[0], '4.00');
  assert.equal((await client.do({ token: as.uri('/token'), audience: 'rs1', scope: 'r_temp' }))[0], '2.01');
  assert.equal((await client.do({ upload: rs.uri('/authz-info'), for: rs.uri('/*') }))[0], '2.01');
  assert.deepEqual(await client.do({ uri: rs.uri('/temperature') }), ['2.05', '21']);
  assert.equal((await client.do({ method: 'PUT', uri: rs.uri('/led'), payload: '6f6e' }))[0], '4.03');
  assert.equal((await client.do({ token: as.uri('/token'), audience: 'rs1', scope: 'r_temp w_led', kid: true }))[0], '2.01');
  assert.equal((await client.do({ update: rs.uri('/authz-info') }))[0], '2.01');
  assert.equal((await client.do({ method: 'PUT', uri: rs.uri('/led'), payload: '6f6e' }))[0], '2.04');
  assert.equal(rs.led, 'on');
});

test('aiocoap ACE client -> our AS: a token request without OSCORE is refused', { security: 'none', feature: 'ACE' }, async (t) => {
  const as = await startAs(t);
  const client = await Foreign.start(t);
  assert.equal((await client.do({ token: as.uri('/token'), audience: 'rs1', scope: 'r_temp' }))[0], '4.01');
});

interface ForeignRs extends Party {
  /** Uploads that it took are lines of it. */
  readonly python: PythonPeer;
}

async function startForeignRs(t: TestContext, as: Party): Promise<ForeignRs> {
  const rs = party(await freePort());
  const server = new PythonPeer(t, 'ace_server.py', '--port', String(rs.port), '--audience', 'rs1', '--as', as.uri('/token'), '--key', toHex(tokenSecret));
  await server.hear();
  return { ...rs, python: server };
}

async function startClient(t: TestContext, as: Party): Promise<AceClient> {
  const client = new AceClient({
    transport: await udp(),
    store: memoryStore(),
    profiles: [oscoreProfile],
    authorizationServers: [{ uri: as.uri('/token'), credentials: clientKey }],
  });
  t.after(() => client.close());
  return client;
}

test('our ACE client, our AS -> aiocoap RS: from a URI to an answer', 'ACE', async (t) => {
  const as = await startAs(t);
  const rs = await startForeignRs(t, as);
  const client = await startClient(t, as);
  const response = await client.fetch(rs.uri('/temperature'));
  assert.deepEqual([response.codeText, response.text(), response.protected], ['2.05', '21', true]);
});

test('our ACE client, our AS -> aiocoap RS: an update of access rights for a PUT', 'ACE', async (t) => {
  const as = await startAs(t);
  const rs = await startForeignRs(t, as);
  const client = await startClient(t, as);
  assert.equal((await client.fetch(rs.uri('/temperature'))).codeText, '2.05');
  const put = await client.fetch(rs.uri('/led'), { method: 'PUT', payload: 'on' });
  assert.deepEqual([put.codeText, put.protected], ['2.04', true]);
  assert.equal((await client.fetch(rs.uri('/temperature'))).text(), '21');
  assert.deepEqual([await rs.python.hear(), await rs.python.hear()], [{ upload: 'first' }, { upload: 'update' }]);
});

test('our ACE client, our AS -> aiocoap RS: observe', ['ACE', 'observe'], async (t) => {
  const as = await startAs(t);
  const rs = await startForeignRs(t, as);
  const client = await startClient(t, as);
  const seen: string[] = [];
  for await (const response of client.observe(rs.uri('/temperature'), { timeout: 10_000 })) {
    seen.push(response.text());
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['21', '22']);
});
