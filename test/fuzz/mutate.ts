import { decodeMessage, type Message, type Option, OptionNumber } from '../../src/coap/index.ts';
import { concat } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Mutation } from './target.ts';

/** A changed copy of a datagram; `others` are there to be spliced with. It may come out unchanged. */
export function mutateDatagram(random: SeededRandom, datagram: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let mutated = datagram;
  for (let n = 1 + random.below(2); n > 0; n--) mutated = random.pick(mutations)(random, mutated, others);
  return mutated;
}

const mutations: readonly Mutation[] = [
  flip,
  flip,
  overwrite,
  truncate,
  extend,
  splice,
  (random, datagram) => changeMessage(random, datagram, changeOptions),
  (random, datagram) => changeMessage(random, datagram, changeOptions),
  (random, datagram) => changeMessage(random, datagram, changeHeader),
  (random, datagram) => changeMessage(random, datagram, (message) => ({ ...message, payload: mutateCbor(random, message.payload) })),
  (random, datagram) => changeMessage(random, datagram, (message) => ({ ...message, payload: mutateCbor(random, message.payload) })),
];

/** A changed copy of any bytes. */
export function mutateBytes(random: SeededRandom, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  return random.pick([flip, flip, overwrite, truncate, extend, splice])(random, bytes, others);
}

/** CBOR that is nearly right, or bytes that are not. */
export function nearlyCbor(random: SeededRandom, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  return random.chance(0.5) ? mutateCbor(random, bytes) : mutateBytes(random, bytes, others);
}

function flip(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const changed = datagram.slice();
  for (let n = 1 + random.below(3); n > 0 && changed.length > 0; n--) changed[random.below(changed.length)]! ^= 1 << random.below(8);
  return changed;
}

function overwrite(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const changed = datagram.slice();
  const at = random.below(changed.length + 1);
  changed.set(random.bytes(Math.min(1 + random.below(8), changed.length - at)), at);
  return changed;
}

function truncate(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  return datagram.slice(0, random.below(datagram.length + 1));
}

function extend(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const more = random.chance(0.1) ? new Uint8Array(2000).fill(random.below(256)) : random.bytes(1 + random.below(20));
  return random.chance(0.5) ? concat(datagram, more) : insert(datagram, random.below(datagram.length + 1), more);
}

function insert(bytes: Uint8Array, at: number, more: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, at), more, bytes.subarray(at));
}

/** The front of one and the back of another. */
function splice(random: SeededRandom, datagram: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const other = random.pick(others);
  return concat(datagram.subarray(0, random.below(datagram.length + 1)), other.subarray(random.below(other.length + 1)));
}

function changeMessage(random: SeededRandom, datagram: Uint8Array, change: (message: Message, random: SeededRandom) => Message): Uint8Array {
  let message: Message;
  try {
    message = decodeMessage(datagram);
  } catch {
    return flip(random, datagram);
  }
  return encodeLoosely(change(message, random));
}

function changeHeader(message: Message, random: SeededRandom): Message {
  switch (random.below(4)) {
    case 0:
      return { ...message, type: random.below(4) as Message['type'] };
    case 1:
      return { ...message, code: random.pick([0, 1, 2, 3, 5, 31, 65, 68, 69, 95, 128, 129, 132, 160, 224, 255]) };
    case 2:
      return { ...message, id: random.below(0x1_0000) };
    default:
      return { ...message, token: random.bytes(random.below(9)) };
  }
}

const numbers = Object.values(OptionNumber);

