import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { utf8 } from '../../src/core/bytes.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { ace, aceExits, Lab } from './lab.ts';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'ace-coap-unwritable-'));
const at = (...names: readonly string[]): string => join(base, ...names);
const isLinux = existsSync('/proc/self');
const noProc = isLinux ? false : 'there is no /proc here';

/** A user without rights. */
const other = 65_534;

/** Why there is nobody here who may not write everywhere; `false`: there is somebody. */
function nobodyElse(): string | false {
  if (process.getuid === undefined) return 'there are no users here';
  if (process.getuid() !== 0) return false;
  const { status } = spawnSync(process.execPath, [main, '--version'], { uid: other, gid: other, stdio: 'ignore' });
  return status === 0 ? false : 'root may write everywhere, and others may not run this program where it lies';
}

let lab: Lab;
before(async () => {
  chmodSync(base, 0o755);
  lab = await Lab.start();
  const store = lmdbStore(at('source'));
  await store.put('a', utf8('b'));
  await store.close();
});
after(async () => {
  await lab.end();
  rmSync(base, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

/** Run `ace-coap`, within bounds that a shell sets first, as somebody else where that is asked for; it has to end by itself. */
function runBounded(words: readonly string[], { bound = ':', uid }: { readonly bound?: string; readonly uid?: number } = {}): Promise<Ended> {
  const shell = spawn('sh', ['-c', `${bound}; exec "$0" "$@"`, process.execPath, main, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 180_000,
    killSignal: 'SIGKILL',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let stderr = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => shell.once('close', (code) => resolve({ code, stderr })));
}

/** It has to refuse with exit code 2 and an error of ours; in a process of its own where that has bounds. */
async function refuses(words: readonly string[], expected: RegExp, options?: Parameters<typeof runBounded>[1]): Promise<void> {
  const { code, stderr } = options === undefined ? await ace(words) : await runBounded(words, options);
  assert.equal(code, 2, `ace-coap ${words.join(' ')} ended with ${code}\n${stderr}`);
  assert.match(stderr, expected);
  assert.doesNotMatch(stderr, /\n {4}at /);
}

describe('a folder that a command cannot make or fill: exit code 2, at once', () => {
  const makers: readonly (readonly [what: string, words: (folder: string) => readonly string[], code: RegExp])[] = [
    ['init', (folder) => ['init', folder], /ERR_CONFIG_FILE/],
    ['seal init', (folder) => ['seal', 'init', folder], /ERR_CONFIG_FILE/],
    ['oscore init', (folder) => ['oscore', 'init', folder], /ERR_CONFIG_FILE/],
    ['admin client add --new', (folder) => ['admin', 'client', 'add', 'x', '--new', folder, '--config', join(lab.folder, 'admin.yaml')], /ERR_CONFIG_FILE/],
    ['store migrate', (folder) => ['store', 'migrate', at('source'), folder], /ERR_STORE_OPEN/],
    ['store backup', (folder) => ['store', 'backup', at('source'), folder], /ERR_STORE_OPEN/],
  ];
  for (const [what, words, code] of makers) {
    test(`${what}: below /proc`, { skip: noProc }, async () => {
      for (const folder of ['/proc/ace-coap', '/proc/self/fd/ace-coap/deep']) await refuses(words(folder), code);
    });

    test(`${what}: a file in the way`, async () => {
      writeFileSync(at('file'), 'kept');
      for (const folder of [at('file'), at('file', 'x')]) await refuses(words(folder), code);
      assert.equal(statSync(at('file')).size, 4);
    });
  }

  test('nobody may write there: nothing of it is made', { skip: nobodyElse() }, async () => {
    mkdirSync(at('closed'));
    chmodSync(at('closed'), 0o555);
    // Root may write everywhere.
    const options = process.getuid!() === 0 ? { uid: other } : undefined;
    for (const [what, words, code] of makers) if (!/^(?:admin|store)/.test(what)) await refuses(words(at('closed', 'new')), code, options);
    assert.deepEqual(readdirSync(at('closed')), []);
  });

  test('no space: what was made for it is gone again, what was there stays', async () => {
    // Blocks of 512 bytes: the keys have room, what comes after has not.
    const bound = 'ulimit -S -f 1';
    mkdirSync(at('there'));
    writeFileSync(at('there', 'mine'), '');
    for (const words of [
      ['init', at('full', 'deep')],
      ['init', at('there')],
      ['seal', 'init', at('full')],
    ])
      await refuses(words, /EFBIG.*ERR_CONFIG_FILE/, { bound });
    // Here the files have room, and the store behind them has not.
    await refuses(['seal', 'init', at('full')], /ERR_STORE_/, { bound: 'ulimit -S -f 40' });
    await refuses(['seal', 'init', at('there')], /ERR_STORE_/, { bound: 'ulimit -S -f 40' });
    assert.equal(existsSync(at('full')), false);
    assert.deepEqual(readdirSync(at('there')), ['mine']);
    await aceExits(0, ['init', at('there')]);
  });
});

describe('a file that a command cannot write', () => {
  const uri = (): string => lab.uri('/.well-known/core');
  const none = { skip: existsSync('/dev/full') ? false : 'there is no /dev/full here' };

  test('no space: exit code 2, and nothing half-written is left', async () => {
    const bound = 'ulimit -S -f 0';
    await refuses(['get', uri(), '-o', at('answer')], /answer: cannot be written \(EFBIG\)/, { bound });
    await refuses(['conformance', 'init', at('target.yaml')], /target\.yaml: cannot be written \(EFBIG\)/, { bound });
    await refuses(['inspect', '--tap', '0', '--to', '127.0.0.1:9', '--pcapng', at('tap.pcapng')], /--pcapng: .*cannot be written \(EFBIG\)/, { bound });
    assert.deepEqual(
      ['answer', 'target.yaml', 'tap.pcapng'].filter((name) => existsSync(at(name))),
      [],
    );
  });

  test('is refused before the work, whose outcome would be lost', async () => {
    writeFileSync(at('nofolder'), '');
    const led = lab.uri('/led');
    await aceExits(0, ['put', led, '-d', 'on', '--config', lab.folder]);
    for (const [path, code] of [
      [at('no', 'such'), 'ENOENT'],
      [at('nofolder', 'such'), 'ENOTDIR'],
      [base, 'EISDIR'],
    ] as const) {
      const expected = new RegExp(`${path}: cannot be written \\(${code}\\)`);
      await refuses(['put', led, '-d', 'off', '--config', lab.folder, '-o', path], expected);
      // Nobody is there: that would be exit code 3.
      await refuses(['conformance', 'coap://127.0.0.1:9', '--junit', path], expected);
      for (const flag of ['--html', '--svg']) await refuses(['inspect', '--tap', '0', '--to', '127.0.0.1:9', flag, path], expected);
    }
    assert.equal((await aceExits(0, ['get', led, '--config', lab.folder])).stdout, 'on\n');
  });

  test('what was there before stays, and a device is left as it is', none, async () => {
    symlinkSync('/dev/full', at('device'));
    const { mode } = statSync('/dev/full');
    await refuses(['get', uri(), '-o', at('device')], /device: cannot be written \(ENOSPC\)/);
    await refuses(['conformance', 'init', at('device')], /expected no such file, got one; it is not overwritten/);
    assert.equal(statSync('/dev/full').mode, mode);
    assert.equal(existsSync(at('device')), true);
  });

  test('admin code issue --out: no code is issued that nobody can keep', async () => {
    const codes = async (): Promise<string> => (await aceExits(0, ['admin', 'code', 'list', '--config', join(lab.folder, 'admin.yaml')])).stdout;
    writeFileSync(at('taken'), '');
    for (const path of [at('taken'), at('no', 'such')])
      await aceExits(2, ['admin', 'code', 'issue', 'client1', 'rs1', '--scope', 'w_led', '--out', path, '--config', join(lab.folder, 'admin.yaml')]);
    assert.equal(await codes(), '');
  });

  test('standard output that takes nothing more', none, async () => {
    for (const words of [
      ['completion', 'bash'],
      ['get', uri()],
      ['decode', '4401a4b15d1f6c2ebb74656d7065726174757265'],
    ]) {
      const { code, stderr } = await runBounded(words, { bound: 'exec > /dev/full' });
      assert.equal(code, 2, words.join(' '));
      assert.match(stderr, /standard output cannot be written \(ENOSPC\)/);
    }
  });
});
