import { type Command, InvalidArgumentError } from 'commander';
import type { TrlFlags } from './trl.ts';

function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number from 0 on.');
  return Number(text);
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('expected a number above 0.');
  return value;
}

/** `ace-coap trl` */
export function addTrl(ace: Command): void {
  ace
    .command('trl')
    .description('show the token revocation list of an AS, as far as it pertains to the one who asks (RFC 9770)')
    .requiredOption('-c, --config <path>', 'lab folder or client.yaml; with --rs: lab folder or rs.yaml')
    .option('--rs', 'ask as the resource server')
    .option('--as <uri>', 'URI of the token endpoint, where the configuration names several')
    .option('--diff <n>', 'the last updates of the list in place of the list, this many at most; 0: as many as the AS keeps', whole)
    .option('--cursor <n>', 'with --diff: the updates after this one', whole)
    .option('--observe', 'show the list anew, or its updates, each time that it changes')
    .option('--count <n>', 'with --observe: stop after this many answers', whole)
    .option('--timeout <seconds>', 'give up after this time (exit code 3)', positive)
    .option('--json', 'print one JSON object an answer')
    .option('-v, --verbose', 'show each message decoded, with its size in bytes')
    .addHelpText(
      'after',
      `\nA token is named by its token hash (RFC 9770 Section 4) in base64url, as in the log of the AS.

Examples:
  $ ace-coap trl --config lab
  $ ace-coap trl --rs --config lab --diff 1 --observe --json`,
    )
    .action(async (flags: TrlFlags) => (await import('./trl.ts')).trlCommand(flags));
}
