import { type Command, InvalidArgumentError } from 'commander';
import { examples } from '../usage.ts';
import type { BackupFlags, RestoreFlags } from './backup.ts';
import type { InfoFlags } from './info.ts';
import type { MigrateFlags } from './migrate.ts';

const places = `
A store is lmdb:FOLDER, the path of a folder, or postgres://user:password@host:port/database. Others can see what stands on a command line: PGPASSWORD in the
environment, or a file ~/.pgpass, serves where a URL has no password.`;

/** As many numbers as a sender has for one key (RFC 8613, Section 7.2.1). */
const mostNumbers = 2 ** 40;

function numbers(text: string): number {
  const count = Number(text);
  if (!/^\d{1,13}$/.test(text) || count < 1 || count > mostNumbers) throw new InvalidArgumentError('expected a whole number from 1 to 2^40.');
  return count;
}

/** `ace-coap store` */
export function addStore(ace: Command): void {
  const store = ace
    .command('store')
    .description('look into a store of state, back it up, and move one to another place')
    .addHelpText(
      'after',
      `${places}\n${examples('ace-coap store info lab/state/as', 'ace-coap store backup lab/state/as backup', 'ace-coap store migrate lab/state/as postgres://ace@127.0.0.1/ace')}`,
    );
  store
    .command('info')
    .argument('[store]', 'the store, or --config')
    .description('show its version, and how many entries stand under each prefix; never keys or values')
    .option('-c, --config <path>', 'lab folder, as.yaml, rs.yaml, client.yaml or t8.yaml, which names the store; of a folder it is that of as.yaml')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${places}\n${examples('ace-coap store info --config lab', 'ace-coap store info lab/state/rs', 'ace-coap store info postgres://ace@127.0.0.1/ace --json')}`,
    )
    .action(async (place: string | undefined, flags: InfoFlags) => (await import('./info.ts')).infoCommand(place, flags));
  store
    .command('migrate')
    .argument('<from>', 'the store to copy, which stays as it is')
    .argument('<to>', 'an empty store, which is made where there is none')
    .description('copy a store to another place and compare both; broken off, it goes on when it is run again')
    .option('--force', 'remove what the target holds')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Stop the servers that use either store first (where one lives, nothing is copied), and never start one on the old store again: it would give the same sequence
numbers a second time.
${places}
${examples('ace-coap store migrate lab/state/as postgres://ace@127.0.0.1/ace', 'ace-coap store migrate postgres://ace@127.0.0.1/ace lmdb:backup')}`,
    )
    .action(async (from: string, to: string, flags: MigrateFlags) => (await import('./migrate.ts')).migrateCommand(from, to, flags));
  store
    .command('backup')
    .argument('<from>', 'the store, which servers may use meanwhile')
    .argument('<to>', 'an empty store, which is made where there is none')
    .description('copy a store as it stands at one moment; no server starts on the copy')
    .option('--json', 'print one JSON object')
    .addHelpText('after', `${places}\n${examples('ace-coap store backup lab/state/as backup-2026-11-27')}`)
    .action(async (from: string, to: string, flags: BackupFlags) => (await import('./backup.ts')).backupCommand(from, to, flags));
  store
    .command('restore')
    .argument('<backup>', 'what store backup made')
    .argument('<to>', 'an empty store, which is made where there is none')
    .description('make a store of a backup, so that servers on it give no number and no code a second time')
    .option('--skip <numbers>', 'by how much each counter goes on further ahead: more than it can have given since the backup', numbers, 2 ** 24)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Sequence numbers go on --skip further, which costs a byte or two in each message. Authorization codes, refresh tokens, sessions over DTLS and logins do not come back:
clients ask for tokens with their own credentials, users sign in again.

What happened since the backup is not known any more. Revocations have to be made again; tokens that were issued since are inactive to introspection and cannot be
revoked by their hash: where that matters, exchange the token key of their resource server. Clients and resource servers that were removed since are there again.
${places}
${examples('ace-coap store restore backup-2026-11-27 lab/state/as')}`,
    )
    .action(async (backup: string, to: string, flags: RestoreFlags) => (await import('./backup.ts')).restoreCommand(backup, to, flags));
}
