import { CommanderError } from 'commander';
import { printableJson, printableLines } from '../core/printable.ts';
import { ExitCode, exitCodeOf } from './exit.ts';
import { err } from './terminal.ts';

/** Why a command ended. */
export interface Failure {
  readonly error: string;
  /** Of an error of ours; `ERR_FAULT` for a fault of the program. */
  readonly code: string;
  /** What one may do about it, where the message cannot say it. */
  readonly hint?: string;
  /** Of a fault. */
  readonly stack?: string;
  readonly exitCode: ExitCode;
}

const hints: Readonly<Record<string, string>> = {
  ERR_AS_FIXED: 'what the configuration of the server has is changed there, and by SIGHUP it reads it again',
  ERR_COAP_TIMEOUT: 'does the server run, and is its address right? With -v it shows what was sent to whom',
};

/** @returns `undefined` where nothing failed: help and the version were asked for */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined;
    return { error: error.message.replace(/^error: /, ''), code: 'ERR_CLI_USAGE', hint: '--help shows what there is', exitCode: ExitCode.usage };
  }
  const exitCode = exitCodeOf(error);
  if (exitCode === undefined) {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    return { error: message, code: 'ERR_FAULT', ...(stack === undefined ? {} : { stack }), exitCode: ExitCode.refused };
  }
  const { message, code } = error as { readonly message: string; readonly code: string };
  const hint = hints[code];
  return { error: message, code, ...(hint === undefined ? {} : { hint }), exitCode };
}

/** For people, on standard error. */
export function sayFailure({ error, code, hint, stack }: Failure): void {
  // What a peer says of its refusal stands in it.
  console.error(`${err('red', 'error:')} ${printableLines(stack ?? `${error} (${code})`)}`);
  if (hint !== undefined) console.error(err('dim', `(${hint})`));
}

/** For programs: one line of standard error. */
export function printFailure({ exitCode, ...failure }: Failure): void {
  console.error(printableJson({ ...failure, exit_code: exitCode }));
}
