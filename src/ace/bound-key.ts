import { decode, encode } from '../core/cbor.ts';
import type { Store } from '../store/index.ts';
import type { Grant } from './profile.ts';

/** What the AS keeps of a key that it bound tokens to: whose it is, never the key. */
export interface BoundKey {
  readonly client: string;
  readonly audience: string;
  /** Seconds since 1970: end of the last token that is bound to it. */
  readonly expiresAt: number;
}

export function encodeBoundKey({ client, audience, expiresAt }: BoundKey): Uint8Array {
  return encode([client, audience, expiresAt]);
}

export function decodeBoundKey(bytes: Uint8Array): BoundKey | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [client, audience, expiresAt] = value as readonly unknown[];
  return typeof client === 'string' && typeof audience === 'string' && typeof expiresAt === 'number' ? { client, audience, expiresAt } : undefined;
}

/**
 * Let a key in the store live as long as this grant. The result: until when it lives, or `undefined` when it is unknown, of another client or audience, or its
 * last token has expired. `now`: seconds since 1970.
 */
export async function extendBoundKey(store: Store, name: string, grant: Grant, now: () => number): Promise<number | undefined> {
  for (;;) {
    const stored = await store.get(name);
    const key = stored === undefined ? undefined : decodeBoundKey(stored);
    if (stored === undefined || key === undefined || key.expiresAt <= now()) return undefined;
    if (key.client !== grant.client || key.audience !== grant.audience) return undefined;
    if (key.expiresAt >= grant.expiresAt) return key.expiresAt;
    if (await store.compareAndSet(name, stored, encodeBoundKey({ ...key, expiresAt: grant.expiresAt }))) return grant.expiresAt;
  }
}
