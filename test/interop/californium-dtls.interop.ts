import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { Endpoint, Method, pathOptions } from '../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CurveKeyPair, keyPair } from '../../src/core/crypto/index.ts';
import type { CipherSuiteName, DtlsAssociation } from '../../src/dtls/index.ts';
import { decodeSpki, encodeSpki } from '../../src/dtls/raw-public-key.ts';
import { authenticatorOf, type DtlsTransport, type DtlsTransportOptions, dtlsOver, tap, udp } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';
import { until } from '../support/wait.ts';
import { Californium, type CaliforniumDtls } from './californium.ts';
import { testsWith } from './matrix.ts';

const test = testsWith({ peer: 'Californium', transport: 'UDP', security: 'DTLS PSK' });

const californium = new Californium({ after });

const key = utf8('a key of sixteen');
const identity = 'californium';
const random = new SeededRandom('californium');
const own: CurveKeyPair = keyPair(1, (length) => random.bytes(length));
const suites: readonly CipherSuiteName[] = [
  'TLS_PSK_WITH_AES_128_CCM_8',
  'TLS_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
  'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
];

interface Secured {
  readonly endpoint: Endpoint;
  readonly transport: DtlsTransport;
  /** What went out and came in: a type of content, and in the clear a type of handshake message. */
  readonly passed: { readonly direction: 'in' | 'out'; readonly content: number; readonly handshake: number | undefined }[];
}

/** An endpoint of ours that says who asks. */
async function secured(t: TestContext, options: DtlsTransportOptions): Promise<Secured> {
  const passed: Secured['passed'] = [];
  const below = tap(await udp(), ({ direction, datagram }) => {
    const [content = 0, , , , epoch] = datagram;
    passed.push({ direction, content, handshake: content === 22 && epoch === 0 ? datagram[13] : undefined });
  });
  const transport = dtlsOver(below, options);
  const endpoint = new Endpoint({
    transport,
    handler: ({ association }, reply) => {
      const { credential, suite } = association as DtlsAssociation;
      reply.respond({ code: 0x45, options: [], payload: utf8(`${credential} by ${suite}`) });
    },
  });
  t.after(() => endpoint.close());
  return { endpoint, transport, passed };
}

const isPsk = (suite: CipherSuiteName): boolean => suite.includes('PSK');

function theirs(suite: CipherSuiteName, connectionIdLength: number | undefined): CaliforniumDtls {
  const proof = isPsk(suite) ? { psk: { identity, key: toHex(key) } } : { trusts: toHex(encodeSpki(own)!) };
  return { suite, ...proof, ...(connectionIdLength === undefined ? {} : { connectionIdLength }) };
}

const theirKey = async (): Promise<CurveKeyPair> =>
  decodeSpki(fromHex((await californium.tell<{ readonly spki: string }>({ do: 'spki' })).spki)) as CurveKeyPair;

async function ourServer(t: TestContext, suite: CipherSuiteName, connectionIdLength?: number): Promise<Secured> {
  const proof = isPsk(suite) ? { psk: {} } : { rawPublicKey: { own, client: 'require' as const } };
  return secured(t, {
    server: { suites: [suite], ...proof, ...(connectionIdLength === undefined ? {} : { connectionIdLength }) },
    authenticator: authenticatorOf({
      psk: [{ identity: utf8(identity), key, credential: 'known' }],
      rawPublicKeys: [{ key: await theirKey(), credential: 'known' }],
    }),
  });
}

async function ask({ endpoint }: Secured, port: number, path: string): Promise<string> {
  const peer = await endpoint.resolve('127.0.0.1', port);
  return fromUtf8((await endpoint.request({ peer, code: Method.GET, options: pathOptions([path]) })).payload);
}

async function ourClient(t: TestContext, suite: CipherSuiteName): Promise<Secured> {
  const proof = isPsk(suite) ? { psk: { identity: utf8(identity), key } } : { rawPublicKey: { server: await theirKey(), own } };
  return secured(t, { client: { suites: [suite] }, credentials: { ...proof, credential: 'californium' } });
}

const keyExchanges = ({ passed }: Secured): number => passed.filter(({ handshake }) => handshake === 16).length;

