import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Encoder, Tag as XTag } from 'cbor-x';
import * as cbor2 from 'cbor2';
import * as cborg from 'cborg';
import { toHex } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode, Simple, Tagged } from '../../src/core/cbor.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';

/** What a value has in it that a peer may treat in another way. */
type Trait =
  | 'integer from 2^32'
  | 'integer from 2^32 as a key'
  | 'integer -2^64'
  | 'number with a fraction, or too large for an integer'
  | 'minus zero'
  | 'unsorted map'
  | 'simple value'
  | 'tag'
  | 'tag from 2^32'
  | 'byte order mark';

/** Whether the peer's bytes still stand for the value, in another form, or not; and why. */
type Difference = readonly ['form' | 'value', string];

interface Peer {
  readonly name: string;
  encode(value: CborValue): Uint8Array;
  decode(bytes: Uint8Array): unknown;
  /** A value in the peer's classes. */
  readonly tagged: (tag: number | bigint, content: unknown) => unknown;
  readonly simple: (value: number) => unknown;
  /** Why its bytes are not ours. */
  readonly encodes: ReadonlyMap<Trait, Difference>;
  /** Why the value that it reads from our bytes is not ours. */
  readonly decodes: ReadonlyMap<Trait, string>;
}

/** The value with the peer's classes in it. */
function translate(value: CborValue, peer: Pick<Peer, 'tagged' | 'simple'>): unknown {
  if (value instanceof Tagged) return peer.tagged(value.tag, translate(value.value, peer));
  if (value instanceof Simple) return peer.simple(value.value);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, translate(item, peer)]));
  return Array.isArray(value) ? value.map((item) => translate(item, peer)) : value;
}

const x = new Encoder({ mapsAsObjects: false, useRecords: false, tagUint8Array: false, variableMapSize: true });
const cborgDecoding = { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true };
const cbor2Decoding = { ...cbor2.cdeDecodeOptions, ignoreGlobalTags: true, preferMap: true };

const cborX: Peer = {
  name: 'cbor-x',
  encode(value) {
    return x.encode(translate(value, this));
  },
  decode: (bytes) => x.decode(bytes),
  tagged: (tag, content) => new XTag(content, tag as number),
  simple: (value) => ({ simple: value }),
  encodes: new Map<Trait, Difference>([
    ['integer from 2^32', ['form', 'numbers that do not fit into 32 bits become floats of 64 bits']],
    ['integer from 2^32 as a key', ['value', 'it becomes a float, which we take for no key: it would pass for the integer']],
    ['integer -2^64', ['value', 'it becomes a bignum of tag 3, which is another item of the data model']],
    ['number with a fraction, or too large for an integer', ['form', 'floats take 64 bits, whether they need them or not']],
    ['minus zero', ['value', 'its sign is lost']],
    ['unsorted map', ['form', 'entries stay in the order of insertion']],
    ['simple value', ['value', 'it has no class for them']],
    ['tag from 2^32', ['value', 'tags have 32 bits at most']],
  ]),
  decodes: new Map<Trait, string>([
    ['simple value', 'they count as references into a table of packed values'],
    ['tag from 2^32', 'tags have 32 bits at most'],
  ]),
};

const cborgPeer: Peer = {
  name: 'cborg',
  encode(value) {
    return cborg.encode(translate(value, this), cborg.rfc8949EncodeOptions);
  },
  decode: (bytes) => cborg.decode(bytes, cborgDecoding),
  tagged: (tag, content) => ({ tag, content }),
  simple: (value) => ({ simple: value }),
  encodes: new Map<Trait, Difference>([
    ['minus zero', ['value', 'its sign is lost']],
    ['simple value', ['value', 'it has none']],
    ['tag', ['value', 'it has no class for tags that no type of JavaScript stands for']],
  ]),
  decodes: new Map<Trait, string>([
    ['simple value', 'they are refused'],
    ['tag', 'tags without a decoder are refused'],
    ['byte order mark', 'it is cut off at the beginning of a text'],
  ]),
};

const cbor2Peer: Peer = {
  name: 'cbor2',
  encode(value) {
    return cbor2.encode(translate(value, this), cbor2.cdeEncodeOptions) as Uint8Array;
  },
  decode: (bytes) => cbor2.decode(bytes, cbor2Decoding),
  tagged: (tag, content) => new cbor2.Tag(tag, content),
  simple: (value) => new cbor2.Simple(value),
  encodes: new Map<Trait, Difference>(),
  decodes: new Map<Trait, string>(),
};

