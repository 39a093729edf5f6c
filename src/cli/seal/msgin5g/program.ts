import { type Command, Option } from 'commander';
import { each, examples, logLevel, seconds } from '../../usage.ts';
import { keyHelp, withAnchor } from '../akma/options.ts';
import type { Msgin5gClientFlags } from './client.ts';
import type { Msgin5gServeFlags } from './serve.ts';

const transportHelp = `
The scheme of the URI says what K_AF protects: coaps is DTLS, coaps+tcp is TLS. Both ends go by one protocol identifier, which K_AF is derived from: that of
--suite over TLS, and 010001d001 (TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256) over DTLS.`;

const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256'] as const;
const suite = (): Option => new Option('--suite <name>', 'cipher suite over TLS; the first is that of TLS 1.3').choices(suites).default(suites[0]);

/** `ace-coap seal msgin5g`: a UE that registers at an MSGin5G server, and such a server, over DTLS or TLS with K_AF (TS 33.501, Annex Y). */
export function addMsgin5g(seal: Command): void {
  const msgin5g = seal
    .command('msgin5g')
    .description('register as an MSGin5G client with keys of the SIM, over DTLS or TLS, and serve registrations (TS 33.501, Annex Y)')
    .addHelpText(
      'after',
      examples(
        'ace-coap seal msgin5g register coaps+tcp://127.0.0.1:5687/msgin5g --service-id meter1 --fqdn msgin5g.val.example --supi imsi-001010000000001 --kausf @lab/keys/ue1.kausf',
        'ace-coap seal msgin5g serve --aanf http://127.0.0.1:8090 --fqdn msgin5g.val.example --ue imsi-001010000000001=meter1',
      ),
    );
  for (const name of ['register', 'deregister'] as const) {
    const command = msgin5g
      .command(name)
      .argument('<uri>', 'coaps://host[:port]/path (DTLS) or coaps+tcp://host[:port]/path (TLS) of the MSGin5G server')
      .description(name === 'register' ? 'register a UE service ID' : 'end a registration')
      .requiredOption('--service-id <id>', 'UE service ID');
    withAnchor(command)
      .option('--fqdn <domain>', 'FQDN in the AF_ID of the server; absent: the host of the URI')
      .addOption(suite())
      .option('--identity-prefix <text>', 'what stands before the A-KID in the psk_identity (3GPP-AKMA;)')
      .option('--cbor', 'send CBOR in place of JSON')
      .option('--timeout <seconds>', 'how long to wait for an answer (exit code 3)', seconds)
      .option('--json', 'print one JSON object')
      .addHelpText(
        'after',
        `${transportHelp}\n${keyHelp}\n${examples(
          `ace-coap seal msgin5g ${name} coaps+tcp://127.0.0.1:5687/msgin5g --service-id meter1 --fqdn msgin5g.val.example --supi imsi-001010000000001 --kausf @lab/keys/ue1.kausf`,
          `ACE_COAP_KAKMA=... ace-coap seal msgin5g ${name} coaps://msgin5g.example/msgin5g --service-id meter1 --a-kid rid0.atid...@5gc.mnc001.mcc001.3gppnetwork.org`,
        )}`,
      )
      .action(async (uri: string, flags: Msgin5gClientFlags) => (await import('./client.ts')).msgin5gClientCommand(name, uri, flags));
  }
  msgin5g
    .command('serve')
    .description('serve registrations of MSGin5G clients, for tests; in a deployment they are seal.services.msgin5g of ace-coap rs')
    .requiredOption('--aanf <uri>', 'AAnF that K_AF comes from: ace-coap seal akma aanf')
    .requiredOption('--fqdn <domain>', 'FQDN in the AF_ID')
    .requiredOption('--ue <ue-id=service-id>', 'a UE ID, and a UE service ID that it may register; several times for several', each)
    .option('--listen <address>', 'coaps://address:port (DTLS) or coaps+tcp://address:port (TLS); several times for both (coaps+tcp://127.0.0.1:5687)', each)
    .addOption(suite())
    .option('--identity-prefix <text>', 'what stands before the A-KID in the psk_identity (3GPP-AKMA;)')
    .option('--path <path>', 'where registrations are (/msgin5g)')
    .addOption(logLevel().default('info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText(
      'after',
      `${transportHelp}\n${examples(
        'ace-coap seal msgin5g serve --aanf http://127.0.0.1:8090 --fqdn msgin5g.val.example --ue imsi-001010000000001=meter1',
        'ace-coap seal msgin5g serve --aanf http://127.0.0.1:8090 --fqdn msgin5g.val.example --ue imsi-001010000000001=meter1 --listen coaps://127.0.0.1:5684',
      )}`,
    )
    .action(async (flags: Msgin5gServeFlags) => (await import('./serve.ts')).msgin5gServeCommand(flags));
}
