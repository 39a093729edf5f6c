import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a program may take until it listens. */
const patience = 10_000;

/** Jiffies of `/proc`, in microseconds. */
const tick = 10_000;

/** CPU time of a process since its start in microseconds, user and system, of all its threads. @see proc_pid_stat(5) */
export function cpuOf(pid: number): number {
  // The name of the program stands in parentheses, and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tick;
}

/** A server of somebody else, by its command. */
export class ForeignServer {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts a command and waits until what it prints has `ready` in it. @throws {Error} why there is none */
  static start(command: string, args: readonly string[], ready: string): Promise<ForeignServer> {
    // Its input stays open: these programs end with it.
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    return new Promise((resolve, reject) => {
      let printed = '';
      const fail = (why: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new Error(`${command}: ${why}`));
      };
      const timer = setTimeout(() => fail(`did not listen within ${patience} ms`), patience);
      const read = (chunk: Buffer): void => {
        if (printed.includes(ready)) return;
        printed += chunk.toString();
        if (!printed.includes(ready)) return;
        clearTimeout(timer);
        resolve(new ForeignServer(child));
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('error', (error) => fail(error.message));
      child.once('exit', () => fail(`ended: ${printed.trim()}`));
    });
  }

  /** @see cpuOf */
  cpu(): number {
    return cpuOf(this.#child.pid!);
  }

  stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    const ended = new Promise<void>((done) => this.#child.once('exit', () => done()));
    this.#child.kill('SIGKILL');
    return ended;
  }
}
