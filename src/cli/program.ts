import { Command, InvalidArgumentError, Option } from 'commander';
import type { LabProfile } from '../operate/index.ts';
import { addAdmin } from './admin/program.ts';
import { addAudit } from './audit/program.ts';
import { addConformance } from './conformance/program.ts';
// What runs a command is loaded with it: a start is what a user waits for, and scripts start often.
import type { DecodeFlags } from './decode.ts';
import type { DemoFlags } from './demo/demo.ts';
import { UsageError } from './exit.ts';
import { addGateway } from './gateway/program.ts';
import { arrangeHelp, fitted } from './help.ts';
import type { InitFlags } from './init.ts';
import { addInspect } from './inspect/program.ts';
import type { ObserveFlags } from './observe.ts';
import { addOscore } from './oscore/program.ts';
import { addPassword } from './password/program.ts';
import type { ProxyFlags } from './proxy.ts';
import type { RequestFlags } from './request.ts';
import { addKm } from './seal/km/program.ts';
import { addSeal } from './seal/program.ts';
import type { ServeFlags } from './serve.ts';
import type { ServeResourcesFlags } from './serve-resources.ts';
import { addStore } from './store/program.ts';
import type { IntrospectFlags, TokenFlags } from './token.ts';
import { addTrl } from './trl/program.ts';
import { each, examples, logLevel, port, seconds } from './usage.ts';

const labProfiles: readonly LabProfile[] = ['oscore', 'dtls-psk', 'dtls-rpk'];

function profileOption(): Option {
  return new Option('--profile <profile>', 'what protects the messages').choices(labProfiles).default('oscore');
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
}

const uriHelp = 'scheme://host[:port]/path[?query]; schemes: coap, coaps, coap+tcp, coaps+tcp, coap+ws, coaps+ws';
const configHelp = 'lab folder or client.yaml; without it the request goes as plain CoAP';

const secretHelp = `
A PSK and its identity are text, hex:00ff10, or @file: a file's bytes as they are, unless it begins with hex: or text:. Others can see what stands on a command
line: ACE_COAP_PSK and ACE_COAP_PSK_IDENTITY, in the same forms, are read where the options are absent. With SSLKEYLOGFILE, the keys of coaps sessions go to that
file, for Wireshark.`;

const outputHelp = `
To a pipe or a file the payload goes as it came. On a terminal, text shows control characters but tabs and ends of line, and what turns the direction of writing, as
\\u{...}, so that no server can forge what is read; other bytes are shown in hexadecimal or notation.`;

const suitesHelp = 'cipher suites (coaps): iot, seal-strict, default, or names with a comma between, the preferred one first';
const mtuHelp = 'bytes of a datagram while shaking hands (coaps)';

/** The options of whatever connects over TLS or DTLS; with a configuration, in place of what stands there. */
function tlsOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'certificates to trust, PEM; absent: those of Node (coaps+tcp, coaps+ws)')
    .option('--cert <file>', 'certificate to show to the server, PEM')
    .option('--key <file>', 'key of that certificate, PEM')
    .option('--psk-identity <identity>', 'what the server knows our pre-shared key by (coaps): text, hex:... or @file')
    .option('--psk <key>', 'the pre-shared key: text, hex:... or @file')
    .option('--peer-key <file>', 'public key of the server, PEM: the only one that is taken (coaps)')
    .option('--rpk <file>', 'private key to prove to the server as a raw public key, PEM')
    .option('--crl <file>', 'lists of revoked certificates that that of the server must not be on, PEM (coaps)')
    .option('--suites <names>', suitesHelp)
    .option('--mtu <bytes>', mtuHelp, wholeNumber)
    .option('--session <file>', 'resume the session that an earlier run left in this file, and leave it there (coaps, without --config)')
    .addHelpText('after', secretHelp);
}

