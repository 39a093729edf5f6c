import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, encode, Simple, Tagged } from '../../src/core/cbor.ts';
import { diagnose, type ItemNames } from '../../src/core/diagnostic.ts';
import { ProtocolError } from '../../src/core/errors.ts';
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

test('diagnostic notation: a label of text in chunks is known all the same', () => {
  const names: ItemNames = { entries: new Map<string, { readonly name: string } & ItemNames>([['psk', { name: 'pre-shared key', secret: true }]]) };
  for (const hex of ['a16370736b42dead', 'a17f6170 62736bff 42dead', 'a17f 78017062736bff 42dead', 'a1780370736b42dead'])
    assert.match(diagnose(fromHex(hex), { names }), /^\{\/ pre-shared key \/ .*: \/ secret of 3 encoded bytes \/ \.\.\.\}$/);
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

/** All of one line stand for one value. */
function assertSame(texts: readonly string[], want: CborValue): void {
  for (const text of texts) assert.deepEqual(parseDiagnostic(text), want, text);
}

test('RFC 8610 G.1, G.2: byte strings with white space, comments, bases 16, 32 and 64, and text in single quotes', () => {
  const hello = utf8('Hello world');
  assertSame(["h'48656c6c6f20776f726c64'", "h'48 65 6c 6c 6f 20 77 6f 72 6c 64'", "h'4 86 56c 6c6f\n  20776 f726c64'", "'Hello world'"], hello);
  assertSame(["h'48 /a / 656c6c6f # the rest\n20776f726c64'"], hello);
  assertSame(["h'12345678'", "b32'CI2FM6A'", "b32'CI2FM6A='", "b32'ci2f /x/ m6a'", "h32'28Q5CU0'", "b64'EjRWeA'", "b64'EjRW eA=='"], fromHex('12345678'));
  assertSame(["b64'-_-_'", "b64'+/+/'"], fromHex('fbffbf'));
  assertSame(["b32''", "h32''", "''", "h''", "b64''"], new Uint8Array(0));
  assertSame(["'\\\\ \\' \" \\n \\u00fc'"], utf8('\\ \' " \n ü'));
  assertSame(["'a\n\tb'"], utf8('a\n\tb'));
});

test('RFC 8610 G.3: embedded items and sequences', () => {
  assertSame(['<<1>>', "h'01'"], fromHex('01'));
  assertSame(['<<1, 2>>'], fromHex('0102'));
  assertSame(['<<"foo", null>>'], fromHex('63666F6FF6'));
  assertSame(['<<>>'], new Uint8Array(0));
  assertSame(["<<[1, <<'a'>>]>>"], encode([1, encode(utf8('a'))]));
});

test('RFC 8610 G.4: concatenated strings', () => {
  assertSame(
    ['"Hello world"', '"Hello " "world"', '"Hello" h\'20\' "world"', '"" h\'48656c6c6f20776f726c64\' ""', '"Hello " / x / # y\n "world"'],
    'Hello world',
  );
  const bytes = utf8('Hello world');
  assertSame(["'Hello world'", "'Hello ' 'world'", "'Hello ' h'776f726c64'", "'Hello' h'20' 'world'"], bytes);
  assertSame(["'' h'48656c6c6f20776f726c64' '' b64''", "h'4 86 56c 6c6f' h' 20776 f726c64'", "<<>> 'Hello world'"], bytes);
  assertSame(['["a" "b", "c"]'], ['ab', 'c']);
  assertSame(['{"a" "b": \'c\' \'d\'}'], new Map([['ab', utf8('cd')]]));
  // Half of a character in each of two byte strings.
  assertSame(["\"\" h'c3' h'bc'"], 'ü');
  for (const text of ['\'a\' "b"', '"a" h\'ff\'', '"a" 1', '"a" [1]']) assert.throws(() => parseDiagnostic(text), { code: 'ERR_CBOR_NOTATION' }, text);
});

test('RFC 8610 G.5: hexadecimal, octal and binary numbers', () => {
  assertSame(['4711', '0x1267', '0o11147', '0b1001001100111'], 4711);
  assertSame(['-4711', '-0x1267', '-0o11147', '-0b1001001100111'], -4711);
  assertSame(['1.5', '0x1.8p0', '0x18p-4', '0x0.18p+4'], 1.5);
  assertSame(['-1.5', '-0x1.8p0'], -1.5);
  assertSame(['0x3d(1)'], new Tagged(61, 1));
  for (const text of ['0o8', '0b2', '0x', '0x1.8', '0xg']) assert.throws(() => parseDiagnostic(text), { code: 'ERR_CBOR_NOTATION' }, text);
});

test('RFC 8610 G.6: comments, as many as there are', () => {
  assertSame(['1', '/ one / 1 / that was it /', `${'/x/'.repeat(4_000_000)}1`, `${'# one\n'.repeat(1000)}1`], 1);
  assert.throws(() => parseDiagnostic('1 / open'), { code: 'ERR_CBOR_NOTATION' });
});

test('RFC 8949 8.1: encoding indicators of any kind are passed over', () => {
  assertSame(['1', '1_0', '1_3', '1_i', '1_a_9'], 1);
  assertSame(['1.5', '1.5_1', '1.5_3'], 1.5);
  assertSame(['[1]', '[_ 1]', '[_3 1_0]', '[_x 1]'], [1]);
  assertSame(['{1: 2}', '{_ 1: 2}', '{_0 1: 2}'], new Map([[1, 2]]));
  assertSame(['(_ "a", "b")', '"ab"', '"ab"_2'], 'ab');
  assertSame(["(_ h'01', h'02')", "h'0102'_1"], fromHex('0102'));
  assertSame(["''_", "(_ '')"], new Uint8Array(0));
  assertSame(['NaN_1'], Number.NaN);
  assertSame(['5_0(1)'], new Tagged(5, 1));
});

test('RFC 8949 8: simple values by number, integers beyond 64 bits, tags that are none', () => {
  assertSame(['[simple(20), simple(21), simple(22), simple(23)]'], [false, true, null, undefined]);
  assertSame(['18446744073709551616', "2(h'010000000000000000')"], new Tagged(2, fromHex('010000000000000000')));
  assertSame(['-18446744073709551617', "3(h'010000000000000000')"], new Tagged(3, fromHex('010000000000000000')));
  assertSame(['-18446744073709551616'], -(2n ** 64n));
  for (const text of [
    'simple(24)',
    'simple(31)',
    'simple(256)',
    '-1(0)',
    '18446744073709551616(0)',
    "{'a': 1, h'61': 2}",
    "b32'A'",
    "b32'CI2FM6B'",
    "h32'W0'",
    "'\\ud800'",
  ])
    assert.throws(() => parseDiagnostic(text), { code: 'ERR_CBOR_NOTATION' }, text);
});

test('RFC 4648 3.2: any number of = is cut off in one pass, also before what does not belong there', () => {
  const many = '='.repeat(2_000_000);
  for (const base of ['b32', 'b64'])
    assert.throws(
      () => parseDiagnostic(`${base}'${many}.'`),
      (error) => error instanceof ProtocolError,
    );
});
