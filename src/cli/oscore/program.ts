import { type Command, InvalidArgumentError } from 'commander';
import { examples } from '../usage.ts';
import type { DeriveFlags } from './derive.ts';
import type { PairFlags } from './init.ts';

function sequenceNumber(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) >= 2 ** 40) throw new InvalidArgumentError('expected a whole number from 0 to 2^40-1.');
  return Number(text);
}

const contextHelp = `
A context file is JSON with bytes in hexadecimal, of mode 0600; each end has its own:
  {
    "master_secret": "0102030405060708090a0b0c0d0e0f10",   (or "master_secret_file": a key file)
    "master_salt": "9e7ca92223786340",                     (absent: empty)
    "sender_id": "01", "recipient_id": "02",
    "id_context": "37cbf3210017a2d3",                      (absent: none)
    "aead": "AES-CCM-16-64-128", "hkdf": "HKDF SHA-256",   (these, unless others are named)
    "replay_window": 32,
    "store": "state/oscore"                                (folder for sequence numbers, beside the file)
  }
Keep the store as long as the keys, use each file in one place, and no such keys in another program as well: OSCORE would use a nonce twice.
`;

/** `ace-coap oscore` */
export function addOscore(ace: Command): void {
  const oscore = ace
    .command('oscore')
    .description('make OSCORE context files, and show what is derived from one (RFC 8613)')
    .addHelpText('after', `${contextHelp}${examples('ace-coap oscore init keys', 'ace-coap oscore derive keys/client.json')}`);
  oscore
    .command('init')
    .argument('[folder]', 'folder to make', 'keys')
    .description('make a fresh context: client.json and server.json')
    .option('--client-id <hex>', 'what the client sends as', '01')
    .option('--server-id <hex>', 'what the server sends as', '02')
    .option('--id-context <hex>', 'tells contexts apart whose identifiers are the same')
    .option('--aead <name>', 'AEAD algorithm by its name in the registry "COSE Algorithms" (AES-CCM-16-64-128)')
    .option('--hkdf <name>', 'HKDF SHA-256 or HKDF SHA-512 (HKDF SHA-256)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap oscore init keys', 'ace-coap oscore init keys2 --client-id 0a --server-id 0b --aead A256GCM'))
    .action(async (folder: string, flags: PairFlags) => (await import('./init.ts')).initPairCommand(folder, flags));
  oscore
    .command('derive')
    .argument('<file>', 'OSCORE context file; its keys are shown')
    .description('show Sender Key, Recipient Key and Common IV, the info structures that they come from, and nonces and AAD for a Partial IV')
    .option('--partial-iv <n>', 'sequence number that the nonces and the AAD are for', sequenceNumber, 0)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap oscore derive keys/client.json', 'ace-coap oscore derive keys/client.json --partial-iv 20 --json'))
    .action(async (file: string, flags: DeriveFlags) => (await import('./derive.ts')).deriveCommand(file, flags));
}
