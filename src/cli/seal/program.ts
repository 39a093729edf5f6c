import type { Command } from 'commander';
import { examples, port } from '../usage.ts';
import { addAkma } from './akma/program.ts';
import { addCapif } from './capif/program.ts';
import { addHttpsChecks } from './https/program.ts';
import type { SealInitFlags } from './init.ts';
import { addKeyRecords } from './km/program.ts';
import { addLogin } from './login/program.ts';
import { addMsgin5g } from './msgin5g/program.ts';
import { addProvision } from './provision/program.ts';
import { addT8 } from './t8/program.ts';

/** `ace-coap seal`: what a deployment of 3GPP SEAL needs beside its servers (TS 33.434). */
export function addSeal(ace: Command): void {
  const seal = ace
    .command('seal')
    .description('what a deployment of 3GPP SEAL needs beside its servers (TS 33.434)')
    .addHelpText(
      'after',
      examples(
        'ace-coap seal init lab',
        'ace-coap seal provision list --config lab',
        'ace-coap seal km list --config lab',
        'ace-coap seal login --config lab',
        'ace-coap seal akma aanf --subscribers subscribers.jsonl',
        'ace-coap seal capif core lab',
        `ace-coap post coap://127.0.0.1/su-san/v1/anchors --cbor '{"valServiceId": "v2x", "location": {"lat": 48.86, "lon": 2.34}}' --config lab`,
        "ace-coap get 'coap://127.0.0.1/su-san/v1/anchors?near=48.86,2.34,500&tag=statue' --config lab",
        "ace-coap observe 'coap://127.0.0.1/su-san/v1/anchors?bbox=48,2,49,3' --scope spatial-anchor:subscribe --config lab",
        'ace-coap get coap://127.0.0.1/su-up/v1/val-services/v2x/user-profiles?val-tgt-ue=anna --config lab',
      ),
    );
  seal
    .command('init')
    .argument('[folder]', 'folder to make', 'lab')
    .description('make a folder with fresh keys and configuration files: SIM-S, SEAL server and SIM-C; a T8 gateway, its SCS/AS and a device')
    .option('--as-port <port>', 'UDP port of the SIM-S (5783)', port)
    .option('--rs-port <port>', 'UDP port of the SEAL server (5683)', port)
    .option('--as-https-port <port>', 'TCP port of the SIM-S for HTTPS (10443)', port)
    .option('--rs-https-port <port>', 'TCP port of the SEAL server for HTTPS (10444)', port)
    .option('--capif-port <port>', 'TCP port of the SEAL server for API invokers of CAPIF (10445)', port)
    .option('--capif-core-port <port>', 'TCP port of the simulated CAPIF core function (10446)', port)
    .option('--msgin5g-port <port>', 'TCP port of the SEAL server for MSGin5G over TLS (5687)', port)
    .option('--t8-port <port>', 'TCP port of the T8 gateway (10447)', port)
    .option('--notify-port <port>', 'TCP port on which the SCS/AS is notified (10448)', port)
    .option('--crl-port <port>', 'TCP port on which the SIM-S has the list of revoked certificates (10449)', port)
    .option('--meter-port <port>', 'UDP port of the device behind the T8 gateway (5685)', port)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('ace-coap seal init lab', 'ace-coap seal init lab2 --as-port 15783 --rs-port 15683'))
    .action(async (folder: string, flags: SealInitFlags) => (await import('./init.ts')).sealInitCommand(folder, flags));
  addProvision(seal);
  addAkma(seal);
  addMsgin5g(seal);
  addKeyRecords(seal);
  addT8(seal);
  addCapif(seal);
  addLogin(seal);
  addHttpsChecks(seal);
}
