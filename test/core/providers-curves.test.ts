import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ED448_TORSION_SUBGROUP, ed448 } from '@noble/curves/ed448.js';
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { shake256 } from '@noble/hashes/sha3.js';
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { curves } from '../../src/core/crypto/curves.ts';
import type { CurveKey } from '../../src/core/crypto/index.ts';
import { provider as node } from '../../src/core/crypto/node.ts';
import { provider as portable } from '../../src/core/crypto/portable.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';
import { bothWays, outcome, pairOf } from './provider-support.ts';

const curveRuns = scale === 'full' ? 300 : 5;
const hashOf: Readonly<Record<number, 'sha256' | 'sha384' | 'sha512'>> = { 1: 'sha256', 2: 'sha384', 3: 'sha512', 8: 'sha256' };

for (const [crv, { crv: name, kty, length, agreement }] of curves) {
  test(`providers: ${name}: public parts, points and who is a key`, () => {
    const random = new SeededRandom(crv);
    for (let run = 0; run < curveRuns; run++) {
      const key = pairOf(crv, random);
      assert.deepEqual(portable.publicPart(crv, key.d), node.publicPart(crv, key.d));
      for (const y of kty === 'EC' ? [key.y!, true, false] : [undefined]) {
        const point: CurveKey = { crv, x: key.x, ...(y === undefined ? {} : { y }) };
        assert.ok(node.isValidPublicKey({ ...point }) && portable.isValidPublicKey({ ...point }));
        if (kty === 'EC')
          assert.equal(
            outcome(() => portable.affineY({ ...point })),
            outcome(() => node.affineY({ ...point })),
          );
      }
      // Half of all x are those of a point.
      const any: CurveKey = { crv, x: random.bytes(length), ...(kty === 'EC' ? { y: random.chance(0.5) } : {}) };
      if (name === 'P-521') any.x![0]! &= 1;
      assert.equal(portable.isValidPublicKey({ ...any }), node.isValidPublicKey({ ...any }), toHex(any.x!));
      if (kty === 'EC')
        assert.equal(
          outcome(() => portable.affineY({ ...any })),
          outcome(() => node.affineY({ ...any })),
        );
      if (kty === 'EC') assert.equal(portable.isValidPublicKey({ ...key, y: random.bytes(length) }), false);
    }
  });

  if (agreement !== undefined) {
    test(`providers: ${name}: both sides agree, whoever runs which`, () => {
      const random = new SeededRandom(100 + crv);
      for (let run = 0; run < curveRuns; run++) {
        const [ours, theirs] = [pairOf(crv, random), pairOf(crv, random)];
        assert.deepEqual(portable.agree(ours, theirs), node.agree(theirs, ours));
        assert.deepEqual(node.agree(ours, theirs), portable.agree(theirs, ours));
        const stranger: CurveKey = { crv, x: random.bytes(length), ...(kty === 'EC' ? { y: true } : {}) };
        const refusals = [node, portable].map(({ agree: run }) => {
          try {
            return toHex(run({ ...ours }, { ...stranger }));
          } catch {
            return 'refused';
          }
        });
        assert.equal(refusals[1], refusals[0]);
      }
    });
  }

  if (agreement === undefined || kty === 'EC') {
    test(`providers: ${name}: what one signs the other verifies, and neither when a bit is changed`, () => {
      const random = new SeededRandom(200 + crv);
      const used = hashOf[crv];
      for (let run = 0; run < curveRuns; run++) {
        const key = pairOf(crv, random);
        const data = random.bytes(random.below(200));
        for (const [from, to] of bothWays) {
          const signature = from.sign(used, key, data);
          assert.equal(signature.length, 2 * length);
          assert.ok(to.verify(used, key, data, signature));
          assert.ok(!to.verify(used, key, concat(data, Uint8Array.of(0)), signature));
          const changed = signature.slice();
          changed[random.below(changed.length)]! ^= 1 << random.below(8);
          for (const provider of [node, portable]) assert.ok(!provider.verify(used, key, data, changed));
          for (const wrong of [
            new Uint8Array(0),
            signature.subarray(1),
            concat(signature, Uint8Array.of(0)),
            new Uint8Array(2 * length),
            new Uint8Array(2 * length).fill(0xff),
          ])
            for (const provider of [node, portable]) assert.equal(provider.verify(used, key, data, wrong), false);
        }
        assert.equal(toHex(portable.sign(used, { ...key }, data)), toHex(portable.sign(used, key, data)));
        if (used === undefined) assert.equal(toHex(portable.sign(used, key, data)), toHex(node.sign(used, key, data)));
      }
    });
  }
}

const number = (of: Uint8Array): bigint => BigInt(`0x${toHex(of)}`);
const numberBytes = (value: bigint, length: number): Uint8Array => fromHex(value.toString(16).padStart(2 * length, '0'));

test('RFC 9053 2.1: ECDSA with s in either half of its range is one signature to both providers; r and s below the order only', () => {
  for (const crv of [1, 2, 3, 8]) {
    const { order, length } = curves.get(crv)!;
    const n = number(order!);
    const key = pairOf(crv, new SeededRandom(crv));
    const signature = portable.sign(hashOf[crv], key, utf8('either half'));
    const [r, s] = [number(signature.subarray(0, length)), number(signature.subarray(length))];
    const says = (ofR: bigint, ofS: bigint): readonly boolean[] =>
      [node, portable].map((provider) => provider.verify(hashOf[crv], key, utf8('either half'), concat(numberBytes(ofR, length), numberBytes(ofS, length))));
    assert.deepEqual(says(r, s), [true, true]);
    assert.deepEqual(says(r, n - s), [true, true]);
    for (const [ofR, ofS] of [
      [0n, s],
      [r, 0n],
      [n, s],
      [r, n],
    ] as const)
      assert.deepEqual(says(ofR, ofS), [false, false]);
  }
});

const little = (value: bigint, length: number): Uint8Array => numberBytes(value, length).reverse();
/** RFC 8032 Section 5.2: dom4 without a context, unhashed. */
const dom4 = concat(utf8('SigEd448'), new Uint8Array(2));

for (const [crv, curve, points, challenge, verdicts] of [
  [6, ed25519, ED25519_TORSION_SUBGROUP, (data: Uint8Array) => sha512(data), [false, true]],
  [7, ed448, ED448_TORSION_SUBGROUP, (data: Uint8Array) => shake256(concat(dom4, data), { dkLen: 114 }), [true]],
] as const) {
  test(`RFC 8032 5.1.7, 5.2.7: keys and signatures with a part of small order are the same to both providers, curve ${crv}`, () => {
    const { Point } = curve;
    const { length } = curves.get(crv)!;
    const [a, r] = [1_234_567_891n, 987_654_321n];
    const seen = new Set<boolean>();
    for (const low of points.map((point) => Point.fromHex(point))) {
      assert.ok(low.isSmallOrder());
      const key: CurveKey = { crv, x: Point.BASE.multiply(a).add(low).toBytes() };
      for (let message = 0; message < 8; message++) {
        const data = Uint8Array.of(message);
        for (const point of [Point.BASE.multiply(r), Point.BASE.multiply(r).add(low)]) {
          const first = point.toBytes();
          const k = number(challenge(concat(first, key.x!, data)).reverse()) % Point.Fn.ORDER;
          const signature = concat(first, little((r + k * a) % Point.Fn.ORDER, length));
          const verdict = node.verify(undefined, key, data, signature);
          assert.equal(portable.verify(undefined, key, data, signature), verdict);
          seen.add(verdict);
        }
      }
    }
    assert.deepEqual([...seen].sort(), verdicts);
  });
}
