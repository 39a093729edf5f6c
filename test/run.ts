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
/** Files that share a process: each start of one costs half a second of its processor, and each that runs commands a second. Those in `cli` wait for most of their time. */
const groupSize = 36;
const cliGroupSize = 6;

/**
 * What a test file that leaves the process as it was has nothing of; those in `fuzz` look at what ran. An `after` comes with the end of the process, and a variable
 * of the environment that is named for tests goes with the test that set it.
 */
const changesProcess = /useCrypto|underPortableCrypto|process\.(?:env\[(?!'ACE_COAP_TEST_)[^\]]*\] = |on\()|(?<![\w.])mock\.|memoryUsage|globalThis\.gc|fork\(/;

/** Hooks that are for each test of a file, and for no other's. */
const hooks = /^(?:before|beforeEach|afterEach)\(/m;

/** What takes longest, and so is to start first: at the end, where a processor has nothing left to do, short ones are to run. */
const long = /^(?:(?:core|rfc)\/portable|load|repo\/public-api|profiles\/seal\/saboteurs|cli\/(?:parallel|sim-s-crash|signals))\b/;

const isCli = (name: string): boolean => name.startsWith('cli');

const sourceOf = (name: string): string => readFileSync(join(root, 'test', name.replace(/\.js$/, '.ts')), 'utf8');

const mayShare = (name: string): boolean => !name.startsWith('fuzz') && !changesProcess.test(sourceOf(name));

/** A module that has the tests of these files; hooks of one that shares the process are those of a suite. */
function entryOf(names: readonly string[]): string {
  const lines = names.map((name) => {
    const url = JSON.stringify(pathToFileURL(join(here, name)).href);
    return names.length > 1 && hooks.test(sourceOf(name)) ? `describe(${JSON.stringify(name)}, () => import(${url}));\n` : `import ${url};\n`;
  });
  return `import { describe } from 'node:test';\n${lines.join('')}`;
}

/** Neighbours together, which load much the same. */
function inTurn(names: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(names.length / groupSize) }, (_, group) => names.slice(group * groupSize, (group + 1) * groupSize));
}

/** Neighbours apart: those that start the same servers take as long as each other. */
function dealt(names: readonly string[]): string[][] {
  const groups = Math.ceil(names.length / cliGroupSize);
  return Array.from({ length: groups }, (_, group) => names.filter((_, index) => index % groups === group));
}

/** Entries for node:test, in the order in which they are to start; it sorts by name what it is given. */
function entries(all: readonly string[], folder: string): string[] {
  const names = all.map((file) => relative(here, file));
  const sharing = names.filter((name) => mayShare(name) && !long.test(name));
  const single = names.filter((name) => !sharing.includes(name)).map((name) => [name]);
  const isLong = ([name = '']: readonly string[]): boolean => long.test(name);
  const groups = [...dealt(sharing.filter(isCli)), ...inTurn(sharing.filter((name) => !isCli(name)))];
  return [...single.filter(isLong), ...groups, ...single.filter((group) => !isLong(group))].map((group, index) => {
    const entry = join(folder, `${String(index).padStart(3, '0')}-${group[0]!.replaceAll(/\W/g, '-')}.js`);
    writeFileSync(entry, entryOf(group));
    return entry;
  });
}

// A test that hangs fails, so that CI hears of it; so does a whole group of files, which on a machine that has other things to do takes minutes.
const patience = scale === 'full' ? 3_600_000 : 600_000;
// Many files wait for most of their time, so that three times as many as there are processors are not too many.
const flags = [`--test-timeout=${patience}`, `--test-concurrency=${3 * Math.max(2, availableParallelism())}`];
const reporter = (name: string, to: string): string[] => [
  `--test-reporter=${pathToFileURL(join(here, 'support', 'reporters', `${name}.js`)).href}`,
  `--test-reporter-destination=${to}`,
];
flags.push(...(process.stdout.isTTY ? reporter('spec', 'stdout') : [...reporter('tap', 'stdout'), ...reporter('failures', 'stderr')]));
const folder = mkdtempSync(join(here, '.groups-'));
const list = scale === 'full' ? files : entries(files, folder);
// Node 20 leaves this alone; later ones compile once what many processes load.
const env: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: join(folder, 'compiled'), ...process.env, ACE_SCALE: scale };
// Each of some four hundred processes would read all of these when it starts, which takes twice as long as the rest of a start; no test trusts one of them.
delete env['NODE_EXTRA_CA_CERTS'];
const run = spawnSync(process.execPath, ['--test', ...flags, ...list], { stdio: 'inherit', env });
rmSync(folder, { recursive: true, force: true });
process.exit(run.status ?? 1);
