import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { badRequest } from './t8-error.ts';

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** How deep arrays and objects may stand in each other. */
const deepest = 8;
const token = /"(?:[^"\\]|\\.)*"\s*(:)?|[{}[\]]/g;

/**
 * The object that a body is.
 *
 * @throws {T8Error} `ERR_T8_REQUEST` for what is no JSON (RFC 8259), is no object, nests too deeply, or names a member twice
 */
export function readJsonObject(body: Uint8Array): JsonObject {
  let value: unknown;
  let text: string;
  try {
    text = fromUtf8(body);
    value = JSON.parse(text);
  } catch (cause) {
    throw badRequest('body: expected JSON in UTF-8, got something else', [], cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest('body: expected an object, got another value');
  let depth = 0;
  let named = 0;
  for (const [found, colon] of text.matchAll(token)) {
    if (found === '{' || found === '[') depth++;
    else if (found === '}' || found === ']') depth--;
    else if (colon !== undefined) named++;
    if (depth > deepest) throw badRequest(`body: expected at most ${deepest} levels, got more`);
  }
  if (named !== members(value)) throw badRequest('body: expected each member once, got one twice');
  return value as JsonObject;
}

/** Those that are left when of two with a name one is. */
function members(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce<number>((sum, member) => sum + members(member), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}
