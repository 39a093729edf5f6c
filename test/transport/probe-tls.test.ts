import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import fc from 'fast-check';
import { BytesError } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { readTlsAnswer } from '../../src/transport/https/client-hello.ts';
import { probeTls, serveHttps, type TlsCheck, type TransportError } from '../../src/transport/index.ts';
import { holds } from '../support/property.ts';
import { tls12Answer, tls13Answer, tlsRefusal } from '../support/tls-answers.ts';

const authority = await LabAuthority.make('lab', systemEnv);
const own = await authority.issue({ commonName: 'server', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
const client = await authority.issue({ commonName: 'client', names: [{ type: 'dns', value: 'val.example' }], usage: ['client'] });
const ca = authority.cert;

/** Names of the checks that have not passed, with their outcomes. */
const others = (checks: readonly TlsCheck[]): readonly string[] =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ name, outcome }) => `${outcome}: ${name}`);

test('TS 33.210 6.2: our listener passes each check, with and without certificates of clients', async () => {
  for (const clientCa of [undefined, ca]) {
    const server = await serveHttps({ ...own, ...(clientCa === undefined ? {} : { clientCa }) }, (_request, response) => response.end());
    try {
      const checks = await probeTls('127.0.0.1', server.port, { ca, ...(clientCa === undefined ? {} : client) });
      assert.deepEqual(others(checks), []);
      assert.equal(checks.length, 22);
      if (clientCa === undefined) continue;
      assert.deepEqual(others(await probeTls('127.0.0.1', server.port, { ca })), [
        'not-tried: TLS 1.2: a handshake, and a certificate that is trusted for this host',
        'not-tried: no renegotiation',
      ]);
    } finally {
      await server.close();
    }
  }
});

async function withServer(options: TlsOptions, use: (port: number) => Promise<void>): Promise<void> {
  const server = createServer({ ...own, ...options }).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

test('TS 33.210 6.2: a listener that is too lenient is told what for, and one that is too narrow too', async () => {
  const lenient = { minVersion: 'TLSv1', ciphers: 'ALL:COMPLEMENTOFALL:@SECLEVEL=0', sigalgs: 'ECDSA+SHA1:ECDSA+SHA256', ecdhCurve: 'P-256:P-521' } as const;
  await withServer(lenient, async (port) =>
    assert.deepEqual(others(await probeTls('127.0.0.1', port, { ca })), [
      'advice: TLS 1.3 on secp384r1',
      'fail: no TLS 1.0',
      'fail: no TLS 1.1',
      'fail: no CBC suites',
      'fail: no NULL encryption',
      'fail: no anonymous suites',
      'fail: no signatures with SHA-1',
      'fail: no renegotiation',
    ]),
  );
  await withServer({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }, async (port) =>
    assert.deepEqual(others(await probeTls('127.0.0.1', port)), [
      'fail: TLS 1.3 with TLS_AES_128_GCM_SHA256 on secp256r1',
      'advice: TLS 1.3 with TLS_AES_256_GCM_SHA384',
      'advice: TLS 1.3 on secp384r1',
      'fail: TLS 1.2 with ephemeral keys and AES-128-GCM',
      'not-tried: TLS 1.3: a handshake, and a certificate that is trusted for this host',
      'fail: TLS 1.2: a handshake, and a certificate that is trusted for this host',
      'fail: no renegotiation',
    ]),
  );
});

test('what is no TLS server is told to be none, and nobody at all is an error', async () => {
  const plain = createTcp((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  ).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const { port } = plain.address() as AddressInfo;
  const checks = await probeTls('127.0.0.1', port);
  assert.ok(
    checks.every(({ name, outcome }) => outcome !== 'pass' || name.startsWith('no ')),
    JSON.stringify(checks),
  );
  plain.close();
  await once(plain, 'close');
  await assert.rejects(probeTls('127.0.0.1', port), ({ code }: TransportError) => code === 'ERR_TRANSPORT_HTTPS');
});

test('a server that says nothing is given up', async () => {
  const silent = createTcp(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const checks = await probeTls('127.0.0.1', (silent.address() as AddressInfo).port, { timeout: 5 });
  assert.ok(checks.every(({ outcome }) => outcome === 'not-tried'));
  silent.close();
});

test('RFC 5246 7.4.1.3, RFC 8446 4.1.4: what a server says is read, however much of it is there', () => {
  const hello = { refused: false, version: 0x0303, suite: 0xc02b, compression: 0, extensions: new Set([0xff01, 23]) };
  assert.deepEqual(readTlsAnswer(tls12Answer), { ...hello, group: 23, signature: 0x0403 });
  assert.deepEqual(readTlsAnswer(tls13Answer), { refused: false, version: 0x0304, suite: 0x1301, compression: 0, extensions: new Set([43, 51]), group: 23 });
  assert.deepEqual(readTlsAnswer(tlsRefusal), { refused: true, alert: 40 });
  for (const answer of [tls12Answer, tls13Answer, tlsRefusal])
    for (let length = 0; length < answer.length; length++) assert.equal(readTlsAnswer(answer.subarray(0, length)), undefined);
});

test('whatever a server answers, it is read, too short, or no TLS', async () => {
  await holds(
    'tls-answer',
    { quick: 300, full: 100_000 },
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc
          .tuple(fc.constantFrom(tls12Answer, tls13Answer, tlsRefusal), fc.nat(), fc.nat(255))
          .map(([answer, at, byte]) => answer.with(at % answer.length, byte)),
      ),
      (bytes) => {
        try {
          readTlsAnswer(bytes);
        } catch (error) {
          assert.ok(error instanceof BytesError);
        }
      },
    ),
  );
});