const peers: readonly Peer[] = [cborX, cborgPeer, cbor2Peer];

/** What a peer decoded, in our classes. Integers within 2^53 are numbers here, and bigints there at times: the value is the same. */
function ours(value: unknown): CborValue {
  if (typeof value === 'bigint') return value >= -0x1f_ffff_ffff_ffffn && value <= 0x1f_ffff_ffff_ffffn ? Number(value) : value;
  if (value instanceof XTag) return new Tagged(value.tag, ours(value.value));
  if (value instanceof cbor2.Tag) return new Tagged(value.tag as number | bigint, ours(value.contents));
  if (value instanceof cbor2.Simple) return new Simple(value.value);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [ours(key) as CborKey, ours(item)]));
  if (value instanceof Uint8Array || !Array.isArray(value)) return value as CborValue;
  return value.map(ours);
}

function traitsOf(value: CborValue, found: Set<Trait> = new Set()): Set<Trait> {
  if (typeof value === 'number') {
    if (Object.is(value, -0)) found.add('minus zero');
    else if (!Number.isSafeInteger(value)) found.add('number with a fraction, or too large for an integer');
    else if (value >= 2 ** 32 || value < -(2 ** 32)) found.add('integer from 2^32');
  } else if (value === -(2n ** 64n)) found.add('integer -2^64');
  else if (typeof value === 'string' && value.startsWith('\ufeff')) found.add('byte order mark');
  else if (value instanceof Simple) found.add('simple value');
  else if (value instanceof Tagged) {
    found.add('tag');
    if (value.tag >= 2 ** 32) found.add('tag from 2^32');
    traitsOf(value.value, found);
  } else if (Array.isArray(value)) for (const item of value as readonly CborValue[]) traitsOf(item, found);
  else if (value instanceof Map) {
    const keys = [...(value as ReadonlyMap<CborKey, CborValue>).keys()];
    const order = keys.map((key) => toHex(encode(key)));
    if (order.some((key, i) => i > 0 && order[i - 1]! > key)) found.add('unsorted map');
    for (const key of keys) {
      const [trait] = traitsOf(key);
      if (trait !== undefined) found.add(trait === 'integer from 2^32' ? 'integer from 2^32 as a key' : trait);
    }
    for (const item of (value as ReadonlyMap<CborKey, CborValue>).values()) traitsOf(item, found);
  }
  return found;
}

function integer(random: SeededRandom): number | bigint {
  const magnitude = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
  const bits = BigInt.asUintN(1 + random.below(64), magnitude);
  const whole = random.chance(0.5) ? bits : -1n - bits;
  if (random.chance(0.01)) return -(2n ** 64n);
  return whole >= -0x1f_ffff_ffff_ffffn && whole <= 0x1f_ffff_ffff_ffffn ? Number(whole) : whole;
}

const float = new DataView(new ArrayBuffer(8));

/** A float of any bits, of a width of 16, 32 or 64. */
function floatOf(random: SeededRandom): number {
  if (random.chance(0.1)) return random.pick([-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 2 ** 53, 1e300, 2 ** -24]);
  if (random.chance(0.3)) return random.below(4000) / 16;
  float.setUint32(0, random.uint32());
  float.setUint32(4, random.uint32());
  return random.chance(0.5) ? float.getFloat32(0) : float.getFloat64(0);
}

const letters = ['a', 'Z', '0', ' ', '"', '\\', '\u0000', '\u007f', 'é', 'ß', '水', '\u2028', '\ufeff', '𐅑', '😀'];

function textOf(random: SeededRandom): string {
  const length = random.chance(0.05) ? random.below(400) : random.below(30);
  const ascii = random.chance(0.6);
  return Array.from({ length }, () => (ascii ? String.fromCharCode(0x20 + random.below(95)) : random.pick(letters))).join('');
}

function keyOf(random: SeededRandom): CborKey {
  if (random.chance(0.5)) return random.below(400) - 200;
  return random.chance(0.6) ? textOf(random) : random.chance(0.5) ? random.bytes(random.below(6)) : integer(random);
}

// Tags that a peer takes for a type of JavaScript (dates, bignums, sets, references) are left out: their content is not what we keep.
const tags: readonly (number | bigint)[] = [61, 18, 4711, 99_999, 0xffff_fffe, 0x1_0000_0000, 2n ** 60n];

