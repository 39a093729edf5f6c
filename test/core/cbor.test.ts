import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, decode, decodeFirst, decodeSequence, encode, encodeSequence, Simple, Tagged } from '../../src/core/cbor.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';

/** The code that decoding these bytes ends with. */
function codeOf(hex: string, options = {}): string {
  try {
    decode(fromHex(hex), options);
  } catch (error) {
    assert.ok(error instanceof CborError, `${hex}: ${error}`);
    return error.code;
  }
  return 'none';
}

const key: fc.Arbitrary<CborKey> = fc.oneof(fc.integer(), fc.string({ unit: 'grapheme', maxLength: 8 }), fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }));
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.float(),
      fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array(),
      fc.constantFrom(true, false, null, undefined),
      fc.constantFrom(new Simple(0), new Simple(19), new Simple(32), new Simple(255)),
    ) as fc.Arbitrary<CborValue>,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map((entries) => new Map(entries)),
    fc.tuple(fc.nat(), tie('value')).map(([tag, content]) => new Tagged(tag, content)),
  ),
}));

test('CBOR: what is encoded decodes to the same, and no other bytes of it are canonical', () => {
  fc.assert(
    fc.property(value, (item) => {
      const bytes = encode(item);
      const again = decode(bytes, { canonical: true });
      assert.deepEqual(toHex(encode(again)), toHex(bytes));
    }),
    { seed: 1, numRuns: scale === 'full' ? 20_000 : 500 },
  );
});

test('CBOR: every proper prefix of a valid item is refused', () => {
  fc.assert(
    fc.property(value, (item) => {
      const bytes = encode(item);
      for (let end = 0; end < bytes.length; end++) assert.throws(() => decode(bytes.subarray(0, end)), { name: 'CborError', code: 'ERR_CBOR_END' });
    }),
    { seed: 2, numRuns: scale === 'full' ? 5_000 : 200 },
  );
});

test('CBOR: random and changed bytes give a value or a CborError', () => {
  const random = new SeededRandom(3);
  const seeds = [
    encode(
      new Map<CborKey, CborValue>([
        [1, 'text'],
        [2, [1, 2.5, null]],
        ['k', new Tagged(61, Uint8Array.of(1, 2))],
      ]),
    ),
    fromHex('a301020304fb3ff199999999999a00'),
  ];
  const rounds = scale === 'full' ? 1_000_000 : 20_000;
  for (let round = 0; round < rounds; round++) {
    const bytes = random.chance(0.5) ? random.bytes(1 + random.below(24)) : random.pick(seeds).slice();
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof CborError, `${toHex(bytes)}: ${error}`);
    }
  }
});

test('CBOR: bytes behind the item', () => {
  assert.equal(codeOf('0000'), 'ERR_CBOR_TRAILING');
  assert.equal(codeOf(''), 'ERR_CBOR_END');
});

test('CBOR: longer forms than needed, of integers, lengths, tags and floats', () => {
  for (const hex of [
    '1800',
    '1817',
    '1900ff',
    '1a0000ffff',
    '1b00000000ffffffff',
    '3817',
    '580100',
    '7801 61',
    '9800',
    'b800',
    'd80501',
    'fa3f800000',
    'fb3ff0000000000000',
  ])
    assert.equal(codeOf(hex), 'ERR_CBOR_SHORTEST', hex);
});

test('CBOR: indefinite lengths and breaks', () => {
  for (const hex of ['5f4100ff', '7f6161ff', '9fff', 'bfff', 'ff', '81ff', 'a1ff00', 'a100ff', 'c0ff', '1f', '3f', 'df00'])
    assert.equal(codeOf(hex), 'ERR_CBOR_INDEFINITE', hex);
});

test('CBOR: a key twice, of each type, also far apart', () => {
  for (const hex of ['a2010101 02', 'a2616101616102', 'a2410101410102', 'a21bffffffffffffffff001bffffffffffffffff00', 'a3400041010040 00'])
    assert.equal(codeOf(hex), 'ERR_CBOR_DUPLICATE', hex);
  assert.throws(
    () =>
      encode(
        new Map<CborKey, CborValue>([
          [1, 0],
          [2, 0],
          [1n, 0],
        ]),
      ),
    { code: 'ERR_CBOR_DUPLICATE' },
  );
  assert.throws(
    () =>
      encode(
        new Map<CborKey, CborValue>([
          [1, 0],
          [1n, 0],
        ]),
      ),
    { code: 'ERR_CBOR_DUPLICATE' },
  );
  assert.throws(
    () =>
      encode(
        new Map<CborKey, CborValue>([
          [Uint8Array.of(1), 0],
          [Uint8Array.of(1), 0],
        ]),
      ),
    { code: 'ERR_CBOR_DUPLICATE' },
  );
});

