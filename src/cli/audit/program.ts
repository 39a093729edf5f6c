import { type Command, InvalidArgumentError } from 'commander';
import { isoTimeOf } from '../../core/iso-time.ts';
import { examples } from '../usage.ts';
import type { ArchiveFlags } from './archive.ts';
import type { ShowFlags } from './show.ts';
import type { VerifyFlags } from './verify.ts';

/** A date, with or without a time of day, with or without a zone. */
const isoTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** A time of ISO 8601; one without a zone is UTC. */
function time(text: string): string {
  const [, zone] = isoTime.exec(text) ?? [];
  const found = isoTime.test(text) ? isoTimeOf(text.includes('T') && zone === undefined ? `${text}Z` : text) : undefined;
  if (found === undefined) throw new InvalidArgumentError('expected a time such as 2026-11-26 or 2026-11-26T08:00:00Z.');
  return new Date(found).toISOString();
}

function days(text: string): number {
  const count = Number(text);
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('expected a number of days.');
  return count;
}

/** `ace-coap audit` */
export function addAudit(ace: Command): void {
  const audit = ace
    .command('audit')
    .description('check, read and archive the audit log of an authorization server')
    .addHelpText('after', examples('ace-coap audit verify lab/audit', 'ace-coap audit show lab/audit'));
  const place = (command: Command): Command => command.option('-c, --config <path>', 'lab folder or as.yaml, which names the folder and the store');
  place(audit.command('verify'))
    .argument('[folder...]', 'folder of the audit log, as audit in as.yaml names it, and its archive; beside --config the archive alone')
    .description('check that nothing in the audit log was changed, removed, reordered or cut off; exit code 1: something was')
    .option('--store <store>', "the authorization server's store, which knows how far each chain had come")
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap audit verify --config lab', 'ace-coap audit verify lab/audit /var/archive/audit --store lab/state/as --json'))
    .action(async (folders: readonly string[], flags: VerifyFlags) => (await import('./verify.ts')).verifyCommand(folders, flags));
  place(audit.command('show'))
    .argument('[folder...]', 'folder of the audit log, and its archive; beside --config the archive alone')
    .description('print what the audit log says')
    .option('--client <id>', 'what is about this client')
    .option('--event <type>', 'events of this type, e.g. token-issued')
    .option('--since <time>', 'from this time on, UTC unless it says otherwise', time)
    .option('--until <time>', 'before this time', time)
    .option('--json', 'print one JSON object for each entry')
    .addHelpText(
      'after',
      examples('ace-coap audit show lab/audit --client client1', 'ace-coap audit show lab/audit --event token-issued --since 2026-11-26 --json'),
    )
    .action(async (folders: readonly string[], flags: ShowFlags) => (await import('./show.ts')).showCommand(folders, flags));
  place(audit.command('archive'))
    .argument('<archive>', 'folder that takes the files; made where it does not exist')
    .description('move what is old to an archive, while servers go on; the store notes it, so that verify does not miss it')
    .option('--folder <folder>', 'folder of the audit log, in place of --config')
    .option('--store <store>', "the authorization server's store, beside --folder")
    .option('--before <time>', 'files whose last entry is older, UTC unless it says otherwise', time)
    .option('--older-than <days>', 'the same, by the days since then', days)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'ace-coap audit archive /var/archive/audit --older-than 90 --config lab',
        'ace-coap audit verify /var/archive/audit --config lab',
        'ace-coap audit archive archive --before 2026-01-01 --folder lab/audit --store lab/state/as',
      ),
    )
    .action(async (archive: string, flags: ArchiveFlags) => (await import('./archive.ts')).archiveCommand(archive, flags));
}
