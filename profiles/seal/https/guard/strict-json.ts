import { fromUtf8 } from '../../../../src/core/bytes.ts';

/** An object in JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

const strings = /"(?:[^"\\]|\\.)*"/g;

/**
 * An object in JSON, each of whose objects names each member once; else `undefined`.
 *
 * RFC 7515, Section 4, and RFC 7519, Section 4, leave to the parser whether the last of two members counts: two readers of one token could then read two tokens.
 */
export function strictJsonObject(bytes: Uint8Array): JsonObject | undefined {
  let text: string;
  let value: unknown;
  try {
    text = fromUtf8(bytes);
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  // It is JSON, so outside of strings each colon is one of a member.
  const written = text.replace(strings, '').split(':').length - 1;
  return written === membersOf(value) ? (value as JsonObject) : undefined;
}

/** A token may nest deeper than the stack is. */
function membersOf(value: object): number {
  let count = 0;
  const waiting: object[] = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const parts: unknown[] = Object.values(next);
    if (!Array.isArray(next)) count += parts.length;
    for (const part of parts) if (typeof part === 'object' && part !== null) waiting.push(part);
  }
  return count;
}
