import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, decode } from '../../src/core/cbor.ts';
import { encStructure } from '../../src/core/cose/encrypt0.ts';
import {
  CoseError,
  type CoseKey,
  type CoseObject,
  coseKeyMap,
  decodeCoseKey,
  decrypt0,
  readEncrypt0,
  readMac0,
  readSign1,
  verifyMac0,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { macStructure } from '../../src/core/cose/mac0.ts';
import { sigStructure } from '../../src/core/cose/sign1.ts';
import { fixture } from '../support/fixtures.ts';
import { oneIn, scale } from '../support/scale.ts';

interface Example {
  readonly name: string;
  readonly kind: 'Sign1' | 'Mac0' | 'Encrypt0';
  readonly fail: boolean;
  readonly key: { readonly kty: number; readonly crv?: number; readonly x?: string; readonly y?: string; readonly k?: string; readonly baseIv?: string };
  readonly external?: string;
  readonly plaintext: string;
  readonly structure?: string;
  readonly cbor: string;
}

interface Kind {
  readonly read: (value: CborValue) => CoseObject;
  readonly open: (object: CoseObject, options: { readonly key: CoseKey; readonly externalAad?: Uint8Array; readonly anyCurve?: boolean }) => Uint8Array;
  readonly structure: (object: CoseObject, externalAad: Uint8Array) => Uint8Array;
}

const kinds: Readonly<Record<Example['kind'], Kind>> = {
  Sign1: { read: readSign1, open: verifySign1, structure: (object, aad) => sigStructure(object.protectedBytes, aad, object.payload!) },
  Mac0: { read: readMac0, open: verifyMac0, structure: (object, aad) => macStructure(object.protectedBytes, aad, object.payload!) },
  Encrypt0: { read: readEncrypt0, open: decrypt0, structure: (object, aad) => encStructure(object.protectedBytes, aad) },
};

function keyOf({ kty, crv, x, y, k, baseIv }: Example['key']): CoseKey {
  const entries: readonly (readonly [number, CborValue])[] = [
    [1, kty],
    [5, baseIv === undefined ? undefined : fromHex(baseIv)],
    [-1, kty === 4 ? fromHex(k!) : crv],
    [-2, x === undefined ? undefined : fromHex(x)],
    [-3, y === undefined ? undefined : fromHex(y)],
  ];
  return decodeCoseKey(new Map<CborKey, CborValue>(entries.filter(([, value]) => value !== undefined)));
}

/** ES512 with a key of P-256: RFC 9053 Section 2.1 allows it and suggests not to do so. It verifies for whoever asks for any curve. */
const weak: ReadonlySet<string> = new Set(['ecdsa-examples/ecdsa-sig-04']);

/** This example prints an AAD with the context string "Encrypt1"; its ciphertext was made with "Encrypt0", as RFC 9052 Section 5.3 wants. */
const staleStructure: ReadonlySet<string> = new Set(['chacha-poly-examples/chacha-poly-enc-01']);

for (const example of fixture<{ examples: readonly Example[] }>('cose/examples.json').examples) {
  const { name, kind, fail, cbor, plaintext, structure } = example;
  const { read, open, structure: structureOf } = kinds[kind];
  const externalAad = example.external === undefined ? emptyBytes : fromHex(example.external);
  const key = keyOf(example.key);

  if (fail) {
    test(`COSE WG example ${name}: refused`, () => {
      assert.throws(
        () => open(read(decode(fromHex(cbor))), { key, externalAad }),
        (error: unknown) => error instanceof CoseError,
      );
    });
    continue;
  }
  const anyCurve = weak.has(name);
  if (anyCurve) {
    test(`COSE WG example ${name}: hash and curve of different strength are refused unless any curve is asked for`, () => {
      assert.throws(() => open(read(decode(fromHex(cbor))), { key, externalAad }), { code: 'ERR_COSE_ALGORITHM' });
    });
  }

  test(`COSE WG example ${name}`, () => {
    const object = read(decode(fromHex(cbor)));
    if (structure !== undefined && !staleStructure.has(name)) assert.equal(toHex(structureOf(object, externalAad)), structure);
    assert.equal(toHex(open(object, { key, externalAad, anyCurve })), plaintext);
    assert.throws(() => open(object, { key, externalAad: Uint8Array.of(1, ...externalAad), anyCurve }), { code: 'ERR_COSE_VERIFY' });
    const unprotectedKey = decodeCoseKey(coseKeyMap(key));
    assert.equal(toHex(open(object, { key: unprotectedKey, externalAad, anyCurve })), plaintext);
  });

  test(`COSE WG example ${name}: a changed bit is refused by COSE or CBOR, or changes nothing that is covered`, () => {
    const bytes = fromHex(cbor);
    for (let at = 0; at < bytes.length; at += oneIn(11, 'the changed bytes of the COSE WG examples with one layer')) {
      for (const bit of scale === 'full' ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
        const changed = bytes.slice();
        changed[at]! ^= 1 << bit;
        try {
          assert.equal(toHex(open(read(decode(changed)), { key, externalAad, anyCurve })), plaintext);
        } catch (error) {
          assert.ok(error instanceof CoseError || error instanceof CborError, `byte ${at}, bit ${bit}: ${error}`);
        }
      }
    }
  });

  test(`COSE WG example ${name}: every prefix is refused`, () => {
    const bytes = fromHex(cbor);
    for (let end = 0; end < bytes.length; end++) assert.throws(() => read(decode(bytes.subarray(0, end))), CborError);
  });
}
