import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { systemEnv } from '../../src/core/env.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, type HttpsServer, serveHttps, type TransportError } from '../../src/transport/index.ts';

const host: CertificateInit = { commonName: 'server', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] };
const val: CertificateInit = { commonName: 'val', names: [{ type: 'dns', value: 'val.example' }], usage: ['client'] };

interface Bench {
  readonly authority: LabAuthority;
  readonly server: HttpsServer;
  readonly uri: string;
  readonly refused: string[];
}

async function within(clientCertificate: 'required' | 'wanted', use: (bench: Bench) => Promise<void>): Promise<void> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const refused: string[] = [];
  const own = await authority.issue(host);
  const server = await serveHttps(
    { ...own, clientCa: authority.cert, clientCertificate, refused: (_from, reason) => refused.push(reason) },
    (request, response) => {
      const { authorized } = request.socket as { readonly authorized?: boolean };
      response.end(String(authorized));
    },
  );
  try {
    await use({ authority, server, uri: `https://127.0.0.1:${server.port}/`, refused });
  } finally {
    await server.close();
  }
}

const textOf = (body: Uint8Array): string => Buffer.from(body).toString();
const isRefused = ({ code }: TransportError): boolean => code === 'ERR_TRANSPORT_HTTPS';

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`TS 33.310 6.1: certificates are verified for each connection with ${maxVersion}: no session is taken up in which one was that has ended since`, () =>
    within('required', async ({ authority, server }) => {
      const own = await authority.issue(val);
      const ask = async (session?: Buffer): Promise<{ readonly isReused: boolean; readonly session: Buffer | undefined }> => {
        const to = { host: '127.0.0.1', port: server.port, ca: authority.cert, cert: own.cert, key: own.key, maxVersion };
        const socket = connect(session === undefined ? to : { ...to, session });
        let isReused = true;
        let given: Buffer | undefined;
        socket.once('secureConnect', () => {
          isReused = socket.isSessionReused();
        });
        socket.on('session', (one) => {
          given = one;
        });
        socket.end('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
        assert.match(await text(socket), /^HTTP\/1\.1 200 /);
        return { isReused, session: given };
      };
      const first = await ask();
      assert.equal((await ask(first.session)).isReused, false);
      server.renew({ ...(await authority.issue(host)), clientCa: authority.cert });
      const second = await ask();
      assert.equal((await ask(second.session)).isReused, false);
    }));

test('TS 33.310 6.1: who shows a certificate of the authority for clients is let in, and nobody else', () =>
  within('required', async ({ authority, uri, refused }) => {
    const ca = authority.cert;
    const { status, body } = await fetchHttps(uri, { ca, ...(await authority.issue(val)) });
    assert.deepEqual([status, textOf(body)], [200, 'true']);
    const stranger = await LabAuthority.make('lab', systemEnv);
    const bad: readonly (IssuedCertificate | object)[] = [
      {},
      await stranger.issue(val),
      await authority.issue({ ...val, notAfter: systemEnv.epoch() - 60 }),
      await authority.issue({ ...val, usage: ['server'] }),
    ];
    for (const shown of bad) await assert.rejects(fetchHttps(uri, { ca, ...shown }), isRefused);
    assert.equal(refused.length, bad.length);
    await assert.rejects(fetchHttps(uri, { ca: stranger.cert }), isRefused);
  }));

test('a server that wants a certificate tells its handler whether there is one', () =>
  within('wanted', async ({ authority, uri }) => {
    const ca = authority.cert;
    assert.equal(textOf((await fetchHttps(uri, { ca })).body), 'false');
    assert.equal(textOf((await fetchHttps(uri, { ca, ...(await authority.issue(val)) })).body), 'true');
    await assert.rejects(fetchHttps(uri, { ca, limit: 2 }), /at most 2 bytes/);
  }));

test('fetchHttps: a body in more pieces than a function takes arguments, and what is no URI of https', async () => {
  const authority = await LabAuthority.make('lab', systemEnv);
  const pieces = 200_000;
  const server = await serveHttps(await authority.issue(host), ({ socket }) =>
    socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${'1\r\nx\r\n'.repeat(pieces)}0\r\n\r\n`),
  );
  try {
    const { body } = await fetchHttps(`https://127.0.0.1:${server.port}/`, { ca: authority.cert, limit: pieces });
    assert.equal(body.length, pieces);
  } finally {
    await server.close();
  }
  for (const uri of ['', 'nowhere', '/path', 'http://127.0.0.1/', 'coaps://127.0.0.1/', 'https://'])
    await assert.rejects(fetchHttps(uri), { name: 'TransportError', code: 'ERR_TRANSPORT_HTTPS' }, uri);
});

/** What a handshake comes to. */
function handshake(port: number, ca: string, options: object): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca, ...options }, () => {
      resolve(`${socket.getProtocol()} ${socket.getCipher().name}`);
      socket.destroy();
    });
    socket.on('error', () => resolve('refused'));
  });
}

test('TS 33.210 6.2: TLS 1.2 and 1.3 with forward secret AEAD suites, and nothing older or weaker', () =>
  within('wanted', async ({ authority, server }) => {
    const offered = (options: object): Promise<string> => handshake(server.port, authority.cert, options);
    assert.equal(await offered({}), 'TLSv1.3 TLS_AES_128_GCM_SHA256');
    assert.equal(await offered({ maxVersion: 'TLSv1.2' }), 'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256');
    const weak = [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' },
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
      { sigalgs: 'ECDSA+SHA1', maxVersion: 'TLSv1.2', ciphers: 'DEFAULT@SECLEVEL=0' },
    ];
    for (const options of weak) assert.equal(await offered(options), 'refused', JSON.stringify(options));
  }));
