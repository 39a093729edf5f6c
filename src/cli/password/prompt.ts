import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { fromUtf8 } from '../../core/bytes.ts';
import { UsageError } from '../exit.ts';
import { readInput } from '../input.ts';

/** In place of a file, so that it shows in no list of processes. */
const variable = 'ACE_COAP_PASSWORD';

/** The password of a user: of a file, of the environment, or asked for on the terminal, where it is not shown. */
export async function passwordOf(username: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return fromUtf8(await readInput(file)).replace(/\r?\n$/, '');
  const given = process.env[variable];
  if (given !== undefined) return given;
  if (process.stdin.isTTY !== true)
    throw new UsageError(`password of ${username}: expected --password-file, ${variable} or a terminal to ask on, got none of them`);
  process.stderr.write(`password of ${username}: `);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  // It reads keys one by one: Ctrl-C is no signal by itself.
  terminal.once('SIGINT', () => {
    terminal.close();
    process.kill(process.pid, 'SIGINT');
  });
  const ended = new Promise<never>((_, reject) => {
    terminal.once('close', () => reject(new UsageError(`password of ${username}: expected a password, got the end of the input`)));
  });
  try {
    return await Promise.race([terminal.question('').catch(() => ended), ended]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