function changeOptions(message: Message, random: SeededRandom): Message {
  const options: Option[] = [...message.options];
  const at = random.below(options.length + 1);
  const option = options[at];
  switch (random.below(7)) {
    case 0:
      // Twice.
      if (option !== undefined) options.splice(at, 0, option);
      break;
    case 1:
      options.splice(at, 1);
      break;
    case 2:
      // Values change places.
      if (option !== undefined) {
        const other = random.below(options.length);
        options[at] = { ...option, value: options[other]!.value };
        options[other] = { ...options[other]!, value: option.value };
      }
      break;
    case 3:
      // Unknown: critical or elective.
      options.push({ number: random.below(0x1_0000), value: random.bytes(random.below(20)) });
      break;
    case 4:
      options.push({ number: random.pick(numbers), value: random.bytes(random.pick([0, 1, 1, 2, 3, 4, 8, 20, 300])) });
      break;
    case 5:
      if (option !== undefined) options[at] = { ...option, value: flip(random, option.value) };
      break;
    default: {
      // Block options that make sense are rare among random ones.
      const number = random.pick([OptionNumber.Block1, OptionNumber.Block2]);
      options.push({ number, value: Uint8Array.of(random.below(4) * 16 + random.below(2) * 8 + random.below(8)) });
    }
  }
  options.sort((a, b) => a.number - b.number);
  return { ...message, options };
}

/** `encodeMessage` refuses what is against the rules; this does not. */
function encodeLoosely({ type, code, id, token, options, payload }: Message): Uint8Array {
  const bytes: number[] = [0x40 | (type << 4) | token.length, code, id >> 8, id & 0xff, ...token];
  let before = 0;
  for (const { number, value } of options) {
    const parts = [number - before, value.length].map((n) => (n < 13 ? [n] : n < 269 ? [13, n - 13] : [14, (n - 269) >> 8, (n - 269) & 0xff]));
    bytes.push((parts[0]![0]! << 4) | parts[1]![0]!, ...parts[0]!.slice(1), ...parts[1]!.slice(1), ...value);
    before = number;
  }
  return payload.length === 0 ? Uint8Array.from(bytes) : concat(Uint8Array.from(bytes), Uint8Array.of(0xff), payload);
}

/** CBOR that is nearly what it was: duplicate keys, other types, longer forms, indefinite lengths, items that claim more than there is. */
export function mutateCbor(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  let value: CborValue;
  try {
    value = decode(bytes);
  } catch {
    return flip(random, bytes);
  }
  const out: number[] = [];
  // Where nothing came of it, once more with more zeal.
  write(random, value, out, random.pick([0.05, 0.1, 0.3]));
  return Uint8Array.from(out);
}

