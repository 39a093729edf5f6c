#!/usr/bin/env node
import { ExitCode } from './exit.ts';
import { run } from './run.ts';

// A reader that went away (`ace-coap ... | head`) is no fault.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? ExitCode.success : ExitCode.usage));
}

await run(process.argv.slice(2));
