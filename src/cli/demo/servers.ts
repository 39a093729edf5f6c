import { type ChildProcess, spawn } from 'node:child_process';
import { ProtocolError } from '../../core/errors.ts';

/** This program. */
const main = process.argv[1]!;

/** `ace-coap as` or `ace-coap rs` in a process of its own, and what it logs. */
export class ServerProcess {
  readonly #role: 'as' | 'rs';
  readonly #lab: string;
  #child: ChildProcess | undefined;
  #closed = false;
  #log: Record<string, unknown>[] = [];

  constructor(role: 'as' | 'rs', lab: string) {
    this.#role = role;
    this.#lab = lab;
  }

  /** How many requests its handlers have served at a path, since the start of this object. */
  served(path: string): number {
    return this.#log.filter(({ msg, path: at }) => msg === 'request-served' && at === path).length;
  }

  /** How many tokens ended here because they were revoked. */
  get revoked(): number {
    return this.#log.filter(({ msg, reason }) => msg === 'token-ended' && reason === 'revoked').length;
  }

  async start(): Promise<void> {
    if (this.#closed) throw new ProtocolError('ERR_CLI_DEMO', `${this.#role}: expected a demo that goes on, it was ended`);
    const child = spawn(process.execPath, [main, this.#role, this.#lab, '--json'], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      let rest = '';
      let last = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          last = line;
          if (!line.startsWith('{')) continue;
          const entry = JSON.parse(line) as Record<string, unknown>;
          this.#log.push(entry);
          if (entry['msg'] === 'listening') resolve();
        }
      });
      child.once('exit', (code) => reject(new ProtocolError('ERR_CLI_DEMO', `${this.#role}: expected it to listen, it ended with ${code}: ${last}`)));
    });
  }

  /** End it as Ctrl-C does, and wait until it is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    const force = setTimeout(() => child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(force);
  }

  /** The same, for good. */
  close(): Promise<void> {
    this.#closed = true;
    return this.stop();
  }
}

/** One run of the command line: what it printed and how it ended. */
export function runCli(args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
