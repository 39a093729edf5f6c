import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatAll, fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborValue, decode, decodeFirst, decodeSequence, encode, Simple, Tagged } from '../../src/core/cbor.ts';
import { diagnose } from '../../src/core/diagnostic.ts';
import { fixture } from '../support/fixtures.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat } from '../support/scale.ts';

const lenient = { lenient: true } as const;

function codeOf(hex: string, options = {}): string {
  try {
    decode(fromHex(hex), { ...lenient, ...options });
  } catch (error) {
    assert.ok(error instanceof CborError, `${hex}: ${error}`);
    return error.code;
  }
  return 'none';
}

const loose: readonly (readonly [string, CborValue, string])[] = [
  ['1800', 0, 'ERR_CBOR_SHORTEST'],
  ['190001', 1, 'ERR_CBOR_SHORTEST'],
  ['3a00000002', -3, 'ERR_CBOR_SHORTEST'],
  ['1b0000000000000003', 3, 'ERR_CBOR_SHORTEST'],
  ['3b0000000000000003', -4, 'ERR_CBOR_SHORTEST'],
  ['590002aabb', Uint8Array.of(0xaa, 0xbb), 'ERR_CBOR_SHORTEST'],
  ['78026869', 'hi', 'ERR_CBOR_SHORTEST'],
  ['9b000000000000000101', [1], 'ERR_CBOR_SHORTEST'],
  ['ba000000010102', new Map([[1, 2]]), 'ERR_CBOR_SHORTEST'],
  ['d8053863', new Tagged(5, -100), 'ERR_CBOR_SHORTEST'],
  ['fa3fc00000', 1.5, 'ERR_CBOR_SHORTEST'],
  ['fb3ff8000000000000', 1.5, 'ERR_CBOR_SHORTEST'],
  ['fb7ff8000000000001', Number.NaN, 'ERR_CBOR_SHORTEST'],
  ['fa7fc00000', Number.NaN, 'ERR_CBOR_SHORTEST'],
  ['5fff', new Uint8Array(0), 'ERR_CBOR_INDEFINITE'],
  ['5f41014102ff', Uint8Array.of(1, 2), 'ERR_CBOR_INDEFINITE'],
  ['5f40580102ff', Uint8Array.of(2), 'ERR_CBOR_INDEFINITE'],
  ['7fff', '', 'ERR_CBOR_INDEFINITE'],
  ['7f61616162ff', 'ab', 'ERR_CBOR_INDEFINITE'],
  ['9fff', [], 'ERR_CBOR_INDEFINITE'],
  ['9f019f02ff80ff', [1, [2], []], 'ERR_CBOR_INDEFINITE'],
  ['bfff', new Map(), 'ERR_CBOR_INDEFINITE'],
  [
    'bf0261617f6161ff01ff',
    new Map<number | string, CborValue>([
      [2, 'a'],
      ['a', 1],
    ]),
    'ERR_CBOR_INDEFINITE',
  ],
  ['c19f01ff', new Tagged(1, [1]), 'ERR_CBOR_INDEFINITE'],
];

test('lenient: indefinite lengths and forms that are not the shortest, which strict refuses', () => {
  for (const [hex, value, strict] of loose) {
    assert.deepEqual(decode(fromHex(hex), lenient), value, hex);
    assert.throws(() => decode(fromHex(hex)), { code: strict }, hex);
    assert.throws(() => decode(fromHex(hex), { lenient: false }), { code: strict }, hex);
  }
  assert.deepEqual(decodeSequence(fromHex('9fff180a'), lenient), [[], 10]);
  assert.deepEqual(decodeFirst(fromHex('ff9f01ff00'), 1, lenient), { value: [1], end: 4 });
  assert.throws(() => decode(fromHex('00'), { lenient: true, canonical: true }), { name: 'RangeError', message: /canonical or lenient, got both/ });
});

test('lenient: one key twice, in whatever form', () => {
  for (const hex of [
    'a201000100',
    'bf01000100ff',
    'a20100180100',
    'a2010019000100',
    'bf01001b000000000000000100ff',
    'a2200038 0000',
    'a261610078016100',
    'a26161007f6161ff00',
    'a24101005f4101ff00',
    'a24101005801 0100',
    'a21bffffffffffffffff001bffffffffffffffff00',
  ])
    assert.equal(codeOf(hex), 'ERR_CBOR_DUPLICATE', hex);
  // Text and bytes, and -1 and 0, stay distinct.
  assert.equal(codeOf('a4610100410100 2000 0000'), 'none');
});

