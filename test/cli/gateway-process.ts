import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freeTcpPort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { runHere } from './run-here.ts';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

export type LogLine = Readonly<Record<string, unknown>>;

/** `ace-coap gateway` as a process of its own. */
export interface GatewayProcess {
  readonly port: number;
  log(): readonly LogLine[];
  /** Waits until so many lines of the log are of this kind. */
  logged(isWanted: (line: LogLine) => boolean, count?: number): Promise<readonly LogLine[]>;
  /** Ctrl-C: it has to end by itself. */
  stop(): Promise<void>;
}

/** Resolves when it says that it listens. */
export async function startGateway(scheme: 'http' | 'https', ...args: readonly string[]): Promise<GatewayProcess> {
  const port = await freeTcpPort();
  const words = ['gateway', '--listen', `${scheme}://127.0.0.1:${port}`, '--json', ...args];
  const child: ChildProcess = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('GATEWAY listens on')) resolve();
    });
    child.once('close', (code) => reject(new Error(`the gateway ended with ${code}: ${stderr}`)));
  });
  const log = (): readonly LogLine[] =>
    stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  return {
    port,
    log,
    logged: async (isWanted, count = 1) => {
      await until(() => log().filter(isWanted).length >= count);
      return log().filter(isWanted);
    },
    stop: async () => {
      const ended = once(child, 'close');
      child.kill('SIGINT');
      assert.deepEqual((await ended)[0], 0, stderr);
    },
  };
}

/** What `ace-coap gateway` says when it is used wrongly: it ends before it listens. */
export async function refusedHere(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await runHere(['gateway', ...args]);
  assert.equal(code, 2, stderr);
  return stderr;
}
