import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AceError, decodeTrlResponse, encodeTrlResponse, type TrlResponse } from '../../src/ace/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { type CborValue, encode } from '../../src/core/cbor.ts';

const one = Uint8Array.of(1, 1);
const two = Uint8Array.of(1, 2);
const map = (...entries: [number | string, CborValue][]): Uint8Array => encode(new Map(entries));

test('RFC 9770 7 and 8: answers to full and diff queries go there and back', () => {
  const answers: readonly TrlResponse[] = [
    { fullSet: [] },
    { fullSet: [one, two], cursor: null },
    { fullSet: [one], cursor: 4_294_967_295 },
    { diffSet: [], cursor: null, more: true },
    {
      diffSet: [
        { removed: [one], added: [] },
        { removed: [], added: [one, two] },
      ],
      cursor: 0,
      more: false,
    },
  ];
  for (const answer of answers) assert.deepEqual(decodeTrlResponse(encodeTrlResponse(answer)), answer);
});

test('RFC 9770 7: parameters that are not known are passed over', () => {
  assert.deepEqual(decodeTrlResponse(map([0, [one]], [99, 'x'], ['text', 1])), { fullSet: [one] });
});

test('RFC 9770 7 and 8: what is no answer of a token revocation list', () => {
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array(0)],
    ['an array', encode([one])],
    ['neither set', map([2, 1])],
    ['both sets', map([0, []], [1, []])],
    ['a set twice', fromHex('a200800080')],
    ['a full set that is no array', map([0, one])],
    ['a hash of text', map([0, ['AQ']])],
    ['a diff set that is no array', map([1, 1])],
    ['an entry that is no array', map([1, [one]])],
    ['an entry of one', map([1, [[[one]]]])],
    ['an entry of three', map([1, [[[], [], []]]])],
    ['an entry of hashes', map([1, [[one, two]]])],
    ['an entry with a hash of a number', map([1, [[[], [1]]]])],
    ['a cursor of text', map([0, []], [2, '1'])],
    ['a cursor below 0', map([0, []], [2, -1])],
    ['a cursor with a fraction', map([0, []], [2, 1.5])],
    ['more as a number', map([1, []], [3, 1])],
    ['more as null', map([1, []], [3, null])],
  ];
  for (const [what, payload] of bad)
    assert.throws(
      () => decodeTrlResponse(payload),
      (error: AceError) => error.code === 'ERR_ACE_FORMAT',
      what,
    );
});
