import { fromUtf8, toHex } from './bytes.ts';
import { CborError, decode, halfToNumber, numberToHalf } from './cbor.ts';
import { printableJson } from './printable.ts';

/**
 * What is known of an item, so that its notation can carry names: the comments of RFC 8949's examples, `/ exp / 4: 1700000000`.
 */
export interface ItemNames {
  /** Names and further knowledge of a map's values, by integer or text label. */
  readonly entries?: ReadonlyMap<number | string, { readonly name: string } & ItemNames>;
  /** The same for the elements of an array, by position. */
  readonly elements?: readonly ({ readonly name?: string } & ItemNames)[];
  /** Elements that are arrays themselves, whatever their position: one COSE_Countersignature is an array, and several are an array of arrays. */
  readonly arrays?: { readonly name?: string } & ItemNames;
  /** Elements of which nothing else is known. */
  readonly every?: { readonly name?: string } & ItemNames;
  /** What a tag's content is. */
  readonly tags?: ReadonlyMap<number, { readonly name: string } & ItemNames>;
  /** Names of integer values. */
  readonly values?: ReadonlyMap<number, string>;
  /** The byte string holds an encoded item: shown as `<<...>>` where it is well-formed. */
  readonly embedded?: ItemNames;
  /** Key material: only its length is shown, unless `secrets` is set. `but-integers`: an integer here is none. */
  readonly secret?: boolean | 'but-integers';
}

/** How CBOR is shown. */
export interface DiagnosticOptions {
  readonly names?: ItemNames;
  /** Show key material. */
  readonly secrets?: boolean;
  /** Columns within which an array or a map stays on one line; 100 by default, 0 for one line whatever its length. */
  readonly width?: number;
  /** 32 by default. */
  readonly depth?: number;
}

const none: ItemNames = {};
const indefinite = -1;

/** The least value for which a head of 1, 2, 4 or 8 further bytes is the shortest. */
const leastOfSize: readonly bigint[] = [24n, 0x100n, 0x1_0000n, 0x1_0000_0000n];

/**
 * Walks encoded items and writes their notation. 1 and 1.0 look different; so do a long and a short form, because what is not in its shortest form carries the
 * encoding indicator of RFC 8949 Section 8.1: `1_0`, `[_1 ...]`.
 */
