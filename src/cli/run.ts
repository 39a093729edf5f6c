import { CommanderError } from 'commander';
import { ExitCode, exitCodeOf } from './exit.ts';
import { program } from './program.ts';
import { err } from './terminal.ts';
import { version } from './version.ts';

/** What one may do about an error whose message cannot say it. */
const hints: Readonly<Record<string, string>> = {
  ERR_COAP_TIMEOUT: 'does the server run, and is its address right? With -v it shows what was sent to whom',
};

/** Runs one command line, `words` without the name of the program. What goes wrong is printed, and `process.exitCode` says so. */
export async function run(words: readonly string[]): Promise<void> {
  try {
    await program(version).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? ExitCode.success : ExitCode.usage;
    } else {
      const code = exitCodeOf(error);
      console.error(
        `${err('red', 'error:')} ${code === undefined ? (error instanceof Error ? error.stack : error) : `${(error as Error).message} (${(error as { code?: string }).code})`}`,
      );
      const hint = hints[(error as { code?: string }).code ?? ''];
      if (hint !== undefined) console.error(err('dim', `(${hint})`));
      process.exitCode = code ?? ExitCode.refused;
    }
  }
}
