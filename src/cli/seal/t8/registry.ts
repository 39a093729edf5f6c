import { DeviceRegistry, T8Policy, type T8Rule } from '../../../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { loadT8Config } from '../../../operate/index.ts';
import { openStore, type Store } from '../../../store/index.ts';
import { configPath } from '../../config-path.ts';
import { out, table } from '../../terminal.ts';

export interface T8Flags {
  readonly config: string;
  readonly json?: boolean;
}

export interface RuleFlags extends T8Flags {
  readonly api?: string;
}

export interface DeviceFlags extends T8Flags {
  readonly msisdn?: string;
  readonly supi?: string;
}

/** `ace-coap seal t8 allow`, `deny` */
export async function ruleCommand(effect: T8Rule['effect'], scsAsId: string, devices: string, flags: RuleFlags): Promise<void> {
  const rule = { scsAsId, devices, api: apiOf(flags), effect };
  await withStore(flags, (store) => new T8Policy(store).put(rule));
  done(effect === 'allow' ? 'allowed' : 'denied', rule, flags, [scsAsId, devices, 'by', rule.api === '*' ? 'every API' : rule.api]);
}

/** `ace-coap seal t8 forget` */
export async function forgetCommand(scsAsId: string, devices: string, flags: RuleFlags): Promise<void> {
  const rule = { scsAsId, devices, api: apiOf(flags) };
  const isDone = await withStore(flags, (store) => new T8Policy(store).remove(rule));
  if (!isDone) throw new ProtocolError('ERR_T8_ABSENT', `expected a rule in the store for ${scsAsId}, ${devices} and the API ${rule.api}, got none`);
  done('forgotten', rule, flags, [scsAsId, devices, 'by', rule.api === '*' ? 'every API' : rule.api]);
}

/** `ace-coap seal t8 list` */
export async function listCommand(flags: T8Flags): Promise<void> {
  const { rules } = loadT8Config(configPath(flags.config));
  await withStore(flags, async (store) => {
    const found: T8Rule[] = [];
    for await (const rule of new T8Policy(store, rules).list()) found.push(rule);
    if (flags.json === true) for (const rule of found) console.log(printableJson(fieldsOf(rule)));
    else if (found.length === 0) console.log('no rules: nothing is allowed');
    else
      console.log(
        table(
          ['SCS/AS', 'devices', 'API', 'effect'],
          found.map(({ scsAsId, devices, api, effect }) => [scsAsId, devices, api, effect]),
        ),
      );
  });
}

/** `ace-coap seal t8 device add` */
export async function addDeviceCommand(externalId: string, uri: string, flags: DeviceFlags): Promise<void> {
  const { msisdn, supi } = flags;
  const device = { externalId, uri, ...(msisdn === undefined ? {} : { msisdn }), ...(supi === undefined ? {} : { supi }) };
  await withStore(flags, (store) => new DeviceRegistry(store).put(device));
  done('kept', { externalId, uri }, flags);
}

/** `ace-coap seal t8 device list` */
export async function listDevicesCommand(flags: T8Flags): Promise<void> {
  await withStore(flags, async (store) => {
    const rows: (readonly [string, string, string, string])[] = [];
    for await (const { externalId, uri, msisdn, supi } of new DeviceRegistry(store).list()) {
      if (flags.json === true)
        console.log(printableJson({ external_id: externalId, uri, ...(msisdn === undefined ? {} : { msisdn }), has_supi: supi !== undefined }));
      else rows.push([externalId, uri, msisdn ?? '', supi === undefined ? '' : 'known']);
    }
    if (flags.json !== true) console.log(rows.length === 0 ? 'no devices' : table(['device', 'at', 'MSISDN', 'SUPI'], rows));
  });
}

/** `ace-coap seal t8 device remove` */
export async function removeDeviceCommand(externalId: string, flags: T8Flags): Promise<void> {
  const isDone = await withStore(flags, (store) => new DeviceRegistry(store).remove(externalId));
  if (!isDone) throw new ProtocolError('ERR_T8_ABSENT', `expected a device that is known as ${externalId}, got none`);
  done('removed', { externalId }, flags);
}

/** What it names is checked with the rest of the rule. */
function apiOf({ api = '*' }: RuleFlags): T8Rule['api'] {
  return api as T8Rule['api'];
}

async function withStore<T>({ config }: T8Flags, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(loadT8Config(configPath(config)).store);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** As t8.yaml names them. */
function fieldsOf(fields: object): object {
  const names: Readonly<Record<string, string>> = { scsAsId: 'scs_as', externalId: 'external_id' };
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [names[key] ?? key, value]));
}

function done(what: string, fields: object, { json }: T8Flags, sentence: readonly string[] = Object.values(fields)): void {
  console.log(json === true ? printableJson({ done: what, ...fieldsOf(fields) }) : `${out('green', what)} ${printable(sentence.join(' '))}`);
}
