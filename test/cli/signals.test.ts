import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serves } from '../../src/cli/signals.ts';
import { systemEnv } from '../../src/core/env.ts';
import { writeLab } from '../../src/operate/index.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { idleProgram } from './command-lines.ts';
import { inFolder, type SealFolder, sealInit } from './seal-folder.ts';
import { T8Folder } from './t8-folder.ts';

const script = fileURLToPath(new URL('stubborn.js', import.meta.url));
const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

/** A command, and how it ended. */
class Command {
  readonly #child;
  readonly ended: Promise<unknown>;
  output = '';

  constructor(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Until it has said this, and fails when it ends before. */
  async says(text: RegExp): Promise<void> {
    await until(() => text.test(this.output) || this.#child.exitCode !== null || this.#child.signalCode !== null);
    assert.match(this.output, text);
  }
}

test('the first signal is heard, a hangup before it too and after it not; the second signal ends the process at once', async () => {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const expects = async (signal: NodeJS.Signals | undefined, text: string): Promise<void> => {
    if (signal !== undefined) child.kill(signal);
    await until(() => said === text);
  };
  await expects(undefined, 'starting\n');
  await expects('SIGHUP', 'starting\nearly\n');
  child.stdin.end();
  // What came while it started is heard now.
  let all = 'starting\nearly\nhangup\nready\n';
  await expects(undefined, all);
  await expects('SIGHUP', (all += 'hangup\n'));
  await expects('SIGTERM', (all += 'SIGTERM\n'));
  child.kill('SIGHUP');
  child.kill('SIGINT');
  assert.deepEqual(await ended, [null, 'SIGINT']);
  assert.equal(said, all);
});

test('a SIGHUP is heard before the program is loaded', {
  skip: existsSync('/proc/self/status') ? false : 'nobody tells here what a process hears',
}, async () => {
  const child = spawn(process.execPath, [main, 'serve', '--listen', 'coap://127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  // SIGHUP is the first of the signals, in the lowest bit.
  const hears = (): boolean => /^SigCgt:\t[0-9a-f]*[13579bdf]$/m.test(readFileSync(`/proc/${child.pid}/status`, 'latin1'));
  await until(hears);
  assert.equal(said, '');
  child.kill('SIGHUP');
  await until(() => /nothing to reload/.test(said));
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null], said);
});

describe('commands that go on', { concurrency: 2 }, () => {
  const parent = mkdtempSync(join(tmpdir(), 'ace-coap-signals-'));
  const lab = join(parent, 'lab');
  const subscribers = join(parent, 'subscribers.jsonl');
  let proxyPort: number;
  let seal: SealFolder;
  let t8: T8Folder;

  before(async () => {
    await writeLab(lab, { random: systemEnv.random, asPort: await freePort(), rsPort: await freePort() });
    writeFileSync(subscribers, `{"a_kid": "me@realm.example", "k_akma": "${'0f'.repeat(32)}", "supi": "imsi-001010000000001"}\n`);
    proxyPort = await freePort();
    seal = await sealInit(join(parent, 'seal'));
    t8 = await T8Folder.make();
  });
  after(() => {
    t8.remove();
    rmSync(parent, { recursive: true, force: true });
  });

  /** By command: what stands behind it, and what it says of a SIGHUP. */
  const servers: Readonly<Record<string, readonly [words: () => readonly string[], says: RegExp]>> = {
    as: [() => [lab], /"msg":"reloaded"/],
    rs: [() => [lab], /"msg":"reloaded"/],
    proxy: [() => ['--listen', `127.0.0.1:${proxyPort}`, '--allow', '127.0.0.1:*'], /"msg":"nothing to reload: /],
    gateway: [() => ['--listen', 'http://127.0.0.1:0', '--allow', '127.0.0.1:*'], /"msg":"reloaded"/],
    serve: [() => ['--listen', 'coap://127.0.0.1:0'], /"msg":"nothing to reload: /],
    'seal t8 serve': [() => [t8.path], /"msg":"reloaded"/],
    'seal capif core': [() => [inFolder(seal)], /"msg":"reloaded"/],
    'seal akma aanf': [() => ['--subscribers', subscribers], /"msg":"reloaded"/],
    'seal msgin5g serve': [
      () => ['--aanf', 'http://127.0.0.1:9', '--fqdn', 'a.example', '--ue', 'imsi-001010000000001=m', '--listen', 'coaps+tcp://127.0.0.1:0'],
      /"msg":"nothing to reload: /,
    ],
  };

  test('each command that serves is among those below', () => {
    const serving = idleProgram()
      .leaves.filter(({ command }) => command.options.some(({ long }) => long === '--log-level'))
      .map(({ path }) => path);
    assert.deepEqual([...serving, 'seal akma aanf'].sort(), Object.keys(servers).sort());
    // By these the entry of the program knows them, before it has read what commands there are.
    const known = idleProgram().leaves.map(({ path }) => path);
    assert.deepEqual(known.filter((path) => serves(path.split(' '))).sort(), Object.keys(servers).sort());
  });

  for (const [name, [words, says]] of Object.entries(servers)) {
    test(`ace-coap ${name}: SIGHUP does not end it, SIGTERM and SIGINT do, with exit code 0`, async () => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const command = new Command([...name.split(' '), ...words()]);
        await command.says(/listens on|AAnF at/);
        command.signal('SIGHUP');
        await command.says(says);
        command.signal(signal);
        assert.deepEqual(await command.ended, [0, null], command.output);
      }
    });
  }

  test('ace-coap seal akma aanf: SIGHUP takes other subscribers, and a file that is wrong changes nothing', async () => {
    const file = join(parent, 'others.jsonl');
    const line = (supi: string, key = '0f'.repeat(32)): string => `${JSON.stringify({ a_kid: `${supi}@realm.example`, k_akma: key, supi: `imsi-${supi}` })}\n`;
    writeFileSync(file, line('001010000000001'));
    const command = new Command(['seal', 'akma', 'aanf', '--subscribers', file]);
    await command.says(/AAnF at .*, 1 subscriber\n/);
    const hasKey = async (supi: string): Promise<boolean> => {
      const [, apiRoot] = /AAnF at (\S+),/.exec(command.output)!;
      const { AanfClient, parseAfId } = await import('../../profiles/seal/akma/index.ts');
      const key = await new AanfClient({ apiRoot: apiRoot! }).retrieveApplicationKey(`${supi}@realm.example`, parseAfId('a.example/0100000007'));
      return key !== undefined;
    };
    writeFileSync(file, line('001010000000002') + line('001010000000003'));
    command.signal('SIGHUP');
    await command.says(/"subscribers":2,"msg":"reloaded"/);
    assert.deepEqual([await hasKey('001010000000001'), await hasKey('001010000000002')], [false, true]);
    writeFileSync(file, line('001010000000001', 'abc'));
    command.signal('SIGHUP');
    await command.says(/others\.jsonl: line 1: expected a_kid.*"msg":"configuration refused"[\s\S]*"msg":"the configuration stays as it was"/);
    assert.deepEqual([await hasKey('001010000000001'), await hasKey('001010000000002')], [false, true]);
    command.signal('SIGTERM');
    assert.deepEqual(await command.ended, [0, null]);
  });

  test('ace-coap observe and inspect --tap: SIGHUP, which is a terminal that was closed, ends them in order', async () => {
    const server = new Command(['serve', '--listen', 'coap://127.0.0.1:0', '--log-level', 'debug']);
    await server.says(/listens on (\S+) /);
    const [, uri] = /listens on (\S+) /.exec(server.output)!;
    const observer = new Command(['observe', `${uri}/temperature`]);
    await observer.says(/2\.05 Content/);
    observer.signal('SIGHUP');
    assert.deepEqual(await observer.ended, [0, null]);
    const tap = new Command(['inspect', '--tap', '0', '--to', '127.0.0.1:9']);
    await tap.says(/Ctrl-C ends it/);
    tap.signal('SIGHUP');
    assert.deepEqual(await tap.ended, [0, null]);
    server.signal('SIGTERM');
    assert.deepEqual(await server.ended, [0, null]);
  });

  test('ace-coap demo: a signal ends its servers and leaves no keys behind, and the shell sees which it was', async () => {
    const folder = mkdtempSync(join(parent, 'demo-'));
    const demo = new Command(['demo'], { TMPDIR: folder });
    await demo.says(/An AS on port/);
    const [, as, rs] = /port (\d+) and an RS on port (\d+)/.exec(demo.output)!;
    demo.signal('SIGTERM');
    assert.deepEqual(await demo.ended, [null, 'SIGTERM']);
    assert.deepEqual(readdirSync(folder), []);
    // Their ports are free again.
    const again = new Command(['serve', '--listen', `coap://127.0.0.1:${as}`, '--listen', `coap://127.0.0.1:${rs}`]);
    await again.says(/listens on/);
    again.signal('SIGTERM');
    assert.deepEqual(await again.ended, [0, null], again.output);
  });
});
