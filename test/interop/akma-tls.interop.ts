import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { AanfSimulator, ApplicationKeys, akmaTls, akmaTlsProtocol, akmaTlsServer, deriveApplicationKey, pskIdentity } from '../../profiles/seal/akma/index.ts';
import { Endpoint, Router } from '../../src/coap/index.ts';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import type { TlsPskSuite } from '../../src/transport/index.ts';
import { afId, anchorOfSubscriber, anna, requestFrom } from '../profiles/seal/akma/lab.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';

const flags: Readonly<Record<TlsPskSuite, readonly string[]>> = {
  TLS_AES_128_GCM_SHA256: ['-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'],
  TLS_DHE_PSK_WITH_AES_128_GCM_SHA256: ['-tls1_2', '-cipher', 'DHE-PSK-AES128-GCM-SHA256'],
  TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: ['-tls1_2', '-cipher', 'ECDHE-PSK-CHACHA20-POLY1305'],
};
const suites = Object.keys(flags) as TlsPskSuite[];
const anchor = anchorOfSubscriber(anna);
const identity = fromUtf8(pskIdentity(anchor.aKid));
/** RFC 8323, Section 5: a CSM, a Ping, and the code of a Pong. */
const csm = Buffer.from('00e1', 'hex');
const ping = Buffer.from('00e2', 'hex');
const pong = 0xe3;

function openssl(t: TestContext, args: readonly string[]): { readonly child: ChildProcessWithoutNullStreams; readonly output: () => Buffer } {
  const child = spawn('openssl', args);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  t.after(() => child.kill('SIGKILL'));
  return { child, output: () => Buffer.concat(chunks) };
}

const keyFor = (suite: TlsPskSuite): string => toHex(deriveApplicationKey(anchor.kAkma, { fqdn: afId.fqdn, protocol: akmaTlsProtocol(suite) }));

for (const suite of suites) {
  test(`TS 33.535 Annex B: openssl s_client with K_AF -> our server: ${suite}`, async (t) => {
    const aanf = new AanfSimulator();
    await aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    const keys = new ApplicationKeys({ aanf, afId: { fqdn: afId.fqdn, protocol: akmaTlsProtocol(suite) } });
    t.after(() => keys.close());
    const server = new Endpoint({ transport: await akmaTlsServer({ keys, suite }), handler: new Router().handler });
    const connect = (key: string): ReturnType<typeof openssl> =>
      openssl(t, [
        's_client',
        '-connect',
        `127.0.0.1:${server.local.port}`,
        '-psk',
        key,
        '-psk_identity',
        identity,
        '-alpn',
        'coap',
        '-quiet',
        ...flags[suite],
      ]);
    const { child, output } = connect(keyFor(suite));
    child.stdin.write(Buffer.concat([csm, ping]));
    await until(() => output().includes(pong));
    const wrong = connect('00'.repeat(32));
    await until(() => wrong.child.exitCode !== null);
    assert.match(wrong.output().toString(), /alert/i);
    // It does not answer a Release.
    child.kill('SIGKILL');
    await server.close();
  });

  test(`TS 33.535 Annex B: our client -> openssl s_server with K_AF: ${suite}`, async (t) => {
    const port = await freePort();
    const key = ['-psk', keyFor(suite), '-psk_identity', identity, '-psk_hint', '3GPP-AKMA'];
    const dhe = suite.includes('_DHE_') ? ['-serverpref'] : [];
    const { child, output } = openssl(t, ['s_server', '-accept', `127.0.0.1:${port}`, '-nocert', '-alpn', 'coap', ...key, ...flags[suite], ...dhe]);
    await until(() => output().includes('ACCEPT'));
    const ue = new Endpoint({ transport: await akmaTls({ anchor: () => anchor, fqdn: afId.fqdn, suite }) });
    const asked = requestFrom(ue, `coaps+tcp://127.0.0.1:${port}/msgin5g`, { method: 'POST', payload: Buffer.from('hello openssl\n') }).catch(() => undefined);
    // A request waits for the CSM of the server.
    await until(() => output().includes('CIPHER is'));
    child.stdin.write(csm);
    await until(() => output().includes('hello openssl'));
    child.kill('SIGKILL');
    await ue.close();
    await asked;
  });
}
