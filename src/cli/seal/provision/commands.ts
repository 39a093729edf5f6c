import {
  IdentityError,
  IdentityRegister,
  provisionServices,
  type RegisteredIdentity,
  readValServicesConfig,
  type ValIdentity,
  type ValIdentityKind,
} from '../../../../profiles/seal/index.ts';
import { fromUtf8 } from '../../../core/bytes.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { loadAsConfig } from '../../../operate/index.ts';
import { openStore } from '../../../store/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';

export interface RegisterFlags {
  readonly config?: string;
  readonly store?: string;
  readonly json?: boolean;
}

export interface AddFlags extends RegisterFlags {
  readonly service?: readonly string[];
  readonly user?: readonly string[];
  readonly client?: string;
  readonly keyProvisioning?: boolean;
}

export interface ListFlags extends RegisterFlags {
  readonly kind?: ValIdentityKind;
}

const kindNames: Readonly<Record<ValIdentityKind, string>> = { user: 'VAL user', ue: 'VAL UE', server: 'VAL server' };

/** `ace-coap seal provision add` */
export async function addCommand(kind: ValIdentityKind, id: string, { service, user, client, keyProvisioning, ...flags }: AddFlags): Promise<void> {
  const identity: ValIdentity = {
    kind,
    id,
    ...(service === undefined ? {} : { valServiceIds: service }),
    ...(user === undefined ? {} : { valUserIds: user }),
    ...(client === undefined ? {} : { client }),
    ...(keyProvisioning === true ? { sKeyProv: true } : {}),
  };
  await withRegister(flags, async (register) => {
    await register.put(identity);
    print({ identity, source: 'store' }, flags);
  });
}

/** `ace-coap seal provision list` */
export async function listCommand({ kind, ...flags }: ListFlags): Promise<void> {
  await withRegister(flags, async (register) => {
    for await (const entry of register.list(kind)) print(entry, flags);
  });
}

/** `ace-coap seal provision show` */
export async function showCommand(kind: ValIdentityKind, id: string, flags: RegisterFlags): Promise<void> {
  await withRegister(flags, async (register) => {
    const found = await register.find(kind, id);
    if (found === undefined) throw absent(kind, id);
    print(found, flags);
  });
}

/** `ace-coap seal provision remove` */
export async function removeCommand(kind: ValIdentityKind, id: string, flags: RegisterFlags): Promise<void> {
  await withRegister(flags, async (register) => {
    if (!(await register.remove(kind, id))) throw absent(kind, id);
    console.log(flags.json === true ? printableJson({ kind, id, removed: true }) : `removed ${kindNames[kind]} ${printable(id)}; it gets no token any more`);
  });
}

/** `ace-coap seal provision import` */
export async function importCommand(file: string, flags: RegisterFlags): Promise<void> {
  const text = fromUtf8(await readInput(file));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${file}: expected JSON, got other text`, { cause });
  }
  await withRegister(flags, async (register) => {
    for (const { kind, id } of await provisionServices(readValServicesConfig(json), register)) print((await register.find(kind, id))!, flags);
  });
}

function absent(kind: ValIdentityKind, id: string): UsageError {
  return new UsageError(`expected a ${kindNames[kind]} that is provisioned, got ${JSON.stringify(id)}`);
}

/** One line for each. */
function print({ identity, source }: RegisteredIdentity, { json }: RegisterFlags): void {
  const { kind, id, valServiceIds, client, valUserIds, sKeyProv } = identity;
  if (json === true) {
    const fields = { kind, id, val_service_ids: valServiceIds, client, val_user_ids: valUserIds, key_provisioning: sKeyProv, source };
    console.log(printableJson(fields));
    return;
  }
  const parts = [
    ...(valServiceIds === undefined ? [] : [`services ${valServiceIds.join(', ') || 'none'}`]),
    ...(valUserIds === undefined ? [] : [`users ${valUserIds.join(', ')}`]),
    ...(client === undefined ? [] : [`client ${client}`]),
    ...(sKeyProv === true ? ['may provision keys'] : []),
    ...(source === 'config' ? ['of the configuration'] : []),
  ];
  console.log(printable(`${kindNames[kind]} ${id}${parts.length === 0 ? '' : `: ${parts.join('; ')}`}`));
}

/** The identities of a SIM-S, also while it runs. */
async function withRegister({ config, store: place }: RegisterFlags, work: (register: IdentityRegister) => Promise<void>): Promise<void> {
  if ((config === undefined) === (place === undefined)) throw new UsageError('expected one of --config and --store');
  const loaded = config === undefined ? undefined : loadAsConfig(configPath(config));
  if (loaded !== undefined && loaded.seal === undefined) throw new UsageError(`${loaded.file}: expected profile: seal, got none`);
  const store = await openStore(place ?? loaded!.store);
  try {
    await work(new IdentityRegister(store, loaded?.seal?.identities));
  } catch (error) {
    if (error instanceof IdentityError) throw new UsageError(error.message, { code: error.code, cause: error });
    throw error;
  } finally {
    await store.close();
  }
}
