import { ExitCode } from './exit.ts';
import { printFailure, sayFailure } from './failure.ts';
import { run } from './run.ts';

/** The whole of a process: what its streams cannot take is heard too. */
export async function start(words: readonly string[]): Promise<void> {
  // A reader that went away (`ace-coap ... | head`) is no fault.
  process.stderr.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? ExitCode.success : ExitCode.usage));
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(ExitCode.success);
    const failure = { error: `standard output cannot be written (${code})`, code: 'ERR_CLI_OUTPUT', exitCode: ExitCode.usage };
    if (words.includes('--json')) printFailure(failure);
    else sayFailure(failure);
    process.exit(ExitCode.usage);
  });
  await run(words);
}
