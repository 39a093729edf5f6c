/** What a server says by systemd-notify, as it comes to a datagram socket of the file system, which Python reads. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

/** Descriptors that come along are barriers: whoever sent them waits until they are closed. */
const listener = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    text, descriptors, _, _ = socket.recv_fds(s, 4096, 8)
    for d in descriptors: os.close(d)
    print(' '.join(text.decode().split()), flush=True)
`;

test('sd_notify(3): READY, RELOADING with its time, WATCHDOG and STOPPING arrive', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-sd-'));
  const socket = join(folder, 'notify');
  const python = spawn('python3', ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    for (;;) {
      const { value } = await heard.next();
      // Barriers are of systemd-notify itself.
      if (value !== 'BARRIER=1') return String(value);
    }
  };
  try {
    assert.equal(await next(), 'bound');
    const server = spawn(process.execPath, [main, 'serve', '--listen', 'coap://127.0.0.1:0'], {
      stdio: 'ignore',
      env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '2000000' },
    });
    const ended = once(server, 'exit');
    assert.equal(await next(), 'READY=1');
    assert.equal(await next(), 'WATCHDOG=1');
    server.kill('SIGHUP');
    const told: string[] = [];
    while (told.at(-1) !== 'READY=1') told.push(await next());
    assert.match(told.filter((line) => line !== 'WATCHDOG=1').join(), /^RELOADING=1 MONOTONIC_USEC=\d+,READY=1$/);
    server.kill('SIGTERM');
    let last = await next();
    while (last === 'WATCHDOG=1') last = await next();
    assert.equal(last, 'STOPPING=1');
    assert.deepEqual(await ended, [0, null]);
  } finally {
    python.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});
