import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { diagnose } from '../../src/core/diagnostic.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { fixture } from '../support/fixtures.ts';

interface Example {
  readonly hex: string;
  /** Whether the encoding is the shortest, in the opinion of RFC 8949's authors. */
  readonly roundtrip: boolean;
  readonly diagnostic?: string;
  /** The value as JSON text. */
  readonly json?: string;
}

const appendixA = fixture<{ items: readonly Example[] }>('cbor/appendix-a.json').items;
/** RFC 7049 erratum 5917: the file still has it. */
const notWellFormed = 'f818';
/** What has a shorter form, or an indefinite length. */
const refused: Readonly<Record<string, string>> = { fa: 'ERR_CBOR_SHORTEST', fb: 'ERR_CBOR_SHORTEST' };
/** A float without a fraction is a number that is written as an integer. */
const integralFloats: ReadonlySet<string> = new Set(['f90000', 'f93c00', 'f97bff', 'fa47c35000', 'f9c400']);

function fromJson(json: string): CborValue {
  const value = (item: unknown): CborValue => {
    if (Array.isArray(item)) return item.map(value);
    if (typeof item === 'object' && item !== null) return new Map(Object.entries(item).map(([key, entry]) => [key, value(entry)]));
    return item as CborValue;
  };
  return value(JSON.parse(json));
}

const withoutIndicators = (text: string): string => text.replace(/_[0-3]\b/g, '');

for (const { hex, roundtrip, diagnostic, json } of appendixA) {
  const bytes = fromHex(hex);
  if (hex === notWellFormed) {
    test('RFC 8949 3.3: f818 is not well-formed (RFC 7049 erratum 5917)', () => {
      assert.throws(() => decode(bytes), { code: 'ERR_CBOR_SHORTEST' });
      assert.throws(() => diagnose(bytes), { code: 'ERR_CBOR_RESERVED' });
    });
    continue;
  }
  test(`RFC 8949 Appendix A: ${hex}`, () => {
    if (!roundtrip) assert.throws(() => decode(bytes), { code: refused[hex.slice(0, 2)] ?? 'ERR_CBOR_INDEFINITE' });
    else {
      const value = decode(bytes, { canonical: true });
      if (!integralFloats.has(hex)) assert.equal(toHex(encode(value)), hex);
      const number = /^-?\d+$/.test(json ?? '') ? BigInt(json!) : undefined;
      if (value instanceof Tagged && number !== undefined) {
        const magnitude = BigInt(`0x${toHex(value.value as Uint8Array)}`);
        assert.equal(value.tag === 2 ? magnitude : -1n - magnitude, number);
      } else if (number !== undefined) assert.equal(BigInt(value as number | bigint), number);
      else if (json !== undefined) assert.deepEqual(value, fromJson(json));
    }
    if (diagnostic !== undefined) {
      assert.equal(withoutIndicators(diagnose(bytes)), diagnostic);
      if (roundtrip) assert.deepEqual(parseDiagnostic(diagnostic), decode(bytes));
    }
    if (roundtrip) assert.equal(toHex(encode(parseDiagnostic(diagnose(bytes)))), toHex(encode(decode(bytes))));
  });
}

for (const { hex, kind, why } of fixture<{ items: readonly { hex: string; kind: string; why: string }[] }>('cbor/not-well-formed.json').items) {
  test(`RFC 8949 Appendix F.1: ${hex} (${kind}: ${why})`, () => {
    assert.throws(() => decode(fromHex(hex)), CborError);
    assert.throws(() => diagnose(fromHex(hex)), CborError);
  });
}

test('RFC 8949 4.2.1: keys are sorted bytewise by their encoding', () => {
  const keys = [[], 10, 100, -1, 'z', 'aa', 'b', 'bbb', Uint8Array.of(1)].filter((key) => !Array.isArray(key)) as (number | string | Uint8Array)[];
  const shuffled = [...keys].reverse();
  assert.equal(toHex(encode(new Map(shuffled.map((key) => [key, 0])))), 'a80a001864002000410100616200617a00626161006362626200');
});

test('RFC 8949 4.2.2: the shortest float that holds the number', () => {
  const forms: readonly (readonly [number, string])[] = [
    [0.5, 'f93800'],
    [-0, 'f98000'],
    [2 ** -24, 'f90001'],
    [2 ** -14, 'f90400'],
    [2 ** -25, 'fa33000000'],
    [1.1, 'fb3ff199999999999a'],
    [65504.5, 'fa477fe080'],
    [2 ** 60, 'fa5d800000'],
    [Number.MIN_VALUE, 'fb0000000000000001'],
    [Number.NaN, 'f97e00'],
    [Number.POSITIVE_INFINITY, 'f97c00'],
    [Number.NEGATIVE_INFINITY, 'f9fc00'],
  ];
  for (const [value, hex] of forms) {
    assert.equal(toHex(encode(value)), hex);
    assert.ok(Object.is(decode(fromHex(hex)), value), hex);
  }
});

test('RFC 8949 3.1: integers at the edges of each length, and beyond 2^53', () => {
  const forms: readonly (readonly [number | bigint, string])[] = [
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [65_535, '19ffff'],
    [65_536, '1a00010000'],
    [0xffff_ffff, '1affffffff'],
    [0x1_0000_0000, '1b0000000100000000'],
    [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
    [9007199254740992n, '1b0020000000000000'],
    [-24, '37'],
    [-25, '3818'],
    [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
    [-9007199254740992n, '3b001fffffffffffff'],
    [-18446744073709551616n, '3bffffffffffffffff'],
  ];
  for (const [value, hex] of forms) {
    assert.equal(toHex(encode(value)), hex);
    assert.strictEqual(decode(fromHex(hex)), value);
  }
  assert.throws(() => encode(1n << 64n), { code: 'ERR_CBOR_RANGE' });
  assert.throws(() => encode(-(1n << 64n) - 1n), { code: 'ERR_CBOR_RANGE' });
});
