import { type Command, Option } from 'commander';
import { each, examples, seconds } from '../usage.ts';
import type { AdminFlags } from './administrator.ts';
import type { AddClientFlags, AddCodeFlags, AddPolicyFlags, RotateKeyFlags } from './commands.ts';

const help = `
Over CoAP: --config is that of a client whose registration says what it may administer ("admin: all" in as.yaml). On the store, also while the AS runs: --offline
with --config as.yaml, or --store, which knows nothing of what stands in a configuration.

A file with a registration holds what stands under the name of a client or a resource server in as.yaml, one with a key what stands in token_keys. Keys are in files
of their own, which nobody else may read.`;

const run = (): Promise<typeof import('./commands.ts')> => import('./commands.ts');

/** What the arguments of acts are, by their names, and where those mean several things by that of the group too. */
const meanings: Readonly<Record<string, string>> = {
  'client id': 'name of the client, by which the AS knows it',
  'rs id': 'name of the resource server, by which the AS knows it',
  file: 'YAML file with the registration',
  'key file': 'YAML file with the key',
  rs: 'name of the resource server',
  kid: 'identifier of the key, in hexadecimal, as list shows it',
  client: 'name of the client',
  audience: 'audience of a resource server',
  hash: 'its hash, as list shows it',
  token: 'the token in hex or base64url, @file, - for standard input, or its hash',
};

/** An act on one kind of things, with the options that all acts have. */
function act(group: Command, usage: string, description: string, ...lines: readonly string[]): Command {
  const command = group.command(usage);
  for (const argument of command.registeredArguments) argument.description = (meanings[`${group.name()} ${argument.name()}`] ?? meanings[argument.name()])!;
  return command
    .description(description)
    .option('-c, --config <path>', 'lab folder or admin.yaml; with --offline as.yaml')
    .option('--as <uri>', 'authorization server, where the configuration names several')
    .option('--offline', 'work on the store of the configuration')
    .option('--store <folder>', 'work on this store')
    .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
    .option('--json', 'print one JSON object a line')
    .option('-v, --verbose', 'show each message decoded, with its size in bytes')
    .addHelpText('after', examples(...lines));
}

/** `ace-coap admin ...` */
export function addAdmin(ace: Command): void {
  const admin = ace
    .command('admin')
    .description('administer an authorization server, while it runs or on its store')
    .addHelpText('after', `${help}\n${examples('ace-coap admin client list --config lab/admin.yaml', 'ace-coap admin rs show rs1 --offline --config lab')}`);
  addClients(admin.command('client').description('clients: who they are, what they may have, and what they may administer'));
  addResourceServers(admin.command('rs').description('resource servers: their audiences and what protects their tokens'));
  addKeys(admin.command('key').description('token keys of resource servers'));
  addPolicies(admin.command('policy').description('what clients may have beside the grants of their registrations'));
  addCodes(admin.command('code').description('authorization codes, by their hashes'));
  addTokens(admin.command('token').description('issued tokens, by their hashes'));
  act(
    admin,
    'revoke <token>',
    'revoke a token (RFC 9770): the token itself in hex or base64url, @file, - for standard input, or its hash',
    'ace-coap admin revoke @token.txt --config lab/admin.yaml',
  ).action(async (token: string, flags: AdminFlags) => (await run()).revokeCommand(token, flags));
}

