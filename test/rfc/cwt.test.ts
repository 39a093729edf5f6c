import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { decodeCoseKey, decrypt0, readEncrypt0, readSign1 } from '../../src/core/cose/index.ts';
import { type ClaimsSet, CwtError, decodeClaims, encodeClaims, openCwt, type TokenKey } from '../../src/core/cwt.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { fixture } from '../support/fixtures.ts';

const items = fixture<{ items: readonly { name: string; hex: string }[] }>('cwt/rfc8392-appendix-a.json').items;

function example(name: string): Uint8Array {
  const found = items.find((item) => item.name === name);
  assert.ok(found, name);
  return fromHex(found.hex);
}

const claims: ClaimsSet = {
  iss: 'coap://as.example.com',
  sub: 'erikw',
  aud: 'coap://light.example.com',
  exp: 1444064944,
  nbf: 1443944944,
  iat: 1443944944,
  cti: fromHex('0b71'),
};

function tokenKey(use: TokenKey['use'], name: string): TokenKey {
  const key = decodeCoseKey(decode(example(name)));
  return { use, algorithm: key.alg as number, key, kid: key.kid! };
}

const encryption = tokenKey('encrypt0', 'exampleKeysSymmetric128');
/** A.2.2 says alg 4 (HMAC 256/64) in its diagnostic notation, and its hexadecimal says 10: a slip, because the MACs of A.4 and A.7 are HMAC 256/64. */
const printedMac = tokenKey('mac0', 'exampleKeysSymmetric256');
const mac: TokenKey = { ...printedMac, algorithm: 4, key: { ...printedMac.key, alg: 4 } };
const signature = tokenKey('sign1', 'exampleKeysECDSA256');
const keys = [encryption, mac, signature];

test('RFC 8392 A.1: CWT Claims Set', () => {
  assert.deepEqual(decodeClaims(example('exampleClaimsSet')), claims);
  assert.equal(toHex(encodeClaims(claims)), toHex(example('exampleClaimsSet')));
});

test('RFC 8392 A.2: keys', () => {
  const { kid, alg, kty } = encryption.key;
  assert.deepEqual({ kid, alg, kty }, { kid: new TextEncoder().encode('Symmetric128'), alg: 10, kty: 4 });
  assert.deepEqual([printedMac.key.kty, printedMac.key.alg, printedMac.key.k!.length], [4, 10, 32]);
  assert.deepEqual([signature.key.kty, signature.key.alg, signature.key.crv], [2, -7, 1]);
});

for (const [section, name, key] of [
  ['A.3: signed CWT', 'exampleSigned', signature],
  ['A.4: MACed CWT', 'exampleMACed', mac],
  ['A.5: encrypted CWT', 'exampleEncrypted', encryption],
] as const) {
  test(`RFC 8392 ${section}`, () => {
    assert.deepEqual(openCwt(example(name), keys), { claims, key });
    assert.throws(
      () =>
        openCwt(
          example(name),
          keys.filter((other) => other !== key),
        ),
      { code: 'ERR_CWT_KEY' },
    );
  });
}

test('RFC 8392 A.6: nested CWT, signed and then encrypted', () => {
  const outer = example('exampleNested');
  assert.deepEqual(openCwt(outer, keys), { claims, key: signature });
  const inner = decode(decrypt0(readEncrypt0(decode(outer)), { key: encryption.key }));
  assert.equal(toHex(readSign1(inner).payload!), toHex(example('exampleClaimsSet')));
  assert.throws(() => openCwt(outer, [encryption]), { code: 'ERR_CWT_KEY' });
  assert.throws(() => openCwt(outer, [signature]), { code: 'ERR_CWT_KEY' });
});

test('RFC 8392 A.7: MACed CWT with a float as iat', () => {
  assert.deepEqual(openCwt(example('exampleMACedFloat'), keys), { claims: { iat: 1443944944.5 }, key: mac });
  assert.equal(toHex(encodeClaims({ iat: 1443944944.5 })), 'a106fb41d584367c200000');
});

for (const name of ['exampleSigned', 'exampleMACed', 'exampleEncrypted', 'exampleNested', 'exampleMACedFloat']) {
  test(`RFC 8392 7.2: ${name}, cut short or changed, is refused as a CWT or says the same`, () => {
    const token = example(name);
    const wanted = openCwt(token, keys).claims;
    for (let end = 0; end < token.length; end++) assert.throws(() => openCwt(token.subarray(0, end), keys), { code: 'ERR_CWT_FORMAT' });
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice();
      changed[at]! ^= 1 << (at % 8);
      try {
        assert.deepEqual(openCwt(changed, keys).claims, wanted);
      } catch (error) {
        assert.ok(error instanceof CwtError && error.code !== 'ERR_CWT_CLAIMS', `byte ${at}: ${error}`);
      }
    }
  });
}

const figures = fixture<{ items: readonly { section: string; name: string; diagnostic: string }[] }>('cwt/rfc8747.json').items;

function figure(name: string): CborValue {
  const found = figures.find((item) => item.name === name);
  assert.ok(found, name);
  return parseDiagnostic(found.diagnostic);
}

test('RFC 8747 3.2: an asymmetric proof-of-possession key', () => {
  const value = figure('asymmetric key');
  const { cnf, ...rest } = decodeClaims(encode(value));
  assert.deepEqual(rest, { iss: 'coaps://server.example.com', aud: 'coaps://client.example.org', exp: 1879067471 });
  assert.deepEqual(cnf, {
    coseKey: {
      kty: 2,
      crv: 1,
      x: fromHex('d7cc072de2205bdc1537a543d53c60a6acb62eccd890c7fa27c9e354089bbe13'),
      y: fromHex('f95e1d4b851a2cc80fff87d8e23f22afb725d535e515d020731e79a3b4e47120'),
    },
  });
  assert.equal(toHex(encodeClaims({ ...rest, cnf: cnf! })), toHex(encode(value)));
});

test('RFC 8747 3.3: an encrypted symmetric proof-of-possession key', () => {
  const decoded = decodeClaims(encode(figure('encrypted symmetric key')));
  // The figure names 5 iat; 5 is nbf.
  assert.equal(decoded.nbf, 1311280970);
  const plaintext = decrypt0(readEncrypt0(decoded.cnf!.encryptedCoseKey!), { key: { kty: 4, k: figure('key that encrypts') as Uint8Array } });
  const plain = figure('symmetric key, plain') as CborMap;
  assert.deepEqual(decode(plaintext), plain);
  assert.deepEqual(decodeCoseKey(decode(plaintext)), { kty: 4, alg: 5, k: plain.get(-1) });
  assert.equal(toHex(encodeClaims(decoded)), toHex(encode(figure('encrypted symmetric key'))));
});

test('RFC 8747 3.4: a key ID', () => {
  const value = figure('key ID') as ReadonlyMap<CborKey, CborValue>;
  assert.deepEqual(decodeClaims(encode(value)).cnf, { kid: fromHex('dfd1aa976d8d4575a0fe34b96de2bfad') });
});
