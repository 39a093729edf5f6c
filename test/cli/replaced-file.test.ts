import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeOutput } from '../../src/cli/output-file.ts';
import { replaceFile } from '../../src/cli/replace-file.ts';
import { sessionFile } from '../../src/cli/session-file.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { suiteById } from '../../src/dtls/cipher-suites.ts';
import { Session } from '../../src/dtls/session.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-replaced-'));
after(() => rmSync(base, { recursive: true, force: true }));

/** A folder of its own, with an old file that has a mode of its own and a link that leads to it. */
function folderWith(name: string, old = 'the old one'): { readonly folder: string; readonly file: string; readonly link: string } {
  const folder = join(base, name);
  mkdirSync(join(folder, 'links'), { recursive: true });
  const [file, link] = [join(folder, 'file'), join(folder, 'links', 'link')];
  writeFileSync(file, old, { mode: 0o600 });
  chmodSync(file, 0o640);
  symlinkSync('../file', link);
  return { folder, file, link };
}

/** What stands at a place at each moment: who opened it before has the old one whole. */
function oldAndNew(file: string, write: () => void): { readonly old: string; readonly now: string } {
  const before = openSync(file, 'r');
  try {
    write();
    return { old: readFileSync(before, 'latin1'), now: readFileSync(file, 'latin1') };
  } finally {
    closeSync(before);
  }
}

const peer = { key: 'peer', address: '192.0.2.1', port: 5684 };
const session = new Session({
  id: new Uint8Array(32),
  cipherSuite: suiteById(0xc0a8)!,
  master: new Uint8Array(48),
  extendedMasterSecret: true,
  peerIdentity: { type: 'psk', identity: emptyBytes },
  serverName: undefined,
  established: 0,
  proof: new Uint8Array(16),
});

test('a file that is written again is the old one or the new one at each moment, and keeps its mode and the links to it', () => {
  const { folder, file, link } = folderWith('output');
  assert.deepEqual(
    oldAndNew(file, () => writeOutput(link, 'the new one')),
    { old: 'the old one', now: 'the new one' },
  );
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.equal(lstatSync(link).isSymbolicLink(), true);
  writeOutput(file, 'for its owner', { isSecret: true });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'links']);
});

test('a file that is new gets the mode of the process, and a link to nothing leads to it afterwards', () => {
  const { folder } = folderWith('fresh');
  const [file, link] = [join(folder, 'not yet'), join(folder, 'to come')];
  symlinkSync('not yet', link);
  writeOutput(link, 'new');
  assert.equal(readFileSync(file, 'utf8'), 'new');
  assert.equal(lstatSync(link).isSymbolicLink(), true);
  assert.equal(statSync(file).mode & 0o777, 0o666 & ~process.umask());
});

test('a file that nobody may write is not written, although its folder takes another one', { skip: rightless() }, () => {
  const { file } = folderWith('closed');
  chmodSync(file, 0o440);
  assert.throws(() => writeOutput(file, 'new'), /cannot be written \(EACCES\)/);
  assert.equal(readFileSync(file, 'utf8'), 'the old one');
});

/** Why nothing is closed to who runs this; `false`: it is. */
function rightless(): string | false {
  return process.getuid?.() === 0 ? 'root may write everything' : false;
}

test('RFC 5246 7.3: the session of a run takes the place of the old one whole, through a link that stays', () => {
  const { file, link, folder } = folderWith('session');
  rmSync(file);
  const kept = { load: () => sessionFile(link).load('host', peer), save: () => sessionFile(link).save(session, 'host', peer) };
  kept.save();
  const { old, now } = oldAndNew(file, () => kept.save());
  assert.ok(old.length > 48);
  assert.equal(old, now);
  assert.notEqual(kept.load(), undefined);
  const before = statSync(file).ino;
  kept.save();
  assert.notEqual(statSync(file).ino, before);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  sessionFile(link).remove('host', peer);
  assert.deepEqual([readdirSync(folder), lstatSync(link).isSymbolicLink()], [['links'], true]);
});