function addClients(client: Command): void {
  act(
    client,
    'add <id> [file]',
    'register a client, from a file or with fresh keys',
    'ace-coap admin client add pump7 pump7.yaml --config lab/admin.yaml',
    'ace-coap admin client add pump7 --new pump7 --grant rs1=r_temp --config lab/admin.yaml',
  )
    .option('--new <folder>', 'make a folder with a fresh OSCORE key and the configuration of the client')
    .option('--grant <audience=scope>', 'with --new: what the client may have; may be repeated', each)
    .option('--admin <object>', 'with --new: what it may administer: all, client, rs, key, policy, token, code; may be repeated', each)
    .action(async (id: string, file: string | undefined, flags: AddClientFlags) => (await run()).addClientCommand(id, file, flags));
  act(client, 'list', 'list the clients', 'ace-coap admin client list --config lab/admin.yaml --json').action(async (flags: AdminFlags) =>
    (await run()).listCommand({ object: 'client' }, flags),
  );
  act(client, 'show <id>', 'show a client', 'ace-coap admin client show client1 --config lab/admin.yaml').action(async (id: string, flags: AdminFlags) =>
    (await run()).showCommand({ object: 'client', id }, flags),
  );
  act(
    client,
    'remove <id>',
    'end a client, its policies and its associations, and revoke its tokens',
    'ace-coap admin client remove pump7 --config lab/admin.yaml',
  ).action(async (id: string, flags: AdminFlags) => (await run()).changeCommand({ act: 'remove', object: 'client', id }, id, flags));
}

function addResourceServers(rs: Command): void {
  act(rs, 'add <id> <file>', 'register a resource server, from a file', 'ace-coap admin rs add rs2 rs2.yaml --config lab/admin.yaml').action(
    async (id: string, file: string, flags: AdminFlags) => (await run()).addResourceServerCommand(id, file, flags),
  );
  act(rs, 'list', 'list the resource servers', 'ace-coap admin rs list --config lab/admin.yaml').action(async (flags: AdminFlags) =>
    (await run()).listCommand({ object: 'rs' }, flags),
  );
  act(rs, 'show <id>', 'show a resource server', 'ace-coap admin rs show rs1 --config lab/admin.yaml').action(async (id: string, flags: AdminFlags) =>
    (await run()).showCommand({ object: 'rs', id }, flags),
  );
  act(
    rs,
    'remove <id>',
    'end a resource server and revoke the tokens for it; grants for it are of no use from then on',
    'ace-coap admin rs remove rs2 --config lab/admin.yaml',
  ).action(async (id: string, flags: AdminFlags) => (await run()).changeCommand({ act: 'remove', object: 'rs', id }, id, flags));
}

function addKeys(key: Command): void {
  act(
    key,
    'add <rs> <file>',
    'give a resource server another key, behind those that it has',
    'ace-coap admin key add rs2 next.yaml --config lab/admin.yaml',
  ).action(async (rs: string, file: string, flags: AdminFlags) => (await run()).addKeyCommand(rs, file, flags));
  act(
    key,
    'rotate <rs>',
    'make the key that follows the one in use, and let it take over later',
    'ace-coap admin key rotate rs2 --new rs2-next --config lab/admin.yaml',
    'ace-coap admin key rotate rs2 --new rs2-next --in 86400 --offline --config lab',
  )
    .requiredOption('--new <folder>', 'where the key and the entry for the resource server are written; nothing may be there')
    .option('--in <seconds>', 'when it takes over, so that the resource server can be given it first (3600)', seconds)
    .addOption(new Option('--use <use>', 'which key, where there are several kinds').choices(['encrypt0', 'mac0', 'sign1']))
    .action(async (rs: string, flags: RotateKeyFlags) => (await run()).rotateKeyCommand(rs, flags));
  act(key, 'list <rs>', 'list the keys of a resource server, the one in use first', 'ace-coap admin key list rs1 --config lab/admin.yaml').action(
    async (of: string, flags: AdminFlags) => (await run()).listCommand({ object: 'key', of }, flags),
  );
  act(key, 'show <rs> <kid>', 'show a key: what it is for, not its bytes', 'ace-coap admin key show rs1 01 --config lab/admin.yaml').action(
    async (of: string, id: string, flags: AdminFlags) => (await run()).showCommand({ object: 'key', of, id }, flags),
  );
  act(key, 'remove <rs> <kid>', 'take a key from a resource server', 'ace-coap admin key remove rs2 01 --config lab/admin.yaml').action(
    async (of: string, id: string, flags: AdminFlags) => (await run()).changeCommand({ act: 'remove', object: 'key', of, id }, `${of}/${id}`, flags),
  );
}

