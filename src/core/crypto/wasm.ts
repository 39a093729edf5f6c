/** Instructions one after the other, as bytes; those that belong together stand in a list of their own. */
export type Code = readonly (number | Code)[];

/** The types of values that our functions have. */
export const valueType = { i32: 0x7f, v128: 0x7b } as const;
export type ValueType = keyof typeof valueType;

/** A function of a module: its parameters are the first locals. */
export interface WasmFunction {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Those after the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: Code;
}

/** LEB128 (WebAssembly Core, Section 5.2.2). */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

const vector = (items: readonly Code[]): Code => [unsigned(items.length), items];
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
/** Of an address in the memory: any alignment, then what is added to the address on the stack. */
const at = (offset: number): number[] => [0, ...unsigned(offset)];

type WithNumber<Names extends string> = Readonly<Record<Names, (value: number) => Code>>;
type Instructions<Names extends string> = Readonly<Record<Names, Code>>;

export const local: WithNumber<'get' | 'set' | 'tee'> = {
  get: (index: number): Code => [0x20, unsigned(index)],
  set: (index: number): Code => [0x21, unsigned(index)],
  tee: (index: number): Code => [0x22, unsigned(index)],
};

export const i32: WithNumber<'const' | 'load' | 'store'> &
  Instructions<'eqz' | 'eq' | 'ne' | 'lessUnsigned' | 'add' | 'subtract' | 'multiply' | 'and' | 'xor' | 'shiftLeft' | 'shiftRight' | 'rotateRight'> = {
  const: (value: number): Code => [0x41, signed(value)],
  load: (offset: number): Code => [0x28, at(offset)],
  store: (offset: number): Code => [0x36, at(offset)],
  eqz: [0x45],
  eq: [0x46],
  ne: [0x47],
  lessUnsigned: [0x49],
  add: [0x6a],
  subtract: [0x6b],
  multiply: [0x6c],
  and: [0x71],
  xor: [0x73],
  shiftLeft: [0x74],
  shiftRight: [0x76],
  rotateRight: [0x78],
};

export const v128: WithNumber<'load' | 'store' | 'fill'> &
  Instructions<'swizzle' | 'splatWord' | 'replaceLastByte' | 'firstWord' | 'isNegative' | 'and' | 'xor' | 'addBytes' | 'shiftRight'> & {
    readonly shuffle: (lanes: readonly number[]) => Code;
  } = {
  load: (offset: number): Code => [simd(0), at(offset)],
  store: (offset: number): Code => [simd(11), at(offset)],
  /** All sixteen bytes the same. */
  fill: (byte: number): Code => [simd(12), new Array<number>(16).fill(byte)],
  /** Byte i of the result is byte `lanes[i]` of the one vector that is taken twice. */
  shuffle: (lanes: readonly number[]): Code => [simd(13), lanes],
  /** Byte i of the result is byte `indexes[i]` of the table below it, and 0 where there is none. */
  swizzle: simd(14),
  splatWord: simd(17),
  replaceLastByte: [simd(23), 15],
  firstWord: [simd(27), 0],
  isNegative: [simd(12), new Array<number>(16).fill(0), simd(37)],
  and: simd(78),
  xor: simd(81),
  addBytes: simd(110),
  /** Of each half-word. */
  shiftRight: simd(141),
};

const blockEnd = 0x0b;
/** `body` leaves a condition: while it holds, once more. */
export const loopWhile = (...body: Code[]): Code => [0x03, 0x40, body, 0x0d, 0, blockEnd];
/** Takes a condition. */
export const ifElse = (then: Code, otherwise: Code = []): Code => [0x04, 0x40, then, ...(otherwise.length === 0 ? [] : [0x05, otherwise]), blockEnd];
/** Of three values: the first where the last is not 0, else the second. */
export const select: Code = [0x1b];
export const call = (index: number): Code => [0x10, unsigned(index)];

function flat(code: Code, bytes: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === 'number') bytes.push(part);
    else flat(part, bytes);
  }
  return bytes;
}

const sized = (code: Code): Code => {
  const bytes = flat(code);
  return [unsigned(bytes.length), bytes];
};
const section = (id: number, content: Code): Code => [id, sized(content)];
const name = (text: string): Code => vector([...text].map((letter) => [letter.charCodeAt(0)]));
const types = (list: readonly ValueType[]): Code => vector(list.map((type) => [valueType[type]]));

/**
 * A module with a memory of so many pages of 64 KiB, exported as `memory`, and functions, those of `exported` by name.
 *
 * @see https://www.w3.org/TR/wasm-core-2/#binary-modules
 */
export function assemble(pages: number, functions: readonly WasmFunction[], exported: Readonly<Record<string, number>>): Uint8Array {
  const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  return Uint8Array.from(
    flat([
      magicAndVersion,
      section(1, vector(functions.map(({ parameters, results }) => [0x60, types(parameters), types(results)]))),
      section(3, vector(functions.map((_, index) => unsigned(index)))),
      section(5, vector([[0, unsigned(pages)]])),
      section(7, vector([[name('memory'), 2, 0], ...Object.entries(exported).map(([text, index]): Code => [name(text), 0, unsigned(index)])])),
      section(10, vector(functions.map(({ locals, code }) => sized([vector(locals.map((type) => [1, valueType[type]])), code, blockEnd])))),
    ]),
  );
}