for (const suite of suites) {
  test(`Californium client -> our server, coaps: ${suite}`, {
    security: isPsk(suite) ? 'DTLS PSK' : 'DTLS RPK',
    feature: ['handshake', 'methods'],
  }, async (t) => {
    const server = await ourServer(t, suite);
    const client = await californium.connect(t, `coaps://127.0.0.1:${server.endpoint.local.port}`, undefined, { dtls: theirs(suite, undefined) });
    const told = await client.ask({ path: '/who' });
    assert.equal(told?.text, `known by ${suite}`);
  });

  test(`our client -> Californium server, coaps: ${suite}`, {
    security: isPsk(suite) ? 'DTLS PSK' : 'DTLS RPK',
    feature: ['handshake', 'methods'],
  }, async (t) => {
    const port = await californium.serve(t, undefined, { dtls: theirs(suite, undefined) });
    assert.equal(await ask(await ourClient(t, suite), port, 'value'), 'empty');
  });
}

for (const length of [0, 6]) {
  test(`Californium client -> our server, coaps: connection IDs, of ${length} bytes on its side`, ['handshake', 'connection IDs'], async (t) => {
    const server = await ourServer(t, suites[0]!, 8);
    const client = await californium.connect(t, `coaps://127.0.0.1:${server.endpoint.local.port}`, undefined, { dtls: theirs(suites[0]!, length) });
    assert.equal((await client.ask({ path: '/who' }))?.text, `known by ${suites[0]}`);
    const of = (direction: string): number[] => server.passed.filter((one) => one.direction === direction).map(({ content }) => content);
    assert.equal(of('in').at(-1), 25);
    assert.equal(of('out').at(-1), length === 0 ? 23 : 25);
  });

  test(`our client -> Californium server, coaps: connection IDs, of ${length} bytes on its side`, ['handshake', 'connection IDs'], async (t) => {
    const port = await californium.serve(t, undefined, { dtls: theirs(suites[0]!, length) });
    const client = await ourClient(t, suites[0]!);
    assert.equal(await ask(client, port, 'value'), 'empty');
    const last = client.passed.filter(({ direction }) => direction === 'out').at(-1);
    assert.equal(last?.content, length === 0 ? 23 : 25);
  });
}

test('Californium client -> our server, coaps: a session is resumed', ['handshake', 'resumption'], async (t) => {
  const server = await ourServer(t, suites[0]!);
  const client = await californium.connect(t, `coaps://127.0.0.1:${server.endpoint.local.port}`, undefined, { dtls: theirs(suites[0]!, undefined) });
  for (let handshakes = 1; handshakes <= 2; handshakes++) {
    assert.equal((await client.ask({ path: '/who' }))?.text, `known by ${suites[0]}`);
    assert.equal(server.passed.filter(({ handshake }) => handshake === 2).length, handshakes);
    assert.equal(keyExchanges(server), 1);
    await client.resume();
  }
});

test('our client -> Californium server, coaps: a session is resumed', ['handshake', 'resumption'], async (t) => {
  const port = await californium.serve(t, undefined, { dtls: theirs(suites[0]!, undefined) });
  const client = await ourClient(t, suites[0]!);
  for (let handshakes = 1; handshakes <= 2; handshakes++) {
    assert.equal(await ask(client, port, 'value'), 'empty');
    assert.equal(client.passed.filter(({ handshake }) => handshake === 2).length, handshakes);
    assert.equal(keyExchanges(client), 1);
    assert.equal(client.transport.end('californium'), 1);
    await until(() => client.transport.stats()['sessions'] === 0);
  }
});

test('Californium client -> our server, coaps: a wrong key leads to no session', 'errors', async (t) => {
  const server = await ourServer(t, suites[0]!);
  const dtls = { ...theirs(suites[0]!, undefined), psk: { identity, key: toHex(utf8('another sixteen.')) } };
  const client = await californium.connect(t, `coaps://127.0.0.1:${server.endpoint.local.port}`, undefined, { dtls });
  await assert.rejects(client.ask({ path: '/who' }, 5000), /Californium/);
  assert.equal(server.transport.stats()['accepted'], 0);
});
