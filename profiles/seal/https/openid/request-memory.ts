import { hash } from 'node:crypto';
import type { AdapterPayload } from 'oidc-provider';
import { Provider } from './library.ts';

/** A record of the store as it was read. */
export interface ReadRecord {
  readonly bytes: Uint8Array;
  readonly payload: AdapterPayload;
}

interface Memory {
  readonly records: Map<string, ReadRecord>;
  readonly hashes: Map<string, string>;
}

/**
 * What was found out while the library works on a request, and is asked for again before the answer: it ends with the request.
 *
 * A record that is remembered may have changed since. It is good for a change that names it as what it expects, and for nothing else.
 */
const memories = new WeakMap<object, Memory>();

/** `undefined`: the library works on no request. */
function memory(): Memory | undefined {
  const context = Provider.ctx;
  if (context === undefined) return undefined;
  const known = memories.get(context);
  if (known !== undefined) return known;
  const made: Memory = { records: new Map(), hashes: new Map() };
  memories.set(context, made);
  return made;
}

/** Remember what stands under a key of the store; `undefined`: something else stands there now. */
export function rememberRecord(key: string, record: ReadRecord | undefined): void {
  const records = memory()?.records;
  if (record === undefined) records?.delete(key);
  else records?.set(key, record);
}

/** What this request has read under a key of the store. */
export function recallRecord(key: string): ReadRecord | undefined {
  return memory()?.records.get(key);
}

/** A name in a key of the store from which nobody finds out what it is the name of: a hash, which is computed once for each request. */
export function hashOf(text: string): string {
  const hashes = memory()?.hashes;
  const known = hashes?.get(text);
  if (known !== undefined) return known;
  const made = hash('sha256', text, 'base64url');
  hashes?.set(text, made);
  return made;
}
