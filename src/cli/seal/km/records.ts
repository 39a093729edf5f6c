import { type RecordName, recordsFile, SealedRecords } from '../../../../profiles/seal/index.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { loadRsConfig } from '../../../operate/index.ts';
import { openStore } from '../../../store/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { out, table } from '../../terminal.ts';
import { type IdentityFlags, identityFields, identityOf, type OutputFlags, printKeyMaterial } from './key-material.ts';

export interface PutFlags extends IdentityFlags {
  readonly service: string;
  readonly config: string;
  readonly json?: boolean;
}

export type RecordFlags = PutFlags & OutputFlags;

/** `ace-coap seal km put` */
export async function putCommand(file: string, flags: PutFlags): Promise<void> {
  const payload = await readInput(file);
  await withRecords(flags.config, async (records) => {
    await records.put(nameOf(flags), payload);
    done('kept', flags, { payload_bytes: payload.length });
  });
}

/** `ace-coap seal km get` */
export async function getCommand(flags: RecordFlags): Promise<void> {
  await withRecords(flags.config, async (records) => {
    const payload = await records.get(nameOf(flags));
    if (payload === undefined) throw absent(flags);
    printKeyMaterial(payload, fieldsOf(nameOf(flags)), flags);
  });
}

/** `ace-coap seal km remove` */
export async function removeCommand(flags: RecordFlags): Promise<void> {
  await withRecords(flags.config, async (records) => {
    if (!(await records.remove(nameOf(flags)))) throw absent(flags);
    done('removed', flags, {});
  });
}

/** `ace-coap seal km list` */
export async function listCommand({ config, json }: { readonly config: string; readonly json?: boolean }): Promise<void> {
  await withRecords(config, async (records) => {
    const rows: (readonly [string, string, number])[] = [];
    for await (const { name, size } of records.list()) {
      const fields = fieldsOf(name);
      if (json) console.log(printableJson({ ...fields, payload_bytes: size }));
      else rows.push([name.serviceId, said(name), size]);
    }
    rows.sort(([a, b], [c, d]) => (a < c || (a === c && b < d) ? -1 : 1));
    if (!json) console.log(rows.length === 0 ? 'no key records' : table(['service', 'for', 'bytes'], rows));
  });
}

/** The records of a key management server, as its configuration says where and how they are. */
async function withRecords(path: string, work: (records: SealedRecords) => Promise<void>): Promise<void> {
  const config = loadRsConfig(configPath(path));
  const keyManagement = config.seal?.services.keyManagement;
  if (keyManagement === undefined) throw new UsageError(`${config.file}: expected a section seal.services.key_management, got none`);
  const { recordKey, recordsFile: file } = keyManagement;
  if (file !== undefined) {
    await work(new SealedRecords(recordsFile(file), recordKey));
    return;
  }
  const store = await openStore(config.store);
  try {
    await work(new SealedRecords(store, recordKey));
  } finally {
    await store.close();
  }
}

function nameOf(flags: PutFlags): RecordName {
  const identity = identityOf(flags);
  return { serviceId: flags.service, ...(identity === undefined ? {} : { identity }) };
}

function fieldsOf({ serviceId, identity }: RecordName): object {
  return { service: serviceId, ...identityFields(identity) };
}

/** `device ue1`, or the whole service. */
function said({ identity }: RecordName): string {
  const [field] = Object.entries(identityFields(identity));
  return field === undefined ? 'the service' : field.join(' ');
}

function done(act: 'kept' | 'removed', flags: PutFlags, more: object): void {
  const name = nameOf(flags);
  if (flags.json) console.log(printableJson({ act, ...fieldsOf(name), ...more }));
  else console.log(`${out('green', act)} the key record of ${printable(`${name.serviceId} for ${said(name)}`)}`);
}

function absent(flags: PutFlags): UsageError {
  const name = nameOf(flags);
  return new UsageError(`expected a key record of ${name.serviceId} for ${said(name)}, got none`);
}
