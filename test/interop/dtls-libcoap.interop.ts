import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Endpoint, Method, type Peer, pathOptions, type Response } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import type { DtlsAssociation, SessionCredentials } from '../../src/dtls/index.ts';
import { authenticatorOf, dtls } from '../../src/transport/index.ts';
import { keyOf, own, pemOf } from '../dtls/certificates.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { testsWith } from './matrix.ts';
import { body, ours, type PlainServer, plainServer } from './ours.ts';
import { Background, runCommand, scratch } from './processes.ts';

const test = testsWith({ peer: 'libcoap', transport: 'UDP', security: 'DTLS PSK' });

const identity = utf8('id');
const key = utf8('sesame');
const psk: SessionCredentials = { psk: { identity, key } };
/** Keys of `fixtures/x509`, which serve as raw public keys too. */
const [serverName, clientName] = ['server', 'client'] as const;
const serverKey = keyOf(serverName);
const clientKey = keyOf(clientName);
const rpk: SessionCredentials = { rawPublicKey: { server: serverKey, own: clientKey } };

const builds = ['gnutls', 'openssl'] as const;

/** One run of a coap-client; its exit code is 0 whatever happens. */
async function coap(build: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(`coap-client-${build}`, ['-B', '10', ...args]);
  return `${stdout.toString()}${stderr}`.replace(/\n+$/, '');
}

/** A file of a private key and its public key, as libcoap reads a raw key pair. */
function keyFile(t: TestContext, name: string): string {
  const file = join(scratch(t), `${name}.pem`);
  const key = createPrivateKey(pemOf(name).key);
  const parts = [key.export({ type: 'sec1', format: 'pem' }), createPublicKey(pemOf(name).key).export({ type: 'spki', format: 'pem' })];
  writeFileSync(file, parts.join(''));
  return file;
}

async function server(t: TestContext): Promise<PlainServer> {
  const transport = await dtls({
    server: { psk: {}, rawPublicKey: { own: serverKey, client: 'require' } },
    authenticator: authenticatorOf({ psk: [{ identity, key }], rawPublicKeys: [{ key: clientKey }] }),
  });
  return plainServer(t, { transport });
}

/** What a client of libcoap does with all that a session carries. */
async function converse(t: TestContext, build: string, flags: readonly string[]): Promise<void> {
  const { uri, bodies, clock, endpoint } = await server(t);
  assert.equal(await coap(build, ...flags, '-m', 'get', uri('/hello')), 'Hello World!');
  assert.equal(await coap(build, ...flags, '-m', 'put', '-e', 'over DTLS', uri('/value')), '');
  assert.deepEqual(bodies, ['over DTLS']);
  assert.equal(await coap(build, ...flags, '-m', 'get', '-b', '64', uri('/large')), body(3000).trim());
  const file = join(scratch(t), 'body');
  writeFileSync(file, body(2000));
  assert.equal(await coap(build, ...flags, '-m', 'put', '-b', '128', '-f', file, uri('/value')), '');
  assert.equal(bodies.at(-1), body(2000));
  const observing = coap(build, ...flags, '-m', 'get', '-s', '2', uri('/clock'));
  await until(() => endpoint.stats()['observers'] === 1);
  clock.changed();
  assert.match(await observing, /tick \d+\s*tick \d+/);
  await until(() => endpoint.stats()['observers'] === 0);
}

for (const build of builds)
  test(`libcoap client (${build}) -> our server: PSK`, ['handshake', 'methods', 'block-wise', 'observe'], (t) =>
    converse(t, build, ['-u', 'id', '-k', 'sesame']),
  );

test(
  'libcoap client (gnutls) -> our server: raw public keys of both',
  { security: 'DTLS RPK', feature: ['handshake', 'methods', 'block-wise', 'observe'] },
  (t) => converse(t, 'gnutls', ['-M', keyFile(t, clientName)]),
);