class Writer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: DiagnosticOptions;
  readonly #width: number;
  offset: number;
  /** The encoding indicator of the head that was read last: empty where it is the shortest. */
  #indicator = '';

  constructor(bytes: Uint8Array, offset: number, options: DiagnosticOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
    this.#width = options.width === 0 ? Number.POSITIVE_INFINITY : (options.width ?? 100);
    this.offset = offset;
  }

  #need(length: number | bigint): number {
    const left = this.#bytes.length - this.offset;
    if (length > left) throw new CborError('ERR_CBOR_END', `expected ${length} more bytes at offset ${this.offset}, got ${left}`);
    return Number(length);
  }

  #take(length: number | bigint): Uint8Array {
    const end = this.offset + this.#need(length);
    const bytes = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return bytes;
  }

  #argument(info: number): bigint | typeof indefinite {
    this.#indicator = '';
    if (info < 24) return BigInt(info);
    if (info === 31) return indefinite;
    if (info > 27) throw new CborError('ERR_CBOR_RESERVED', `expected additional information 0 to 27, got ${info}, at offset ${this.offset - 1}`);
    let value = 0n;
    for (const byte of this.#take(1 << (info - 24))) value = (value << 8n) | BigInt(byte);
    if (value < leastOfSize[info - 24]!) this.#indicator = `_${info - 24}`;
    return value;
  }

  item(names: ItemNames, indent: number, depth: number): string {
    const isInteger = (this.#bytes[this.offset] ?? 0xff) >> 5 <= 1;
    if (!names.secret || this.#options.secrets || (names.secret === 'but-integers' && isInteger)) return this.#item(names, indent, depth);
    const start = this.offset;
    this.#item(none, indent, depth);
    return `/ secret of ${this.offset - start} encoded bytes / ...`;
  }

  #item(names: ItemNames, indent: number, depth: number): string {
    if (depth < 0) throw new CborError('ERR_CBOR_DEPTH', `expected less nesting at offset ${this.offset}`);
    const [initial] = this.#take(1);
    const major = initial! >> 5;
    const info = initial! & 31;
    if (major === 7) return this.#special(info);
    const argument = this.#argument(info);
    if (argument === indefinite && (major < 2 || major === 6))
      throw new CborError('ERR_CBOR_RESERVED', `expected a value, got an indefinite length, at offset ${this.offset - 1}`);
    switch (major) {
      case 0:
      case 1:
        return this.#integer(major === 0 ? (argument as bigint) : -1n - (argument as bigint), names);
      case 2:
      case 3:
        return argument === indefinite ? this.#chunks(major, indent, depth) : this.#string(major, argument as bigint, names, indent, depth);
      case 4:
        return this.#array(argument, names, indent, depth);
      case 5:
        return this.#map(argument, names, indent, depth);
      default: {
        const known = names.tags?.get(Number(argument));
        return `${known === undefined ? '' : `/ ${known.name} / `}${argument}${this.#indicator}(${this.item(known ?? none, indent, depth - 1)})`;
      }
    }
  }

  #integer(value: bigint, names: ItemNames): string {
    const name = names.values?.get(Number(value));
    return `${value}${this.#indicator}${name === undefined ? '' : ` / ${name} /`}`;
  }

  #string(major: number, length: bigint, names: ItemNames, indent: number, depth: number): string {
    const at = this.offset;
    const indicator = this.#indicator;
    const bytes = this.#take(length);
    if (major === 3) {
      try {
        return `${printableJson(fromUtf8(bytes))}${indicator}`;
      } catch {
        throw new CborError('ERR_CBOR_UTF8', `expected UTF-8 in a text string, got other bytes, at offset ${at}`);
      }
    }
    return `${this.#embedded(bytes, names, indent, depth) ?? `h'${toHex(bytes)}'`}${indicator}`;
  }

  #embedded(bytes: Uint8Array, names: ItemNames, indent: number, depth: number): string | undefined {
    if (names.embedded === undefined || bytes.length === 0) return undefined;
    try {
      const inner = new Writer(bytes, 0, this.#options);
      const text = inner.item(names.embedded, indent, depth - 1);
      return inner.offset === bytes.length ? `<<${text}>>` : undefined;
    } catch {
      return undefined;
    }
  }

  #atBreak(): boolean {
    this.#need(1);
    if (this.#bytes[this.offset] !== 0xff) return false;
    this.offset++;
    return true;
  }

  #chunks(major: number, indent: number, depth: number): string {
    const chunks: string[] = [];
    while (!this.#atBreak()) {
      const next = this.#bytes[this.offset]!;
      if (next >> 5 !== major || (next & 31) === 31)
        throw new CborError('ERR_CBOR_CHUNK', `expected a chunk of the same type at offset ${this.offset}, got another item`);
      chunks.push(this.item(none, indent, depth - 1));
    }
    return chunks.length === 0 ? (major === 2 ? "''_" : '""_') : `(_ ${chunks.join(', ')})`;
  }

  #array(count: bigint | typeof indefinite, names: ItemNames, indent: number, depth: number): string {
    const parts: string[] = [];
    const open = `[${count === indefinite ? '_' : this.#indicator}`;
    if (count !== indefinite) this.#need(count);
    for (let i = 0; count === indefinite ? !this.#atBreak() : i < count; i++) {
      const known = this.#element(names, i);
      parts.push(`${known?.name === undefined ? '' : `/ ${known.name} / `}${this.item(known ?? none, indent + 1, depth - 1)}`);
    }
    return this.#group(open, parts, ']', indent);
  }

  #element(names: ItemNames, index: number): ({ readonly name?: string } & ItemNames) | undefined {
    const isArray = (this.#bytes[this.offset] ?? 0) >> 5 === 4;
    return (isArray ? names.arrays : undefined) ?? names.elements?.[index] ?? names.every;
  }

  #map(count: bigint | typeof indefinite, names: ItemNames, indent: number, depth: number): string {
    const parts: string[] = [];
    const open = `{${count === indefinite ? '_' : this.#indicator}`;
    if (count !== indefinite) this.#need(count * 2n);
    for (let i = 0; count === indefinite ? !this.#atBreak() : i < count; i++) {
      const start = this.offset;
      const label = this.item(none, indent + 1, depth - 1);
      const known = names.entries?.get(this.#labelOf(label, start));
      parts.push(`${known === undefined ? '' : `/ ${known.name} / `}${label}: ${this.item(known ?? none, indent + 1, depth - 1)}`);
    }
    return this.#group(open, parts, '}', indent);
  }

  /** A label that is not in its shortest form, or in chunks, is known all the same: what is secret stays so. */
  #labelOf(notation: string, start: number): number | string {
    const isText = this.#bytes[start]! >> 5 === 3;
    return isText ? (decode(this.#bytes.subarray(start, this.offset), { lenient: true }) as string) : Number(notation.replace(/_[0-3]$/, ''));
  }

  #group(open: string, parts: readonly string[], close: string, indent: number): string {
    const line = `${open}${open.length > 1 ? ' ' : ''}${parts.join(', ')}${close}`;
    if (indent * 2 + line.length <= this.#width && !line.includes('\n')) return line;
    const pad = '  '.repeat(indent + 1);
    return `${open}\n${parts.map((part) => `${pad}${part}`).join(',\n')}\n${'  '.repeat(indent)}${close}`;
  }

  #special(info: number): string {
    switch (info) {
      case 20:
        return 'false';
      case 21:
        return 'true';
      case 22:
        return 'null';
      case 23:
        return 'undefined';
      case 24: {
        const [value] = this.#take(1);
        if (value! < 32) throw new CborError('ERR_CBOR_RESERVED', `expected a simple value above 31 at offset ${this.offset - 1}, got ${value}`);
        return `simple(${value})`;
      }
      case 25:
        this.#need(2);
        this.offset += 2;
        return float(halfToNumber(this.#view.getUint16(this.offset - 2)));
      case 26: {
        this.#need(4);
        this.offset += 4;
        const value = this.#view.getFloat32(this.offset - 4);
        return `${float(value)}${Number.isNaN(value) || numberToHalf(value) !== undefined ? '_2' : ''}`;
      }
      case 27: {
        this.#need(8);
        this.offset += 8;
        const value = this.#view.getFloat64(this.offset - 8);
        return `${float(value)}${Number.isNaN(value) || Math.fround(value) === value ? '_3' : ''}`;
      }
      default:
        if (info < 20) return `simple(${info})`;
        throw new CborError(
          'ERR_CBOR_RESERVED',
          `expected a value, got ${info === 31 ? 'a break' : `additional information ${info}`}, at offset ${this.offset - 1}`,
        );
    }
  }
}

/** A float always has a point, an exponent or a name. */
function float(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return /[.eN]|Infinity/.test(text) ? text : `${text}.0`;
}

/**
 * The diagnostic notation of one encoded item, well-formed but not necessarily in its shortest form.
 *
 * @throws {CborError} when the bytes are not one well-formed item
 * @see https://www.rfc-editor.org/rfc/rfc8949#section-8
 */
export function diagnose(bytes: Uint8Array, options: DiagnosticOptions = {}): string {
  const writer = new Writer(bytes, 0, options);
  const text = writer.item(options.names ?? none, 0, options.depth ?? 32);
  if (writer.offset !== bytes.length)
    throw new CborError('ERR_CBOR_TRAILING', `expected the end at offset ${writer.offset}, got ${bytes.length - writer.offset} more bytes`);
  return text;
}
