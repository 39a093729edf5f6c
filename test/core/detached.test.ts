import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import {
  type CoseKey,
  countersign,
  decrypt,
  decrypt0,
  detach,
  encrypt,
  encrypt0,
  mac,
  mac0,
  readEncrypt,
  readEncrypt0,
  readMac,
  readMac0,
  readSign,
  readSign1,
  sign,
  sign1,
  verifyCountersignature,
  verifyMac,
  verifyMac0,
  verifySign,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { keyPair } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';

const { random } = systemEnv;
const payload = utf8('This is the content.');
const signer: CoseKey = { kty: 2, ...keyPair(1, random) };
const secret: CoseKey = { kty: 4, k: random(32) };
const aesKey: CoseKey = { kty: 4, k: random(16) };
const recipients = [{ key: secret, algorithm: -10, info: { partyU: { nonce: random(8) } } }];

interface Case {
  readonly name: string;
  readonly object: Tagged;
  readonly open: (item: CborValue, detached?: Uint8Array) => Uint8Array;
}

const given = (detached: Uint8Array | undefined): { readonly detached?: Uint8Array } => (detached === undefined ? {} : { detached });
const cases: readonly Case[] = [
  {
    name: 'COSE_Sign1',
    object: sign1({ key: signer, algorithm: -7, payload }),
    open: (item, detached) => verifySign1(readSign1(item), { key: signer, ...given(detached) }),
  },
  {
    name: 'COSE_Sign',
    object: sign({ payload, signers: [{ key: signer, algorithm: -7 }] }),
    open: (item, detached) => {
      const object = readSign(item);
      return verifySign(object, object.signers[0]!, { key: signer, ...given(detached) });
    },
  },
  {
    name: 'COSE_Mac0',
    object: mac0({ key: secret, algorithm: 5, payload }),
    open: (item, detached) => verifyMac0(readMac0(item), { key: secret, ...given(detached) }),
  },
  {
    name: 'COSE_Mac',
    object: mac({ algorithm: 5, payload, recipients, random }),
    open: (item, detached) => verifyMac(readMac(item), { key: secret, ...given(detached) }),
  },
  {
    name: 'COSE_Encrypt0',
    object: encrypt0({ key: aesKey, algorithm: 10, plaintext: payload, nonce: random(13) }),
    open: (item, detached) => decrypt0(readEncrypt0(item), { key: aesKey, ...given(detached) }),
  },
  {
    name: 'COSE_Encrypt',
    object: encrypt({ algorithm: 10, plaintext: payload, nonce: random(13), recipients, random }),
    open: (item, detached) => decrypt(readEncrypt(item), { key: secret, ...given(detached) }),
  },
];

for (const { name, object: whole, open } of cases) {
  test(`RFC 9052 2: ${name} with its content detached`, () => {
    const { object, content } = detach(whole);
    assert.deepEqual(open(whole), payload);
    const item = decode(encode(object));
    assert.deepEqual(open(item, content), payload);
    assert.throws(() => open(item), { code: 'ERR_COSE_FORMAT' });
    const other = content.slice();
    other[0]! ^= 1;
    assert.throws(() => open(item, other), { code: 'ERR_COSE_VERIFY' });
    // What an object carries itself is what counts.
    assert.deepEqual(open(whole, other), payload);
    assert.throws(() => detach(object), { code: 'ERR_COSE_FORMAT' });

    const countersignature = countersign(whole, { key: signer, algorithm: -7 });
    verifyCountersignature(object, countersignature, { key: signer, detached: content });
    assert.throws(() => verifyCountersignature(object, countersignature, { key: signer }), { code: 'ERR_COSE_FORMAT' });
    assert.throws(() => verifyCountersignature(object, countersignature, { key: signer, detached: other }), { code: 'ERR_COSE_VERIFY' });
  });
}

test('RFC 9052 2: what has no content to detach', () => {
  for (const value of [null, [], [new Uint8Array(0), new Map()], [new Uint8Array(0), new Map(), 'text'], new Map()])
    assert.throws(() => detach(new Tagged(18, value)), { code: 'ERR_COSE_FORMAT' });
});
