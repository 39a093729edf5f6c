import { CommanderError } from 'commander';
import { failureOf, printFailure, sayFailure } from './failure.ts';
import { program } from './program.ts';
import { version } from './version.ts';

/**
 * Runs one command line, `words` without the name of the program. What goes wrong is printed, with `--json` as one JSON object, and `process.exitCode` says so.
 */
export async function run(words: readonly string[]): Promise<void> {
  // Until the words are understood, who writes it means it.
  let isJson = words.includes('--json');
  const ace = program(version, { isSilent: () => isJson, word: words[0] });
  ace.hook('preAction', (_, command) => {
    isJson = command.opts()['json'] === true;
  });
  try {
    await ace.parseAsync(words, { from: 'user' });
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) return;
    if (isJson) printFailure(failure);
    // What is wrong with the words, commander has told.
    else if (!(error instanceof CommanderError)) sayFailure(failure);
    process.exitCode = failure.exitCode;
  }
}
