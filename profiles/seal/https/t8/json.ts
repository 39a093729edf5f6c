import { type JsonObject, strictJsonObject } from '../guard/strict-json.ts';
import { badRequest } from './t8-error.ts';

export type { JsonObject };

/**
 * The object that a body is.
 *
 * @throws {T8Error} `ERR_T8_REQUEST`
 */
export function jsonObjectOf(body: Uint8Array): JsonObject {
  const object = strictJsonObject(body);
  if (object === undefined) throw badRequest('body: expected an object in JSON that has each of its members once, got something else');
  return object;
}
