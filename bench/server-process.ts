import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { residentMemory } from './processes.ts';
import type { Server } from './server.ts';

/** What a server may take to start, to answer a question and to stop. */
const patience = 15_000;

/** A server in a process of its own, which says how much CPU time it used. */
export class ServerProcess implements Server {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess, port: number) {
    this.name = name;
    this.#child = child;
    this.port = port;
  }

  /** Starts `servers/<name>.js` with arguments and waits until it listens. */
  static async start(name: string, execArgv: readonly string[] = [], args: readonly string[] = []): Promise<ServerProcess> {
    const file = fileURLToPath(new URL(`servers/${name}.js`, import.meta.url));
    const child = fork(file, [...args], { execArgv: [...execArgv], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const { port } = await answer<{ port: number }>(child, name);
    return new ServerProcess(name, child, port);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** CPU time since the start in microseconds: user and system, of all its threads; no server starts a process. */
  async cpu(): Promise<number> {
    return (await this.ask<{ cpu: number }>('cpu')).cpu;
  }

  memory(): number | undefined {
    return residentMemory(this.pid);
  }

  /** @param within - milliseconds that the answer may take */
  async ask<T>(question: string, within: number = patience): Promise<T> {
    this.#child.send(question);
    return answer<T>(this.#child, this.name, within);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((done) => this.#child.once('exit', () => done()));
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patience);
    this.#child.send('stop');
    await ended;
    clearTimeout(timer);
  }
}

function answer<T>(child: ChildProcess, name: string, within: number = patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      child.off('message', receive);
      child.off('exit', fail);
    };
    const receive = (message: unknown): void => {
      done();
      resolve(message as T);
    };
    const fail = (): void => {
      done();
      reject(new Error(`the server ${name} ended or did not answer within ${within} ms`));
    };
    const timer = setTimeout(fail, within);
    child.once('message', receive);
    child.once('exit', fail);
  });
}
