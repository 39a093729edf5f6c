import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import type { CipherSuiteName } from '../../src/dtls/index.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { dtlsClient, dtlsServer } from './dtls-ours.ts';
import { Background, pause } from './processes.ts';

const key = utf8('a key of sixteen');
const identity = utf8('Client_identity');

/** What OpenSSL calls the suites that need no certificate. */
const suites: readonly (readonly [CipherSuiteName, string])[] = [
  ['TLS_PSK_WITH_AES_128_CCM_8', 'PSK-AES128-CCM8'],
  ['TLS_PSK_WITH_AES_128_CCM', 'PSK-AES128-CCM'],
  ['TLS_PSK_WITH_AES_128_GCM_SHA256', 'PSK-AES128-GCM-SHA256'],
];

const secrets = (cipher: string): string[] => ['-dtls1_2', '-psk', toHex(key), '-psk_identity', fromUtf8(identity), '-cipher', cipher];

/** Read lines until one has this in it. */
async function lineWith(process: Background, part: string): Promise<string> {
  for (;;) {
    const line = await process.line();
    if (line.includes(part)) return line;
  }
}

async function openSslServer(t: TestContext, cipher: string, ...more: string[]): Promise<{ readonly port: number; readonly process: Background }> {
  const port = await freePort();
  const process = new Background(t, 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-nocert', ...secrets(cipher), ...more]);
  await lineWith(process, 'ACCEPT');
  return { port, process };
}

for (const [suite, cipher] of suites) {
  for (const more of [[], ['-listen']]) {
    test(`our client -> openssl s_server ${more.join(' ')}: ${suite}`, async (t) => {
      const { port, process } = await openSslServer(t, cipher, ...more);
      const client = await dtlsClient(t, port, { suites: [suite], psk: { identity, key } });
      const connected = await client.next('connected');
      assert.equal(connected.suite, suite);
      assert.ok(connected.extendedMasterSecret);
      client.connection.send(utf8('hello openssl\n'));
      await lineWith(process, 'hello openssl');
      process.write('hello back');
      assert.equal(fromUtf8((await client.next('data')).data), 'hello back\n');
    });
  }

  test(`openssl s_client -> our server: ${suite}`, async (t) => {
    const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(key);
      if (event.type === 'data') event.connection.send(event.data);
    });
    const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...secrets(cipher)]);
    await until(() => server.events.some(({ type }) => type === 'connected'));
    client.write('hello ours');
    await lineWith(client, 'hello ours');
    const [asked] = server.events.filter((event) => event.type === 'psk-identity');
    assert.deepEqual(asked?.identity, identity);
    // The end of its input: close_notify.
    client.child.stdin!.end();
    await until(() => server.events.some(({ type }) => type === 'closed'));
    const [closed] = server.events.filter((event) => event.type === 'closed');
    assert.equal(closed?.error, undefined);
  });
}

test('openssl s_client -> our server: a wrong key ends with decrypt_error, as an unknown identity does', async (t) => {
  for (const known of [true, false]) {
    const server = await dtlsServer(t, { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: {} }, (event) => {
      if (event.type !== 'psk-identity') return;
      if (known) event.connection.providePsk(utf8('another key'));
      else event.connection.rejectPsk();
    });
    const client = new Background(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, ...secrets('PSK-AES128-CCM8')]);
    await until(() => server.events.some(({ type }) => type === 'closed'));
    for (let i = 0; i < 50 && !client.errors.includes('decrypt error'); i++) await pause(100);
    assert.match(client.errors, /decrypt error/);
  }
});
