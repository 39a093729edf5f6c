import { oscorePeers } from '../profiles/oscore/index.ts';
import type { ClientRegistration } from '../src/as/index.ts';
import { encodeClientRecord } from '../src/as/registry/registration-codec.ts';
import { encodePeerName, newStoreKey, peerKey, prefixes } from '../src/as/registry/registration-store.ts';
import type { ContextParameters } from '../src/oscore/index.ts';
import type { Change, Store } from '../src/store/index.ts';
import { otherSide } from './requests.ts';
import { audience, scope } from './token-requests.ts';

const profile = 2;
/** Two changes each: no more than a batch takes. */
const perBatch = 500;
const atOnce = 10;

/** The keys of a registered client with the AS, from the side of the client. */
export function registeredKeys(index: number): ContextParameters {
  const id = Uint8Array.of(index >>> 16, index >>> 8, index);
  return { masterSecret: new Uint8Array(16).fill(7), masterSalt: id, senderId: id, recipientId: Uint8Array.of(0xff) };
}

function registered(index: number): readonly Change[] {
  const credentials = otherSide(registeredKeys(index));
  const registration: ClientRegistration = { id: `client${index}`, profile, credentials, grants: [{ audience, scope }] };
  const { id } = registration;
  return [
    { key: newStoreKey(id, prefixes.client, id), value: encodeClientRecord({ revision: new Uint8Array(8), registration }) },
    { key: peerKey(profile, oscorePeers.indexOf!(credentials)), value: encodePeerName({ kind: 'client', id }) },
  ];
}

/** Puts so many clients into the store, many in a batch and several batches at once. */
export async function registerClients(store: Store, count: number): Promise<void> {
  for (let first = 0; first < count; first += perBatch * atOnce) {
    const batches = Array.from({ length: atOnce }, (_, batch) => first + batch * perBatch).filter((start) => start < count);
    await Promise.all(batches.map((start) => store.batch(Array.from({ length: Math.min(perBatch, count - start) }, (_, i) => registered(start + i)).flat())));
  }
}
