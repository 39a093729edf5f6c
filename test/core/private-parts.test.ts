import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { toBase64Url, toHex } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import {
  type CoseKey,
  coseKeyMap,
  decodeCoseKey,
  decodeCoseKeySet,
  encodeCoseKey,
  hidePrivateParts,
  mac0,
  readMac0,
  verifyMac0,
} from '../../src/core/cose/index.ts';
import { openCwt, protectCwt, symmetricKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { freshKey } from './fresh-keys.ts';

const { random } = systemEnv;
const secret = random(32);
const ec = freshKey(1);
const ed = freshKey(6);

/** Every way in which people print, and every form in which a part could show. */
function printsNothingOf(part: Uint8Array, value: unknown): void {
  const texts = [
    inspect(value, { depth: 9, maxArrayLength: null, showHidden: true }),
    format('%o %O %j %s', value, value, value, value),
    JSON.stringify(value),
    `${value}`,
  ];
  const decimal = [...part].join(',');
  for (const text of texts) {
    const plain = text.replace(/\s+/g, '').toLowerCase();
    for (const form of [
      toHex(part),
      toBase64Url(part).toLowerCase(),
      decimal,
      Buffer.from(part).toString('base64').toLowerCase(),
      JSON.stringify({ ...part }).slice(1, -1),
    ])
      assert.ok(!plain.includes(form), text);
  }
}

const decoded = (key: CoseKey): CoseKey => decodeCoseKey(decode(encodeCoseKey(key)));
const handedOut: readonly (readonly [string, Uint8Array, () => unknown])[] = [
  ['a symmetric COSE_Key', secret, () => decoded({ kty: 4, k: secret })],
  ['an EC2 COSE_Key', ec.d!, () => decoded(ec)],
  ['an OKP COSE_Key', ed.d!, () => decoded(ed)],
  ['a key set', ec.d!, () => decodeCoseKeySet([coseKeyMap(ec), coseKeyMap({ kty: 4, k: secret })])],
  ['a token key', secret, () => symmetricKey('HMAC 256/256', secret)],
  [
    'the claims of a token',
    ec.d!,
    () => {
      const key = symmetricKey('AES-CCM-16-64-128', random(16));
      return openCwt(protectCwt({ cnf: { coseKey: ec } }, key, random), [key]);
    },
  ],
  ['a key of the caller that is to be hidden', secret, () => hidePrivateParts({ kty: 4, k: Uint8Array.from(secret) })],
];

for (const [name, part, make] of handedOut) test(`private parts: ${name} prints none`, () => printsNothingOf(part, make()));

test('private parts: this test would see them', () => {
  assert.throws(() => printsNothingOf(secret, { kty: 4, k: secret }));
  assert.throws(() => printsNothingOf(secret, { ...hidePrivateParts({ kty: 4, k: secret }) }));
});

test('private parts: lengths and public parts are printed', () => {
  const shown = inspect(decoded(ec), { depth: 9 });
  assert.match(shown, /d: '\(32 bytes, not shown\)'/);
  assert.match(shown, /x: Uint8Array\(32\)/);
  assert.deepEqual(JSON.parse(JSON.stringify(decoded({ kty: 4, k: secret }))), { kty: 4, k: '(32 bytes, not shown)' });
});

test('private parts: a key that hides them is the same key', () => {
  const key = decoded({ kty: 4, k: secret });
  assert.deepEqual(key, { kty: 4, k: secret });
  assert.deepEqual(Object.keys(key), ['kty', 'k']);
  assert.deepEqual({ ...key }, { kty: 4, k: secret });
  assert.deepEqual(structuredClone(key), { kty: 4, k: secret });
  assert.deepEqual(encode(coseKeyMap(key)), encodeCoseKey({ kty: 4, k: secret }));
  assert.deepEqual(verifyMac0(readMac0(mac0({ key, algorithm: 5, payload: secret })), { key }), secret);
});

test('private parts: a key without them is not touched', () => {
  const key = { kty: 4, kid: Uint8Array.of(1) };
  assert.equal(hidePrivateParts(key), key);
  assert.deepEqual(Reflect.ownKeys(key), ['kty', 'kid']);
});
