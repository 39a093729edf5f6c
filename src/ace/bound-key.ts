import { decode, encode } from '../core/cbor.ts';
import type { Change, Store } from '../store/index.ts';
import type { Grant } from './profile.ts';

/** What the AS keeps of a key that it bound tokens to: whose it is, never the key. */
export interface BoundKey {
  readonly client: string;
  readonly audience: string;
  /** Seconds since 1970: end of the last token that is bound to it. */
  readonly expiresAt: number;
}

/** As the store keeps it: an array of client, audience and end. */
export function encodeBoundKey({ client, audience, expiresAt }: BoundKey): Uint8Array {
  return encode([client, audience, expiresAt]);
}

/** `undefined`: these are not the bytes of one. @throws {CborError} for what is no CBOR */
export function decodeBoundKey(bytes: Uint8Array): BoundKey | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [client, audience, expiresAt] = value as readonly unknown[];
  return typeof client === 'string' && typeof audience === 'string' && typeof expiresAt === 'number' ? { client, audience, expiresAt } : undefined;
}

/**
 * What lets a key in the store live as long as this grant, or `undefined` when it is unknown, of another client or audience, or its last token has expired.
 *
 * @param now - seconds since 1970
 * @param rest - seconds that the entry stays after that
 */
export async function extendBoundKey(store: Store, name: string, grant: Grant, now: number, rest: number): Promise<Extension | undefined> {
  const stored = await store.get(name);
  const key = stored === undefined ? undefined : decodeBoundKey(stored);
  if (stored === undefined || key === undefined || key.expiresAt <= now) return undefined;
  if (key.client !== grant.client || key.audience !== grant.audience) return undefined;
  if (key.expiresAt >= grant.expiresAt) return { expiresAt: key.expiresAt, changes: [] };
  const value = encodeBoundKey({ ...key, expiresAt: grant.expiresAt });
  return { expiresAt: grant.expiresAt, changes: [{ key: name, expected: stored, value, expiresAt: grant.expiresAt + rest }] };
}

/** A key that lives on: until when, in seconds since 1970, and what has to become durable for that. */
export interface Extension {
  readonly expiresAt: number;
  readonly changes: readonly Change[];
}
