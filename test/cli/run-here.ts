import { AsyncLocalStorage } from 'node:async_hooks';
import type { Run, RunOptions } from './run.ts';

/** From the bundle, as it ships, and in fewer files. */
const { run } = (await import(new URL('../../bundle/cli/run.js', import.meta.url).href)) as typeof import('../../src/cli/run.ts');

type Output = Readonly<Record<'stdout' | 'stderr', Buffer[]>>;
type Write = (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;

const output = new AsyncLocalStorage<Output>();

/** What a run here writes is its output; the test runner writes to the same streams. */
for (const name of ['stdout', 'stderr'] as const) {
  const stream = process[name] as unknown as { write: Write };
  const write = stream.write.bind(process[name]);
  stream.write = (chunk, ...rest) => {
    const mine = output.getStore();
    if (mine === undefined) return write(chunk, ...rest);
    mine[name].push(Buffer.from(chunk as Uint8Array));
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done as () => void);
    return true;
  };
}

let last: Promise<unknown> = Promise.resolve();

/** Runs `ace-coap` with these words in this process, one run after the other, because they share `process.exitCode`, the folder and the environment. */
export function runHere(words: readonly string[], { cwd = process.cwd(), env = {} }: Pick<RunOptions, 'cwd' | 'env'> = {}): Promise<Run> {
  const next = last.then(async () => {
    const mine: Output = { stdout: [], stderr: [] };
    const before = { exitCode: process.exitCode, cwd: process.cwd(), env: process.env };
    process.exitCode = undefined;
    process.env = { ...before.env, ...env };
    process.chdir(cwd);
    try {
      await output.run(mine, () => run(words));
      const bytes = Buffer.concat(mine.stdout);
      return { code: Number(process.exitCode ?? 0), stdout: bytes.toString(), stderr: Buffer.concat(mine.stderr).toString(), bytes };
    } finally {
      process.chdir(before.cwd);
      process.env = before.env;
      process.exitCode = before.exitCode;
    }
  });
  last = next.catch(() => {});
  return next;
}