function anyValue(random: SeededRandom, depth: number): CborValue {
  switch (random.below(depth > 0 ? 12 : 8)) {
    case 0:
      return random.below(100);
    case 1:
      return integer(random);
    case 2:
      return floatOf(random);
    case 3:
    case 4:
      return textOf(random);
    case 5:
      return random.bytes(random.chance(0.05) ? random.below(600) : random.below(40));
    case 6:
      return random.pick([true, false, null, undefined]);
    case 7:
      return random.chance(0.1) ? new Simple(random.pick([0, 19, 32, 255])) : integer(random);
    case 8:
      return random.chance(0.3) ? new Tagged(random.pick(tags), anyValue(random, depth - 1)) : random.below(1e9);
    case 9:
    case 10: {
      const map = new Map<CborKey, CborValue>();
      const byteKeys = new Set<string>();
      for (let i = random.below(6); i > 0; i--) {
        const key = keyOf(random);
        if (key instanceof Uint8Array && byteKeys.size === byteKeys.add(toHex(key)).size) continue;
        map.set(key, anyValue(random, depth - 1));
      }
      return map;
    }
    default:
      return Array.from({ length: random.below(6) }, () => anyValue(random, depth - 1));
  }
}

function attempt<T>(task: () => T): { readonly value: T } | undefined {
  try {
    return { value: task() };
  } catch {
    return undefined;
  }
}

function hexOf(value: unknown): string | undefined {
  const bytes = attempt(() => encode(ours(value)));
  return bytes === undefined ? undefined : toHex(bytes.value);
}

/** The differences of one peer for one value, each by its name; fails on one that has none. */
function compare(peer: Peer, value: CborValue): string[] {
  const bytes = encode(value);
  const hex = toHex(bytes);
  const traits = [...traitsOf(value)];
  const seen: string[] = [];
  const theirs = attempt(() => peer.encode(value));
  if (theirs === undefined || toHex(theirs.value) !== hex) {
    const named = traits.filter((trait) => peer.encodes.has(trait));
    assert.ok(named.length > 0, `${peer.name} encodes ${hex} as ${theirs === undefined ? 'an error' : toHex(theirs.value)}, and nothing explains it`);
    if (named.every((trait) => peer.encodes.get(trait)![0] === 'form')) {
      assert.ok(theirs !== undefined, `${peer.name} refuses to encode ${hex}`);
      assert.equal(toHex(encode(decode(theirs.value, { lenient: true }))), hex, `${peer.name}: another value than ${hex}`);
      // A float that stands for an integer is a value of its own to CBOR; every other form that is not ours is refused where a canonical one is asked for.
      if (!named.includes('integer from 2^32')) assert.throws(() => decode(theirs.value, { canonical: true }), { name: 'CborError' });
    }
    // Only where a value has one trait is it sure to be the reason.
    if (named.length === 1) seen.push(`${peer.name} encodes: ${named[0]}`);
  }
  const back = attempt(() => peer.decode(bytes));
  if (back === undefined || hexOf(back.value) !== hex) {
    const named = traits.filter((trait) => peer.decodes.has(trait));
    assert.ok(named.length > 0, `${peer.name} decodes ${hex} as ${back === undefined ? 'an error' : hexOf(back.value)}, and nothing explains it`);
    if (named.length === 1) seen.push(`${peer.name} decodes: ${named[0]}`);
  }
  return seen;
}

test('CBOR: generated values, encoded and decoded by us and by cbor-x, cborg and cbor2', async () => {
  const totals = await repeat('cbor-differential', { quick: 20, full: 1000 }, (seed) => {
    const random = new SeededRandom(seed);
    const counts: Record<string, number> = { values: 100 };
    for (let i = 0; i < 100; i++) {
      const value = anyValue(random, 4);
      for (const peer of peers) for (const name of compare(peer, value)) counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  });
  assert.ok(totals['values']! >= 2000);
  // A difference that never showed explains nothing.
  for (const peer of peers) {
    for (const trait of peer.encodes.keys()) assert.ok(totals[`${peer.name} encodes: ${trait}`]! > 0, `${peer.name} encodes: ${trait}`);
    for (const trait of peer.decodes.keys()) assert.ok(totals[`${peer.name} decodes: ${trait}`]! > 0, `${peer.name} decodes: ${trait}`);
  }
});
