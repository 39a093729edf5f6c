import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import type { CipherSuiteName } from '../../src/dtls/index.ts';
import { until } from '../support/wait.ts';
import { dtlsServer } from './dtls-ours.ts';
import { testsWith } from './matrix.ts';
import { nodeDtlsClient } from './tools.ts';

const test = testsWith({ peer: 'node-dtls-client', transport: 'UDP', security: 'DTLS PSK' });

interface Socket extends EventEmitter {
  send(data: Uint8Array): void;
  close(): void;
}

interface Package {
  readonly dtls: { createSocket(options: object): Socket };
}

const { dtls } = createRequire(join(nodeDtlsClient, 'index.js'))('node-dtls-client') as Package;

const identity = 'node';
const key = 'a key of sixteen';

/** A client of theirs, and what it tells, in order. */
function connect(t: TestContext, port: number, suite: CipherSuiteName, psk: string): { readonly socket: Socket; readonly told: string[] } {
  const socket = dtls.createSocket({ type: 'udp4', address: '127.0.0.1', port, psk: { [identity]: psk }, ciphers: [suite], timeout: 5000 });
  const told: string[] = [];
  socket.on('connected', () => told.push('connected'));
  socket.on('message', (data: Uint8Array) => told.push(fromUtf8(new Uint8Array(data))));
  socket.on('error', ({ message }: Error) => told.push(`error: ${message}`));
  socket.on('close', () => told.push('closed'));
  t.after(() => {
    // One that has ended throws.
    if (told.at(-1) !== 'closed' && !told.at(-1)?.startsWith('error')) socket.close();
  });
  return { socket, told };
}

for (const suite of ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_PSK_WITH_AES_128_GCM_SHA256'] as const) {
  test(`node-dtls-client -> our server: ${suite}`, 'handshake', async (t) => {
    const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(utf8(key));
      if (event.type === 'data') event.connection.send(event.data);
    });
    const { socket, told } = connect(t, server.port, suite, key);
    await until(() => told.length > 0);
    socket.send(Buffer.from('hello ours'));
    await until(() => told.length > 1);
    assert.deepEqual(told, ['connected', 'hello ours']);
    const connected = server.events.find((event) => event.type === 'connected');
    assert.deepEqual([connected?.suite, connected?.peerIdentity], [suite, { type: 'psk', identity: utf8(identity) }]);
    socket.close();
    await until(() => server.events.some(({ type }) => type === 'closed'));
  });
}

test('node-dtls-client -> our server: a wrong key leads to no connection', 'errors', async (t) => {
  const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
  const server = await dtlsServer(t, { suites: [suite], psk: {} }, (event) => {
    if (event.type === 'psk-identity') event.connection.providePsk(utf8(key));
  });
  const { told } = connect(t, server.port, suite, 'another sixteen.');
  await until(() => server.events.some(({ type }) => type === 'closed'));
  assert.ok(!told.includes('connected'));
});
