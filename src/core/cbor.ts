/**
 * CBOR (RFC 8949): a strict decoder, and an encoder whose output is deterministic.
 *
 * ```ts
 * const bytes = encode(new Map([[4, 1_900_000_000]]));
 * const claims = decode(bytes);
 * ```
 */
export { decode, decodeFirst, decodeSequence } from './cbor-decode.ts';
export { encode, encodeSequence } from './cbor-encode.ts';
export type { CborKey, CborMap, CborValue, DecodeOptions } from './cbor-item.ts';
export { CborError, halfToNumber, numberToHalf, Simple, Tagged } from './cbor-item.ts';
