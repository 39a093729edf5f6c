import { deepEqual } from 'node:assert/strict';
import { Decoder, Encoder } from 'cbor-x';
import * as cborg from 'cborg';
import { type CborKey, type CborValue, decode, encode } from '../src/core/cbor.ts';
import type { Way } from './in-process.ts';

/** A claims set of 171 bytes with a proof-of-possession key; its keys stand in the order of their encodings. */
const claims = new Map<CborKey, CborValue>([
  [1, 'coap://as.example.com'],
  [2, 'client-0017.building7'],
  [3, 'coap://rs1.example.com'],
  [4, 1_900_000_000],
  [5, 1_800_000_000],
  [6, 1_800_000_000],
  [7, new Uint8Array(4).fill(0x42)],
  [
    8,
    new Map<CborKey, CborValue>([
      [
        1,
        new Map<CborKey, CborValue>([
          [1, 2],
          [2, Uint8Array.of(0x31)],
          [-1, 1],
          [-2, new Uint8Array(32).fill(0xa5)],
          [-3, true],
        ]),
      ],
    ]),
  ],
  [9, 'r_temp w_led'],
  [38, 1],
  [39, new Uint8Array(8).fill(9)],
]);

// The options with which each makes the same bytes and the same maps.
const xOptions = { mapsAsObjects: false, useRecords: false, tagUint8Array: false, variableMapSize: true };
const cborgOptions = { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true };

function same(what: string, want: unknown, ways: readonly Way[]): void {
  for (const { name, run } of ways) deepEqual(run(), want, `${what}: expected the same of ${name}`);
}

/** Ways to encode, ours first. */
export function encodeWays(): readonly [Way, ...Way[]] {
  const encoder = new Encoder(xOptions);
  const ways: readonly [Way, ...Way[]] = [
    { name: 'ours', run: () => encode(claims) },
    { name: 'cbor-x', run: () => encoder.encode(claims) },
    { name: 'cborg', run: () => cborg.encode(claims) },
  ];
  same(
    'encode',
    [...encode(claims)],
    ways.map(({ name, run }) => ({ name, run: () => [...(run() as Uint8Array)] })),
  );
  return ways;
}

/** Ways to decode, ours first. */
export function decodeWays(): readonly [Way, ...Way[]] {
  const bytes = encode(claims);
  const decoder = new Decoder(xOptions);
  const ways: readonly [Way, ...Way[]] = [
    { name: 'ours', run: () => decode(bytes) },
    { name: 'cbor-x', run: () => decoder.decode(bytes) },
    { name: 'cborg', run: () => cborg.decode(bytes, cborgOptions) },
  ];
  same('decode', claims, ways);
  return ways;
}
