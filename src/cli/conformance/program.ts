import type { Command } from 'commander';
import { examples, seconds } from '../usage.ts';
import type { ConformanceFlags } from './flags.ts';

const help = `
What can be checked follows from what is known of the target: its URIs (coap, coaps, coap+tcp), its resources, its keys. A target file says it all
("ace-coap conformance init target.yaml" makes one with comments); a case that nobody can run is listed as "not run" with what it lacks.

Exit codes: 0 no MUST failed, 1 one did, 2 wrong use, 3 the target does not answer.`;

/** `ace-coap conformance` */
export function addConformance(ace: Command): void {
  const conformance = ace
    .command('conformance')
    .description('check a CoAP, OSCORE, DTLS, resource or authorization server on the network against the standards')
    .argument('[uri...]', 'coap://host[:port], coaps://..., coap+tcp://...: one of each at most')
    .option('-t, --target <file>', 'what is under test (target.yaml)')
    .option('-c, --config <path>', 'lab folder: check the authorization server and the resource server of a lab')
    .option('--only <pattern...>', 'cases by id, * for any characters: coap-msg* dtls-*')
    .option('--list', 'list the cases instead of running them')
    .option('--json', 'print the report as JSON')
    .option('--junit <file>', 'write the report as JUnit XML, too')
    .option('--strict', 'let a SHOULD that fails count as a MUST')
    .option('--timeout <seconds>', 'how long to wait for an answer (3)', seconds)
    .option('--silence <seconds>', 'how long to wait where none may come (0.5)', seconds)
    .option('--pace <seconds>', 'pause between cases, for a device that is slow (0)', seconds)
    .option('--psk-identity <identity>', 'what the target knows our pre-shared key by (coaps): text, hex:... or @file')
    .option('--psk <key>', 'the pre-shared key: text, hex:... or @file')
    .option('--peer-key <file>', 'public key of the target, PEM (coaps)')
    .option('--rpk <file>', 'private key to prove to the target as a raw public key, PEM')
    .addHelpText('after', help)
    .addHelpText(
      'after',
      examples(
        'ace-coap conformance coap://127.0.0.1:5683',
        'ace-coap conformance coaps://127.0.0.1:5684 --psk-identity device1 --psk sesame --only "dtls-*"',
        'ace-coap conformance --target target.yaml --junit report.xml',
        'ace-coap conformance --config lab',
        'ace-coap conformance --list',
      ),
    )
    .action(async (uris: readonly string[], flags: ConformanceFlags) => (await import('./conformance.ts')).conformanceCommand(uris, flags));
  conformance
    .command('init')
    .argument('[file]', 'file to make', 'target.yaml')
    .description('make a target file with comments')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap conformance init target.yaml'))
    .action(async (file: string, _flags: object, command: Command) => {
      // The command above has the option too, and takes it.
      (await import('./init.ts')).initTargetCommand(file, command.optsWithGlobals());
    });
}
