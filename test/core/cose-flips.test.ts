import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { CborError, type CborValue, decode, encode, type Tagged } from '../../src/core/cbor.ts';
import {
  algorithmNames,
  CoseError,
  type CoseKey,
  type CoseObject,
  decrypt0,
  encrypt0,
  mac0,
  readEncrypt0,
  readMac0,
  readSign1,
  sign1,
  verifyMac0,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { aeadParameters } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freshKey } from './fresh-keys.ts';

const { random } = systemEnv;
const payload = utf8('This is the content.');
const kid = Uint8Array.of(1, 2);

interface Case {
  readonly algorithm: number;
  readonly kind: string;
  readonly object: Tagged;
  readonly read: (value: CborValue) => CoseObject;
  readonly open: (object: CoseObject) => Uint8Array;
}

function signed(algorithm: number, key: CoseKey): Case {
  const object = sign1({ key, algorithm, payload, kid });
  return { algorithm, kind: 'COSE_Sign1', object, read: readSign1, open: (read) => verifySign1(read, { key }) };
}

function maced(algorithm: number, keyLength: number): Case {
  const key: CoseKey = { kty: 4, k: random(keyLength) };
  return { algorithm, kind: 'COSE_Mac0', object: mac0({ key, algorithm, payload, kid }), read: readMac0, open: (read) => verifyMac0(read, { key }) };
}

function encrypted(algorithm: number): Case {
  const { keyLength, nonceLength } = aeadParameters(algorithm)!;
  const key: CoseKey = { kty: 4, k: random(keyLength) };
  const object = encrypt0({ key, algorithm, plaintext: payload, nonce: random(nonceLength), kid });
  return { algorithm, kind: 'COSE_Encrypt0', object, read: readEncrypt0, open: (read) => decrypt0(read, { key }) };
}

const cases: readonly Case[] = [
  signed(-7, freshKey(1)),
  signed(-8, freshKey(6)),
  ...(
    [
      [4, 32],
      [5, 32],
      [6, 48],
      [7, 64],
      [14, 16],
      [26, 32],
    ] as const
  ).map(([algorithm, keyLength]) => maced(algorithm, keyLength)),
  ...[...algorithmNames.keys()].filter((algorithm) => aeadParameters(algorithm) !== undefined).map(encrypted),
];

for (const { algorithm, kind, object, read, open } of cases) {
  const bytes = encode(object);
  const name = `${kind} with ${algorithmNames.get(algorithm)}`;

  test(`RFC 9052: no single-bit flip of a ${name} is accepted, and each is refused by the layer that it meets`, () => {
    assert.deepEqual(open(read(decode(bytes))), payload);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      let value: CborValue;
      try {
        value = decode(changed);
      } catch (error) {
        assert.ok(error instanceof CborError, `bit ${bit}: ${error}`);
        continue;
      }
      assert.throws(
        () => open(read(value)),
        (error: unknown) => error instanceof CoseError,
        `bit ${bit}`,
      );
    }
  });

  test(`RFC 8949: no proper prefix of a ${name} is an item`, () => {
    for (let end = 0; end < bytes.length; end++) assert.throws(() => decode(bytes.subarray(0, end)), CborError, `${end} bytes`);
  });
}
