import type { Command } from 'commander';
import { each, examples, logLevel, seconds } from '../../usage.ts';
import type { CapifCoreFlags } from './core.ts';
import type { CapifInvokeFlags } from './invoke.ts';

const coreHelp = `
It is a simulator, for labs and tests: it has neither onboarding nor publishing of APIs. capif.yaml tells who there is in their place: listen, cert_file, key_file,
client_ca_file, issuer, signing_key_file and lifetime; invokers, with names of their certificates, rights (APIs by AEF) and owners who agreed; aefs, with names,
methods and uri. Security contexts are kept in memory. SIGHUP reads the invokers and AEFs again: rights that went are revoked.`;

const invokeHelp = `
The section seal.capif of client.yaml tells who the invoker is: core (the URI of the core function), invoker_id, cert_file, key_file and ca_file. A core function
that has not heard of it refuses. --json shows the security context, the claims of the access token (but not the token) and the answer.`;

/** `ace-coap seal capif`: the parties of CAPIF beside the API exposing function, which is `seal.capif` of rs.yaml (TS 33.122). */
export function addCapif(seal: Command): void {
  const capif = seal
    .command('capif')
    .description('call a SEAL server as an API invoker of CAPIF, and simulate the core function (TS 33.122)')
    .addHelpText(
      'after',
      examples(
        'ace-coap seal capif core lab',
        'ace-coap seal capif invoke https://127.0.0.1:10445/su-san/v1/anchors --aef seal1 --api spatial-anchors --config lab',
      ),
    );
  capif
    .command('core')
    .argument('[path]', 'folder or capif.yaml', 'lab')
    .description('run a simulator of a CAPIF core function, of the shape of TS 29.222')
    .addOption(logLevel().default('info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText('after', `${coreHelp}\n${examples('ace-coap seal capif core lab')}`)
    .action(async (path: string, flags: CapifCoreFlags) => (await import('./core.ts')).capifCoreCommand(path, flags));
  capif
    .command('invoke')
    .argument('<uri>', 'of what the API exposing function (AEF) has')
    .description('agree on a security method with the core function, get a token where one is needed, and call an API')
    .requiredOption('-c, --config <path>', 'folder or client.yaml of the invoker')
    .requiredOption('--aef <id>', 'AEF that the core function knows the server by')
    .requiredOption('--api <id>', 'API that the request is of; several times for several, which the token is for', each)
    .option('--security <methods>', 'what to ask for, the preferred one first: PKI (method 2), OAUTH (method 3)', 'OAUTH,PKI')
    .option('--owner <id>', 'resource owner for whom the request is (RNAA), with OAUTH')
    .option('-X, --method <method>', 'GET, POST, PUT, PATCH or DELETE', 'GET')
    .option('--data <text>', 'body')
    .option('--payload-file <file>', 'file with the body, or - for standard input')
    .option('--content-type <type>', 'of the body', 'application/json')
    .option('--timeout <seconds>', 'how long to wait for each answer (10; exit code 3)', seconds)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${invokeHelp}\n${examples(
        'ace-coap seal capif invoke https://127.0.0.1:10445/su-san/v1/anchors --aef seal1 --api spatial-anchors --config lab',
        'ace-coap seal capif invoke https://127.0.0.1:10445/su-san/v1/anchors --aef seal1 --api spatial-anchors --security PKI --json --config lab',
      )}`,
    )
    .action(async (uri: string, flags: CapifInvokeFlags) => (await import('./invoke.ts')).capifInvokeCommand(uri, flags));
}
