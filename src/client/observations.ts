import { type ObservationStore, observedTarget } from '../coap/index.ts';
import { type CborValue, decode, encode } from '../core/cbor.ts';
import type { Store } from '../store/index.ts';
import type { AceRequestInit } from './errand.ts';

/** What is observed, and how. */
export interface AceObserveInit extends AceRequestInit {
  /**
   * A name under which the observation is kept in the store: the loop then goes on over restarts of the server and of this process, and over tokens and contexts that
   * are replaced. It gets each representation once; what it has processed does not come again. `timeout` is for each registration.
   */
  readonly durable?: string;
}

/** An observation that the store has: `client.observe(uri, init)` goes on with it. */
export interface StoredObservation {
  readonly uri: string;
  readonly init: AceObserveInit & { readonly durable: string };
}

const folder = 'client/observation/';

function keyOf(name: string): string {
  return folder + encodeURIComponent(name);
}

/** The port of durable observations, on the client's store. */
export function storedObservations(store: Store): ObservationStore {
  return { load: (name) => store.get(keyOf(name)), save: (name, state) => store.put(keyOf(name), state) };
}

/** What of an init belongs to the observation, and not to the call. */
const lasting = ['method', 'payload', 'contentFormat', 'accept', 'confirmable', 'scope', 'audience', 'as', 'upgrade', 'allowUnprotected'] as const;

/** The observation as bytes, from which `listObservations` makes it again. */
export function encodeTarget(uri: string, init: AceRequestInit): Uint8Array {
  const fields = new Map<string, CborValue>();
  for (const field of lasting) if (init[field] !== undefined) fields.set(field, init[field]);
  return encode([uri, fields]);
}

/** The observations in a store, in the order of their names; entries that cannot be read are none. */
export async function listObservations(store: Store): Promise<readonly StoredObservation[]> {
  const found: StoredObservation[] = [];
  for await (const [key, state] of store.scan(folder)) {
    const target = observedTarget(state);
    if (target === undefined) continue;
    // What is in the state was encoded here.
    const [uri, fields] = decode(target) as unknown as readonly [string, ReadonlyMap<string, unknown>];
    found.push({ uri, init: { ...Object.fromEntries(fields), durable: decodeURIComponent(key.slice(folder.length)) } });
  }
  return found;
}

export async function forgetObservation(store: Store, name: string): Promise<void> {
  await store.delete(keyOf(name));
}
