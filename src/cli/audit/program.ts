import { type Command, InvalidArgumentError } from 'commander';
import { examples } from '../usage.ts';
import type { ShowFlags } from './show.ts';
import type { VerifyFlags } from './verify.ts';

/** A time of ISO 8601; one without a zone is UTC. */
function time(text: string): string {
  const parsed = new Date(/^\d{4}-\d{2}-\d{2}T[\d:.]+$/.test(text) ? `${text}Z` : text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(parsed.getTime()))
    throw new InvalidArgumentError('expected a time such as 2026-11-26 or 2026-11-26T08:00:00Z.');
  return parsed.toISOString();
}

/** `ace-coap audit` */
export function addAudit(ace: Command): void {
  const audit = ace
    .command('audit')
    .description('check and read the audit log of an authorization server')
    .addHelpText('after', examples('ace-coap audit verify lab/audit', 'ace-coap audit show lab/audit'));
  audit
    .command('verify')
    .argument('[folder]', 'folder of the audit log, as audit in as.yaml names it; or --config')
    .description('check that nothing in the audit log was changed, removed, reordered or cut off; exit code 1: something was')
    .option('-c, --config <path>', 'lab folder or as.yaml, which names the folder and the store')
    .option('--store <store>', "the authorization server's store, which knows how far each chain had come")
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap audit verify --config lab', 'ace-coap audit verify lab/audit --store lab/state/as --json'))
    .action(async (folder: string | undefined, flags: VerifyFlags) => (await import('./verify.ts')).verifyCommand(folder, flags));
  audit
    .command('show')
    .argument('[folder]', 'folder of the audit log; or --config')
    .description('print what the audit log says')
    .option('-c, --config <path>', 'lab folder or as.yaml, which names the folder')
    .option('--client <id>', 'what is about this client')
    .option('--event <type>', 'events of this type, e.g. token-issued')
    .option('--since <time>', 'from this time on, UTC unless it says otherwise', time)
    .option('--until <time>', 'before this time', time)
    .option('--json', 'print one JSON object for each entry')
    .addHelpText(
      'after',
      examples('ace-coap audit show lab/audit --client client1', 'ace-coap audit show lab/audit --event token-issued --since 2026-11-26 --json'),
    )
    .action(async (folder: string | undefined, flags: ShowFlags) => (await import('./show.ts')).showCommand(folder, flags));
}
