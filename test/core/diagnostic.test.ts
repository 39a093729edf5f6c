import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, encode, Simple, Tagged } from '../../src/core/cbor.ts';
import { diagnose, type ItemNames } from '../../src/core/diagnostic.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';

const key: ItemNames = {
  entries: new Map<number, { readonly name: string } & ItemNames>([
    [1, { name: 'kty', values: new Map([[4, 'Symmetric']]) }],
    [2, { name: 'kid' }],
    [-1, { name: 'k', secret: true }],
  ]),
};
const claims: ItemNames = {
  entries: new Map<number, { readonly name: string } & ItemNames>([
    [3, { name: 'aud' }],
    [4, { name: 'exp' }],
    [8, { name: 'cnf', entries: new Map([[1, { name: 'COSE_Key', ...key }]]) }],
  ]),
};
const token: ItemNames = { tags: new Map([[61, { name: 'CWT', elements: [{ name: 'protected' }, {}, { name: 'payload', embedded: claims }] }]]) };

const secretKey = new Map<CborKey, CborValue>([
  [1, 4],
  [2, Uint8Array.of(0x31)],
  [-1, Uint8Array.of(0xde, 0xad)],
]);
const claimsSet = new Map<CborKey, CborValue>([
  [3, 'rs1'],
  [4, 1_700_000_000],
  [8, new Map([[1, secretKey]])],
  [99, 1.5],
]);

test('RFC 8949 8: names as comments, of entries, elements, tags, values and embedded items', () => {
  const bytes = encode(new Tagged(61, [Uint8Array.of(), new Map(), encode(claimsSet)]));
  assert.equal(
    diagnose(bytes, { names: token, width: 0 }),
    '/ CWT / 61([/ protected / h\'\', {}, / payload / <<{/ aud / 3: "rs1", / exp / 4: 1700000000, ' +
      "/ cnf / 8: {/ COSE_Key / 1: {/ kty / 1: 4 / Symmetric /, / kid / 2: h'31', / k / -1: / secret of 3 encoded bytes / ...}}, 99: 1.5}>>])",
  );
  assert.equal(diagnose(bytes, { width: 0 }), `61([h'', {}, h'${toHex(encode(claimsSet))}'])`);
});

test('diagnostic notation: key material is shown on demand only, of whatever type and in whatever form', () => {
  for (const [hex, shown] of [
    ['a12042dead', "{/ k / -1: h'dead'}"],
    ['a1206568656c6c6f', '{/ k / -1: "hello"}'],
    ['a1201a075bcd15', '{/ k / -1: 123456789}'],
    ['a12082187b1841', '{/ k / -1: [123, 65]}'],
    ['a1205f41de41adff', "{/ k / -1: (_ h'de', h'ad')}"],
    ['a13800 42dead', "{/ k / -1_0: h'dead'}"],
  ] as const) {
    assert.equal(diagnose(fromHex(hex), { names: key, secrets: true }), shown);
    const hidden = diagnose(fromHex(hex), { names: key });
    assert.match(hidden, /secret of \d+ encoded bytes/);
    for (const part of ['dead', 'hello', '123', '65']) assert.ok(!hidden.includes(part), hidden);
  }
});

test('RFC 8949 8.1: what is not in its shortest form says so', () => {
  for (const [hex, text] of [
    ['1800', '0_0'],
    ['1900ff', '255_1'],
    ['3a00000000', '-1_2'],
    ['1b0000000000000001', '1_3'],
    ['580161', "h'61'_0"],
    ['78016 1', '"a"_0'],
    ['980101', '[_0 1]'],
    ['b900010203', '{_1 2: 3}'],
    ['d80501', '5_0(1)'],
    ['9f01ff', '[_ 1]'],
    ['bf0102ff', '{_ 1: 2}'],
    ['9fff', '[_ ]'],
    ['5fff', "''_"],
    ['7fff', '""_'],
    ['fa3f800000', '1.0_2'],
    ['fb3ff0000000000000', '1.0_3'],
    ['fa7f800000', 'Infinity_2'],
    ['fb7ff8000000000000', 'NaN_3'],
    ['f93c00', '1.0'],
    ['01', '1'],
  ] as const) {
    assert.equal(diagnose(fromHex(hex)), text);
    if (!text.startsWith("''") && !text.startsWith('""')) assert.doesNotThrow(() => parseDiagnostic(text), text);
  }
});

