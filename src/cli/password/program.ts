import type { Command } from 'commander';
import { examples } from '../usage.ts';
import type { PasswordFlags, UserFlags } from './commands.ts';

const run = (): Promise<typeof import('./commands.ts')> => import('./commands.ts');

/** `ace-coap password`: what the grant type password checks, and what a registration may hold of a client_secret (RFC 6749, Sections 4.3 and 2.3.1). */
export function addPassword(ace: Command): void {
  const password = ace
    .command('password')
    .description('passwords of resource owners on the store of an authorization server, and hashes of client secrets')
    .addHelpText('after', examples('ace-coap password set anna --config lab', 'ace-coap password hash --password-file client.secret'));
  const user = (usage: string, description: string, example: string): Command =>
    password
      .command(usage)
      .argument('<username>', 'the resource owner')
      .description(description)
      .option('-c, --config <path>', 'lab folder or as.yaml, which names the store')
      .option('--store <store>', 'the store: lmdb:FOLDER, a folder or postgres://...')
      .option('--json', 'print one JSON object')
      .addHelpText('after', examples(example));
  const read = 'file with it, or - for standard input; absent: ACE_COAP_PASSWORD, or it is asked for';
  user('set', 'let a resource owner have a password, in place of the one before', 'ace-coap password set anna --config lab')
    .option('--password-file <file>', read)
    .action(async (username: string, flags: UserFlags) => (await run()).setCommand(username, flags));
  user('remove', 'take the password from a resource owner', 'ace-coap password remove anna --config lab').action(async (username: string, flags: UserFlags) =>
    (await run()).removeCommand(username, flags),
  );
  password
    .command('hash')
    .description('print the salted slow hash of a client secret, for secret_hash in as.yaml')
    .option('--password-file <file>', read)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap password hash --password-file client.secret'))
    .action(async (flags: PasswordFlags) => (await run()).hashCommand(flags));
}
