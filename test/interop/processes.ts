import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';

export { pause } from '../support/wait.ts';

/** What `promise` gives, or an error that says what was waited for. */
export function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemEnv.schedule(milliseconds, () => reject(new Error(`${what}: nothing within ${milliseconds} ms`)));
    promise.then(resolve, reject).finally(cancel);
  });
}

/** An empty folder, until the test ends. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Output {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Run a command to its end. */
export async function runCommand(command: string, args: readonly string[], limit = 20_000): Promise<Output> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  try {
    const status = await within(limit, `${command} ${args.join(' ')}`, ended);
    return { status, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
  } finally {
    child.kill('SIGKILL');
  }
}

/** A test, or a file of tests: what can say that it has ended. */
export interface Lifetime {
  after(end: () => Promise<void>): void;
}

/** A process that goes on until the test ends, or until it is stopped. */
export class Background {
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<void>;
  readonly #lines: string[] = [];
  readonly #waiting: { take(line: string): void; fail(error: Error): void }[] = [];
  #running = true;
  #errors = '';

  constructor(t: Lifetime, command: string, args: readonly string[]) {
    this.#name = [command, ...args].join(' ');
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-10_000);
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const next = this.#waiting.shift();
      if (next === undefined) this.#lines.push(line);
      else next.take(line);
    });
    this.#ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.#running = false;
        for (const { fail } of this.#waiting.splice(0)) fail(new Error(`${this.#name}: ${why}\n${this.#errors}`));
        resolve();
      };
      this.child.once('error', (error) => end(error.message));
      this.child.once('close', (status, signal) => end(`ended with ${status ?? signal}`));
    });
    t.after(() => this.stop());
  }

  /** What it has written to its standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** The next line of its standard output. */
  line(limit = 15_000): Promise<string> {
    const ready = this.#lines.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (!this.#running) return Promise.reject(new Error(`${this.#name}: has ended\n${this.#errors}`));
    const next = new Promise<string>((take, fail) => {
      this.#waiting.push({ take, fail });
    });
    return within(limit, this.#name, next).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#errors}`);
    });
  }

  write(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** SIGTERM asks it to end in order, SIGKILL leaves it no time to write anything down. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    if (this.#running) this.child.kill(signal);
    await within(10_000, `the end of ${this.#name}`, this.#ended);
  }
}

/** A program that takes orders and tells what it does in lines of JSON. */
export class JsonPeer {
  readonly process: Background;

  constructor(t: Lifetime, command: string, args: readonly string[] = []) {
    this.process = new Background(t, command, args);
  }

  async hear<T>(): Promise<T> {
    return JSON.parse(await this.process.line()) as T;
  }

  tell<T>(order: object): Promise<T> {
    this.process.write(JSON.stringify(order));
    return this.hear<T>();
  }
}
