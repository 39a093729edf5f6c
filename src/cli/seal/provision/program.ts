import { Argument, type Command, Option } from 'commander';
import type { ValIdentityKind } from '../../../../profiles/seal/index.ts';
import { each, examples } from '../../usage.ts';
import type { AddFlags, ListFlags, RegisterFlags } from './commands.ts';

const run = (): Promise<typeof import('./commands.ts')> => import('./commands.ts');

// As the register names them; it is loaded with the command only.
const kinds: readonly ValIdentityKind[] = ['user', 'ue', 'server'];
const kindArgument = (): Argument => new Argument('<kind>', 'VAL user, VAL UE or VAL server').choices(kinds);

/** `ace-coap seal provision`: whom a SIM-S gives tokens to (TS 33.434, 5.2.3), on its store, also while it runs. */
export function addProvision(seal: Command): void {
  const provision = seal
    .command('provision')
    .description('VAL users, VAL UEs and VAL servers that a SIM-S knows, on its store, also while it runs')
    .addHelpText(
      'after',
      examples('ace-coap seal provision add ue ue2 --user anna@val.example --service v2x --config lab', 'ace-coap seal provision list --config lab'),
    );
  const on = (command: Command, ...lines: readonly string[]): Command =>
    command
      .option('-c, --config <path>', 'lab folder or as.yaml, which names the store')
      .option('--store <store>', 'the store: lmdb:FOLDER, a folder or postgres://...')
      .option('--json', 'print one JSON object a line')
      .addHelpText('after', examples(...lines));
  on(
    provision.command('add').addArgument(kindArgument()).argument('<id>', 'its identity').description('let the SIM-S know one, in place of the one before'),
    'ace-coap seal provision add user bob@val.example --service v2x --config lab',
    'ace-coap seal provision add ue ue2 --user bob@val.example --service v2x --client client2 --config lab',
  )
    .option('--service <id>', 'VAL service ID that it has; may be repeated; absent: those of whoever it is together with', each)
    .option('--user <id>', 'VAL user who uses the VAL UE; may be repeated', each)
    .option('--client <name>', 'client of the SIM-S that it is; absent: the one of its name, for a VAL user none')
    .option('--key-provisioning', 'it may provision key material (claim SKeyProv)')
    .action(async (kind: ValIdentityKind, id: string, flags: AddFlags) => (await run()).addCommand(kind, id, flags));
  on(provision.command('list').description('all of them, those of the configuration first'), 'ace-coap seal provision list --kind ue --json --config lab')
    .addOption(new Option('--kind <kind>', 'of this kind only').choices(kinds))
    .action(async (flags: ListFlags) => (await run()).listCommand(flags));
  on(
    provision.command('show').addArgument(kindArgument()).argument('<id>', 'its identity').description('what the SIM-S knows of one'),
    'ace-coap seal provision show ue ue1 --config lab',
  ).action(async (kind: ValIdentityKind, id: string, flags: RegisterFlags) => (await run()).showCommand(kind, id, flags));
  on(
    provision
      .command('remove')
      .addArgument(kindArgument())
      .argument('<id>', 'its identity')
      .description('give it no token any more; those that it has end in their time'),
    'ace-coap seal provision remove user bob@val.example --config lab',
  ).action(async (kind: ValIdentityKind, id: string, flags: RegisterFlags) => (await run()).removeCommand(kind, id, flags));
  on(
    provision
      .command('import')
      .argument('<file>', 'VALServicesConfig of TS 29.549 (SS_IdmParameterProvisioning) as JSON, or - for standard input')
      .description('provision a VAL server with its VAL services, and whom they are for'),
    'ace-coap seal provision import val-services.json --config lab',
  ).action(async (file: string, flags: RegisterFlags) => (await run()).importCommand(file, flags));
}
