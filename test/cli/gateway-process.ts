import assert from 'node:assert/strict';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { Server } from './lab.ts';
import { runHere } from './run-here.ts';

export type LogLine = Readonly<Record<string, unknown>>;

/** `ace-coap gateway` as a process of its own. */
export class GatewayProcess {
  readonly port: number;
  readonly #server: Server;

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /** Resolves when it says that it listens, at a port of 127.0.0.1 that is free. */
  static async start(scheme: 'http' | 'https', ...args: readonly string[]): Promise<GatewayProcess> {
    const port = await freePort();
    const server = new Server('gateway', '--listen', `${scheme}://127.0.0.1:${port}`, '--json', ...args);
    await server.start();
    return new GatewayProcess(port, server);
  }

  log(): readonly LogLine[] {
    return this.#server.log();
  }

  /** Waits until so many lines of the log are of this kind. */
  async logged(isWanted: (line: LogLine) => boolean, count = 1): Promise<readonly LogLine[]> {
    await until(() => this.log().filter(isWanted).length >= count);
    return this.log().filter(isWanted);
  }

  hangup(message: Parameters<Server['hangup']>[0]): Promise<void> {
    return this.#server.hangup(message);
  }

  /** It has to end by itself, with exit code 0. */
  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.#server.stop(signal);
  }
}

/** What `ace-coap gateway` says when it is used wrongly: it ends before it listens. */
export async function refusedHere(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await runHere(['gateway', ...args]);
  assert.equal(code, 2, stderr);
  return stderr;
}
