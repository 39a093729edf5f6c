import { ProtocolError } from '../core/errors.ts';

/** What the shell sees. */
export const ExitCode = { success: 0, refused: 1, usage: 2, noAnswer: 3 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The command line, a file that it names, or the configuration is wrong. */
export class UsageError extends ProtocolError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('ERR_CLI_USAGE', message, options);
  }
}

/** Errors that mean that nobody answered, as against a peer that said no. */
const silence: ReadonlySet<string> = new Set(['ERR_COAP_TIMEOUT', 'ERR_COAP_UNREACHABLE', 'ERR_ACE_TIMEOUT']);

/** Errors that the user mends: a wrong word, a wrong file. */
const wrongUse = /^ERR_(CLI|CONFIG|BYTES|STORE|COAP_URI)/;

/** The exit code for an error; `undefined` for a fault of ours, which deserves its stack. */
export function exitCodeOf(error: unknown): ExitCode | undefined {
  if (!(error instanceof ProtocolError)) return undefined;
  for (let cause: unknown = error; cause instanceof ProtocolError; cause = cause.cause) if (silence.has(cause.code)) return ExitCode.noAnswer;
  return wrongUse.test(error.code) ? ExitCode.usage : ExitCode.refused;
}