/** The options that every request takes. */
function requestOptions(command: Command): Command {
  command
    .option('-c, --config <path>', configHelp)
    .option('--oscore <file>', 'protect by the OSCORE context of this file (see: ace-coap oscore --help), without a token')
    .option('--accept <format>', 'Content-Format to ask for: a number or a name, e.g. 60 or application/cbor')
    .option('--proxy <uri>', 'forward proxy to go through: coap://host[:port] or coaps://host[:port]')
    .option('--non', 'send as a Non-confirmable message')
    .option('--q-block', 'robust block-wise transfer (RFC 9177) where the server knows it; of most use with --non')
    .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
    .option('-o, --output <file>', 'write the payload of a success to a file')
    .option('--json', 'print one JSON object an answer')
    .option('-v, --verbose', 'show each message decoded, with its size in bytes')
    .option('--scope <scope>', 'scope to ask the AS for, instead of what the RS hints at')
    .option('--audience <audience>', 'audience to ask the AS for, instead of what the RS hints at')
    .option('--plain', 'take an answer that nothing protects, although --config is given')
    .addHelpText('after', outputHelp);
  return tlsOptions(command);
}

function payloadOptions(command: Command): Command {
  return command
    .option('-d, --data <text>', 'payload, as text')
    .option('--payload-file <file>', 'payload from a file, or - for standard input')
    .option('--cbor <text>', 'payload of CBOR, in diagnostic notation: {"a": [1, h\'00ff\']}')
    .option('--content-format <format>', 'Content-Format of the payload: a number or a name; with --cbor 60 if absent')
    .option('--no-upgrade', 'when the token does not cover the request, do not ask the AS for more');
}

const methods: readonly { name: string; does: string; example: string; payload: boolean }[] = [
  { name: 'get', does: 'read a resource', example: 'ace-coap get coap://127.0.0.1:5683/temperature --config lab', payload: false },
  { name: 'put', does: 'write a resource', example: 'ace-coap put coap://127.0.0.1:5683/led -d on --config lab', payload: true },
  {
    name: 'post',
    does: 'post to a resource',
    example: 'ace-coap post coap://127.0.0.1:5683/log --cbor \'{"text": "door open"}\' --config lab',
    payload: true,
  },
  { name: 'delete', does: 'delete a resource', example: 'ace-coap delete coap://127.0.0.1:5683/log/1 --config lab', payload: false },
  {
    name: 'fetch',
    does: 'read a part of a resource (RFC 8132)',
    example: 'ace-coap fetch coap://127.0.0.1:5683/config -d \'["a"]\' --content-format 50 --config lab',
    payload: true,
  },
  {
    name: 'patch',
    does: 'change a part of a resource (RFC 8132)',
    example: 'ace-coap patch coap://127.0.0.1:5683/config -d \'{"a":1}\' --content-format 50 --config lab',
    payload: true,
  },
  {
    name: 'ipatch',
    does: 'change a part of a resource, idempotently (RFC 8132)',
    example: 'ace-coap ipatch coap://127.0.0.1:5683/config -d \'{"a":1}\' --content-format 50 --config lab',
    payload: true,
  },
];

/** `ace-coap init` */
function addInit(ace: Command): void {
  ace
    .command('init')
    .argument('[folder]', 'folder to make', 'lab')
    .description('make a folder with fresh keys and one configuration file for each of as, rs and client')
    .option('--as-port <port>', 'UDP port of the authorization server (5783)', port)
    .option(
      '--rs-port <port>',
      'UDP port of the resource server (5683); with DTLS its sessions, as those of the authorization server, have the port above',
      port,
    )
    .addOption(profileOption())
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap init lab', 'ace-coap init lab2 --as-port 15783 --rs-port 15683'))
    .action(async (folder: string, flags: InitFlags) => (await import('./init.ts')).initCommand(folder, flags));
}

