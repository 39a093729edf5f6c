import { type Command, Option } from 'commander';
import { examples, seconds } from '../../usage.ts';
import type { LintFlags } from './certificate-lint.ts';
import type { TlsCheckFlags } from './tls-check.ts';

/** `ace-coap seal tls-check` and `ace-coap seal certificate`: whether HTTPS of a SEAL deployment is as 3GPP has it (TS 33.210, TS 33.310). */
export function addHttpsChecks(seal: Command): void {
  seal
    .command('tls-check')
    .argument('<uri>', 'https://host:port of the listener, whoever it is of')
    .description('probe an HTTPS listener for what TS 33.210 has it accept and refuse; exit code 1 for one that fails')
    .option('--ca <file>', 'certificates to trust, in PEM; absent: those of Node')
    .option('--cert <file>', 'certificate to show to a listener that asks, in PEM')
    .option('--key <file>', 'its private key, in PEM')
    .option('--timeout <seconds>', 'how long to wait for each answer (5)', seconds)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap seal tls-check https://127.0.0.1:8443 --ca lab/tls/ca.pem', 'ace-coap seal tls-check https://val.example --json'))
    .action(async (uri: string, flags: TlsCheckFlags) => (await import('./tls-check.ts')).tlsCheckCommand(uri, flags));
  const certificate = seal.command('certificate').description('certificates of HTTPS, as TS 33.310 has them');
  certificate
    .command('lint')
    .argument('<file>', 'certificate in PEM, or with its chain; - for standard input')
    .description('hold certificates against the profile of TS 33.310; exit code 1 for one at fault')
    .addOption(new Option('--as <role>', 'what the first one is for; absent: what it says itself').choices(['client', 'server', 'ca']))
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap seal certificate lint lab/tls/val1.pem --as client', 'ace-coap seal certificate lint lab/tls/ca.pem --json'))
    .action(async (file: string, flags: LintFlags) => (await import('./certificate-lint.ts')).certificateLintCommand(file, flags));
}
