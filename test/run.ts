/**
 * Runs the compiled tests with node:test. Node 20's `--test` takes no globs, so the list is made here.
 *
 *     node dist/test/run.js [--scale quick|full] [PART OF A PATH ...]
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
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
  .map((name) => relative(process.cwd(), join(here, name)))
  .filter((name) => args.length === 0 || args.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test matches ${args.join(' ')}`);
  process.exit(2);
}
// A test that hangs fails, so that CI hears of it.
const patience = scale === 'full' ? 3_600_000 : 300_000;
// Many files wait for most of their time, so that one more than there are processors is not too many.
const flags = [`--test-timeout=${patience}`, `--test-concurrency=${Math.max(2, availableParallelism()) + 1}`];
const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...flags, ...files], {
  stdio: 'inherit',
  env: { ...process.env, ACE_SCALE: scale },
});
process.exit(run.status ?? 1);
