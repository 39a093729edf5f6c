import { type Code, call, i32, ifElse, local, loopWhile, v128, type WasmFunction } from './wasm.ts';

/**
 * AES (FIPS 197) in vector instructions. Nothing that is secret decides what is done next or where memory is read: the tables have sixteen bytes each, and
 * looking up in one is an instruction between registers.
 */

/** Where the tables stand in the memory, and how long they are. */
const tables = 0;
export const tablesLength = 96;

const block = 16;
/** Of the round keys of one key: those of 256 bits have fourteen rounds. */
export const roundKeysLength: number = 15 * block;

/** In GF(2^8) of AES (FIPS 197, Section 4). */
function times(a: number, b: number): number {
  let product = 0;
  for (let power = a, bits = b; bits > 0; bits >>= 1) {
    if (bits & 1) product ^= power;
    power = (power << 1) ^ (power & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** By squaring. */
function power(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  const root = power(base, exponent >> 1);
  const square = times(root, root);
  return exponent & 1 ? times(square, base) : square;
}

const inverse = (element: number): number => power(element, 254);

/** The linear part of the affine transformation of SubBytes (FIPS 197, Section 5.1.1). */
function affine(byte: number): number {
  let result = 0;
  for (const turn of [0, 1, 2, 3, 4]) result ^= (byte << turn) | (byte >> (8 - turn));
  return result & 0xff;
}

const nibbles: readonly number[] = Array.from({ length: 16 }, (_, nibble) => nibble);
/** The smallest with s⁴ + s + 1 = 0, which makes the subfield of sixteen elements, and the first a and θ with θ² = a·θ + a, where θ is not in it. */
const [s, a, theta] = [0x5c, 0x5c, 0xb2];
/** An index that no table has: looking it up gives 0. */
const infinity = 0x80;

/**
 * The tables of SubBytes, sixteen bytes each.
 *
 * An element of GF(2^8) is k + i·θ, with i and k of its subfield of sixteen elements and θ² = a·θ + a. With the norm N = k² + a·i·k + a·i², its inverse is
 * (k + a·i + i·θ) / N. Let j = i + k, u = (k + a·i) / N and v = (k + a·j) / N; then 1/u = j + 1 / (1/i + a/k) and 1/v = i + 1 / (1/j + a/k), and the inverse is
 * u + θ·(u + (u + v)/a)/a: five look-ups by one nibble give 1/u and 1/v, and two more the result, each with the affine transformation done already.
 */
export function subBytesTables(): Uint8Array {
  // Its powers 1, s, s², s³ are the bits of a nibble.
  const subfield = nibbles.map((nibble) => [0, 1, 2, 3].reduce((sum, bit) => sum ^ (nibble & (1 << bit) ? power(s, bit) : 0), 0));
  const nibbleOf = (element: number): number => subfield.indexOf(element);
  const parts = new Uint8Array(256);
  for (const i of nibbles) {
    const high = times(subfield[i]!, theta);
    for (const k of nibbles) parts[subfield[k]! ^ high] = (i << 4) | k;
  }
  const inverses = subfield.map(inverse);
  const thetaByA = times(theta, inverse(a));
  const inverted = (factor: number) => (nibble: number) => (nibble === 0 ? infinity : nibbleOf(times(factor, inverses[nibble]!)));
  const result = (factor: number) => (nibble: number) => affine(times(factor, inverses[nibble]!));
  const rows: Record<keyof typeof table, (nibble: number) => number> = {
    low: (nibble) => parts[nibble]!,
    high: (nibble) => parts[nibble << 4]!,
    inverse: inverted(1),
    aTimesInverse: inverted(a),
    fromU: result(1 ^ thetaByA ^ times(thetaByA, inverse(a))),
    fromV: result(times(thetaByA, inverse(a))),
  };
  const bytes = new Uint8Array(tablesLength);
  for (const [name, row] of Object.entries(rows)) bytes.set(nibbles.map(row), table[name as keyof typeof table] - tables);
  return bytes;
}

const table = { low: tables, high: tables + 16, inverse: tables + 32, aTimesInverse: tables + 48, fromU: tables + 64, fromV: tables + 80 } as const;

const { get, set, tee } = local;
const lookUp = (address: number, index: Code): Code => [i32.const(0), v128.load(address), index, v128.swizzle];
const lowNibbles: Code = [v128.fill(0x0f), v128.and];
const highNibbles: Code = [i32.const(4), v128.shiftRight, lowNibbles];

/** SubBytes of the local `state`, with three more locals to work in: leaves the result. */
function subBytes(state: number, [i, j, aByK]: readonly [number, number, number]): Code {
  const parts = aByK;
  const k = j;
  return [
    lookUp(table.low, [get(state), lowNibbles]),
    lookUp(table.high, [get(state), highNibbles]),
    [v128.xor, set(parts)],
    [get(parts), highNibbles, set(i), get(parts), lowNibbles, set(k)],
    [lookUp(table.aTimesInverse, get(k)), set(aByK)],
    [get(i), get(k), v128.xor, set(j)],
    lookUp(table.fromU, [lookUp(table.inverse, [lookUp(table.inverse, get(i)), get(aByK), v128.xor]), get(j), v128.xor]),
    lookUp(table.fromV, [lookUp(table.inverse, [lookUp(table.inverse, get(j)), get(aByK), v128.xor]), get(i), v128.xor]),
    [v128.xor, v128.fill(0x63), v128.xor],
  ];
}

/** Byte r of column c stands at 4c + r and comes from column c + r (FIPS 197, Section 5.1.2). */
const shiftRows = Array.from({ length: block }, (_, at) => (at + 4 * (at % 4)) % block);
/** Each byte becomes the one `by` rows below it in its column. */
const turnColumns = (by: number): number[] => Array.from({ length: block }, (_, at) => (at & ~3) | ((at + by) & 3));

/** MixColumns of the vector `t` (FIPS 197, Section 5.1.3): with d = t + t turned by 1, twice d, and d turned by 2, and t turned by 1. */
function mixColumns(t: number, turned: number): Code {
  const d = t;
  return [
    [get(t), get(t), v128.shuffle(turnColumns(1)), tee(turned)],
    [get(t), v128.xor, tee(d), get(d), v128.addBytes],
    [get(d), v128.isNegative, v128.fill(0x1b), v128.and, v128.xor],
    [get(turned), v128.xor, get(d), get(d), v128.shuffle(turnColumns(2)), v128.xor],
  ];
}

const addRoundKey = (address: number): Code => [get(address), v128.load(0), v128.xor];

/** Two blocks at once, which the processor works at side by side, with the round keys from one address to another. */
const encryptPair: WasmFunction = (() => {
  const states = [0, 1];
  const [roundKey, last] = [2, 3];
  const work = (state: number) => [4, 5, 6].map((index) => index + 3 * state) as [number, number, number];
  const shifted = (state: number): Code => [get(state), get(state), v128.shuffle(shiftRows), set(state)];
  return {
    parameters: ['v128', 'v128', 'i32', 'i32'],
    results: ['v128', 'v128'],
    locals: new Array<'v128'>(6).fill('v128'),
    code: [
      states.map((state) => [get(state), addRoundKey(roundKey), set(state)]),
      [get(roundKey), i32.const(block), i32.add, set(roundKey)],
      loopWhile(
        ...states.map((state): Code => {
          const [t, turned, third] = work(state);
          return [shifted(state), subBytes(state, [t, turned, third]), set(t), mixColumns(t, turned), addRoundKey(roundKey), set(state)];
        }),
        [get(roundKey), i32.const(block), i32.add, tee(roundKey), get(last), i32.ne],
      ),
      states.map((state) => {
        const [t, turned, third] = work(state);
        return [shifted(state), subBytes(state, [t, turned, third]), addRoundKey(last)];
      }),
    ],
  };
})();

/** Of a key of 16 or 32 bytes, the round keys that follow it at its address, up to an end (FIPS 197, Section 5.2). */
const expandKey: WasmFunction = (() => {
  const [keyLength, address, end, place, word, constant] = [0, 1, 2, 3, 4, 5];
  const vector = 6;
  const subWord: Code = [v128.splatWord, set(vector), subBytes(vector, [7, 8, 9]), v128.firstWord];
  return {
    parameters: ['i32', 'i32', 'i32'],
    results: [],
    locals: ['i32', 'i32', 'i32', 'v128', 'v128', 'v128', 'v128'],
    code: [
      [i32.const(1), set(constant)],
      // `address` is that of the word so far back as the key is long, `place` where in the length of a key the next one stands.
      loopWhile(
        [get(address), get(keyLength), i32.add, i32.const(4), i32.subtract, i32.load(0), set(word)],
        [get(place), i32.eqz],
        ifElse(
          [
            [get(word), i32.const(8), i32.rotateRight, subWord, get(constant), i32.xor, set(word)],
            [get(constant), i32.const(1), i32.shiftLeft, get(constant), i32.const(7), i32.shiftRight, i32.const(0x11b), i32.multiply, i32.xor, set(constant)],
          ],
          // Of a key of 32 bytes also the word in the middle.
          [get(place), i32.const(16), i32.eq, ifElse([get(word), subWord, set(word)])],
        ),
        [get(address), get(keyLength), i32.add, get(address), i32.load(0), get(word), i32.xor, i32.store(0)],
        [get(place), i32.const(4), i32.add, get(keyLength), i32.const(1), i32.subtract, i32.and, set(place)],
        [get(address), i32.const(4), i32.add, tee(address), get(keyLength), i32.add, get(end), i32.ne],
      ),
    ],
  };
})();

/** The functions of a module that uses them begin with these. */
export const aesFunctions: readonly WasmFunction[] = [encryptPair, expandKey];
export const callEncryptPair: Code = call(0);
/** What such a module exports of them. */
export const aesExports: { readonly expandKey: number } = { expandKey: 1 };