const hostile: readonly (readonly number[])[] = [
  [0xf6],
  [0xf7],
  [0xf4],
  [0x00],
  [0x20],
  [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xf9, 0x7e, 0x00],
  [0xf9, 0x7c, 0x00],
  [0xfb, 0x3f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0xf8, 0x10],
  [0xff],
  [0x1c],
  [0x40],
  [0x60],
  [0x80],
  [0xa0],
  [0x61, 0xff],
  [0x62, 0xc0, 0x80],
  // A byte string, an array, a map that claim to be huge.
  [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x9a, 0xff, 0xff, 0xff, 0xff],
  [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  // Indefinite.
  [0x5f, 0x41, 0x00, 0xff],
  [0x9f, 0xff],
  [0xbf, 0xff],
  // Tags: a time, a bignum, a COSE object, themselves.
  [0xc1, 0x00],
  [0xc2, 0x49, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  [0xd0, 0x80],
  [0xd8, 0x3d, 0xd8, 0x3d, 0xd8, 0x3d, 0x00],
  Array.from({ length: 300 }, () => 0x81),
  Array.from({ length: 100 }, () => 0xc1),
  [0xa2, 0x01, 0x01, 0x01, 0x02],
  [0xa1, 0xf6, 0x01],
  [0xa1, 0x80, 0x01],
  [0xbf, 0x01, 0x02, 0xff],
];

/** Head of an item; now and then longer than it need be. */
function head(random: SeededRandom, major: number, n: number, out: number[], zeal: number): void {
  const long = random.chance(zeal / 2);
  if (n < 24 && !long) out.push((major << 5) | n);
  else if (n < 0x100) out.push((major << 5) | 24, n);
  else if (n < 0x1_0000) out.push((major << 5) | 25, n >> 8, n & 0xff);
  else out.push(...encode(n).map((byte, i) => (i === 0 ? (byte & 31) | (major << 5) : byte)));
}

function write(random: SeededRandom, value: CborValue, out: number[], zeal: number): void {
  if (random.chance(zeal)) {
    out.push(...random.pick(hostile));
    return;
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    const changed = random.chance(zeal) ? value + random.pick([-1, 1, 1000, -1000, 0x1_0000_0000]) : value;
    head(random, changed < 0 ? 1 : 0, changed < 0 ? -1 - changed : changed, out, zeal);
  } else if (value instanceof Uint8Array) {
    const changed = random.chance(zeal) ? changeBytes(random, value) : value;
    head(random, 2, random.chance(zeal / 4) ? changed.length + 1 : changed.length, out, zeal);
    out.push(...changed);
  } else if (typeof value === 'string') {
    const changed = random.chance(zeal) ? random.pick(['', `${value} ${value}`, value.toUpperCase(), '\0', 'x'.repeat(5000), 'Ω'.repeat(100)]) : value;
    const encoded = new TextEncoder().encode(changed);
    head(random, 3, encoded.length, out, zeal);
    out.push(...encoded);
  } else if (Array.isArray(value)) {
    head(random, 4, random.chance(zeal / 4) ? value.length + 1 : value.length, out, zeal);
    for (const item of value as readonly CborValue[]) write(random, item, out, zeal);
  } else if (value instanceof Map) writeMap(random, [...value] as (readonly [CborValue, CborValue])[], out, zeal);
  else if (value instanceof Tagged) {
    head(random, 6, Number(value.tag) + (random.chance(zeal / 2) ? 1 : 0), out, zeal);
    write(random, value.value, out, zeal);
  } else out.push(...encode(value));
}

function writeMap(random: SeededRandom, entries: (readonly [CborValue, CborValue])[], out: number[], zeal: number): void {
  const changed = [...entries];
  if (changed.length > 0 && random.chance(zeal)) changed.push(random.pick(entries));
  if (changed.length > 0 && random.chance(zeal)) changed.splice(random.below(changed.length), 1);
  if (random.chance(zeal)) changed.push([random.pick<CborValue>([random.below(60), -1, 'x', 70_000, Uint8Array.of(1)]), random.below(100)]);
  if (random.chance(zeal)) changed.reverse();
  // Values go to other keys.
  if (changed.length > 1 && random.chance(zeal)) changed.push([changed.pop()![0], changed[0]![1]]);
  const indefinite = random.chance(zeal / 4);
  if (indefinite) out.push(0xbf);
  else head(random, 5, changed.length, out, zeal);
  for (const [key, value] of changed) {
    write(random, key, out, zeal / 8);
    write(random, value, out, zeal);
  }
  if (indefinite) out.push(0xff);
}

/** What is inside is often CBOR too: a token, protected headers, a scope. */
function changeBytes(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  switch (random.below(4)) {
    case 0:
      return flip(random, bytes);
    case 1:
      return truncate(random, bytes);
    case 2:
      return random.chance(0.2) ? new Uint8Array(3000) : concat(bytes, random.bytes(1 + random.below(4)));
    default:
      return mutateCbor(random, bytes);
  }
}

/** A changed copy of a text of lines: lines go, come twice, change places, come from another text or get another value. */
export function mutateLines(random: SeededRandom, text: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const linesOf = (bytes: Uint8Array): string[] => new TextDecoder().decode(bytes).split('\n');
  const lines = linesOf(text);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(lines.length);
    const line = lines[at]!;
    const other = random.pick(random.chance(0.5) ? lines : linesOf(random.pick(others)));
    switch (random.below(6)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, other);
        break;
      case 2:
        lines[at] = other;
        break;
      case 3:
        // The value of another line.
        lines[at] = `${line.split(':')[0]}:${other.slice(other.indexOf(':') + 1)}`;
        break;
      case 4:
        lines[at] = line.replace(/:.*/, () => `: ${random.pick(values)}`);
        break;
      default:
        return mutateBytes(random, text, others);
    }
    if (lines.length === 0) lines.push('');
  }
  return new TextEncoder().encode(lines.join('\n'));
}

const values = [
  '',
  '0',
  '-1',
  '1e999',
  'true',
  'null',
  '~',
  '""',
  '[]',
  '{}',
  '[a, b]',
  '{ a: b }',
  '&a [*a]',
  '*a',
  '!!binary AA',
  '"\\ud800"',
  '0x10',
  '.nan',
  'keys',
  '|',
];
