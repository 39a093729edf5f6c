import { decode, encode } from '../../core/cbor.ts';
import type { Store } from '../../store/index.ts';
import type { WritingProcess } from '../process.ts';
import type { ChainHead } from './entry.ts';

/** What the store knows of a chain: how far it had come, and whether it had ended then. */
export interface Anchor extends ChainHead {
  readonly ended: boolean;
  /** Which process writes it. Absent: whoever noted it did not say. */
  readonly writer?: WritingProcess;
  /** The last entry that went to an archive, with all before it. Absent: none did. */
  readonly archived?: Omit<ChainHead, 'chain'>;
}

const prefix = 'as/audit/';
const archivedPrefix = 'as/audit-archived/';

/** Note in the store how far a chain has come, so that a tail that is cut off later is missed. */
export async function putAnchor(store: Store, { chain, seq, hash, ended, writer }: Omit<Anchor, 'archived'>): Promise<void> {
  const process = writer === undefined ? [] : [[writer.pid, writer.begun, writer.space, writer.boot, writer.machine]];
  await store.put(prefix + chain, encode([seq, hash, ended, ...process]));
}

/** Note that a chain goes to an archive up to this entry, so that nobody misses it where it was. */
export async function putArchived(store: Store, { chain, seq, hash }: ChainHead): Promise<void> {
  await store.put(archivedPrefix + chain, encode([seq, hash]));
}

/** The chains that the store knows of. */
export async function anchorsIn(store: Store): Promise<readonly Anchor[]> {
  const anchors = new Map<string, Anchor>();
  for await (const [key, value] of store.scan(prefix)) {
    const chain = key.slice(prefix.length);
    const [seq, hash, ended, process] = listOf(value);
    if (typeof seq !== 'number' || typeof hash !== 'string' || typeof ended !== 'boolean') continue;
    const writer = writerOf(process);
    anchors.set(chain, { chain, seq, hash, ended, ...(writer === undefined ? {} : { writer }) });
  }
  for await (const [key, value] of store.scan(archivedPrefix)) {
    const chain = key.slice(archivedPrefix.length);
    const [seq, hash] = listOf(value);
    if (typeof seq !== 'number' || typeof hash !== 'string') continue;
    // A process that was killed before it noted anything has no anchor of its own.
    anchors.set(chain, { ...(anchors.get(chain) ?? { chain, seq, hash, ended: false }), archived: { seq, hash } });
  }
  return [...anchors.values()];
}

function writerOf(value: unknown): WritingProcess | undefined {
  if (!Array.isArray(value)) return undefined;
  const [pid, ...names] = value as readonly unknown[];
  const [begun, space, boot, machine] = names as string[];
  const fits = typeof pid === 'number' && names.length === 4 && names.every((name) => typeof name === 'string');
  return fits ? { pid, begun: begun!, space: space!, boot: boot!, machine: machine! } : undefined;
}

function listOf(value: Uint8Array): readonly unknown[] {
  const content = decode(value);
  return Array.isArray(content) ? content : [];
}