/** `ace-coap as`, `rs` */
function addRoles(ace: Command): void {
  for (const [name, serve, what] of [
    ['as', 'serveAs', 'authorization server'],
    ['rs', 'serveRs', 'resource server'],
  ] as const) {
    ace
      .command(name)
      .argument('[config]', `lab folder or ${name}.yaml`)
      .option('-c, --config <path>', 'the same, as other commands have it')
      .description(`run the ${what} in the foreground; Ctrl-C stops it`)
      .addOption(logLevel('; absent: log_level of the file, or info'))
      .option('--json', 'log JSON lines, also on a terminal')
      .addHelpText('after', '\nSIGTERM or Ctrl-C answers what is under way and ends it, a second one ends it at once; SIGHUP reads the file again.')
      .addHelpText('after', examples(`ace-coap ${name} lab`))
      .action(async (named: string | undefined, { config, ...flags }: ServeFlags & { readonly config?: string }) => {
        const path = named ?? config;
        if (path === undefined || (named !== undefined && config !== undefined))
          throw new UsageError(`expected a lab folder or ${name}.yaml, got ${path === undefined ? 'none' : 'two'}`);
        await (await import('./serve.ts'))[serve](path, flags);
      });
  }
}

/** `ace-coap proxy` */
function addProxy(ace: Command): void {
  ace
    .command('proxy')
    .description('run a CoAP proxy in the foreground (RFC 7252 Section 5.7); Ctrl-C stops it')
    .option('--listen <address>', 'address and port for clients', '127.0.0.1:5683')
    .option('--allow <target...>', 'servers that clients may name: host, host:port, host:* or *.domain; nothing else is forwarded')
    .option('--open-relay', 'forward to whatever anybody names')
    .option('--reverse <path=uri...>', 'serve a path, or with //name a Uri-Host, from another server')
    .option('--alias <name...>', 'other names of this proxy: requests for them are not forwarded')
    .option('--via <uri>', 'another forward proxy to send everything through')
    .option('--name <name>', 'name in diagnostics; absent: the address')
    .option('--source <address>', 'numeric address to send from; absent: loopback while all targets are there')
    .option('--no-cache', 'store nothing')
    .addOption(logLevel().default('info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText(
      'after',
      examples(
        'ace-coap proxy --listen 127.0.0.1:5690 --allow 127.0.0.1:5683 127.0.0.1:5783',
        'ace-coap proxy --reverse /cellar=coap://10.0.0.7/sensors --reverse //attic.example=coap://10.0.0.8',
        'ace-coap get coap://127.0.0.1:5683/temperature --proxy coap://127.0.0.1:5690 --config lab',
      ),
    )
    .action(async (flags: ProxyFlags) => (await import('./proxy.ts')).proxyCommand(flags));
}

/** `ace-coap serve` */
function addServe(ace: Command): void {
  ace
    .command('serve')
    .description('serve resources over CoAP in the foreground, to try things out; with --oscore protected by its contexts; Ctrl-C stops it')
    .option('--listen <uri>', 'where: scheme://address[:port]; may be repeated (coap://127.0.0.1:5683)', each)
    .option('--value </path=text>', 'a text that can be read and written; may be repeated', each)
    .option('--sensor </path=number>', 'a number that changes by itself; may be repeated; without any resource: /temperature and /led', each)
    .option('--oscore <file>', 'serve whoever shares the OSCORE context of this file; may be repeated', each)
    .option('--allow-unprotected', 'with --oscore: answer requests that nothing protects too, instead of refusing them with 4.01')
    .option('--cert <file>', 'certificate of this server, PEM (coaps, coaps+tcp, coaps+ws)')
    .option('--key <file>', 'key of that certificate, PEM')
    .option('--client-ca <file>', 'certificates that clients have to show one of, PEM')
    .option('--psk-identity <identity>', 'identity of a client (coaps): text, hex:... or @file; may be repeated', each)
    .option('--psk <key>', 'the pre-shared key of that client, in the same order: text, hex:... or @file', each)
    .option('--rpk <file>', 'private key of this server, shown as a raw public key, PEM (coaps)')
    .option('--peer-key <file>', 'public key of a client, PEM; with it clients must prove one; may be repeated', each)
    .option('--crl <file>', 'lists of revoked certificates that that of a client must not be on, PEM (coaps)')
    .option('--suites <names>', suitesHelp)
    .option('--mtu <bytes>', mtuHelp, wholeNumber)
    .option(
      '--connection-id <bytes>',
      'give clients that take one a connection ID of this length, by which they are known at another address (coaps)',
      wholeNumber,
    )
    .option('--q-block', 'robust block-wise transfer (RFC 9177) for clients that ask for it')
    .addHelpText('after', secretHelp)
    .addOption(logLevel().default('info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText(
      'after',
      examples(
        'ace-coap serve --value /hello=world',
        'ace-coap serve --listen coap://127.0.0.1:5683 --listen coap+tcp://127.0.0.1:5683 --oscore keys/server.json',
        'ace-coap serve --listen coap://127.0.0.1 --listen coaps://127.0.0.1 --psk-identity device1 --psk @device1.psk',
      ),
    )
    .action(async (flags: ServeResourcesFlags) => (await import('./serve-resources.ts')).serveResources(flags));
}

/** `ace-coap get` and the other methods, `observe`, `discover`, `ping` */
function addRequests(ace: Command): void {
  for (const { name, does, example, payload } of methods) {
    const command = requestOptions(ace.command(name).argument('<uri>', uriHelp).description(does)).addHelpText('after', examples(example));
    if (payload) payloadOptions(command);
    else command.option('--no-upgrade', 'when the token does not cover the request, do not ask the AS for more');
    if (name !== 'get' && name !== 'fetch')
      command
        .option('--if-match <etag>', 'only if this is the representation: an ETag in hexadecimal; "" for any')
        .option('--if-none-match', 'only if there is no representation');
    command.action(async (uri: string, flags: RequestFlags) => (await import('./request.ts')).requestCommand(name, uri, flags));
  }
  requestOptions(ace.command('observe').argument('<uri>', uriHelp).description('print a resource each time it changes (RFC 7641); Ctrl-C ends it'))
    .option('--count <n>', 'end after this many answers', wholeNumber)
    .addHelpText(
      'after',
      examples(
        'ace-coap observe coap://127.0.0.1:5683/temperature --config lab',
        'ace-coap observe coap://127.0.0.1:5683/temperature --config lab --count 3 --json',
      ),
    )
    .action(async (uri: string, flags: ObserveFlags) => (await import('./observe.ts')).observeCommand(uri, flags));
  requestOptions(ace.command('discover').argument('<uri>', 'coap://host[:port][?rt=...]').description('list the resources of a server (RFC 6690)'))
    .addHelpText('after', examples('ace-coap discover coap://127.0.0.1:5683', "ace-coap discover 'coap://127.0.0.1:5683?rt=ace.ai'"))
    .action(async (uri: string, flags: RequestFlags) => (await import('./request.ts')).discoverCommand(uri, flags));
  tlsOptions(
    ace
      .command('ping')
      .argument('<uri>', 'coap://host[:port]')
      .description('ask whether a CoAP endpoint is there (RFC 7252 Section 4.3, RFC 8323 Section 5.4)')
      .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
      .option('--json', 'print one JSON object')
      .option('-v, --verbose', 'show each message decoded, with its size in bytes'),
  )
    .addHelpText('after', examples('ace-coap ping coap://127.0.0.1:5683'))
    .action(async (uri: string, flags: RequestFlags) => (await import('./request.ts')).pingCommand(uri, flags));
}

/** `ace-coap token`, `introspect` */
function addTokens(ace: Command): void {
  tlsOptions(
    ace
      .command('token')
      .description('ask the AS for an access token and show it')
      .requiredOption('-c, --config <path>', 'lab folder or client.yaml')
      .requiredOption('--audience <audience>', 'resource server the token is for')
      .option('--scope <scope>', 'scope to ask for; absent: the default that the AS has for this client')
      .option('--as <uri>', 'authorization server, where the configuration names several')
      .option('--refresh', 'by the refresh token that came with the last token for this audience, which the store has')
      .option('--code <code>', 'by an authorization code, in hex or base64url, @file, or - for standard input')
      .option('--redirect-uri <uri>', 'with --code: the one that the code was asked for with')
      .option('--username <name>', 'by the password of a resource owner: of --password-file, of ACE_COAP_PASSWORD, or asked for')
      .option('--password-file <file>', 'file with the password, or - for standard input')
      .option('--proxy <uri>', 'forward proxy to go through: coap://host[:port] or coaps://host[:port]')
      .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
      .option('--json', 'print one JSON object')
      .option('-v, --verbose', 'show each message decoded, with its size in bytes'),
  )
    .addHelpText(
      'after',
      examples(
        'ace-coap token --audience rs1 --scope "r_temp w_led" --config lab',
        'ace-coap token --audience rs1 --code @code.txt --config lab',
        'ace-coap token --audience rs1 --refresh --config lab',
      ),
    )
    .action(async (flags: TokenFlags) => (await import('./token.ts')).tokenCommand(flags));
  tlsOptions(
    ace
      .command('introspect')
      .argument('<token>', 'access token in hex or base64url, @file, or - for standard input')
      .description('ask the AS what a token says (RFC 9200 Section 5.9), as the resource server; exit code 1: the token is not active')
      .requiredOption('-c, --config <path>', 'lab folder or rs.yaml')
      .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
      .option('--json', 'print one JSON object')
      .option('-v, --verbose', 'show each message decoded, with its size in bytes'),
  )
    .addHelpText(
      'after',
      examples(
        'ace-coap introspect d83dd08358... --config lab',
        'ace-coap token --audience rs1 --json --config lab | jq -r .access_token | ace-coap introspect - --config lab',
      ),
    )
    .action(async (token: string, flags: IntrospectFlags) => (await import('./token.ts')).introspectCommand(token, flags));
}

/** `ace-coap completion` */
function addCompletion(ace: Command): void {
  ace
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print what completes commands and options in a shell')
    .addHelpText(
      'after',
      examples(
        'ace-coap completion bash > ~/.local/share/bash-completion/completions/ace-coap',
        'source <(ace-coap completion zsh)',
        'ace-coap completion fish | source',
      ),
    )
    .action(async (shell: string) => (await import('./completion.ts')).completionCommand(ace, shell));
}

/** `ace-coap decode` */
function addDecode(ace: Command): void {
  ace
    .command('decode')
    .argument('<input...>', 'hex or base64url, @file (binary, hex or base64url), or - for standard input; of several, each in turn')
    .description('show a CoAP datagram, an OSCORE option, a COSE object, a CWT, an ace+cbor map or any CBOR in annotated diagnostic notation')
    .addOption(
      new Option('--as <kind>', 'what it is; absent: found out')
        .choices([
          'auto',
          'coap',
          'oscore-option',
          'cose',
          'cose-key',
          'cose-key-set',
          'kdf-context',
          'cwt',
          'claims',
          'token-request',
          'token-response',
          'authz-info',
          'introspection',
          'hints',
          'error',
          'cbor',
        ])
        .default('auto'),
    )
    .option('-c, --config <path>', 'lab folder or rs.yaml, whose token keys verify and open a CWT (exit code 1: none does)')
    .option(
      '--oscore <file>',
      'decrypt datagrams by the OSCORE context of this file, whichever end sent them; may be repeated (exit code 1: none verifies)',
      each,
    )
    .option('--request <input>', 'with --oscore: the request that the datagram answers, or its OSCORE option; absent: an earlier input')
    .option('--secrets', 'show key material')
    .option('--json', 'print one JSON object for each input')
    .addHelpText(
      'after',
      examples(
        'ace-coap decode --oscore keys/client.json @request.bin @response.bin',
        'ace-coap decode 4401a4b15d1f6c2ebb74656d7065726174757265',
        'ace-coap decode a1041a6553f100 --as claims',
        'ace-coap decode @token.bin --config lab',
      ),
    )
    .action(async (inputs: readonly string[], flags: DecodeFlags) => (await import('./decode.ts')).decodeCommand(inputs, flags));
}

/** `ace-coap demo` */
function addDemo(ace: Command): void {
  ace
    .command('demo')
    .description('run an AS and an RS as processes of their own, and a client against them; show each step and the bytes of each message')
    .addOption(profileOption())
    .option('--seal', 'show a 3GPP SEAL system in its place: SIM-S, SKM-S, spatial anchors and a proxy, in this process')
    .option('--json', 'print one JSON object a line')
    .option('--keep', 'keep the folder with keys, configuration and state')
    .option('--html <file>', 'write what the client sends and gets as a page: a ladder, each message decoded and opened at a click')
    .addHelpText('after', examples('ace-coap demo', 'ace-coap demo --profile dtls-rpk --json', 'ace-coap demo --seal'))
    .addHelpText('after', '\nExit codes: 0 every step came out as it should, 1 one did not, 2 wrong use.')
    .action(async (flags: DemoFlags) => (await import('./demo/demo.ts')).demoCommand(flags));
}

interface Part {
  /** The commands that it adds. */
  readonly commands: readonly string[];
  readonly add: (ace: Command) => void;
}

/** In the order in which they are listed where nothing else is said. */
const parts: readonly Part[] = [
  { commands: ['init'], add: addInit },
  { commands: ['as', 'rs'], add: addRoles },
  { commands: ['proxy'], add: addProxy },
  { commands: ['gateway'], add: addGateway },
  { commands: ['serve'], add: addServe },
  { commands: [...methods.map(({ name }) => name), 'observe', 'discover', 'ping'], add: addRequests },
  { commands: ['token', 'introspect'], add: addTokens },
  { commands: ['trl'], add: addTrl },
  { commands: ['conformance'], add: addConformance },
  { commands: ['oscore'], add: addOscore },
  { commands: ['audit'], add: addAudit },
  { commands: ['admin'], add: addAdmin },
  { commands: ['completion'], add: addCompletion },
  { commands: ['km'], add: addKm },
  { commands: ['password'], add: addPassword },
  { commands: ['seal'], add: addSeal },
  { commands: ['store'], add: addStore },
  { commands: ['decode'], add: addDecode },
  { commands: ['inspect'], add: addInspect },
  { commands: ['demo'], add: addDemo },
];

/** What takes words that begin with this one; where others are looked at as well, all there is. */
function partsFor(word: string | undefined): readonly Part[] {
  const one = parts.find(({ commands, add }) => word !== undefined && add !== addCompletion && commands.includes(word));
  return one === undefined ? parts : [one];
}

interface ProgramOptions {
  /** Whether what is wrong with the words is left to whoever catches it. */
  readonly isSilent?: () => boolean;
  /** The word that the words to be parsed begin with: a part that does not take it is left out. A start is what a user waits for. */
  readonly word?: string | undefined;
}

/** The whole command line, or what of it takes one word. Errors are thrown: run.ts prints them and turns them into exit codes. */
export function program(version: string, { isSilent = () => false, word }: ProgramOptions = {}): Command {
  const ace = new Command('ace-coap')
    .description('Authorization for constrained devices: ACE-OAuth (RFC 9200) over CoAP, by OSCORE and DTLS.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void process.stdout.write(fitted(text, process.stdout.columns ?? 80)),
      writeErr: (text) => void (isSilent() || process.stderr.write(text)),
    })
    .showHelpAfterError('(--help shows what there is)');
  for (const { add } of partsFor(word)) add(ace);
  arrangeHelp(ace);
  return ace;
}