function addPolicies(policy: Command): void {
  act(
    policy,
    'add <client> <audience>',
    'permit a client more than its registration does',
    'ace-coap admin policy add client1 rs1 --scope w_led --config lab/admin.yaml',
  )
    .requiredOption('--scope <scope>', 'scope names with a space between them')
    .option('--default <scope>', 'what a request without a scope gets, where the registration has no grant; absent: all')
    .action(async (client: string, audience: string, flags: AddPolicyFlags) => (await run()).addPolicyCommand(client, audience, flags));
  act(policy, 'list [client]', 'list the policies, of one client or of all', 'ace-coap admin policy list client1 --config lab/admin.yaml').action(
    async (of: string | undefined, flags: AdminFlags) => (await run()).listCommand({ object: 'policy', ...(of === undefined ? {} : { of }) }, flags),
  );
  act(policy, 'show <client> <audience>', 'show a policy', 'ace-coap admin policy show client1 rs1 --config lab/admin.yaml').action(
    async (of: string, id: string, flags: AdminFlags) => (await run()).showCommand({ object: 'policy', of, id }, flags),
  );
  act(policy, 'remove <client> <audience>', 'end a policy', 'ace-coap admin policy remove client1 rs1 --config lab/admin.yaml').action(
    async (of: string, id: string, flags: AdminFlags) => (await run()).changeCommand({ act: 'remove', object: 'policy', of, id }, `${of}/${id}`, flags),
  );
}

function addTokens(token: Command): void {
  act(token, 'list [client]', 'list the tokens that were issued, to one client or to all', 'ace-coap admin token list client1 --config lab/admin.yaml').action(
    async (of: string | undefined, flags: AdminFlags) => (await run()).listCommand({ object: 'token', ...(of === undefined ? {} : { of }) }, flags),
  );
  act(token, 'show <hash>', 'show whose a token is and until when', 'ace-coap admin token show JpMTn8... --config lab/admin.yaml').action(
    async (id: string, flags: AdminFlags) => (await run()).showCommand({ object: 'token', id }, flags),
  );
  act(token, 'remove <hash>', 'revoke a token (RFC 9770)', 'ace-coap admin token remove JpMTn8... --config lab/admin.yaml').action(
    async (id: string, flags: AdminFlags) => (await run()).changeCommand({ act: 'remove', object: 'token', id }, id, flags),
  );
}

function addCodes(code: Command): void {
  act(
    code,
    'add <client> <audience>',
    'make an authorization code for a client, good for ten minutes',
    'ace-coap admin code add client1 rs1 --scope w_led --out code --config lab/admin.yaml',
  )
    .alias('issue')
    .requiredOption('--scope <scope>', 'scope names with a space between them')
    .requiredOption('--out <file>', 'where the code is written; nothing may be there')
    .action(async (client: string, audience: string, flags: AddCodeFlags) => (await run()).addCodeCommand(client, audience, flags));
  act(code, 'list [client]', 'list the codes that have not expired, of one client or of all', 'ace-coap admin code list --config lab/admin.yaml').action(
    async (of: string | undefined, flags: AdminFlags) => (await run()).listCommand({ object: 'code', ...(of === undefined ? {} : { of }) }, flags),
  );
  act(code, 'show <hash>', 'show whose a code is and whether it was used', 'ace-coap admin code show JpMTn8... --config lab/admin.yaml').action(
    async (id: string, flags: AdminFlags) => (await run()).showCommand({ object: 'code', id }, flags),
  );
  act(code, 'remove <hash>', 'end a code', 'ace-coap admin code remove JpMTn8... --config lab/admin.yaml').action(async (id: string, flags: AdminFlags) =>
    (await run()).changeCommand({ act: 'remove', object: 'code', id }, id, flags),
  );
}