test('diagnostic notation: text that would steer a terminal is escaped', () => {
  const text = 'a\u001b[2J\u009b2J\u202e\u2066\u2028\u200b\u{e0041}"\\\n\u007fé水';
  const shown = diagnose(encode(text));
  assert.equal(shown, '"a\\u001b[2J\\u009b2J\\u202e\\u2066\\u2028\\u200b\\udb40\\udc41\\"\\\\\\n\\u007fé水"');
  assert.equal(parseDiagnostic(shown), text);
});

test('diagnostic notation: lines are broken at the width that is asked for', () => {
  const bytes = encode(new Map([[1, [1, 2, 3]]]));
  assert.equal(diagnose(bytes), '{1: [1, 2, 3]}');
  assert.equal(diagnose(bytes, { width: 12 }), '{\n  1: [1, 2, 3]\n}');
  assert.equal(diagnose(bytes, { width: 5 }), '{\n  1: [\n    1,\n    2,\n    3\n  ]\n}');
  for (const width of [0, 5, 12, 100]) assert.deepEqual(parseDiagnostic(diagnose(bytes, { width })), new Map([[1, [1, 2, 3]]]));
});

test('diagnostic notation: bombs, lengths beyond the input and random bytes give a text or a CborError', () => {
  for (const level of ['81', 'a100', 'c1', '9f', 'bf00', '5f', '7f']) assert.throws(() => diagnose(fromHex(level.repeat(1_000_000))), CborError, level);
  for (const head of ['5b', '7b', '9b', 'bb']) assert.throws(() => diagnose(fromHex(`${head}ffffffffffffffff00`)), { code: 'ERR_CBOR_END' });
  assert.throws(() => diagnose(fromHex('0000')), { code: 'ERR_CBOR_TRAILING' });
  const random = new SeededRandom(5);
  for (let round = 0; round < (scale === 'full' ? 500_000 : 10_000); round++) {
    const bytes = random.bytes(1 + random.below(20));
    try {
      diagnose(bytes, { names: token });
    } catch (error) {
      assert.ok(error instanceof CborError, `${toHex(bytes)}: ${error}`);
    }
  }
});

const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array(),
      fc.constantFrom(true, false, null, undefined, new Simple(0), new Simple(255)),
    ) as fc.Arbitrary<CborValue>,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' })), tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.tuple(fc.nat(), tie('value')).map(([tag, content]) => new Tagged(tag, content)),
  ),
}));

test('diagnostic notation: what is written is read back', () => {
  fc.assert(
    fc.property(value, fc.constantFrom(0, 20, 100), (item, width) => {
      const bytes = encode(item);
      assert.equal(toHex(encode(parseDiagnostic(diagnose(bytes, { width })))), toHex(bytes));
    }),
    { seed: 4, numRuns: scale === 'full' ? 20_000 : 500 },
  );
});

test('RFC 8949 8: notation that people write: comments, white space, byte strings in several bases', () => {
  const text = `/ a token request / {
    / grant_type / 33 : 2, # client_credentials
    / audience / 5 : "temp\\u0053ensor4711",
    24: 'abc', 25: b64'3q2-7w==', 26: h'de ad / and / beef', 27: <<1, [2]>>, -1: [1.5e3, -0x1F, simple(99), 1(0),],
  }`;
  const trailingComma = text.replace('1(0),]', '1(0)]').replace('],\n', ']\n');
  const want = new Map<CborKey, CborValue>([
    [33, 2],
    [5, 'tempSensor4711'],
    [24, utf8('abc')],
    [25, fromHex('deadbeef')],
    [26, fromHex('deadbeef')],
    [27, fromHex('018102')],
    [-1, [1500, -31, new Simple(99), new Tagged(1, 0)]],
  ]);
  assert.deepEqual(parseDiagnostic(trailingComma), want);
  assert.throws(() => parseDiagnostic(text), { code: 'ERR_CBOR_NOTATION' });
});

test('diagnostic notation: text that is none gives an error with the place', () => {
  for (const text of [
    '',
    '{',
    '[1',
    '[1 2]',
    '{1}',
    '{1: 2, 1: 3}',
    '{[]: 1}',
    'nul',
    'simple(x)',
    "h'abc'",
    "h'zz'",
    "b64'*'",
    '"\\x"',
    '"a',
    '1 2',
    '1(',
    '1(2',
    '<<1',
    '-',
    '((1))',
    '/ open',
    '['.repeat(1000),
    '1('.repeat(1000),
    '{1:'.repeat(1000),
    '<<'.repeat(1000),
  ]) {
    assert.throws(() => parseDiagnostic(text), { name: 'CborError', code: 'ERR_CBOR_NOTATION' }, text.slice(0, 20));
  }
  assert.throws(() => parseDiagnostic('[1, ?]'), { message: 'expected a value at character 4, got "?]"' });
});
