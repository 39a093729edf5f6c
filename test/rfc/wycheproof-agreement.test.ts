import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../src/core/bytes.ts';
import { Curve } from '../../src/core/cose/index.ts';
import { agree, CryptoError, type CurveKey, publicKeyFrom, unwrapKey, wrapKey } from '../../src/core/crypto/index.ts';
import { fixture } from '../support/fixtures.ts';

interface Case {
  readonly id: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
interface WrapCase extends Case {
  readonly key: string;
  readonly message: string;
  readonly wrapped: string;
}
interface AgreementCase extends Case {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
  readonly flags: readonly string[];
}

const casesOf = <T extends Case>(name: string): readonly T[] => fixture<{ items: readonly T[] }>(`wycheproof/${name}.json`).items;
const label = ({ id }: Case): string => `tcId ${id}`;

test('Wycheproof: AES Key Wrap', () => {
  for (const item of casesOf<WrapCase>('key-wrap')) {
    const [key, message, wrapped] = [item.key, item.message, item.wrapped].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array];
    if (item.result === 'valid') {
      assert.equal(toHex(wrapKey(key, message)), item.wrapped, label(item));
      assert.equal(toHex(unwrapKey(key, wrapped)), item.message, label(item));
    }
    // A key of one block of 8 bytes is acceptable there; RFC 3394 Section 2 wants two.
    else assert.throws(() => unwrapKey(key, wrapped), CryptoError, label(item));
    if (message.length < 16 || message.length % 8 !== 0) assert.throws(() => wrapKey(key, message), { code: 'ERR_CRYPTO_LENGTH' }, label(item));
  }
});

/** A point as SEC 1 Section 2.3.4 writes it. */
function pointOf(bytes: Uint8Array): CurveKey | undefined {
  const x = bytes.subarray(1, 33);
  if (bytes[0] === 4 && bytes.length === 65) return { crv: Curve.P256, x, y: bytes.subarray(33) };
  return (bytes[0] === 2 || bytes[0] === 3) && bytes.length === 33 ? { crv: Curve.P256, x, y: bytes[0] === 3 } : undefined;
}

/** A private part in 32 bytes, whatever zeros it is written with. */
function scalarOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  const start = Math.max(0, bytes.length - 32);
  return concat(new Uint8Array(Math.max(0, 32 - bytes.length)), bytes.subarray(start));
}

test('Wycheproof: ECDH on P-256', () => {
  let refused = 0;
  for (const item of casesOf<AgreementCase>('ecdh')) {
    const other = pointOf(fromHex(item.public));
    if (other === undefined) {
      assert.equal(item.result, 'invalid', label(item));
      continue;
    }
    const own = publicKeyFrom(Curve.P256, scalarOf(item.private));
    if (item.result !== 'invalid') assert.equal(toHex(agree(own, other)), item.shared, label(item));
    else {
      assert.throws(() => agree(own, other), { code: 'ERR_CRYPTO_KEY' }, label(item));
      refused++;
    }
  }
  assert.ok(refused > 10, `${refused} refused`);
});

test('Wycheproof: X25519; a shared secret of zeros is refused', () => {
  let refused = 0;
  for (const item of casesOf<AgreementCase>('x25519')) {
    const own = publicKeyFrom(Curve.X25519, fromHex(item.private));
    const other: CurveKey = { crv: Curve.X25519, x: fromHex(item.public) };
    if (item.flags.includes('ZeroSharedSecret')) {
      assert.throws(() => agree(own, other), { code: 'ERR_CRYPTO_KEY' }, label(item));
      refused++;
    } else assert.equal(toHex(agree(own, other)), item.shared, label(item));
  }
  assert.ok(refused > 30, `${refused} refused`);
});
