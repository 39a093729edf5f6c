#!/usr/bin/env node
import { CommanderError } from 'commander';
import { ExitCode, exitCodeOf } from './exit.ts';
import { program } from './program.ts';
import { err } from './terminal.ts';
import { version } from './version.ts';

// A reader that went away (`ace-coap ... | head`) is no fault.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? ExitCode.success : ExitCode.usage));
}

try {
  await program(version).parseAsync();
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
