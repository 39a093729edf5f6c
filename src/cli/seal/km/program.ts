import { type Command, Option } from 'commander';
import { examples, seconds } from '../../usage.ts';
import type { KmRecordsFlags } from './https.ts';
import type { KmGetFlags } from './key-material.ts';
import type { PutFlags, RecordFlags } from './records.ts';

const placeHelp = `
Records are in the store of the server, or in the file that its configuration names as records_file, encrypted with the key of record_key_file. A server that runs
sees each change at the next request. How many records there are and how long they are can be seen without the key, and nothing else.`;

const records = (): Promise<typeof import('./records.ts')> => import('./records.ts');

/** The options by which a record, or who asks for one, is named. */
function identityOptions(command: Command): Command {
  return command
    .addOption(new Option('--device <id>', 'VAL UE ID').conflicts(['user', 'client']))
    .addOption(new Option('--user <id>', 'VAL user ID').conflicts(['device', 'client']))
    .addOption(new Option('--client <id>', 'VAL client, or client on a VAL server').conflicts(['device', 'user']));
}

function recordCommand(km: Command, usage: string, description: string, ...lines: readonly string[]): Command {
  return identityOptions(km.command(usage).description(description).requiredOption('--service <id>', 'VAL service ID'))
    .requiredOption('-c, --config <path>', 'lab folder or rs.yaml of the key management server')
    .option('--json', 'print one JSON object')
    .addHelpText('after', `${placeHelp}\n${examples(...lines)}`);
}

/** `ace-coap seal km`: the records of a key management server. */
export function addKeyRecords(seal: Command): void {
  const km = seal
    .command('km')
    .description('keep the key records of a key management server, also while it runs')
    .addHelpText(
      'after',
      `${placeHelp}\n${examples('ace-coap seal km put keys.bin --service v2x --device ue1 --config lab', 'ace-coap seal km list --config lab')}`,
    );
  recordCommand(
    km,
    'put',
    'keep key material from a file, or - for standard input, for a service alone or for one identity of it',
    'ace-coap seal km put keys.bin --service v2x --config lab',
    'openssl rand 32 | ace-coap seal km put --service v2x --device ue1 --config lab',
  )
    .argument('[file]', 'file with the key material, or - for standard input', '-')
    .action(async (file: string, flags: PutFlags) => (await records()).putCommand(file, flags));
  recordCommand(km, 'get', 'show the key material of exactly this record', 'ace-coap seal km get --service v2x --device ue1 --config lab -o keys.bin')
    .option('-o, --output <file>', 'write it to a file that the owner alone may read')
    .action(async (flags: RecordFlags) => (await records()).getCommand(flags));
  recordCommand(km, 'remove', 'end a record', 'ace-coap seal km remove --service v2x --device ue1 --config lab').action(async (flags: RecordFlags) =>
    (await records()).removeCommand(flags),
  );
  addRecords(km);
  km.command('list')
    .description('list the records: names and sizes')
    .requiredOption('-c, --config <path>', 'lab folder or rs.yaml of the key management server')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', `${placeHelp}\n${examples('ace-coap seal km list --config lab')}`)
    .action(async (flags: { readonly config: string; readonly json?: boolean }) => (await records()).listCommand(flags));
}

const recordsHelp = `
The server knows a VAL server by its certificate and by an access token of scope km, which the SIM-S gives it for its name and secret (client_credentials). The
token has to be for the client of the certificate, and the service one of its VAL services.`;

/** `ace-coap seal km records`: a VAL server, on the other side. */
function addRecords(km: Command): void {
  km.command('records')
    .argument('<api-root>', 'where the key management server is: https://host:port')
    .description('get key material as a VAL server, over HTTPS with certificate and token (TS 29.549, SS_KeyInfoRetrieval)')
    .requiredOption('--service <id>', 'VAL service ID')
    .addOption(new Option('--device <id>', 'VAL UE ID').conflicts('user'))
    .addOption(new Option('--user <id>', 'VAL user ID').conflicts('device'))
    .requiredOption('--cert <file>', 'certificate of the VAL server, in PEM')
    .requiredOption('--key <file>', 'its private key, in PEM')
    .option('--ca <file>', 'whom to trust, in place of those of Node, in PEM')
    .requiredOption('--issuer <uri>', 'SIM-S: https://host:port')
    .requiredOption('--client-id <id>', 'the VAL server, as the SIM-S knows it')
    .requiredOption('--client-secret-file <file>', 'file with its secret, or - for standard input')
    .option('--resource <uri>', 'server that the token is for, where that does not follow from scope and registration')
    .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
    .option('-o, --output <file>', 'write the key material to a file that the owner alone may read')
    .option('--json', 'print one JSON object, the key material in hexadecimal')
    .addHelpText(
      'after',
      `${recordsHelp}\n${examples('ace-coap seal km records https://127.0.0.1:10444 --service v2x --device ue1 --cert val1.pem --key val1.key --ca ca.pem --issuer https://127.0.0.1:10443 --client-id val1 --client-secret-file val1.secret')}`,
    )
    .action(async (apiRoot: string, flags: KmRecordsFlags) => (await import('./https.ts')).kmRecordsCommand(apiRoot, flags));
}

const clientHelp = `
The key management server has to repeat what was asked, name itself, and tell the time of now; another answer is refused (exit code 1), as is an error of it.
Over HTTPS (seal.skms_uri, --skms or --uri of https) the token is that of the VAL user who is logged in: ace-coap seal login.`;

/** `ace-coap km`: a client of a key management server. */
export function addKm(ace: Command): void {
  const km = ace
    .command('km')
    .description('get key material from a SEAL key management server (TS 33.434, 5.3)')
    .addHelpText('after', examples('ace-coap km get --service v2x --device ue1 --config lab'));
  identityOptions(
    km
      .command('get')
      .description('get the key material of a VAL service, or of one identity of it, with all that it takes: token, upload, request')
      .requiredOption('--service <id>', 'VAL service ID'),
  )
    .requiredOption('-c, --config <path>', 'lab folder or client.yaml')
    .option('--skms <uri>', 'URI that the server goes by (SKmsUri); absent: that of the configuration')
    .option('--uri <uri>', 'where the server is reached, if not there')
    .option('--post', 'ask by POST in place of FETCH')
    .option('--audience <audience>', 'audience to ask the SIM-S for, instead of what the server hints at')
    .option('--client-credentials', 'over HTTPS, ask with a token of the client itself, in place of that of the user who is logged in')
    .option('--username <name>', 'VAL user who is to be authenticated for the token, with a password')
    .option('--password-file <file>', 'file with the password; absent: it is asked for')
    .option('--proxy <uri>', 'forward proxy to go through: coap://host[:port]')
    .option('--timeout <seconds>', 'give up after this time (exit code 3)', seconds)
    .option('-o, --output <file>', 'write the key material to a file that the owner alone may read')
    .option('--json', 'print one JSON object, the key material in hexadecimal')
    .option('-v, --verbose', 'show each message decoded, with its size in bytes')
    .addHelpText(
      'after',
      `${clientHelp}\n${examples('ace-coap km get --service v2x --device ue1 --config lab', 'ace-coap km get --service v2x --skms coap://127.0.0.1:5683/km --config lab -o keys.bin')}`,
    )
    .action(async (flags: KmGetFlags) => (await import('./get.ts')).kmGetCommand(flags));
}