test('CBOR: byte strings as keys cost no quadratic time', () => {
  const count = 20_000;
  const parts = [fromHex('b94e20')];
  for (let i = 0; i < count; i++) parts.push(Uint8Array.of(0x43, i >> 16, i >> 8, i, 0xf6));
  const started = process.cpuUsage().user;
  assert.equal((decode(concat(...parts), { entries: count }) as Map<unknown, unknown>).size, count);
  assert.ok(process.cpuUsage().user - started < 2_000_000);
});

test('CBOR: more entries in one map than are expected, 4096 by default', () => {
  const map = (count: number): Uint8Array =>
    concat(Uint8Array.of(0xb9, count >> 8, count), ...Array.from({ length: count }, (_, i) => encode([i, 0]).subarray(1)));
  assert.equal((decode(map(4096)) as Map<unknown, unknown>).size, 4096);
  assert.equal(codeOf(toHex(map(4097))), 'ERR_CBOR_RANGE');
  assert.equal(codeOf('a201000200', { entries: 1 }), 'ERR_CBOR_RANGE');
});

test('CBOR: keys that are floats, simple values, arrays, maps or tags', () => {
  // 1.0 as a key would pass for the label 1.
  for (const hex of ['a1f93c0000', 'a1f600', 'a1f400', 'a18000', 'a1a000', 'a1c10000']) assert.equal(codeOf(hex), 'ERR_CBOR_KEY', hex);
  assert.throws(() => encode(new Map([[1.5, 0]])), { code: 'ERR_CBOR_KEY' });
  assert.throws(() => encode(new Map([[[] as unknown as CborKey, 0]])), { code: 'ERR_CBOR_KEY' });
});

test('CBOR: text that is not UTF-8', () => {
  for (const hex of ['61ff', '62c328', '63eda080', '62c080', '64f4908080', '61c3']) assert.equal(codeOf(hex), 'ERR_CBOR_UTF8', hex);
  assert.equal(decode(fromHex('66efbbbfc3bc61')), '\ufeffüa');
});

test('CBOR: nesting to 16 levels and no deeper, of arrays, maps and tags', () => {
  for (const level of ['81', 'a100', 'c1']) {
    assert.equal(codeOf(`${level.repeat(16)}00`), 'none');
    assert.equal(codeOf(`${level.repeat(17)}00`), 'ERR_CBOR_DEPTH');
    assert.equal(codeOf(`${level.repeat(100_000)}00`), 'ERR_CBOR_DEPTH');
    assert.equal(codeOf(`${level.repeat(1_000_000)}00`), 'ERR_CBOR_DEPTH');
    assert.equal(codeOf(`${level.repeat(40)}00`, { depth: 40 }), 'none');
    assert.equal(codeOf(`${level}00`, { depth: 0 }), 'ERR_CBOR_DEPTH');
    assert.equal(codeOf(`${level.repeat(1_000_000)}00`, { depth: 1_000_000 }), 'ERR_CBOR_DEPTH');
  }
  const circle: CborValue[] = [];
  circle.push(circle);
  assert.throws(() => encode(circle), { code: 'ERR_CBOR_DEPTH' });
});

test('CBOR: lengths and counts that the input cannot hold', () => {
  for (const hex of [
    '5affffffff',
    '7affffffff',
    '9affffffff',
    'baffffffff',
    '5bffffffffffffffff',
    '9bffffffffffffffff',
    'bbffffffffffffffff',
    '9b0020000000000000',
    ...['5b', '7b', '9b', 'bb'].flatMap((head) => Array.from({ length: 32 }, (_, i) => `${head}${(1n << BigInt(32 + i)).toString(16).padStart(16, '0')}00`)),
    '1b00',
    '8201',
    'a201',
    'a20102 03',
  ])
    assert.equal(codeOf(hex), 'ERR_CBOR_END', hex);
});

test('CBOR: reserved additional information', () => {
  for (const major of [0, 1, 2, 3, 4, 5, 6, 7])
    for (const info of [28, 29, 30]) assert.equal(codeOf(((major << 5) | info).toString(16).padStart(2, '0')), 'ERR_CBOR_RESERVED');
});

test('CBOR: any order of keys, unless asked for canonical', () => {
  assert.deepEqual(
    decode(fromHex('a2020001 00')),
    new Map([
      [2, 0],
      [1, 0],
    ]),
  );
  assert.equal(codeOf('a202000100', { canonical: true }), 'ERR_CBOR_ORDER');
  assert.equal(codeOf('f97e01'), 'none');
  assert.equal(codeOf('f97e01', { canonical: true }), 'ERR_CBOR_SHORTEST');
});

test('CBOR: sequences, and items inside a buffer', () => {
  assert.deepEqual(decodeSequence(fromHex('01820203f5')), [1, [2, 3], true]);
  assert.deepEqual(decodeSequence(new Uint8Array(0)), []);
  assert.equal(toHex(encodeSequence([1, [2, 3], true])), '01820203f5');
  assert.equal(encodeSequence([]).length, 0);
  assert.throws(() => decodeSequence(fromHex('0182')), { code: 'ERR_CBOR_END' });
  assert.deepEqual(decodeFirst(fromHex('ff8101ff'), 1), { value: [1], end: 3 });
  assert.throws(() => decodeFirst(fromHex('01'), 1), { code: 'ERR_CBOR_END' });
  const shifted = fromHex('ff1903e8').subarray(1);
  assert.equal(decode(shifted), 1000);
});