for (const build of builds)
  test(`libcoap client (${build}) -> our server that restarts while a request waits: the next one answers in the same session`, 'handshake', async (t) => {
    const port = await freePort();
    const options = { address: '127.0.0.1', port, server: { psk: {} }, authenticator: authenticatorOf({ psk: [{ identity, key }] }) };
    const first = await dtls(options);
    let heard = 0;
    const before = new Endpoint({ transport: first, handler: () => heard++ });
    const answer = coap(build, '-u', 'id', '-k', 'sesame', '-m', 'get', `coaps://127.0.0.1:${port}/hello`);
    await until(() => heard > 0);
    const kept = first.handOver();
    await before.close();
    const opened: string[] = [];
    const failed: string[] = [];
    const next = await dtls({ ...options, emit: (event) => (event.type === 'session' ? opened : failed).push(event.type) });
    for (const { bytes } of kept) assert.equal(await next.take(bytes), 'taken');
    await plainServer(t, { transport: next });
    assert.equal(await answer, 'Hello World!');
    assert.deepEqual([opened.slice(0, 1), failed], [['session'], []]);
  });

test('libcoap client -> our server: a wrong key opens nothing', 'errors', async (t) => {
  const { uri, passed } = await server(t);
  for (const build of builds) assert.doesNotMatch(await coap(build, '-u', 'id', '-k', 'wrong', '-m', 'get', uri('/hello')), /Hello/);
  assert.deepEqual(passed, []);
});

interface Pair {
  readonly peer: Peer;
  ask(path: string, method?: number, payload?: string): Promise<Response>;
  observe(path: string): AsyncIterableIterator<Response>;
}

/** A server of libcoap, whose port for DTLS is the one after the port for CoAP, and our client of it. */
async function pair(t: TestContext, build: string, flags: readonly string[], credentials: SessionCredentials): Promise<Pair> {
  const port = await freePort();
  new Background(t, `coap-server-${build}`, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', ...flags]);
  const { endpoint, peer: find } = await ours(t, { transport: await dtls({ credentials, client: { retransmission: { initialTimeout: 200 } } }) });
  const peer = await find(port + 1);
  return {
    peer,
    ask: (path, code = Method.GET, payload = '') => endpoint.request({ code, peer, options: pathOptions([path]), payload: utf8(payload) }, { timeout: 20_000 }),
    observe: (path) => endpoint.observe({ peer, options: pathOptions([path]) }),
  };
}

async function ask(t: TestContext, build: string, flags: readonly string[], credentials: SessionCredentials): Promise<void> {
  const { peer, ask: request, observe } = await pair(t, build, flags, credentials);
  assert.equal(peer.association?.kind, 'dtls');
  assert.match(fromUtf8((await request('time')).payload), /^\w{3} \d\d \d\d:\d\d:\d\d$/);
  const large = body(3000);
  assert.ok((await request('example_data', Method.PUT, large)).code < 0x60);
  assert.equal(fromUtf8((await request('example_data')).payload), large);
  const times: string[] = [];
  for await (const { payload } of observe('time')) if (times.push(fromUtf8(payload)) === 2) break;
  assert.notEqual(times[0], times[1]);
}

for (const build of builds)
  test(`our client -> libcoap server (${build}): PSK`, ['handshake', 'methods', 'block-wise', 'observe'], (t) =>
    ask(t, build, ['-k', 'sesame', '-h', 'hint'], psk),
  );

test(
  'our client -> libcoap server (gnutls): raw public keys of both',
  { security: 'DTLS RPK', feature: ['handshake', 'methods', 'block-wise', 'observe'] },
  (t) => ask(t, 'gnutls', ['-M', keyFile(t, serverName)], rpk),
);

test('our client -> libcoap server: what is agreed on is a suite of RFC 7925 where we ask for no other', 'handshake', async (t) => {
  const port = await freePort();
  new Background(t, 'coap-server-gnutls', ['-A', '127.0.0.1', '-p', String(port), '-k', 'sesame', '-h', 'hint']);
  const { peer } = await ours(t, { transport: await dtls({ credentials: psk, client: { suites: 'iot', retransmission: { initialTimeout: 200 } } }) });
  const { suite } = (await peer(port + 1)).association as DtlsAssociation;
  assert.equal(suite, 'TLS_PSK_WITH_AES_128_CCM_8');
});

for (const build of builds)
  test(`our client -> libcoap server (${build}): certificates of both`, {
    security: 'DTLS X.509',
    feature: ['handshake', 'methods', 'block-wise', 'observe'],
  }, async (t) => {
    const folder = scratch(t);
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const shown = ['-c', file('server.pem', pemOf(serverName).certificate), '-j', file('server.key', pemOf(serverName).key)];
    const trusted = ['-C', file('ca.pem', pemOf('root').certificate)];
    const roots = pemOf('root').certificate;
    await ask(t, build, [...shown, ...trusted], { certificate: { roots, host: 'server.example', own: own(clientName) } });
  });