const writer = fileURLToPath(new URL('../../src/cli/output-file.js', import.meta.url));

/** Writes an output in a process of its own, behind what a shell does before. */
function writing(file: string, text: string, { before = ':', redirect = '' }): Promise<{ readonly code: number | null; readonly stdout: string }> {
  const script = `import { writeOutput } from ${JSON.stringify(writer)}; writeOutput(process.argv[1], ${JSON.stringify(text)});`;
  const shell = spawn('sh', ['-c', `${before}; "$0" --input-type=module -e "$1" "$2" ${redirect}`, process.execPath, script, file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  return new Promise((resolve) => shell.once('close', (code) => resolve({ code, stdout })));
}

test('no space: what was there before stays whole, and nothing stands beside it', async () => {
  const { folder, file } = folderWith('full');
  const { code } = await writing(file, 'x'.repeat(2000), { before: 'ulimit -S -f 1' });
  assert.notEqual(code, 0);
  assert.equal(readFileSync(file, 'utf8'), 'the old one');
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'links']);
});

test('standard output and a pipe are written as they are, also where standard output is a file', async () => {
  const { folder, file } = folderWith('as-it-is');
  assert.equal((await writing('/dev/stdout', 'to a pipe', { redirect: '| cat' })).stdout, 'to a pipe');
  const { ino } = statSync(file);
  assert.equal((await writing('/dev/stdout', 'to a file', { redirect: `> '${file}'` })).code, 0);
  assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).ino], ['to a file', ino]);
  const pipe = join(folder, 'pipe');
  const read = await writing(pipe, 'through it', { before: `mkfifo '${pipe}'; (cat '${pipe}' &)` });
  assert.deepEqual([read.stdout, lstatSync(pipe).isFIFO()], ['through it', true]);
});

/** Ends with the file written beside, and not yet in its place. */
function killedWhileWriting(file: string): string {
  const killed = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    fs.renameSync = () => process.kill(process.pid, 'SIGKILL');
    syncBuiltinESMExports();
    const { replaceFile } = await import(${JSON.stringify(new URL('../../src/cli/replace-file.js', import.meta.url).href)});
    replaceFile(${JSON.stringify(file)}, 'half');`;
  const before = new Set(readdirSync(dirname(file)));
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', killed]);
  assert.equal(signal, 'SIGKILL');
  const [left, ...more] = readdirSync(dirname(file)).filter((name) => !before.has(name));
  assert.deepEqual(more, []);
  return left!;
}

test('what a kill has left beside a file goes with a later write of that file, and nothing else', () => {
  const { folder, file } = folderWith('killed');
  const other = join(folder, 'other');
  writeFileSync(other, 'another');
  const [old, fresh, others] = [killedWhileWriting(file), killedWhileWriting(file), killedWhileWriting(other)] as const;
  assert.equal(readFileSync(file, 'utf8'), 'the old one');
  const names = old.slice(0, old.lastIndexOf('-') + 1);
  mkdirSync(join(folder, `${names}0123456789ab`));
  for (const name of [`${names}0123456789abc`, `${names}mine`, '.ace-coap-0123456789ab']) writeFileSync(join(folder, name), 'somebody else');
  const stays = readdirSync(folder).filter((name) => name !== old);
  const past = new Date(Date.now() - 120_000);
  for (const name of readdirSync(folder)) if (name !== fresh) utimesSync(join(folder, name), past, past);
  replaceFile(file, 'the new one');
  assert.deepEqual(readdirSync(folder).sort(), stays.sort());
  assert.ok(stays.includes(fresh) && stays.includes(others));
  assert.equal(readFileSync(file, 'utf8'), 'the new one');
  replaceFile(other, 'the new one');
  assert.ok(!readdirSync(folder).includes(others));
});
