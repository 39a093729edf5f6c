import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { protect } from '../../src/adapters/node-coap/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { symmetricKey } from '../../src/core/cwt.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { listener } from '../adapters/program.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { AiocoapClient, contextFolder, mirrored, PythonPeer, type Told } from './oscore-peers.ts';

const test = testsWith({ peer: 'aiocoap', transport: 'UDP', security: 'OSCORE' });

const tokenKey = symmetricKey('AES-CCM-16-64-128', fromHex('000102030405060708090a0b0c0d0e0f'));

/** The key between client and AS, from the side of the client. */
const clientKey: ContextParameters = { masterSecret: new Uint8Array(16).fill(0x11), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(0x81) };

interface Deployed {
  readonly token: string;
  uri(path: string): string;
}

/** An AS, and a program for node-coap behind its guard. */
async function deployed(t: TestContext): Promise<Deployed> {
  const as = new AuthorizationServer({
    store: memoryStore(),
    profiles: [oscoreProfile],
    clients: [{ id: 'client1', credentials: mirrored(clientKey), grants: [{ audience: 'rs1', scope: 'r_temp w_led large', default: 'r_temp' }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey] }],
  });
  t.after(() => as.close());
  const { local } = await as.listen(await udp());
  const token = `coap://127.0.0.1:${local.port}/token`;
  const port = await freePort();
  const server = protect(listener, {
    audience: 'rs1',
    issuers: [{ uri: token, tokenKeys: [tokenKey] }],
    scopes: { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] }, large: { '/large': ['GET'], '/echo': ['POST'] } },
    public: ['/hello', '/upload'],
    store: memoryStore(),
  });
  await new Promise<void>((ready) => server.listen(port, '127.0.0.1', () => ready()));
  t.after(() => new Promise<void>((closed) => server.close(() => closed())));
  return { token, uri: (path) => `coap://127.0.0.1:${port}${path}` };
}

/** An aiocoap client that has its token and gave it to the program's guard. */
async function admitted(t: TestContext, { token, uri }: Deployed, scope: string): Promise<PythonPeer> {
  const client = new PythonPeer(t, 'ace_client.py', '--oscore', token.replace(/token$/, '*'), contextFolder(t, 'as', clientKey));
  await client.hear();
  assert.equal((await client.tell<Told>({ token, audience: 'rs1', scope })).code, '2.01');
  assert.equal((await client.tell<Told>({ upload: uri('/authz-info'), for: uri('/*') })).code, '2.01');
  return client;
}

const textOf = ({ code, payload, protected: isProtected }: Told): unknown => [code, Buffer.from(payload, 'hex').toString(), isProtected];

test('aiocoap -> a program for node-coap behind our guard: through OSCORE, by what the token covers', 'adapter', async (t) => {
  const program = await deployed(t);
  const client = await admitted(t, program, 'r_temp w_led');
  assert.deepEqual(textOf(await client.tell<Told>({ uri: program.uri('/temperature') })), ['2.05', '21.5', true]);
  assert.deepEqual(textOf(await client.tell<Told>({ method: 'PUT', uri: program.uri('/led'), payload: '6f6e' })), ['2.04', '', true]);
  assert.deepEqual(textOf(await client.tell<Told>({ uri: program.uri('/led') })), ['2.05', 'on', true]);
  assert.equal((await client.tell<Told>({ uri: program.uri('/large') })).code, '4.03');
  assert.equal((await client.tell<Told>({ method: 'POST', uri: program.uri('/led') })).code, '4.05');
});

test('aiocoap -> a program for node-coap behind our guard: bodies in blocks both ways through OSCORE', ['adapter', 'block-wise'], async (t) => {
  const program = await deployed(t);
  const client = await admitted(t, program, 'large');
  const large = await client.tell<Told>({ uri: program.uri('/large') });
  assert.deepEqual([large.code, large.payload.length, large.protected], ['2.05', 6000, true]);
  const body = Buffer.from('0123456789abcdef'.repeat(200)).toString('hex');
  const echoed = await client.tell<Told>({ method: 'POST', uri: program.uri('/echo'), payload: body });
  assert.deepEqual([echoed.code, echoed.payload, echoed.protected], ['2.05', body, true]);
});

test('aiocoap -> a program for node-coap behind our guard: public paths without protection, 4.01 on the others', 'adapter', async (t) => {
  const { uri } = await deployed(t);
  const client = await AiocoapClient.start(t, Number(new URL(uri('/')).port));
  const hello = await client.ask({ uri: uri('/hello?aiocoap') });
  assert.deepEqual([hello.code, hello.text, hello.contentFormat, hello.maxAge], ['2.05', 'Hello aiocoap!', 0, 30]);
  const upload = await client.ask({ method: 'POST', uri: uri('/upload?aiocoap'), payload: 'x'.repeat(3000) });
  assert.deepEqual([upload.code, upload.text], ['2.01', '3000']);
  const refused = await client.ask({ uri: uri('/temperature') });
  assert.deepEqual([refused.code, refused.contentFormat], ['4.01', 19]);
});
