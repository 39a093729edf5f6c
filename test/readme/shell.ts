/** The lines of README.md, run as a newcomer would run them: in an empty folder, with `ace-coap` on the PATH. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { systemEnv } from '../../src/core/env.ts';
import { root } from '../support/fixtures.ts';
import { freePortPair } from '../support/ports.ts';

/** Longer than this no block may take, in milliseconds. */
const longest = 120_000;

/** The blocks of README.md, by the word behind ```sh; those without one are not run. */
export function shellBlocks(): ReadonlyMap<string, string> {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  return new Map([...text.matchAll(/^```sh ([\w-]+)\n([\s\S]*?)^```$/gm)].map((match) => [match[1]!, match[2]!]));
}

export interface Shown {
  /** What the block printed, and what went wrong in it. */
  readonly text: string;
  readonly folder: string;
}

export interface ShellOptions {
  /** Where the block runs; absent: an empty folder below the package, in which `import 'ace-coap'` finds it as a program does that has it installed. */
  readonly folder?: string;
  /** Commands that stand in for others, as text of sh, by name. */
  readonly commands?: Readonly<Record<string, string>>;
}

/** What a test can say its end to. */
interface Lifetime {
  after(end: () => void): void;
}

/** An empty folder below the package, until the test ends. */
export function emptyFolder(t: Lifetime): string {
  const parent = join(root, 'dist', 'readme');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'run-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Ports {
  readonly as: number;
  readonly rs: number;
  /** Of the SIM-S; that of the SEAL server is the next one. */
  readonly https: number;
}

/** The commands of a block: `ace-coap`, whose `init` takes ports that are free, and those that stand in for others. */
function writeCommands(folder: string, { as, rs, https }: Ports, commands: Readonly<Record<string, string>>): string {
  const bin = join(folder, '.bin');
  mkdirSync(bin, { recursive: true });
  const main = join(root, 'dist', 'bundle', 'cli', 'main.js');
  const ace = `case "$1 $2" in init\\ *|seal\\ init) set -- "$@" --as-port ${as} --rs-port ${rs} ;; esac\ncase "$1 $2" in seal\\ init) set -- "$@" --as-https-port ${https} --rs-https-port ${https + 1} ;; esac\nexec '${process.execPath}' '${main}' "$@"`;
  for (const [name, text] of Object.entries({ 'ace-coap': ace, ...commands })) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

/** Runs a block to its end, with what it started in the background. The ports in it become free ones. */
export async function runBlock(t: Lifetime, name: string, { folder = emptyFolder(t), commands = {} }: ShellOptions = {}): Promise<Shown> {
  const block = shellBlocks().get(name);
  assert.ok(block !== undefined, `README.md: no block \`\`\`sh ${name}`);
  const [as, rs, other, https] = [await freePortPair(), await freePortPair(), await freePortPair(), await freePortPair()];
  const ports: Readonly<Record<string, number>> = { 5783: as, 5784: as + 1, 5683: rs, 5684: rs + 1, 5690: other };
  const lines = block.replace(/\b\d{4}\b/g, (digits) => String(ports[digits] ?? digits));
  const PATH = [writeCommands(folder, { as, rs, https }, commands), join(process.execPath, '..'), process.env['PATH']].join(delimiter);
  const shell = spawn('bash', ['-c', `exec 2>&1\n${lines}\nwait`], {
    cwd: folder,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // The block and all that it started are one group, of which nothing stays.
  const end = (): void => {
    try {
      process.kill(-shell.pid!, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  };
  t.after(end);
  let text = '';
  shell.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await new Promise<void>((resolve, reject) => {
    const cancel = systemEnv.schedule(longest, () => {
      end();
      reject(new Error(`README.md, ${name}: not over within ${longest} ms\n${text}`));
    });
    shell.once('error', reject);
    shell.once('close', () => {
      cancel();
      resolve();
    });
  });
  return { text, folder };
}
