import { printable, printableJson } from '../../../core/printable.ts';
import { probeTls, type TlsCheck } from '../../../transport/index.ts';
import { ExitCode, UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { out, waiting } from '../../terminal.ts';

export interface TlsCheckFlags {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly json?: boolean;
}

/** `ace-coap seal tls-check` */
export async function tlsCheckCommand(text: string, flags: TlsCheckFlags): Promise<void> {
  const { host, port } = listenerOf(text);
  if ((flags.cert === undefined) !== (flags.key === undefined)) throw new UsageError('expected both --cert and --key, got one');
  const files: Record<string, Uint8Array> = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const file = flags[name];
    if (file !== undefined) files[name] = await readInput(file);
  }
  const options = { ...files, ...(flags.timeout === undefined ? {} : { timeout: flags.timeout * 1000 }) };
  const checks = await waiting(`probing ${text}`, flags.json, () => probeTls(host, port, options));
  if (checks.some(({ outcome }) => outcome === 'fail')) process.exitCode = ExitCode.refused;
  if (flags.json === true) console.log(printableJson({ uri: text, checks }));
  else print(checks);
}

function listenerOf(text: string): { readonly host: string; readonly port: number } {
  const uri = URL.canParse(text) ? new URL(text) : undefined;
  if (uri?.protocol !== 'https:') throw new UsageError(`URI: expected https://host:port, got ${JSON.stringify(text)}`);
  return { host: uri.hostname.replace(/^\[(.*)\]$/, '$1'), port: uri.port === '' ? 443 : Number(uri.port) };
}

const styles = { pass: 'green', fail: 'red', advice: 'yellow', 'not-tried': 'dim' } as const;

function print(checks: readonly TlsCheck[]): void {
  for (const { name, clause, outcome, detail } of checks) {
    const word = outcome.replace('-', ' ').padEnd(9);
    console.log(`${out(styles[outcome], word)}  ${name} (${clause})${detail === undefined ? '' : `: ${printable(detail)}`}`);
  }
  const count = (outcome: TlsCheck['outcome']): number => checks.filter((check) => check.outcome === outcome).length;
  console.log(`${count('pass')} of ${checks.length} pass, ${count('fail')} fail`);
}
