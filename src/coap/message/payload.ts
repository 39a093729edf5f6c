import { utf8 } from '../../core/bytes.ts';
import { type CborKey, type CborValue, decode, encode } from '../../core/cbor.ts';
import { CoapError } from '../errors.ts';
import { contentFormatName } from './content-format.ts';

/** Objects that nest deeper are taken for a circle. */
const depthLimit = 64;

function isJson(contentFormat: number): boolean {
  return /[/+]json\b/.test(contentFormatName(contentFormat));
}

function isCbor(contentFormat: number): boolean {
  return /[/+]cbor$/.test(contentFormatName(contentFormat));
}

function unusable(expected: string, got: string, options?: { readonly cause: unknown }): CoapError {
  return new CoapError('ERR_COAP_VALUE', `expected ${expected}, got ${got}`, options);
}

/**
 * The bytes of a payload: bytes as they are, text as UTF-8, any other value as JSON or CBOR, whichever the Content-Format says.
 *
 * ```ts
 * encodePayload({ degrees: 21.5 }, ContentFormat.Cbor);
 * ```
 *
 * @throws {CoapError} `ERR_COAP_VALUE` for a value without a Content-Format of JSON or CBOR, or one that the format cannot hold
 */
export function encodePayload(value: unknown, contentFormat: number | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return utf8(value);
  if (contentFormat === undefined) throw unusable('a Content-Format of JSON or CBOR with a payload that is neither text nor bytes', 'none');
  if (isJson(contentFormat)) return jsonBytes(value);
  if (!isCbor(contentFormat)) throw unusable('a payload of text or bytes, or a Content-Format of JSON or CBOR', contentFormatName(contentFormat));
  try {
    return encode(cborValue(value, depthLimit));
  } catch (error) {
    if (error instanceof CoapError) throw error;
    throw unusable('a value that CBOR can hold', (error as Error).message, { cause: error });
  }
}

function jsonBytes(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw unusable('a value that JSON can hold', (error as Error).message, { cause: error });
  }
  if (text === undefined) throw unusable('a value that JSON can hold', typeof value);
  return utf8(text);
}

/** Plain objects become maps with keys of text; all else is left to the encoder. */
function cborValue(value: unknown, depth: number): CborValue {
  if (depth === 0) throw unusable(`a value of at most ${depthLimit} levels`, 'a deeper one');
  if (Array.isArray(value)) return value.map((item) => cborValue(item, depth - 1));
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key as CborKey, cborValue(item, depth - 1)]));
  if (!isPlain(value)) return value as CborValue;
  return new Map(Object.entries(value).map(([key, item]) => [key, cborValue(item, depth - 1)]));
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * What a payload of JSON says.
 *
 * @throws {CoapError} `ERR_COAP_PAYLOAD`
 * @throws {BytesError} `ERR_BYTES_UTF8`
 */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The platform's message quotes the text, which may be a secret.
    throw new CoapError('ERR_COAP_PAYLOAD', `expected JSON, got ${text.length} characters that are none`);
  }
}

/**
 * What a payload of CBOR says; maps are `Map`s.
 *
 * @throws {CoapError} `ERR_COAP_PAYLOAD`
 */
export function cborOf(payload: Uint8Array): CborValue {
  try {
    return decode(payload);
  } catch (error) {
    throw new CoapError('ERR_COAP_PAYLOAD', `expected CBOR, got ${payload.length} bytes that are none`, { cause: error });
  }
}
