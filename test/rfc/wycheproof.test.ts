import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { CoseError, type CoseKey, Curve, coseKeyMap, decodeCoseKey, KeyType, readSign1, verifySign1 } from '../../src/core/cose/index.ts';
import { aead, CryptoError, hkdf, hmac, verify } from '../../src/core/crypto/index.ts';
import { fixture } from '../support/fixtures.ts';

interface Case {
  readonly id: number;
  readonly valid: boolean;
}
interface AeadCase extends Case {
  readonly algorithm: number;
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly plaintext: string;
  readonly sealed: string;
}
interface SignatureCase extends Case {
  readonly algorithm: number;
  readonly crv: number;
  readonly x: string;
  readonly y?: string;
  readonly message: string;
  readonly signature: string;
}
interface HkdfCase extends Case {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}
interface HmacCase extends Case {
  readonly key: string;
  readonly message: string;
  readonly tag: string;
}

function casesOf<T extends Case>(name: string): readonly T[] {
  const { items } = fixture<{ items: readonly T[] }>(`wycheproof/${name}.json`);
  assert.ok(items.some(({ valid }) => valid) && items.some(({ valid }) => !valid), name);
  return items;
}

const label = ({ id }: Case): string => `tcId ${id}`;

test('Wycheproof: AES-CCM and AES-GCM, the first use of a key and later ones', () => {
  for (const item of casesOf<AeadCase>('aead')) {
    const cipher = aead(item.algorithm, fromHex(item.key));
    const [nonce, aad, plaintext, sealed] = [item.nonce, item.aad, item.plaintext, item.sealed].map(fromHex) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    for (let use = 0; use < 4; use++) {
      if (item.valid) {
        assert.equal(toHex(cipher.seal(nonce, aad, plaintext)), item.sealed, label(item));
        assert.equal(toHex(cipher.open(nonce, aad, sealed)), item.plaintext, label(item));
      } else assert.throws(() => cipher.open(nonce, aad, sealed), { code: 'ERR_CRYPTO_OPEN' }, label(item));
    }
  }
});

function coseKey({ crv, x, y }: SignatureCase): CoseKey {
  return y === undefined ? { kty: KeyType.OKP, crv, x: fromHex(x) } : { kty: KeyType.EC2, crv, x: fromHex(x), y: fromHex(y) };
}

test('Wycheproof: Ed25519, and ECDSA on P-256 with SHA-256 as R||S', () => {
  const keys = new Map<string, CoseKey>();
  for (const item of casesOf<SignatureCase>('signatures')) {
    const name = `${item.x} ${item.y}`;
    let key = keys.get(name);
    if (key === undefined) keys.set(name, (key = decodeCoseKey(coseKeyMap(coseKey(item)))));
    const hash = item.crv === Curve.P256 ? 'sha256' : undefined;
    assert.equal(verify(hash, key, fromHex(item.message), fromHex(item.signature)), item.valid, label(item));
    // The same signature does not cover a Sig_structure: nothing but a CoseError may come of it.
    const object = readSign1([fromHex(item.algorithm === -7 ? 'a10126' : 'a10127'), new Map(), fromHex(item.message), fromHex(item.signature)]);
    assert.throws(() => verifySign1(object, { key }), CoseError, label(item));
  }
});

test('Wycheproof: HKDF with SHA-256', () => {
  for (const item of casesOf<HkdfCase>('hkdf')) {
    const derive = (): string => toHex(hkdf('sha256', fromHex(item.ikm), fromHex(item.salt), fromHex(item.info), item.size));
    if (item.valid) assert.equal(derive(), item.okm, label(item));
    else assert.throws(derive, CryptoError, label(item));
  }
});

test('Wycheproof: HMAC with SHA-256', () => {
  for (const item of casesOf<HmacCase>('hmac')) {
    const tag = toHex(hmac('sha256', fromHex(item.key), fromHex(item.message))).slice(0, item.tag.length);
    assert.equal(tag === item.tag, item.valid, label(item));
  }
});
