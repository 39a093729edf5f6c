import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/wait.ts';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ace-coap-notify-'));
const heard = join(folder, 'heard');
after(() => rmSync(folder, { recursive: true, force: true }));

/** Stands for systemd-notify: the real one, and a real socket, are in `npm run interop`. */
function standIn(script: string): void {
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'systemd-notify'), 0o755);
}

const lines = (): readonly string[] => (existsSync(heard) ? readFileSync(heard, 'utf8').split('\n').slice(0, -1) : []);

/** A server that is told to read its files again and to end; what it has said. */
async function served(env: Readonly<Record<string, string>>, meanwhile: () => Promise<void> = async () => {}): Promise<string> {
  const path = `${folder}${delimiter}${process.env['PATH']}`;
  const child = spawn(process.execPath, [main, 'serve', '--listen', 'coap://127.0.0.1:0'], { env: { ...process.env, PATH: path, ...env } });
  const ended = once(child, 'close');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(() => /listens on/.test(said));
  await meanwhile();
  child.kill('SIGHUP');
  await until(() => /nothing to reload/.test(said));
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null], said);
  return said;
}

test('systemd is told of start, reload, watchdog and end, in this order', async () => {
  standIn(`echo "$@" >> ${heard}`);
  const before = process.hrtime.bigint() / 1000n;
  await served({ NOTIFY_SOCKET: join(folder, 'socket'), WATCHDOG_USEC: '200000' }, () => until(() => lines().includes('WATCHDOG=1')));
  const told = lines().filter((line) => line !== 'WATCHDOG=1');
  assert.deepEqual(
    told.map((line) => line.replace(/\d{3,}$/, 'TIME')),
    ['READY=1', 'RELOADING=1 MONOTONIC_USEC=TIME', 'READY=1', 'STOPPING=1'],
  );
  const [, time] = /MONOTONIC_USEC=(\d+)$/.exec(told[1]!)!;
  assert.ok(BigInt(time!) >= before && BigInt(time!) <= process.hrtime.bigint() / 1000n, time);
  assert.equal(lines().at(-1), 'STOPPING=1');
});

test('nothing is told where nobody asks for it, and no watchdog of another process', async () => {
  rmSync(heard, { force: true });
  await served({ NOTIFY_SOCKET: '' });
  assert.deepEqual(lines(), []);
  await served({ NOTIFY_SOCKET: join(folder, 'socket'), WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' });
  assert.deepEqual([lines().length, lines().includes('WATCHDOG=1')], [4, false]);
});

test('a program that fails, or is not there, is a line in the log', async () => {
  standIn('echo no such socket >&2; exit 1');
  const said = await served({ NOTIFY_SOCKET: join(folder, 'socket') });
  assert.equal(said.match(/"detail":"no such socket","msg":"systemd was not told"/g)?.length, 4);
  rmSync(join(folder, 'systemd-notify'));
  const missing = await served({ NOTIFY_SOCKET: join(folder, 'socket'), PATH: folder });
  assert.equal(missing.match(/"detail":"systemd-notify is not there","msg":"systemd was not told"/g)?.length, 1);
});
