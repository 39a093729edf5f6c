import type { CoseKey } from './key.ts';

/** What Node's console and `util.inspect` call on an object that prints itself. */
const inspect = Symbol.for('nodejs.util.inspect.custom');

/** The fields of a key, lengths in place of private parts. */
function printable(key: CoseKey): Record<string, unknown> {
  const { k, d } = key;
  const length = (part: Uint8Array): string => `(${part.length} bytes, not shown)`;
  return { ...key, ...(k === undefined ? {} : { k: length(k) }), ...(d === undefined ? {} : { d: length(d) }) };
}

/**
 * The same key, which from now on prints no private part: not in a console, not in a log, not as JSON. Its fields are as they were. A copy of the fields
 * (`{ ...key }`) is the caller's own and prints what it holds.
 */
export function hidePrivateParts(key: CoseKey): CoseKey {
  if (key.k === undefined && key.d === undefined) return key;
  // Not enumerable, so that the key compares and copies as its fields do.
  return Object.defineProperties(key, { [inspect]: { value: () => printable(key) }, toJSON: { value: () => printable(key) } });
}
