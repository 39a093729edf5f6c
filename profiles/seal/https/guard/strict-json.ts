import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { readJson } from '../../../../src/core/json.ts';

/** An object in JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * An object in JSON as `readJson` takes it; else `undefined`.
 *
 * RFC 7515, Section 4, and RFC 7519, Section 4, leave it to the parser which of two members with one name counts: two readers of one token could then read two
 * tokens.
 */
export function strictJsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    if (!(readJson(bytes) instanceof Map)) return undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  return JSON.parse(fromUtf8(bytes)) as JsonObject;
}
