import type { Command } from 'commander';
import { examples, logLevel, port, seconds } from '../../usage.ts';
import type { DeviceFlags, RuleFlags, T8Flags } from './registry.ts';
import type { T8ServeFlags } from './serve.ts';
import type { T8TriggerFlags } from './trigger.ts';

const help = `
"ace-coap seal init" makes a lab with a T8 gateway, an SCS/AS and a device. t8.yaml tells how: audience and store; client, the client.yaml by which devices are reached; https, with listen, cert_file, key_file, client_ca_file, issuer,
jwks_file or jwks_uri, and clients, the names of certificates by SCS/AS; notifications, with ca_file and allow; limits.rate, with per_address,
per_scs_as and per_device, each a burst and a rate a second; rules; and metrics, drain and log_level, as in as.yaml. SIGHUP takes other certificates, keys, clients,
rates and rules. Devices and rules of the store count from the next request on, also while the gateway runs.`;

const registry = (): Promise<typeof import('./registry.ts')> => import('./registry.ts');

const withConfig = (command: Command): Command =>
  command.requiredOption('-c, --config <path>', 'folder or t8.yaml of the gateway').option('--json', 'print one JSON object a line');

/** `ace-coap seal t8`: a T8 gateway in front of devices (TS 33.187, TS 29.122). */
export function addT8(seal: Command): void {
  const t8 = seal
    .command('t8')
    .description('let SCS/AS trigger devices and send them data over HTTPS, and no IMSI out')
    .addHelpText(
      'after',
      `${help}\n${examples('ace-coap seal init lab', 'ace-coap seal t8 serve lab', "ace-coap seal t8 allow app1 'meter*@op.example' --config lab")}`,
    );
  t8.command('serve')
    .argument('[path]', 'folder or t8.yaml of the gateway', 'lab')
    .description('run the gateway')
    .addOption(logLevel('; absent: log_level of the file, or info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText('after', `${help}\n${examples('ace-coap seal t8 serve lab')}`)
    .action(async (path: string, flags: T8ServeFlags) => (await import('./serve.ts')).t8ServeCommand(path, flags));
  for (const effect of ['allow', 'deny'] as const)
    withConfig(t8.command(effect).argument('<scs-as>', 'the SCS/AS').argument('<devices>', 'external identifier of a device; * stands for any characters'))
      .description(effect === 'allow' ? 'let an SCS/AS address devices' : 'let an SCS/AS address devices not, whatever else allows it')
      .option('--api <api>', 'device-triggering or nidd; all of them when absent')
      .addHelpText('after', examples(`ace-coap seal t8 ${effect} app1 meter1@op.example --api nidd --config lab`))
      .action(async (scsAs: string, devices: string, flags: RuleFlags) => (await registry()).ruleCommand(effect, scsAs, devices, flags));
  withConfig(t8.command('forget').argument('<scs-as>', 'the SCS/AS').argument('<devices>', 'as the rule has it'))
    .description('take a rule out of the store')
    .option('--api <api>', 'as the rule has it')
    .addHelpText('after', examples('ace-coap seal t8 forget app1 meter1@op.example --api nidd --config lab'))
    .action(async (scsAs: string, devices: string, flags: RuleFlags) => (await registry()).forgetCommand(scsAs, devices, flags));
  withConfig(t8.command('list'))
    .description('list the rules, those of the configuration first')
    .addHelpText('after', examples('ace-coap seal t8 list --config lab'))
    .action(async (flags: T8Flags) => (await registry()).listCommand(flags));
  addDevices(t8);
  addTrigger(t8);
}

function addDevices(t8: Command): void {
  const device = t8
    .command('device')
    .description('keep the devices that the gateway reaches')
    .addHelpText(
      'after',
      examples('ace-coap seal t8 device add meter1@op.example coap://127.0.0.1:5683 --config lab', 'ace-coap seal t8 device list --config lab'),
    );
  withConfig(device.command('add').argument('<external-id>', 'local identifier, "@" and domain').argument('<uri>', 'where it is reached: coap://host[:port]'))
    .description('add a device, or change it')
    .option('--msisdn <digits>', 'its telephone number')
    .option('--supi <supi>', 'its SUPI, imsi-..., which never leaves')
    .addHelpText('after', examples('ace-coap seal t8 device add meter1@op.example coap://127.0.0.1:5683 --supi imsi-001010000000001 --config lab'))
    .action(async (externalId: string, uri: string, flags: DeviceFlags) => (await registry()).addDeviceCommand(externalId, uri, flags));
  withConfig(device.command('list'))
    .description('list the devices, without their SUPIs')
    .addHelpText('after', examples('ace-coap seal t8 device list --config lab'))
    .action(async (flags: T8Flags) => (await registry()).listDevicesCommand(flags));
  withConfig(device.command('remove').argument('<external-id>', 'of the device'))
    .description('remove a device')
    .addHelpText('after', examples('ace-coap seal t8 device remove meter1@op.example --config lab'))
    .action(async (externalId: string, flags: T8Flags) => (await registry()).removeDeviceCommand(externalId, flags));
}

const triggerHelp = `
The gateway knows an SCS/AS by its certificate and by an access token, which the issuer gives it for its name and secret (client_credentials). The result comes as
a notification, so that the gateway has to reach --notify. Exit code 1 for a trigger that is refused, or that the device has not got; 3 where nothing is heard.`;

/** `ace-coap seal t8 trigger`: an SCS/AS, on the other side. */
function addTrigger(t8: Command): void {
  t8.command('trigger')
    .argument('<api-root>', 'where the gateway is: https://host:port')
    .argument('<device>', 'external identifier or telephone number of the device')
    .description('trigger a device as an SCS/AS, and wait for the result (TS 29.122, 5.7)')
    .option('--text <text>', 'payload of the trigger, a text')
    .option('--payload <file>', 'the same from a file, or - for standard input')
    .requiredOption('--scs-as <id>', 'the SCS/AS, as the issuer knows it')
    .requiredOption('--cert <file>', 'certificate of the SCS/AS, in PEM')
    .requiredOption('--key <file>', 'its private key, in PEM')
    .option('--ca <file>', 'whom to trust, in place of those of Node, in PEM')
    .requiredOption('--issuer <uri>', 'who gives access tokens: https://host:port')
    .requiredOption('--client-secret-file <file>', 'file with the secret of the SCS/AS, or - for standard input')
    .option('--scope <scope>', 'what to ask a token for', 't8')
    .requiredOption('--notify <address:port>', 'where to hear of the result, on this host')
    .option('--validity <seconds>', 'how long the device may be waited for (60)', seconds)
    .option('--port <port>', 'application on the device (0)', port)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${triggerHelp}\n${examples("ace-coap seal t8 trigger https://127.0.0.1:10447 meter1@op.example --text 'wake up' --scs-as scs1 --cert scs1.pem --key scs1.key --ca ca.pem --issuer https://127.0.0.1:10443 --client-secret-file scs1.secret --notify 127.0.0.1:10448")}`,
    )
    .action(async (apiRoot: string, device: string, flags: T8TriggerFlags) => (await import('./trigger.ts')).triggerCommand(apiRoot, device, flags));
}
