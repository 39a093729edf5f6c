import { ProtocolError } from '../core/errors.ts';

/** What the shell sees. */
export const ExitCode = { success: 0, refused: 1, usage: 2, noAnswer: 3 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The command line, a file that it names, or the configuration is wrong. */
export class UsageError extends ProtocolError {
  constructor(message: string, options: { readonly code?: string; readonly cause?: unknown } = {}) {
    super(options.code ?? 'ERR_CLI_USAGE', message, 'cause' in options ? { cause: options.cause } : undefined);
  }
}

/** Nobody answered, as against a peer that said no. */
const silence: ReadonlySet<string> = new Set([
  'ERR_COAP_TIMEOUT',
  'ERR_COAP_CONNECTION',
  'ERR_COAP_HOLD_OFF',
  'ERR_COAP_BACKPRESSURE',
  'ERR_COAP_SESSION',
  'ERR_DTLS_TIMEOUT',
  'ERR_CONFORMANCE_UNREACHABLE',
  'ERR_OPENID_TIMEOUT',
  'ERR_T8_SILENCE',
  'ERR_TRANSPORT_HTTPS',
]);

/** What the user mends: a word of the command line, a file, the machine that it runs on. */
const wrongUse =
  /^ERR_(?:CLI_|CONFIG_|CONFORMANCE_TARGET$|STORE_|SERVER_TWICE$|AUDIT_(?:OPEN|ARCHIVE)$|INSPECT_|METRICS_BIND$|(?:AS|RS|ACE|KM|OPENID|T8|CAPIF|AKMA)_CONFIG$|KM_RECORD(?:_KEY)?$|(?:AS|RS)_USE$|AS_TOKEN_KEY$|ACE_METHOD$|COAP_(?:URI|PARAMETER|RESOURCE)$|TRANSPORT_(?:BIND|CREDENTIALS|OPTION|RESOLVE|SCHEME|TLS)$|(?:DTLS_CONFIG|PKI_CRL)$|AKMA_(?:KEY|SUPI|A_KID|AF_ID|BIND)$|OSCORE_PARAMETERS$|OSCORE_PROFILE_(?:CREDENTIALS|USE)$)/;

/**
 * The exit code for an error; `undefined` for a fault of ours, which deserves its stack.
 *
 * What an error was caused by counts too: a timeout below is no answer, a store that cannot be written is no refusal of the peer.
 */
export function exitCodeOf(error: unknown): ExitCode | undefined {
  if (!(error instanceof ProtocolError)) return undefined;
  if (error instanceof UsageError) return ExitCode.usage;
  const chain: ProtocolError[] = [];
  for (let cause: unknown = error; cause instanceof ProtocolError; cause = cause.cause) chain.push(cause);
  if (chain.some(isSilence)) return ExitCode.noAnswer;
  return chain.some(({ code }) => wrongUse.test(code)) ? ExitCode.usage : ExitCode.refused;
}

function isSilence({ code, cause }: ProtocolError): boolean {
  // A name that the resolver does not find has a cause; a port or an address that cannot be has none.
  return silence.has(code) || (code === 'ERR_TRANSPORT_RESOLVE' && cause !== undefined);
}
