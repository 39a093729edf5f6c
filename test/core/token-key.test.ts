import assert from 'node:assert/strict';
import { test } from 'node:test';
import { algorithmNames } from '../../src/core/cose/index.ts';
import { openCwt, protectCwt, symmetricKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';

const { random } = systemEnv;

test('symmetricKey: AEAD names give COSE_Encrypt0, HMAC names COSE_Mac0, and the token opens', () => {
  const lengths: Readonly<Record<string, number>> = { 'HMAC 256/64': 32, 'HMAC 256/256': 32, 'HMAC 384/384': 48, 'HMAC 512/512': 64 };
  for (const [id, name] of algorithmNames) {
    if (id < 0) continue;
    if (name.startsWith('AES-MAC')) {
      assert.throws(() => symmetricKey(name, random(16)), { name: 'CoseError', code: 'ERR_COSE_ALGORITHM' }, `${name}: tokens take HMAC only`);
      continue;
    }
    const length = lengths[name] ?? (name === 'A192GCM' ? 24 : name.endsWith('256') || name === 'A256GCM' || name === 'ChaCha20/Poly1305' ? 32 : 16);
    const key = symmetricKey(name, random(length), Uint8Array.of(7));
    assert.equal(key.use, name in lengths ? 'mac0' : 'encrypt0', name);
    assert.equal(key.algorithm, id);
    assert.deepEqual(openCwt(protectCwt({ aud: name }, key, random), [key]).claims, { aud: name });
    assert.throws(() => symmetricKey(name, random(length - 1)), { name: 'CoseError', code: 'ERR_COSE_KEY' });
    assert.throws(() => symmetricKey(name, random(length + 1)), { name: 'CoseError', code: 'ERR_COSE_KEY' });
  }
});

test('symmetricKey: the secret and the kid are copied', () => {
  const k = random(16);
  const kid = Uint8Array.of(1);
  const key = symmetricKey('AES-CCM-16-64-128', k, kid);
  const token = protectCwt({ sub: 'c' }, key, random);
  k.fill(0);
  kid.fill(0);
  assert.deepEqual(openCwt(token, [key]).claims, { sub: 'c' });
  assert.deepEqual(key.kid, Uint8Array.of(1));
});

test('symmetricKey: names of signatures and unknown names are refused', () => {
  for (const name of ['ES256', 'EdDSA', 'AES-CCM-16-64-129', '', 'aes-ccm-16-64-128'])
    assert.throws(() => symmetricKey(name, random(16)), { name: 'CoseError', code: 'ERR_COSE_ALGORITHM' }, name);
});