test('CBOR: values that it cannot hold', () => {
  assert.throws(() => encode({} as unknown as CborValue), { code: 'ERR_CBOR_TYPE' });
  assert.throws(() => encode((() => 0) as unknown as CborValue), { code: 'ERR_CBOR_TYPE' });
  for (const simple of [20, 23, 24, 31, 256, -1, 1.5]) assert.throws(() => encode(new Simple(simple)), { code: 'ERR_CBOR_RANGE' });
  for (const tag of [-1, 1.5, Number.NaN, 2 ** 60, -1n]) assert.throws(() => encode(new Tagged(tag, 0)), { code: 'ERR_CBOR_RANGE' });
  for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', `${'x'.repeat(100)}\ud800`]) assert.throws(() => encode(text), { code: 'ERR_CBOR_UTF8' });
  assert.equal(toHex(encode('\ud800\udd51')), '64f0908591');
});

test('CBOR: an error leaves nothing behind, and large values come out whole', () => {
  assert.throws(() => encode([1, 2, {} as unknown as CborValue]), { code: 'ERR_CBOR_TYPE' });
  assert.equal(toHex(encode([1])), '8101');
  const large = new Uint8Array(300_000).fill(7);
  assert.deepEqual(decode(encode([large, 'é'.repeat(40_000)])), [large, 'é'.repeat(40_000)]);
  assert.equal(toHex(encode('x'.repeat(24))), `7818${'78'.repeat(24)}`);
  assert.equal(toHex(encode(`${'x'.repeat(24)}é`)), `781a${'78'.repeat(24)}c3a9`);
});

/** Run `task` and return the buffers that were copied from meanwhile. */
function buffersOf(task: () => void): Uint8Array[] {
  const found: Uint8Array[] = [];
  const { slice, subarray } = Uint8Array.prototype;
  Uint8Array.prototype.slice = function (this: Uint8Array, ...range) {
    found.push(this);
    return slice.apply(this, range) as Uint8Array<ArrayBuffer>;
  };
  Uint8Array.prototype.subarray = function (this: Uint8Array, ...range) {
    found.push(this);
    return subarray.apply(this, range) as Uint8Array<ArrayBuffer>;
  };
  try {
    task();
  } finally {
    Uint8Array.prototype.slice = slice;
    Uint8Array.prototype.subarray = subarray;
  }
  return found;
}

test('CBOR: what was encoded does not stay in the buffer of the encoder', () => {
  const secret = new Uint8Array(32).fill(0xa5);
  for (const value of [
    [secret],
    new Map([['k', secret]]),
    new Map([['kk', secret]].concat([['k', secret]]) as [string, Uint8Array][]),
    ['x'.repeat(2000), secret],
  ]) {
    let encoded = new Uint8Array(0);
    const buffers = buffersOf(() => {
      encoded = encode(value) as Uint8Array<ArrayBuffer>;
    });
    assert.ok(encoded.includes(0xa5));
    assert.ok(buffers.length > 0);
    for (const buffer of buffers) assert.ok(!buffer.includes(0xa5));
  }
  const [kept] = buffersOf(() => assert.throws(() => encode([secret, {} as unknown as CborValue])));
  assert.equal(kept, undefined);
  for (const buffer of buffersOf(() => encode(0))) assert.ok(!buffer.includes(0xa5));
});

test('CBOR: a buffer that grew large is not kept', () => {
  encode(new Uint8Array(1_000_000));
  const [buffer] = buffersOf(() => encode(0));
  assert.ok(buffer!.length <= 16_384);
});

test('CBOR: a map that encodes something while it is encoded', () => {
  class Restless extends Map<CborKey, CborValue> {
    override *[Symbol.iterator](): MapIterator<[CborKey, CborValue]> {
      for (const [key, value] of super.entries()) {
        assert.equal(toHex(encode(['inner', key])), toHex(Uint8Array.of(0x82, 0x65, ...new TextEncoder().encode('inner'), key as number)));
        assert.throws(() => encode({} as unknown as CborValue), { code: 'ERR_CBOR_TYPE' });
        yield [key, value];
      }
    }
  }
  const entries: [CborKey, CborValue][] = [
    [2, 'two'],
    [1, new Uint8Array(3000)],
  ];
  assert.equal(toHex(encode([new Restless(entries), 7])), toHex(encode([new Map(entries), 7])));
});

test('CBOR: byte strings of a Buffer come out as Uint8Array, whose slice() is a copy', () => {
  const [bytes] = decode(Buffer.from('8142aabb', 'hex')) as [Uint8Array];
  assert.equal(bytes.constructor, Uint8Array);
  assert.deepEqual(bytes, Uint8Array.of(0xaa, 0xbb));
});
