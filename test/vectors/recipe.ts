import { decodeBody, decodeMessage, type Option } from '../../src/coap/index.ts';
import { equalBytes, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborMap, type CborValue, decode, Tagged } from '../../src/core/cbor.ts';
import { SeededRandom } from '../support/random.ts';
import type { Action, Notation, Operation, Operations, Part, Step, Value, Vector } from './format.ts';
import { evaluate } from './operations.ts';

/** What a vector says of itself. */
export interface Heading {
  readonly id: string;
  readonly standard: string;
  readonly section: string;
  readonly proves: string;
  readonly action: Action;
}

/** Bytes of this length and more are told apart by their value alone. */
const distinct = 4;

/** A vector in the making: each step is carried out as it is written down. */
export class Recipe {
  readonly heading: Heading;
  /** Chance that the seed and the identifier of the vector determine, so that a new vector changes no other. */
  readonly random: (length: number) => Uint8Array;
  readonly #input: Record<string, Value> = {};
  readonly #steps: Step[] = [];
  readonly #bytes: Map<string, Uint8Array> = new Map();

  constructor(seed: string, heading: Heading) {
    this.heading = heading;
    const random = new SeededRandom(`${seed} ${heading.id}`);
    this.random = (length) => random.bytes(length);
  }

  /** Give a name to bytes. */
  input(name: string, bytes: Uint8Array): Uint8Array {
    this.#input[name] = toHex(bytes);
    this.#bytes.set(name, bytes);
    return bytes;
  }

  /** A secret or a nonce of this vector alone. */
  chance(name: string, length: number): Uint8Array {
    return this.input(name, this.random(length));
  }

  number(name: string, value: number): number {
    this.#input[name] = value;
    return value;
  }

  text(name: string, text: string): Uint8Array {
    this.#input[name] = { text };
    const bytes = utf8(text);
    this.#bytes.set(name, bytes);
    return bytes;
  }

  has(name: string): boolean {
    return this.#bytes.has(name);
  }

  bytes(name: string): Uint8Array {
    const found = this.#bytes.get(name);
    if (found === undefined) throw new Error(`${this.heading.id}: expected a name of a value, got ${name}`);
    return found;
  }

  /**
   * A step.
   *
   * @param expected what the engine makes: it has to be what the operation makes
   */
  step<O extends Operation>(name: string, op: O, of: Operations[O], expected?: Uint8Array): Uint8Array {
    if (this.#bytes.has(name)) throw new Error(`${this.heading.id}: expected ${name} once`);
    const value = evaluate(op, of, (one) => this.bytes(one));
    if (expected !== undefined && !equalBytes(value, expected))
      throw new Error(`${this.heading.id}: ${name}: expected what the engine makes, ${toHex(expected)}, got ${toHex(value)}`);
    this.#steps.push({ name, op, of, value: toHex(value) } as unknown as Step);
    this.#bytes.set(name, value);
    return value;
  }

  /** The name of a value that has these bytes, or the bytes. */
  part(bytes: Uint8Array): Part {
    const name = this.#nameOf(bytes);
    return name ?? { hex: toHex(bytes) };
  }

  #nameOf(bytes: Uint8Array): string | undefined {
    if (bytes.length < distinct) return undefined;
    for (const [name, known] of this.#bytes) if (equalBytes(known, bytes)) return name;
    return undefined;
  }

  #notation(value: CborValue): Notation {
    if (value instanceof Uint8Array) {
      const name = this.#nameOf(value);
      return name === undefined ? { hex: toHex(value) } : { ref: name };
    }
    if (value instanceof Tagged) return { tag: Number(value.tag), value: this.#notation(value.value) };
    if (Array.isArray(value)) return value.map((one: CborValue) => this.#notation(one));
    if (value instanceof Map) return { map: [...(value as CborMap)].map(([key, one]) => [this.#notation(key), this.#notation(one)] as const) };
    return value as string | number | boolean | null;
  }

  /** An encoded item, taken apart: the byte strings in it that have a name are told by it. */
  cbor(name: string, encoded: Uint8Array): Uint8Array {
    return this.step(name, 'cbor', { value: this.#notation(decode(encoded)) }, encoded);
  }

  /** Bytes in which these names stand, in this order. */
  compose(name: string, bytes: Uint8Array, names: readonly string[]): Uint8Array {
    const text = toHex(bytes);
    const parts: Part[] = [];
    let at = 0;
    const upTo = (end: number): void => {
      if (end > at) parts.push({ hex: text.slice(at, end) });
    };
    for (const one of names) {
      const wanted = toHex(this.bytes(one));
      let start = text.indexOf(wanted, at);
      while (start % 2 === 1) start = text.indexOf(wanted, start + 1);
      if (start < 0) throw new Error(`${this.heading.id}: ${name}: expected ${one} in it, it is not`);
      upTo(start);
      parts.push(one);
      at = start + wanted.length;
    }
    upTo(text.length);
    return this.step(name, 'concat', { parts }, bytes);
  }

  #options(options: readonly Option[]): (readonly [number, Part])[] {
    return options.map(({ number, value }) => [number, this.part(value)] as const);
  }

  /** A datagram of CoAP, taken apart. */
  message(name: string, datagram: Uint8Array): Uint8Array {
    const { type, code, id, token, options, payload } = decodeMessage(datagram);
    return this.step(
      name,
      'coap-message',
      { type, code, id, token: { hex: toHex(token) }, options: this.#options(options), payload: this.part(payload) },
      datagram,
    );
  }

  /** The plaintext of OSCORE, taken apart. */
  body(name: string, encoded: Uint8Array): Uint8Array {
    const { code, options, payload } = decodeBody(encoded);
    return this.step(name, 'coap-body', { code, options: this.#options(options), payload: this.part(payload) }, encoded);
  }

  accept(...names: readonly string[]): Vector {
    return { ...this.heading, expect: 'accept', input: this.#input, steps: this.#steps, output: names };
  }

  /** A vector of what a receiver refuses: `error` is the code that ours has for it, as the test of the vectors holds. */
  reject(reason: string, error: string, ...names: readonly string[]): Vector {
    return { ...this.heading, expect: 'reject', reason, error, input: this.#input, steps: this.#steps, output: names };
  }
}
