import { decode, encode } from '../../core/cbor.ts';
import type { Store } from '../../store/index.ts';
import type { ChainHead } from './entry.ts';

/** What the store knows of a chain: how far it had come, and whether it had ended then. */
export interface Anchor extends ChainHead {
  readonly ended: boolean;
}

const prefix = 'as/audit/';

/** Note in the store how far a chain has come, so that a tail that is cut off later is missed. */
export async function putAnchor(store: Store, { chain, seq, hash, ended }: Anchor): Promise<void> {
  await store.put(prefix + chain, encode([seq, hash, ended]));
}

/** The chains that the store knows of. */
export async function anchorsIn(store: Store): Promise<readonly Anchor[]> {
  const anchors: Anchor[] = [];
  for await (const [key, value] of store.scan(prefix)) {
    const content = decode(value);
    const [seq, hash, ended] = Array.isArray(content) ? (content as readonly unknown[]) : [];
    if (typeof seq === 'number' && typeof hash === 'string' && typeof ended === 'boolean') {
      anchors.push({ chain: key.slice(prefix.length), seq, hash, ended });
    }
  }
  return anchors;
}
