import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { certificate, own, pemOf } from '../dtls/certificates.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { dtlsClient, dtlsServer, type OurServer } from './dtls-ours.ts';
import { testsWith } from './matrix.ts';
import { Background, scratch } from './processes.ts';

const test = testsWith({ peer: 'OpenSSL', transport: 'UDP', security: 'DTLS X.509' });

/*
 * what `seal-strict` takes of OpenSSL, and what it refuses. OpenSSL has to be told by SECLEVEL=0 to offer what is old.
 */

const key = utf8('a key of sixteen');

async function strictServer(t: TestContext): Promise<OurServer> {
  return dtlsServer(t, { suites: 'seal-strict', psk: {}, certificate: { own: own('server') } }, (event) => {
    if (event.type === 'psk-identity') event.connection.providePsk(key);
  });
}

/** How the handshake of s_client with these options ends at our server: an empty text when it does not. */
async function endOf(t: TestContext, ...options: readonly string[]): Promise<string> {
  const server = await strictServer(t);
  const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-psk', toHex(key), '-psk_identity', 'ue', ...options];
  const client = new Background(t, 'openssl', args);
  await until(() => server.events.some(({ type }) => type === 'connected' || type === 'closed'));
  client.child.kill();
  const closed = server.events.find(({ type }) => type === 'connected' || type === 'closed')!;
  return closed.type === 'closed' ? (closed.error?.message ?? 'closed') : '';
}

test('R-019: openssl s_client -> seal-strict: ECDHE_ECDSA with GCM is taken', 'handshake', async (t) => {
  for (const cipher of ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-CCM'])
    assert.equal(await endOf(t, '-dtls1_2', '-cipher', cipher), '', cipher);
});

test('R-019: openssl s_client -> seal-strict: CCM_8, plain PSK, CBC and DTLS 1.0 are refused', 'errors', async (t) => {
  for (const cipher of [
    'ECDHE-ECDSA-AES128-CCM8',
    'PSK-AES128-CCM8',
    'PSK-AES128-CCM',
    'PSK-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES128-SHA256',
    'ECDHE-PSK-AES128-CBC-SHA256',
  ])
    assert.match(await endOf(t, '-dtls1_2', '-cipher', cipher), /handshake_failure/, cipher);
  assert.match(await endOf(t, '-dtls1', '-cipher', 'ALL:@SECLEVEL=0'), /protocol_version/);
});

test('R-019: seal-strict -> openssl s_server: a certificate that is signed with SHA-1 is refused', { role: 'server', feature: 'errors' }, async (t) => {
  for (const [name, expected] of [
    ['server', undefined],
    ['sha1', /unsupported_certificate/],
  ] as const) {
    const folder = scratch(t);
    const ours = pemOf(name);
    writeFileSync(join(folder, 'own.pem'), ours.certificate);
    writeFileSync(join(folder, 'own.key'), ours.key);
    const port = await freePort();
    const files = ['-cert', join(folder, 'own.pem'), '-key', join(folder, 'own.key')];
    const server = new Background(t, 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-dtls1_2', '-cipher', 'ALL:@SECLEVEL=0', ...files]);
    while (!(await server.line()).includes('ACCEPT'));
    const client = await dtlsClient(t, port, { suites: 'seal-strict', certificate: { roots: [certificate('root')], host: 'server.example' } });
    if (expected === undefined) assert.ok((await client.next('connected')).extendedMasterSecret);
    else await assert.rejects(client.next('connected'), expected);
  }
});