test('lenient: keys that are floats, simple values, arrays, maps or tags', () => {
  for (const hex of ['a1fb3ff000000000000000', 'bff93c0000ff', 'bf9fff00ff', 'a1bfff00', 'a1c10000']) assert.equal(codeOf(hex), 'ERR_CBOR_KEY', hex);
});

test('lenient: nesting to 16 levels and no deeper, bombs of a million levels', () => {
  for (const [open, close] of [
    ['9f', 'ff'],
    ['bf00', 'ff'],
    ['81', ''],
    ['c1', ''],
    ['9801', ''],
  ] as const) {
    assert.equal(codeOf(`${open.repeat(16)}00${close.repeat(16)}`), 'none', open);
    assert.equal(codeOf(`${open.repeat(17)}00${close.repeat(17)}`), 'ERR_CBOR_DEPTH', open);
    assert.equal(codeOf(open.repeat(1_000_000), { depth: 1_000_000 }), 'ERR_CBOR_DEPTH', open);
  }
});

test('lenient: lengths, counts and chunks that the input cannot hold, and too many entries', () => {
  for (const head of ['5b', '7b', '9b', 'bb'])
    for (let bits = 32; bits < 64; bits++) assert.equal(codeOf(`${head}${(1n << BigInt(bits)).toString(16).padStart(16, '0')}00`), 'ERR_CBOR_END');
  for (const hex of ['5f', '5f41', '5f5affffffff', '5f4101', '7f6161', '9f', '9f01', 'bf', 'bf01', 'bf0102', '5f5bffffffffffffffff00ff'])
    assert.equal(codeOf(hex), 'ERR_CBOR_END', hex);
  assert.equal(codeOf('bf010002000300ff', { entries: 2 }), 'ERR_CBOR_RANGE');
  assert.equal(codeOf('bf01000200ff', { entries: 2 }), 'none');
  assert.equal((decode(fromHex(`5f${'4101'.repeat(300_000)}ff`), lenient) as Uint8Array).length, 300_000);
  assert.equal((decode(fromHex(`7f${'6161'.repeat(300_000)}ff`), lenient) as string).length, 300_000);
});

test('RFC 8949 3.2.3: chunks are definite, of one type, and each is UTF-8 of its own', () => {
  for (const hex of ['5f6161ff', '7f4161ff', '5f00ff', '5f5f4101ffff', '7f7f6161ffff', '5f80ff', '7ff6ff']) assert.equal(codeOf(hex), 'ERR_CBOR_CHUNK', hex);
  for (const hex of ['7f61c361bcff', '7f62c328ff', '61ff', '7801ff']) assert.equal(codeOf(hex), 'ERR_CBOR_UTF8', hex);
});

test('lenient: breaks out of place, reserved values, indefinite integers and tags, bytes behind the item', () => {
  for (const hex of ['ff', '81ff', '8201ff', 'a1ff00', 'a100ff', 'bf00ff', '9fc1ffff', '1f', '3f', 'df00ff'])
    assert.equal(codeOf(hex), 'ERR_CBOR_INDEFINITE', hex);
  for (const info of [28, 29, 30])
    for (let major = 0; major < 8; major++) assert.equal(codeOf(((major << 5) | info).toString(16).padStart(2, '0')), 'ERR_CBOR_RESERVED');
  for (let value = 0; value < 32; value++) assert.equal(codeOf(`f8${value.toString(16).padStart(2, '0')}`), 'ERR_CBOR_SHORTEST');
  assert.equal(codeOf('9fff00'), 'ERR_CBOR_TRAILING');
  assert.equal(codeOf('180100'), 'ERR_CBOR_TRAILING');
});

test('RFC 8949 Appendix F: what is not well-formed', () => {
  const { items } = fixture<{ items: readonly { hex: string }[] }>('cbor/not-well-formed.json');
  for (const { hex } of items) assert.notEqual(codeOf(hex), 'none', hex);
});

