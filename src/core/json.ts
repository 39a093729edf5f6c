import { fromUtf8, toBase64Url } from './bytes.ts';
import { type CborMap, type CborValue, Simple, Tagged } from './cbor.ts';
import { ProtocolError } from './errors.ts';

/**
 * JSON that is not read or cannot be written. Codes: `ERR_JSON_SYNTAX` for what is no JSON text, `ERR_JSON_DUPLICATE` for an object with a name twice,
 * `ERR_JSON_DEPTH`, `ERR_JSON_NUMBER` for a number that no item of CBOR is, `ERR_JSON_KEY` for a map with keys that are no text. No message holds a value.
 */
export class JsonError extends ProtocolError {}

/** Arrays and objects within each other that are read. */
const deepest = 16;

const space = /[ \t\n\r]*/y;
const numberToken = /-?(?:0|[1-9]\d*)(?<fraction>\.\d+)?(?<exponent>[eE][+-]?\d+)?/y;
const literals = [
  ['true', true],
  ['false', false],
  ['null', null],
] as const;

/**
 * The value of a JSON text, as an item of CBOR: objects are maps with keys of text, integers beyond 2^53 are bigints (RFC 8949, Section 6.2).
 *
 * More is refused than RFC 8259 demands: an object that has a name twice, whose meaning depends on who reads it; halves of surrogate pairs; 17 levels of nesting;
 * integers of more than 64 bits and numbers that are infinite as doubles.
 *
 * @throws {JsonError}
 * @throws {BytesError} `ERR_BYTES_UTF8`
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function readJson(bytes: Uint8Array): CborValue {
  return new JsonReader(fromUtf8(bytes)).text();
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  text(): CborValue {
    const value = this.#value(deepest);
    this.#match(space);
    if (this.#at !== this.#text.length) throw this.#broken('the end of the text');
    return value;
  }

  #value(depth: number): CborValue {
    this.#match(space);
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === '{' || first === '[') {
      if (depth === 0) throw new JsonError('ERR_JSON_DEPTH', `expected at most ${deepest} levels of nesting, got more`);
      this.#at++;
      return first === '{' ? this.#object(depth - 1) : this.#array(depth - 1);
    }
    for (const [word, value] of literals) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#number();
  }

  #object(depth: number): CborMap {
    const map = new Map<string, CborValue>();
    if (this.#takes('}')) return map;
    do {
      this.#match(space);
      const name = this.#string();
      if (map.has(name)) throw new JsonError('ERR_JSON_DUPLICATE', `expected each name once in an object, got one twice at character ${this.#at}`);
      if (!this.#takes(':')) throw this.#broken('a colon');
      map.set(name, this.#value(depth));
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#broken('a comma or the end of the object');
    return map;
  }

  #array(depth: number): readonly CborValue[] {
    const list: CborValue[] = [];
    if (this.#takes(']')) return list;
    do list.push(this.#value(depth));
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#broken('a comma or the end of the array');
    return list;
  }

  #string(): string {
    const text = this.#text;
    if (text[this.#at] !== '"') throw this.#broken('a string');
    let end = this.#at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    const value = parsedString(text.slice(this.#at, end + 1));
    if (value === undefined) throw this.#broken('a string');
    if (/\p{Surrogate}/u.test(value)) throw this.#broken('text that UTF-8 can hold');
    this.#at = end + 1;
    return value;
  }

  #number(): number | bigint {
    const match = this.#match(numberToken);
    if (match === null) throw this.#broken('a value');
    const [token] = match;
    const { fraction, exponent } = match.groups!;
    const value = Number(token);
    const range = (): JsonError => new JsonError('ERR_JSON_NUMBER', `expected a number of 64 bits, got a larger one before character ${this.#at}`);
    if (fraction !== undefined || exponent !== undefined || Number.isSafeInteger(value)) {
      if (!Number.isFinite(value)) throw range();
      return value;
    }
    // As long as 64 bits may be: longer digits would cost more than they are worth.
    const integer = token.length > 20 ? undefined : BigInt(token);
    if (integer === undefined || integer < -0x8000_0000_0000_0000n || integer > 0xffff_ffff_ffff_ffffn) throw range();
    return integer;
  }

  #takes(character: string): boolean {
    this.#match(space);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #match(token: RegExp): RegExpExecArray | null {
    token.lastIndex = this.#at;
    const match = token.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #broken(expected: string): JsonError {
    return new JsonError('ERR_JSON_SYNTAX', `expected ${expected} at character ${this.#at}, got something else`);
  }
}

/** Escapes and control characters are for the platform to judge. */
function parsedString(token: string): string | undefined {
  try {
    return JSON.parse(token) as string;
  } catch {
    return undefined;
  }
}

/**
 * The JSON text of an item of CBOR, as RFC 8949, Section 6.1, has it: byte strings as base64url without padding, what JSON has no value for as null, tags left
 * out. Integers are written digit by digit, whatever their size.
 *
 * @throws {JsonError} `ERR_JSON_KEY`
 */
export function writeJson(value: CborValue): string {
  if (value === null || value === undefined || value instanceof Simple) return 'null';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `"${toBase64Url(value)}"`;
  if (value instanceof Tagged) return writeJson(value.value);
  if (value instanceof Map) return `{${[...(value as CborMap)].map(([key, item]) => `${nameOf(key)}:${writeJson(item)}`).join(',')}}`;
  return `[${(value as readonly CborValue[]).map(writeJson).join(',')}]`;
}

function nameOf(key: unknown): string {
  if (typeof key !== 'string') throw new JsonError('ERR_JSON_KEY', `expected a map with keys of text, got a ${typeof key}`);
  return JSON.stringify(key);
}
