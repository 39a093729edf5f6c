import type { Command } from 'commander';
import { examples } from '../usage.ts';
import type { InfoFlags } from './info.ts';
import type { MigrateFlags } from './migrate.ts';

const places = `
A store is lmdb:FOLDER, the path of a folder, or postgres://user:password@host:port/database. Others can see what stands on a command line: PGPASSWORD in the
environment, or a file ~/.pgpass, serves where a URL has no password.`;

/** `ace-coap store` */
export function addStore(ace: Command): void {
  const store = ace
    .command('store')
    .description('look into a store of state, and move one to another place')
    .addHelpText('after', `${places}\n${examples('ace-coap store info lab/state/as', 'ace-coap store migrate lab/state/as postgres://ace@127.0.0.1/ace')}`);
  store
    .command('info')
    .argument('<store>', 'the store')
    .description('show its version, and how many entries stand under each prefix; never keys or values')
    .option('--json', 'print one JSON object')
    .addHelpText('after', `${places}\n${examples('ace-coap store info lab/state/as', 'ace-coap store info postgres://ace@127.0.0.1/ace --json')}`)
    .action(async (place: string, flags: InfoFlags) => (await import('./info.ts')).infoCommand(place, flags));
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
}
