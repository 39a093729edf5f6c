import { Command, Help, type Option } from 'commander';

/** Commands by what a reader of the help is after, in the order in which they are shown. */
const groups: readonly (readonly [heading: string, commands: readonly string[]])[] = [
  ['To begin:', ['demo', 'init']],
  ['Roles:', ['as', 'rs', 'serve', 'proxy', 'gateway']],
  ['Requests:', ['get', 'put', 'post', 'delete', 'fetch', 'patch', 'ipatch', 'observe', 'discover', 'ping']],
  ['Keys and tokens:', ['token', 'introspect', 'trl', 'oscore', 'password']],
  ['Testing:', ['decode', 'inspect', 'conformance']],
  ['Running an authorization server:', ['admin', 'audit', 'store']],
  ['SEAL:', ['seal', 'km']],
  ['Help:', ['completion', 'help']],
];

/** Options of commands that have many, by the first word of their names. */
const optionGroups: readonly (readonly [heading: string, options: readonly string[]])[] = [
  ['Authorization:', ['config', 'oscore', 'scope', 'audience', 'plain', 'no-upgrade', 'as', 'allow-unprotected']],
  ['Payload:', ['data', 'payload-file', 'cbor', 'content-format']],
  [
    'TLS and DTLS:',
    ['ca', 'cert', 'key', 'client-ca', 'psk-identity', 'psk', 'rpk', 'peer-key', 'crl', 'suites', 'mtu', 'connection-id', 'session', 'key-log'],
  ],
  ['Output:', ['output', 'html', 'svg', 'pcapng', 'junit', 'json', 'secrets', 'verbose', 'log-level']],
];
/** Options that are read faster in one list. */
const fewOptions = 10;

const about = `
Files:
  lab/            what "ace-coap init" makes, and what --config takes: as.yaml, rs.yaml, client.yaml and admin.yaml
  lab/keys/       keys, for their owner alone (mode 0600)
  lab/state/      sequence numbers, tokens and registrations; it belongs to the keys

Environment:
  ACE_COAP_PSK_IDENTITY, ACE_COAP_PSK     in place of --psk-identity and --psk
  ACE_COAP_PASSWORD                       in place of a password that would be asked for
  ACE_COAP_KAUSF, ACE_COAP_KAKMA          in place of --kausf and --kakma
  PGPASSWORD                              for a store in PostgreSQL
  SSLKEYLOGFILE                           file that the keys of coaps sessions go to, for Wireshark
  NO_COLOR                                no colours

Exit codes: 0 success, 1 the peer said no, 2 wrong use, 3 no answer. The help of a command says where its own differ.
With --json an error is one JSON object, the last line of standard error: {"error": ..., "code": "ERR_...", "exit_code": ...}.

Start here, in three terminals:
  $ ace-coap init lab && ace-coap as lab
  $ ace-coap rs lab
  $ ace-coap get coap://127.0.0.1:5683/temperature --config lab -v`;

const nameOf = (option: Option): string => (option.long ?? option.short ?? '').replace(/^--?/, '');

const headingOf = (table: typeof groups): ReadonlyMap<string, string> =>
  new Map(table.flatMap(([heading, names]) => names.map((name) => [name, heading] as const)));
const commandHeadings = headingOf(groups);
const optionHeadings = headingOf(optionGroups);
const order = [...groups.map(([heading]) => heading), 'Arguments:', 'Options:', ...optionGroups.map(([heading]) => heading)];

/** Help that shows groups in our order, and not in that of their first members. */
class OrderedHelp extends Help {
  override groupItems<T extends Command | Option>(unsorted: T[], visible: T[], groupOf: (item: T) => string): Map<string, T[]> {
    return new Map([...super.groupItems(unsorted, visible, groupOf)].sort(([one], [other]) => order.indexOf(one) - order.indexOf(other)));
  }
}

/** Help whose prose, which stands here in longer lines, is broken where the terminal ends; what is indented stays as it is. */
export function fitted(help: string, width: number): string {
  const fit = (paragraph: string): string => new Help().boxWrap(paragraph.replaceAll('\n', ' '), width);
  return help.replace(/^\S.*(?:\n\S.*)*$/gm, (lines) => (lines.split('\n').some(({ length }) => length > width) ? fit(lines) : lines));
}

/** Put headings over commands and options; called once the tree is whole. */
export function arrangeHelp(ace: Command): void {
  const help = new Command('help').argument('[command]').description('what there is to say of a command').helpOption(false);
  ace.addHelpCommand(help).addHelpText('after', about);
  for (const command of [...ace.commands, help]) command.helpGroup(commandHeadings.get(command.name()) ?? 'Other:');
  arrange(ace);
}

function arrange(command: Command): void {
  command.createHelp = () => new OrderedHelp();
  if (command.options.length > fewOptions) for (const option of command.options) option.helpGroup(optionHeadings.get(nameOf(option)) ?? 'Options:');
  for (const one of command.commands) arrange(one);
}
