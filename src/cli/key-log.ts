import { openSync, writeSync } from 'node:fs';
import { UsageError } from './exit.ts';
import { err } from './terminal.ts';

/** The name that other programs have for it. */
const variable = 'SSLKEYLOGFILE';

/**
 * What takes the key log of DTLS sessions, when the environment names a file for it; `undefined`: nobody.
 *
 * The file is made for its owner alone, and written at its end. The warning comes before anything is sent.
 *
 * @throws {UsageError} when the file cannot be written
 */
export function keyLogOfEnvironment(): ((line: string) => void) | undefined {
  const file = process.env[variable];
  if (file === undefined || file === '') return undefined;
  let descriptor: number;
  try {
    descriptor = openSync(file, 'a', 0o600);
  } catch (cause) {
    throw new UsageError(`${variable}: ${file} cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  console.error(err('yellow', `${variable}: the keys of this traffic go to ${file}; who has the file can read all of it`));
  let isFaulty = false;
  return (line) => {
    if (isFaulty) return;
    try {
      writeSync(descriptor, `${line}\n`);
    } catch (cause) {
      // What it is about is the traffic, and that goes on.
      isFaulty = true;
      console.error(err('yellow', `${variable}: ${file} cannot be written any more (${(cause as NodeJS.ErrnoException).code})`));
    }
  };
}
