import assert from 'node:assert/strict';
import { type CoapResponse, ContentFormat, decodeProblemDetails } from '../../../src/coap/index.ts';
import { type CborKey, type CborMap, type CborValue, encode } from '../../../src/core/cbor.ts';

/** A value of CBOR: plain objects are maps with keys of text. */
export function cborMap(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(cborMap);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Map) return value as CborValue;
  return new Map<CborKey, CborValue>(Object.entries(value).map(([key, item]) => [key, cborMap(item)]));
}

/** What a request carries. */
export function cborBody(value: unknown): { readonly payload: Uint8Array; readonly contentFormat: number } {
  return { payload: encode(cborMap(value)), contentFormat: ContentFormat.Cbor };
}

/** A representation, with maps as plain objects. */
export function plainOf(value: CborValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...(value as CborMap)].map(([key, item]) => [String(key), plainOf(item)]));
  return Array.isArray(value) ? (value as readonly CborValue[]).map(plainOf) : value;
}

/** That a response is a refusal as TS 24.546, C.1.3 has it: the code, and problem details whose title is the cause. */
export function assertProblem(response: CoapResponse, codeText: string, title: string): void {
  assert.equal(response.codeText, codeText);
  assert.equal(response.contentFormat, ContentFormat.ConciseProblemDetails);
  const details = decodeProblemDetails(response.payload);
  assert.equal(details.title, title);
  assert.equal(details.responseCode, response.code);
  assert.equal(typeof details.detail, 'string');
}
