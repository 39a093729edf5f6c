/** A lab in a temporary folder, its servers as processes of their own, and runs of the command line. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemEnv } from '../../src/core/env.ts';
import { type LabProfile, writeLab } from '../../src/operate/index.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import type { Run, RunOptions } from './run.ts';
import { runHere } from './run-here.ts';

export type { Run, RunOptions } from './run.ts';

/** The compiled command beside the compiled tests. */
const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

/** Longer than this no process of a test may live, in milliseconds. */
const longest = 180_000;

/** Commands that have no signal and no input but their words and files, and end by themselves: mostly a process of their own shows nothing more. */
const alone =
  /^(?:(?:init|decode|oscore|audit|completion|get|put|post|delete|fetch|patch|ipatch|discover|ping|token|introspect|admin|store|km|seal (?:init|km|provision|akma derive|msgin5g (?:de)?register)|password remove|--\S+)(?: |$)|observe .*--count |trl (?!.*--observe)|password (?:set|hash) .*--password-file )/;

/** Runs `ace-coap` with these words, in a process of its own where that can make a difference. */
export function ace(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { process: own = !alone.test(args.join(' ')), input, onOutput } = options;
  if (!own && input === undefined && onOutput === undefined && !args.includes('-')) return runHere(args, options);
  const env = { ...process.env, ...options.env };
  const child = spawn(process.execPath, [main, ...args], { cwd: options.cwd, env, stdio: 'pipe', timeout: longest, killSignal: 'SIGKILL' });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    onOutput?.(Buffer.concat(out).toString(), child);
  });
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const bytes = Buffer.concat(out);
      resolve({ code, stdout: bytes.toString(), stderr: Buffer.concat(err).toString(), bytes });
    });
  });
}

/** Runs `ace-coap` and expects this exit code; what it printed is in the failure. */
export async function aceExits(code: number, args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const run = await ace(args, options);
  assert.equal(run.code, code, `ace-coap ${args.join(' ')} ended with ${run.code}\n${run.stdout}\n${run.stderr}`);
  return run;
}

type Role = 'as' | 'rs' | 'serve' | 'gateway' | 'seal';

/** A command that serves: `ace-coap as`, for example. */
export class Server {
  readonly role: Role;
  readonly #words: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<{ readonly code: number | null; readonly signal: string | null }> = Promise.resolve({ code: null, signal: null });
  #death: Promise<never> = new Promise(() => {});
  /** How much of its output is of earlier starts. */
  #before = 0;
  stdout = '';
  /** Lines of JSON. */
  stderr = '';

  /** `words`: what stands behind the command. */
  constructor(role: Role, ...words: readonly string[]) {
    this.role = role;
    this.#words = words;
  }

  /** Fulfilled when it says that it listens. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [main, this.role, ...this.#words, ...(this.role === 'seal' ? [] : ['--log-level', 'debug'])], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    this.#before = this.stdout.length;
    this.#death = new Promise((_, reject) => {
      child.once('close', (code, signal) => {
        if (this.#child === child) reject(new Error(`${this.role} ended with ${code ?? signal}:\n${this.stderr}`));
      });
    });
    // Whoever waits for nothing else hears of it by `stop`.
    this.#death.catch(() => {});
    await new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        this.stdout += text;
        if (this.stdout.slice(this.#before).includes('listens on')) resolve();
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.stderr += text;
      });
      child.once('close', (code) => reject(new Error(`${this.role} ended with ${code}: ${this.stderr}`)));
    });
  }

  /** Rejected, with its log, when the process that was started last ends without being told to. */
  get death(): Promise<never> {
    return this.#death;
  }

  /** Where it listens since its last start, in the order of its configuration. */
  get urls(): readonly string[] {
    return [...this.stdout.slice(this.#before).matchAll(/listens on (\S+) /g)].map(([, url]) => url!);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** SIGHUP, until its log has said this of it. */
  async hangup(message: 'reloaded' | 'the configuration stays as it was'): Promise<void> {
    const before = this.log().length;
    this.signal('SIGHUP');
    await until(() =>
      this.log()
        .slice(before)
        .some(({ msg }) => msg === message),
    );
  }

  /** Ctrl-C: it has to end by itself, with exit code 0. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const ended = await this.#ended;
    clearTimeout(force);
    assert.deepEqual(ended, { code: 0, signal: null }, `${this.role} did not stop cleanly:\n${this.stderr}`);
  }

  /** kill -9 */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    assert.equal((await this.#ended).signal, 'SIGKILL');
  }

  log(): readonly Record<string, unknown>[] {
    return parsedLog(this.stderr);
  }
}

/** A log, parsed: each line has to be JSON. What has come of the last one may be its beginning. */
export function parsedLog(text: string): readonly Record<string, unknown>[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A lab on free ports. */
export class Lab {
  /** The temporary folder that everything is in. */
  readonly parent: string;
  readonly folder: string;
  readonly asPort: number;
  readonly rsPort: number;
  readonly as: Server;
  readonly rs: Server;

  private constructor(parent: string, asPort: number, rsPort: number) {
    this.parent = parent;
    this.folder = join(parent, 'lab');
    this.asPort = asPort;
    this.rsPort = rsPort;
    this.as = new Server('as', this.folder);
    this.rs = new Server('rs', this.folder);
  }

  /** `edit` changes the files before the servers start. */
  static async start(edit: (lab: Lab) => void | Promise<void> = () => {}, profile: LabProfile = 'oscore'): Promise<Lab> {
    const lab = new Lab(mkdtempSync(join(tmpdir(), 'ace-coap-test-')), await freePort(), await freePort());
    await writeLab(lab.folder, { random: systemEnv.random, asPort: lab.asPort, rsPort: lab.rsPort, profile });
    try {
      await edit(lab);
      await Promise.all([lab.as.start(), lab.rs.start()]);
      return lab;
    } catch (error) {
      // The one that did start would keep this process.
      await Promise.allSettled([lab.as.kill(), lab.rs.kill()]);
      rmSync(lab.parent, { recursive: true, force: true });
      throw error;
    }
  }

  uri(path: string): string {
    return `coap://127.0.0.1:${this.rsPort}${path}`;
  }

  /** Stops both servers and takes the folder away. */
  async end(): Promise<void> {
    try {
      await Promise.all([this.as.stop(), this.rs.stop()]);
    } finally {
      rmSync(this.parent, { recursive: true, force: true });
    }
  }
}

/** Put something else in a file. */
export function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8');
  assert.ok(text.includes(from));
  writeFileSync(path, text.replace(from, to));
}
