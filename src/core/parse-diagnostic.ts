import { concatAll, fromBase64Url, fromHex, fromUtf8, toHex, utf8, withoutPadding } from './bytes.ts';
import { CborError, type CborKey, type CborValue, encode, Simple, Tagged } from './cbor.ts';

const named: ReadonlyMap<string, CborValue> = new Map<string, CborValue>([
  ['false', false],
  ['true', true],
  ['null', null],
  ['undefined', undefined],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

const digits32: Readonly<Record<'b32' | 'h32', string>> = { b32: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', h32: '0123456789ABCDEFGHIJKLMNOPQRSTUV' };

/** Bytes of base32 or base32hex, padded or not (RFC 4648 Sections 6 and 7). */
function fromBase32(base: 'b32' | 'h32', text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let buffered = 0;
  for (const letter of withoutPadding(text).toUpperCase()) {
    const digit = digits32[base].indexOf(letter);
    if (digit < 0) throw new CborError('ERR_CBOR_NOTATION', 'expected digits of base 32, got others');
    buffered = ((buffered << 5) | digit) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((buffered >>> bits) & 0xff);
  }
  if (bits >= 5 || (buffered & ((1 << bits) - 1)) !== 0) throw new CborError('ERR_CBOR_NOTATION', 'expected whole bytes in base 32, got a part of one');
  return Uint8Array.from(bytes);
}

/** What a quoted text stands for: the escapes of JSON, that of a single quote, and white space as it is (RFC 8610 Appendix G.2). */
function unquoted(content: string): Uint8Array {
  const text = JSON.parse(
    `"${content.replace(/\\.|["\p{Cc}]/gsu, (part) => (part === "\\'" ? "'" : part.length > 1 ? part : JSON.stringify(part).slice(1, -1)))}"`,
  ) as string;
  if (/\p{Surrogate}/u.test(text)) throw new CborError('ERR_CBOR_UTF8', 'expected text that UTF-8 can hold, got half of a surrogate pair');
  return utf8(text);
}

/** An integer beyond 64 bits is a tagged byte string (RFC 8949 Section 3.4.3). */
function bignum(value: bigint): Tagged {
  const digits = (value < 0n ? -1n - value : value).toString(16);
  return new Tagged(value < 0n ? 3 : 2, fromHex(digits.length % 2 === 0 ? digits : `0${digits}`));
}

const withoutComments = (content: string): string => content.replace(/\/[^/]*\/|#[^\n]*/g, '');
const withoutSpace = (content: string): string => content.replace(/\s+/g, '');

/** Reads diagnostic notation from left to right. White space and comments (`/ ... /`, `# ...`) may stand between any two tokens. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    throw new CborError('ERR_CBOR_NOTATION', `expected ${expected} at character ${this.#at}, got ${rest === '' ? 'the end' : JSON.stringify(rest)}`);
  }

  /** The match of a sticky pattern here, taken; `undefined`: it does not match. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }

  #space(): void {
    // One pattern for all of them would exhaust the stack of the platform.
    while (this.#match(/\s+|\/[^/]*\/|#[^\n]*/y) !== undefined);
  }

  #token(literal: string): boolean {
    this.#space();
    if (!this.#text.startsWith(literal, this.#at)) return false;
    this.#at += literal.length;
    return true;
  }

  #expect(literal: string): void {
    if (!this.#token(literal)) this.#fail(literal);
  }

  /** Items with commas between them, up to and with the closing bracket. */
  #list(close: string, item: () => void): void {
    if (this.#token(close)) return;
    do item();
    while (this.#token(','));
    this.#expect(close);
  }

  item(depth: number): CborValue {
    if (depth < 0) this.#fail('less nesting');
    const value = this.#item(depth);
    this.#indicator();
    return value;
  }

  /** An encoding indicator (RFC 8949 Section 8.1) says how a value is encoded, not which it is: whatever it is, it is passed over. */
  #indicator(): void {
    this.#match(/_\w*/y);
  }

  #item(depth: number): CborValue {
    this.#space();
    const string = this.#stringPart(depth);
    if (string !== undefined) return this.#concatenated(string, depth);
    if (this.#token('(')) return this.#chunks(depth);
    if (this.#token('[')) {
      this.#indicator();
      const items: CborValue[] = [];
      this.#list(']', () => items.push(this.item(depth - 1)));
      return items;
    }
    if (this.#token('{')) return this.#map(depth);
    const word = this.#match(/-?[A-Za-z]+/y);
    if (word !== undefined) {
      if (word[0] === 'simple') {
        this.#expect('(');
        const value = this.#match(/\s*(\d+)\s*/y) ?? this.#fail('a number');
        this.#expect(')');
        return this.#simple(Number(value[1]));
      }
      return named.has(word[0]) ? named.get(word[0]) : this.#fail('a value');
    }
    return this.#number(depth);
  }

  /** One string in its notation, if one starts here. */
  #stringPart(depth: number): string | Uint8Array | undefined {
    const bytes = this.#match(/(h|b64|b32|h32)?'((?:[^'\\]|\\.)*)'/sy);
    if (bytes !== undefined) return this.#bytes(bytes[1], bytes[2]!);
    const text = this.#match(/"(?:[^"\\]|\\.)*"/y);
    if (text !== undefined) return this.#string(text[0]);
    if (!this.#token('<<')) return undefined;
    const parts: Uint8Array[] = [];
    this.#list('>>', () => parts.push(encode(this.item(depth - 1))));
    return concatAll(parts);
  }

  /** Strings with nothing but space between them are one: of the type of the first, where bytes may be a part of a text (RFC 8610 Appendix G.4). */
  #concatenated(first: string | Uint8Array, depth: number): string | Uint8Array {
    const parts = [first];
    for (;;) {
      this.#indicator();
      const before = this.#at;
      this.#space();
      const part = this.#stringPart(depth);
      if (part === undefined) {
        this.#at = before;
        break;
      }
      if (typeof part === 'string' && typeof first !== 'string') this.#fail('no text after a byte string before this');
      parts.push(part);
    }
    if (parts.length === 1) return first;
    if (parts.every((part) => typeof part === 'string')) return parts.join('');
    const bytes = concatAll(parts.map((part) => (typeof part === 'string' ? utf8(part) : part)));
    if (typeof first !== 'string') return bytes;
    try {
      return fromUtf8(bytes);
    } catch {
      return this.#fail('bytes that are a part of a text before this');
    }
  }

  /** A simple value by its number; those from 20 to 23 have names, those from 24 to 31 do not exist. */
  #simple(value: number): CborValue {
    if (value >= 20 && value < 24) return [false, true, null, undefined][value - 20];
    return value > 255 || (value >= 24 && value < 32) ? this.#fail('a simple value from 0 to 23 or from 32 to 255 before this') : new Simple(value);
  }

  #string(literal: string): string {
    try {
      return JSON.parse(literal) as string;
    } catch {
      return this.#fail('a text with the escapes of JSON before this');
    }
  }

  #bytes(prefix: string | undefined, content: string): Uint8Array {
    try {
      return this.#decodeBytes(prefix, content);
    } catch {
      return this.#fail('a byte string in its notation before this');
    }
  }

  #decodeBytes(prefix: string | undefined, content: string): Uint8Array {
    switch (prefix) {
      case 'h':
        return fromHex(withoutComments(content));
      case 'b32':
      case 'h32':
        return fromBase32(prefix, withoutSpace(withoutComments(content)));
      // A slash is a digit here, and no comment.
      case 'b64':
        return fromBase64Url(withoutSpace(content).replace(/\+/g, '-').replace(/\//g, '_'));
      default:
        return unquoted(content);
    }
  }

  /** A string of indefinite length: `(_ h'01', h'02')`. */
  #chunks(depth: number): CborValue {
    this.#indicator();
    const chunks: CborValue[] = [];
    this.#list(')', () => chunks.push(this.item(depth - 1)));
    if (chunks.every((chunk) => typeof chunk === 'string')) return chunks.join('');
    if (chunks.every((chunk) => chunk instanceof Uint8Array)) return concatAll(chunks);
    return this.#fail('chunks of one type before this');
  }

  #map(depth: number): CborValue {
    this.#indicator();
    const map = new Map<CborKey, CborValue>();
    const byteKeys = new Set<string>();
    this.#list('}', () => {
      const key = this.item(depth - 1);
      if (typeof key !== 'number' && typeof key !== 'bigint' && typeof key !== 'string' && !(key instanceof Uint8Array))
        this.#fail('an integer, text or byte string as map key before this');
      if (key instanceof Uint8Array ? byteKeys.size === byteKeys.add(toHex(key)).size : map.has(key)) this.#fail('distinct map keys before this');
      this.#expect(':');
      map.set(key, this.item(depth - 1));
    });
    return map;
  }

  /** A number, or the tag that it turns out to be: in base 10, or with the prefixes of C (RFC 8610 Appendix G.5). */
  #number(depth: number): CborValue {
    const hexFloat = this.#match(/(-?)0x([0-9a-fA-F]+)(?:\.([0-9a-fA-F]+))?p([-+]?\d+)/y);
    if (hexFloat !== undefined) {
      const [, sign, whole, fraction = '', exponent] = hexFloat;
      const value = Number.parseInt(`${whole}${fraction}`, 16) * 2 ** (Number(exponent) - 4 * fraction.length);
      return sign === '-' ? -value : value;
    }
    const number = this.#match(/-?(?:0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+|\d+(\.\d+)?([eE][-+]?\d+)?)/y) ?? this.#fail('a value');
    if (number[1] !== undefined || number[2] !== undefined) return Number(number[0]);
    const magnitude = BigInt(number[0].replace(/^-/, ''));
    const value = number[0].startsWith('-') ? -magnitude : magnitude;
    const short = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
    this.#indicator();
    if (!this.#token('(')) return value >= -(1n << 64n) && value < 1n << 64n ? short : bignum(value);
    if (value < 0n || value >= 1n << 64n) this.#fail('a tag of at most 64 bits before this');
    const content = this.item(depth - 1);
    this.#expect(')');
    return new Tagged(short, content);
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail('the end');
  }
}

/**
 * The value that a text in diagnostic notation stands for, with the extensions of RFC 8610 Appendix G; numbers with a point become numbers like any other.
 *
 * @throws {CborError} `ERR_CBOR_NOTATION`
 * @see https://www.rfc-editor.org/rfc/rfc8949#section-8
 */
export function parseDiagnostic(text: string): CborValue {
  const parser = new Parser(text);
  const value = parser.item(32);
  parser.end();
  return value;
}
