import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A Node process of a test's own, which says `ready` on a line of its own and may be killed at any moment. */
export class Child {
  readonly #process: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #ended: Promise<unknown>;
  #killed = false;

  constructor(script: URL, args: readonly string[]) {
    this.#process = spawn(process.execPath, ['--enable-source-maps', script.pathname, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.#process, 'exit');
    this.#ready = new Promise((resolve, reject) => {
      let text = '';
      this.#process.stdout!.on('data', (chunk) => {
        text += String(chunk);
        if (/^ready$/m.test(text)) resolve();
      });
      this.#ended.then(() => reject(new Error(`the process ended before it was ready: ${this.#process.exitCode ?? this.#process.signalCode}`)), reject);
    });
    // Who kills it does not wait for it.
    this.#ready.catch(() => {});
  }

  /** @throws when it ends before */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Whether it ended by itself. */
  get failed(): boolean {
    return !this.#killed && (this.#process.exitCode !== null || this.#process.signalCode !== null);
  }

  /** `kill -9`; fulfilled when it is gone. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
