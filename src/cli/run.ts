import { CommanderError } from 'commander';
import { ExitCode, exitCodeOf } from './exit.ts';
import { program } from './program.ts';
import { err } from './terminal.ts';
import { version } from './version.ts';

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
      process.exitCode = code ?? ExitCode.refused;
    }
  }
}
