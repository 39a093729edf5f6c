/**
 * Runs the compiled tests with node:test. Node 20's `--test` takes no globs, so the list is made here.
 *
 *     node dist/test/run.js [--scale quick|full] [PART OF A PATH ...]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './support/fixtures.ts';

const here = join(root, 'dist', 'test');
const sources = new Set((readdirSync(join(root, 'test'), { recursive: true }) as string[]).map((name) => name.replace(/\.ts$/, '.js')));
const args = process.argv.slice(2);
const at = args.indexOf('--scale');
const scale = at < 0 ? 'quick' : args.splice(at, 2)[1];
if (scale !== 'quick' && scale !== 'full') {
  console.error(`--scale: expected quick or full, got ${scale ?? 'nothing'}`);
  process.exit(2);
}
// A test whose source is gone may still lie compiled in dist: it does not run.
const files = (readdirSync(here, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.test.js') && sources.has(name))
  .map((name) => join(here, name))
  .filter((name) => args.length === 0 || args.some((part) => relative(here, name).includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test matches ${args.join(' ')}`);
  process.exit(2);
}
/** Files that share a process: each start of one costs half a second of its processor. */
const groupSize = 24;

/** What a test file that leaves the process as it was has nothing of; those in `cli` run whole commands in theirs, those in `fuzz` look at what ran. An `after` comes with the end of the process. */
const changesProcess = /^(?:before|beforeEach|afterEach)\(|useCrypto|underPortableCrypto|process\.(?:env|on\()|mock\.|memoryUsage|globalThis\.gc|spawn|fork\(/m;

function mayShare(file: string): boolean {
  const name = relative(here, file);
  return !/^(?:cli|fuzz)\b/.test(name) && !changesProcess.test(readFileSync(join(root, 'test', name.replace(/\.js$/, '.ts')), 'utf8'));
}

/** Files to run, in which those that may share a process stand together. They run in the order of their names, the groups first: at the end, where a processor has nothing left to do, short ones are to run. */
function grouped(all: readonly string[], folder: string): string[] {
  const sharing = all.filter(mayShare);
  const groups: string[] = [];
  for (let from = 0; from < sharing.length; from += groupSize) {
    const group = join(folder, `${groups.length}.js`);
    const imports = sharing.slice(from, from + groupSize).map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`);
    writeFileSync(group, imports.join(''));
    groups.push(group);
  }
  return [...groups, ...all.filter((file) => !sharing.includes(file))];
}

// A test that hangs fails, so that CI hears of it.
const patience = scale === 'full' ? 3_600_000 : 300_000;
// Many files wait for most of their time, so that twice as many as there are processors are not too many.
const flags = [`--test-timeout=${patience}`, `--test-concurrency=${2 * Math.max(2, availableParallelism())}`];
if (!process.stdout.isTTY) {
  const failures = pathToFileURL(join(here, 'support', 'failures.js')).href;
  flags.push('--test-reporter=tap', '--test-reporter-destination=stdout', `--test-reporter=${failures}`, '--test-reporter-destination=stderr');
}
// Node sorts what it is given.
const folder = mkdtempSync(join(here, '.groups-'));
const list = scale === 'full' ? files : grouped(files, folder);
// Node 20 leaves this alone; later ones compile once what many processes load.
const env = { NODE_COMPILE_CACHE: join(folder, 'compiled'), ...process.env, ACE_SCALE: scale };
const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...flags, ...list], { stdio: 'inherit', env });
rmSync(folder, { recursive: true, force: true });
process.exit(run.status ?? 1);
