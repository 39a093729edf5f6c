import type { Command } from 'commander';
import { examples, seconds } from '../../usage.ts';
import type { AanfFlags } from './aanf.ts';
import type { AkmaDeriveFlags } from './derive.ts';
import { keyHelp, withAnchor } from './options.ts';

/** `ace-coap seal akma`: what a tester of AKMA needs (TS 33.535). */
export function addAkma(seal: Command): void {
  const akma = seal
    .command('akma')
    .description('derive AKMA keys, and simulate the AAnF of a network (TS 33.535)')
    .addHelpText(
      'after',
      examples('ace-coap seal akma derive --kausf @kausf.hex --supi imsi-001010000000001', 'ace-coap seal akma aanf --subscribers subscribers.jsonl'),
    );
  withAnchor(akma.command('derive').description('derive A-KID, K_AKMA and K_AF, as a UE and its network do'))
    .option('--af <af-id>', 'application function to derive K_AF for: FQDN/Ua* protocol identifier, as in msgin5g.example.com/010001d001')
    .option('--gpsi <gpsi>', 'with --json: the GPSI, for the subscribers of ace-coap seal akma aanf')
    .option('--show-keys', 'show key material')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${keyHelp}

${examples(
  'ace-coap seal akma derive --kausf @kausf.hex --supi imsi-001010000000001 --af msgin5g.example.com/010001d001',
  'ace-coap seal akma derive --kausf @kausf.hex --supi imsi-001010000000001 --show-keys --json >> subscribers.jsonl',
).trimStart()}`,
    )
    .action(async (flags: AkmaDeriveFlags) => (await import('./derive.ts')).akmaDeriveCommand(flags));
  akma
    .command('aanf')
    .description('run an AAnF of the shape of TS 29.535 on this host, for tests: over plain HTTP')
    .addHelpText('after', '\nSIGTERM or Ctrl-C ends it; SIGHUP reads the subscribers again, and keeps those of before if the file is wrong.')
    .requiredOption('--subscribers <file>', 'one JSON object a line: a_kid, k_akma, supi and gpsi, as ace-coap seal akma derive --json prints it; or -')
    .option('--listen <address>', 'address and port on loopback; port 0: a free one, which is told', '127.0.0.1:0')
    .option('--lifetime <seconds>', 'how long a K_AF may be used; 3,600 when absent', seconds)
    .option('--hide-supi', 'tell application functions the GPSI alone')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('ace-coap seal akma aanf --subscribers subscribers.jsonl --listen 127.0.0.1:8090 --lifetime 60'))
    .action(async (flags: AanfFlags) => (await import('./aanf.ts')).aanfCommand(flags));
}
