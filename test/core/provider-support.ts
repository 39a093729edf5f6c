import assert from 'node:assert/strict';
import { toHex } from '../../src/core/bytes.ts';
import { curves } from '../../src/core/crypto/curves.ts';
import { CryptoError, type CurveKey } from '../../src/core/crypto/index.ts';
import { provider as node } from '../../src/core/crypto/node.ts';
import { provider as portable } from '../../src/core/crypto/portable.ts';
import type { CryptoProvider } from '../../src/core/crypto/provider.ts';
import type { SeededRandom } from '../support/random.ts';

export const bothWays: readonly (readonly [CryptoProvider, CryptoProvider])[] = [
  [node, portable],
  [portable, node],
];

/** What a function gives or how it refuses, as a text. */
export function outcome(run: () => unknown): string {
  try {
    const result = run();
    return result instanceof Uint8Array ? toHex(result) : JSON.stringify(result);
  } catch (error) {
    assert.ok(error instanceof CryptoError, String(error));
    return `${error.code}: ${error.message}`;
  }
}

/** A key pair of any curve, drawn by rejection. */
export function pairOf(crv: number, random: SeededRandom): CurveKey & { readonly x: Uint8Array; readonly d: Uint8Array } {
  const { length, agreement = 0xff } = curves.get(crv)!;
  for (;;) {
    const d = random.bytes(length);
    d[0]! &= agreement;
    try {
      return { crv, ...node.publicPart(crv, d), d };
    } catch {
      // Not below the order.
    }
  }
}