/** A head in any form that can hold the argument. */
function looseHead(random: SeededRandom, major: number, argument: number): Uint8Array {
  const least = argument < 24 ? 0 : argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : 3;
  const form = least + random.below(5 - least);
  if (form === 0) return Uint8Array.of((major << 5) | argument);
  const head = new Uint8Array(1 + 2 ** (form - 1));
  head[0] = (major << 5) | (23 + form);
  let rest = argument;
  for (let i = head.length - 1; i > 0; i--, rest = Math.floor(rest / 256)) head[i] = rest % 256;
  return head;
}

/** A random value, and one of its many encodings. */
function looseItem(random: SeededRandom, depth: number): { readonly value: CborValue; readonly bytes: Uint8Array } {
  const brk = Uint8Array.of(0xff);
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0: {
      const argument = random.below(2 ** random.below(33));
      return { value: argument, bytes: looseHead(random, 0, argument) };
    }
    case 1: {
      const argument = random.below(2 ** random.below(33));
      return { value: -1 - argument, bytes: looseHead(random, 1, argument) };
    }
    case 2:
    case 3: {
      const major = random.chance(0.5) ? 2 : 3;
      const chunks = Array.from({ length: random.below(4) }, () => random.bytes(random.below(40)).map((byte) => byte & 0x7f));
      const all = concatAll(chunks);
      const value = major === 2 ? all : String.fromCharCode(...all);
      if (random.chance(0.5)) return { value, bytes: concatAll([looseHead(random, major, all.length), all]) };
      const encoded = chunks.map((chunk) => concatAll([looseHead(random, major, chunk.length), chunk]));
      return { value, bytes: concatAll([Uint8Array.of((major << 5) | 31), ...encoded, brk]) };
    }
    case 4: {
      const value = Math.fround(random.between(-100, 100));
      const head = new DataView(new ArrayBuffer(9));
      head.setUint8(0, 0xfb);
      head.setFloat64(1, value);
      return random.chance(0.2) ? { value: new Simple(200), bytes: Uint8Array.of(0xf8, 200) } : { value, bytes: new Uint8Array(head.buffer) };
    }
    case 5: {
      const tag = random.below(1000);
      const { value, bytes } = looseItem(random, depth - 1);
      return { value: new Tagged(tag, value), bytes: concatAll([looseHead(random, 6, tag), bytes]) };
    }
    case 6: {
      const items = Array.from({ length: random.below(4) }, () => looseItem(random, depth - 1));
      const bytes = items.map((item) => item.bytes);
      const value = items.map((item) => item.value);
      return { value, bytes: concatAll(random.chance(0.5) ? [looseHead(random, 4, items.length), ...bytes] : [Uint8Array.of(0x9f), ...bytes, brk]) };
    }
    default: {
      const map = new Map<number, CborValue>();
      const parts: Uint8Array[] = [];
      for (let i = random.below(4); i > 0; i--) {
        const key = random.below(300);
        if (map.has(key)) continue;
        const { value, bytes } = looseItem(random, depth - 1);
        map.set(key, value);
        parts.push(looseHead(random, 0, key), bytes);
      }
      return { value: map, bytes: concatAll(random.chance(0.5) ? [looseHead(random, 5, map.size), ...parts] : [Uint8Array.of(0xbf), ...parts, brk]) };
    }
  }
}

test('lenient: one value of its many encodings, every prefix refused, changed bytes give a value or a CborError', async () => {
  const totals = await repeat('cbor-lenient', { quick: 10, full: 500 }, (seed) => {
    const random = new SeededRandom(seed);
    for (let i = 0; i < 200; i++) {
      const { value, bytes } = looseItem(random, 4);
      assert.equal(toHex(encode(decode(bytes, lenient))), toHex(encode(value)), toHex(bytes));
      assert.doesNotThrow(() => diagnose(bytes));
      for (let end = 0; end < bytes.length; end++) assert.throws(() => decode(bytes.subarray(0, end), lenient), { code: 'ERR_CBOR_END' });
      const changed = bytes.slice();
      changed[random.below(changed.length)]! ^= 1 << random.below(8);
      try {
        decode(changed, lenient);
      } catch (error) {
        assert.ok(error instanceof CborError, `${toHex(changed)}: ${error}`);
      }
    }
    return { values: 200 };
  });
  assert.ok(totals['values']! >= 2000);
});
