import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

/** A command that runs until it is stopped, and has said where it listens. */
export interface Running {
  stdout: string;
  stderr: string;
  signal(name: NodeJS.Signals): void;
  /** Ctrl-C; its exit code. */
  stop(): Promise<number | null>;
}

/** Run `ace-coap` with these words until `stop`; fulfilled once standard output has `ready`. */
export function running(words: readonly string[], ready: RegExp = /listens on/): Promise<Running> {
  const child: ChildProcess = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const one: Running = {
    stdout: '',
    stderr: '',
    signal: (name) => void child.kill(name),
    stop: async () => {
      child.kill('SIGINT');
      const force = setTimeout(() => child.kill('SIGKILL'), 30_000);
      const code = await ended;
      clearTimeout(force);
      return code;
    },
  };
  return new Promise((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      one.stdout += text;
      if (ready.test(one.stdout)) resolve(one);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      one.stderr += text;
    });
    child.once('close', (code) => reject(new Error(`ace-coap ${words.join(' ')} ended with ${code}: ${one.stderr}`)));
  });
}
