import { Code } from '../../src/coap/index.ts';
import type { CborMap, CborValue } from '../../src/core/cbor.ts';
import { SealError } from './error.ts';

/** A value that does not fit its data model: 4.22. */
export function unfit(what: string, expected: string): SealError {
  return new SealError('ERR_SEAL_MODEL', `${what}: expected ${expected}`, { responseCode: Code.UnprocessableEntity });
}

/** The longest identity, name and tag, in characters. */
const longest = 255;

export function textOf(value: CborValue, what: string): string {
  if (typeof value !== 'string' || value === '' || value.length > longest) throw unfit(what, `text of 1 to ${longest} characters`);
  return value;
}

/** Reads the members of a map with keys of text, as the data types of SEAL-UU are; members that are not known are let be (TS 24.546, C.2.1.7). */
export class Members {
  readonly #map: CborMap;
  readonly #what: string;

  /** @throws {SealError} `ERR_SEAL_MODEL`, as all that follow do */
  constructor(value: CborValue, what: string) {
    if (!(value instanceof Map)) throw unfit(what, 'a map');
    for (const key of value.keys()) if (typeof key !== 'string') throw unfit(what, 'keys of text');
    this.#map = value;
    this.#what = what;
  }

  has(name: string): boolean {
    return this.#map.has(name);
  }

  text(name: string): string {
    return textOf(this.#map.get(name), this.#name(name));
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  /** Text that is as long as it likes. */
  dataText(name: string): string {
    const value = this.#map.get(name);
    if (typeof value !== 'string') throw unfit(this.#name(name), 'text');
    return value;
  }

  bool(name: string): boolean {
    const value = this.#map.get(name);
    if (typeof value !== 'boolean') throw unfit(this.#name(name), 'true or false');
    return value;
  }

  /** A number of a range. */
  number(name: string, least: number, most: number): number {
    const value = this.#map.get(name);
    if (typeof value !== 'number' || !(value >= least && value <= most)) throw unfit(this.#name(name), `a number of ${least} to ${most}`);
    return value;
  }

  map(name: string): Members {
    return new Members(this.#map.get(name), this.#name(name));
  }

  /** A list of `least` items or more; none where it is absent. */
  list<T>(name: string, read: (item: CborValue, what: string) => T, { least = 1, most }: { readonly least?: number; readonly most: number }): readonly T[] {
    if (!this.has(name)) return [];
    const value = this.#map.get(name);
    if (!Array.isArray(value) || value.length < least || value.length > most) throw unfit(this.#name(name), `a list of ${least} to ${most}`);
    return (value as readonly CborValue[]).map((item, index) => read(item, `${this.#name(name)}[${index}]`));
  }

  #name(name: string): string {
    return `${this.#what}.${name}`;
  }
}
