import { concat, fromBase64Url, fromHex, utf8 } from './bytes.ts';
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
    this.#match(/(?:\s+|\/[^/]*\/|#[^\n]*)*/y);
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

  /** The encoding indicator of RFC 8949 Section 8.1 says how a value is encoded, not which it is. */
  #indicator(): void {
    this.#match(/_[0-3]?/y);
  }

  #item(depth: number): CborValue {
    this.#space();
    const bytes = this.#match(/(h|b64)?'([^']*)'/y);
    if (bytes !== undefined) return this.#bytes(bytes[1], bytes[2]!);
    const text = this.#match(/"(?:[^"\\]|\\.)*"/y);
    if (text !== undefined) return this.#string(text[0]);
    if (this.#token('<<')) {
      const parts: Uint8Array[] = [];
      this.#list('>>', () => parts.push(encode(this.item(depth - 1))));
      return concat(...parts);
    }
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
        return new Simple(Number(value[1]));
      }
      return named.has(word[0]) ? named.get(word[0]) : this.#fail('a value');
    }
    return this.#number(depth);
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
    if (prefix === 'h') return fromHex(content.replace(/\/[^/]*\/|#[^\n]*/g, ''));
    return prefix === 'b64' ? fromBase64Url(content.replace(/\s+/g, '').replace(/\+/g, '-').replace(/\//g, '_')) : utf8(content);
  }

  /** A string of indefinite length: `(_ h'01', h'02')`. */
  #chunks(depth: number): CborValue {
    this.#indicator();
    const chunks: CborValue[] = [];
    this.#list(')', () => chunks.push(this.item(depth - 1)));
    if (chunks.every((chunk) => typeof chunk === 'string')) return chunks.join('');
    if (chunks.every((chunk) => chunk instanceof Uint8Array)) return concat(...chunks);
    return this.#fail('chunks of one type before this');
  }

  #map(depth: number): CborValue {
    this.#indicator();
    const map = new Map<CborKey, CborValue>();
    this.#list('}', () => {
      const key = this.item(depth - 1);
      if (typeof key !== 'number' && typeof key !== 'bigint' && typeof key !== 'string' && !(key instanceof Uint8Array))
        this.#fail('an integer, text or byte string as map key before this');
      if (map.has(key)) this.#fail('distinct map keys before this');
      this.#expect(':');
      map.set(key, this.item(depth - 1));
    });
    return map;
  }

  #number(depth: number): CborValue {
    const number = this.#match(/-?(?:0x[0-9a-fA-F]+|\d+(\.\d+)?([eE][-+]?\d+)?)/y) ?? this.#fail('a value');
    if (number[1] !== undefined || number[2] !== undefined) return Number(number[0]);
    const magnitude = BigInt(number[0].replace(/^-/, ''));
    const value = number[0].startsWith('-') ? -magnitude : magnitude;
    const short = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
    this.#indicator();
    if (!this.#token('(')) return short;
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
 * The value that a text in diagnostic notation stands for; numbers with a point become numbers like any other.
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
