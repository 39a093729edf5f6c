import type { TimedTokenKey } from '../../../../src/as/index.ts';
import { toBase64Url } from '../../../../src/core/bytes.ts';
import { decode } from '../../../../src/core/cbor.ts';
import { Algorithm, Curve, decodeCoseKey, encodeCoseKey, KeyType } from '../../../../src/core/cose/index.ts';
import { keyPair } from '../../../../src/core/crypto/index.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { Store } from '../../../../src/store/index.ts';

const folder = 'seal/openid/own/';

/** What the store has under a name; where it has nothing, what is made now. Processes that share the store have the same. */
async function kept(store: Store, name: string, make: () => Uint8Array): Promise<Uint8Array> {
  for (;;) {
    const found = await store.get(folder + name);
    if (found !== undefined) return found;
    await store.compareAndSet(folder + name, undefined, make());
  }
}

/** What signs the cookies of the provider. */
export async function cookieKey(store: Store, { random }: Pick<Env, 'random'>): Promise<string> {
  return toBase64Url(await kept(store, 'cookies', () => random(32)));
}

/** What signs ID tokens where no key is configured. */
export async function ownSigningKey(store: Store, { random }: Pick<Env, 'random'>): Promise<TimedTokenKey> {
  const make = (): Uint8Array => encodeCoseKey({ kty: KeyType.EC2, ...keyPair(Curve.P256, random) });
  const key = decodeCoseKey(decode(await kept(store, 'signing-key', make)));
  return { use: 'sign1', algorithm: Algorithm.ES256, key };
}
