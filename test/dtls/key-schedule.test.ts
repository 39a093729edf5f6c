import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { extendedMasterSecret, keyBlock, masterSecret, prf, pskPremaster, verifyData } from '../../src/dtls/key-schedule.ts';

/** The vectors that the authors of TLS 1.2 stacks agreed on (TLS working group, 2009-05). */
const vectors = [
  {
    hash: 'sha256',
    secret: '9bbe436ba940f017b17652849a71db35',
    seed: 'a0ba9f936cda311827a6f796ffd5198c',
    output:
      'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66',
  },
  {
    hash: 'sha384',
    secret: 'b80b733d6ceefcdc71566ea48e5567df',
    seed: 'cd665cf6a8447dd6ff8b27555edb7465',
    output:
      '7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f',
  },
] as const;

for (const { hash, secret, seed, output } of vectors) {
  test(`RFC 5246 5: the PRF with ${hash}, published vector`, () => {
    assert.equal(toHex(prf(hash, fromHex(secret), 'test label', fromHex(seed), output.length / 2)), output);
    assert.equal(toHex(prf(hash, fromHex(secret), 'test label', fromHex(seed), 12)), output.slice(0, 24));
  });
}

test('RFC 4279 2 and RFC 5489 2: premaster secrets', () => {
  assert.equal(toHex(pskPremaster(fromHex('a1b2c3'))), '00030000000003a1b2c3');
  assert.equal(toHex(pskPremaster(fromHex('a1b2c3'), fromHex('00ff'))), '000200ff0003a1b2c3');
  assert.equal(toHex(pskPremaster(new Uint8Array(0))), '00000000');
  assert.equal(pskPremaster(new Uint8Array(300)).length, 604);
});

/** P_hash with node:crypto alone, as far as two blocks. */
function pHash(hash: string, secret: Uint8Array, seed: Uint8Array): Uint8Array {
  const mac = (data: Uint8Array): Uint8Array => createHmac(hash, secret).update(data).digest();
  const a1 = mac(seed);
  return concat(mac(concat(a1, seed)), mac(concat(mac(a1), seed)));
}

const randoms = { client: new Uint8Array(32).fill(0xc1), server: new Uint8Array(32).fill(0x5e) };
const messages = utf8('the handshake messages');

for (const suite of suitesOf('default')) {
  test(`RFC 5246 6.3, 7.4.9, 8.1, RFC 7627 4: seeds and lengths of ${suite.name}`, () => {
    const { hash } = suite;
    const premaster = fromHex('00010203');
    const sessionHash = createHash(hash).update(messages).digest();
    const master = masterSecret(hash, premaster, randoms);
    assert.equal(toHex(master), toHex(pHash(hash, premaster, concat(utf8('master secret'), randoms.client, randoms.server)).subarray(0, 48)));
    assert.equal(
      toHex(extendedMasterSecret(hash, premaster, sessionHash)),
      toHex(pHash(hash, premaster, concat(utf8('extended master secret'), sessionHash)).subarray(0, 48)),
    );
    const block = keyBlock(suite, master, randoms);
    assert.equal(block.length, suite.cipher.keyLength === 16 ? 40 : 72);
    assert.equal(toHex(block.subarray(0, 40)), toHex(pHash(hash, master, concat(utf8('key expansion'), randoms.server, randoms.client)).subarray(0, 40)));
    for (const side of ['client', 'server'] as const) {
      const expected = pHash(hash, master, concat(utf8(`${side} finished`), sessionHash)).subarray(0, 12);
      assert.equal(toHex(verifyData(hash, master, side, sessionHash)), toHex(expected));
    }
  });
}

test('suite lists: iot is what RFC 7925 names, seal-strict is forward secret with whole tags', () => {
  assert.deepEqual(
    suitesOf('iot').map(({ id }) => id),
    [0xc0ae, 0xc0a8],
  );
  const strict = suitesOf('seal-strict');
  assert.ok(strict.length > 0);
  for (const { keyExchange, cipher } of strict) assert.ok(keyExchange.startsWith('ECDHE') && cipher.tagLength === 16);
  assert.equal(new Set(suitesOf('default').map(({ id }) => id)).size, 9);
  assert.throws(() => suitesOf('weak' as never), { code: 'ERR_DTLS_CONFIG' });
  assert.throws(() => suitesOf(['TLS_PSK_WITH_AES_128_CBC_SHA']), { code: 'ERR_DTLS_CONFIG' });
});
