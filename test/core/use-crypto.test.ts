import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type HashName, keyPair, sign, verify } from '../../src/core/crypto/index.ts';
import {
  Algorithm,
  aead,
  type CoseKey,
  type CryptoName,
  Curve,
  cryptoInUse,
  decode,
  encode,
  fromHex,
  KeyType,
  readSign1,
  sign1,
  toHex,
  useCrypto,
  utf8,
  verifySign1,
} from '../../src/core/index.ts';
import { fixture, root } from '../support/fixtures.ts';
import { Simulator } from '../support/simulator.ts';

after(() => useCrypto('node'));

const file = (path: string): string => pathToFileURL(join(root, 'dist', 'src', ...path.split('/'))).href;

/** What a module says in a process of its own. */
function say(source: string, ...args: string[]): string {
  return execFileSync(process.execPath, [...args, '--input-type=module', '--eval', source], { encoding: 'utf8', stdio: 'pipe' }).trim();
}

const ask = `const { cryptoInUse, sign1, encode, useCrypto } = await import(${JSON.stringify(file('core/index.js'))});`;

test('crypto provider: node on Node, portable with node -C portable, either by name', () => {
  assert.equal(cryptoInUse(), 'node');
  assert.equal(say(`${ask} console.log(cryptoInUse())`), 'node');
  assert.equal(say(`${ask} console.log(cryptoInUse())`, '-C', 'portable'), 'portable');
  assert.equal(say(`${ask} await useCrypto('node'); console.log(cryptoInUse())`, '-C', 'portable'), 'node');
});

test('crypto provider: a name that is none is a typed error, and nothing changes', async () => {
  for (const name of ['openssl', '', 'constructor', undefined, 1]) {
    await assert.rejects(useCrypto(name as CryptoName), {
      name: 'CryptoError',
      code: 'ERR_CRYPTO_PROVIDER',
      message: `expected a crypto provider of this build (node, portable), got ${String(name)}`,
    });
  }
  assert.equal(cryptoInUse(), 'node');
});

test('crypto provider: an AEAD stays with the provider that made it, and the later of two calls decides', async () => {
  const nonce = new Uint8Array(13);
  const early = aead(Algorithm.AES_CCM_16_64_128, new Uint8Array(16));
  const sealed = early.seal(nonce, nonce, nonce);
  await Promise.all([useCrypto('node'), useCrypto('portable')]);
  assert.equal(cryptoInUse(), 'portable');
  assert.deepEqual(early.open(nonce, nonce, sealed), nonce);
  assert.deepEqual(aead(Algorithm.AES_CCM_16_64_128, new Uint8Array(16)).open(nonce, nonce, sealed), nonce);
  await Promise.all([useCrypto('portable'), useCrypto('node')]);
  assert.equal(cryptoInUse(), 'node');
});

/** Refuses to find whatever is of a package or of node:crypto. */
const without = (refused: string): string =>
  `import { register } from 'node:module';
   const hook = ${JSON.stringify(`export const resolve = (name, context, next) => { if (${refused}.test(name)) throw new Error('looked for ' + name); return next(name, context); };`)};
   register('data:text/javascript,' + encodeURIComponent(hook));`;

test('crypto provider: what is not in use is not loaded', () => {
  for (const index of ['index.js', 'core/index.js'])
    assert.equal(say(`${without('/^@noble/')} await import(${JSON.stringify(file(index))}); console.log('ready')`), 'ready');
  assert.throws(() => say(`${without('/^@noble/')} ${ask} await useCrypto('portable')`), /looked for @noble/);
  assert.equal(say(`${without('/^(node:)?crypto$/')} ${ask} console.log(cryptoInUse())`, '-C', 'portable'), 'portable');
});

interface Rfc6979 {
  readonly section: string;
  readonly crv: number;
  readonly hash: HashName;
  readonly x: string;
  readonly y: string;
  readonly d: string;
  readonly message: string;
  readonly signature: string;
}

for (const { section, crv, hash, x, y, d, message, signature } of fixture<{ examples: readonly Rfc6979[] }>('cose/rfc6979.json').examples) {
  test(`RFC 6979 ${section}: ECDSA of "${message}" on curve ${crv}; s is left as it comes, above half of the order too`, async () => {
    const key = { crv, x: fromHex(x), y: fromHex(y), d: fromHex(d) };
    await useCrypto('portable');
    assert.equal(toHex(sign(hash, key, utf8(message))), signature);
    await useCrypto('node');
    assert.ok(verify(hash, key, utf8(message), fromHex(signature)));
  });
}

test('RFC 6979: a run of the simulator with the same seed gives the same COSE_Sign1', async () => {
  const run = (seed: number): string => {
    const { random } = new Simulator({ seed }).env('signer');
    const key: CoseKey = { kty: KeyType.EC2, ...keyPair(Curve.P256, random) };
    const message = encode(sign1({ key, algorithm: Algorithm.ES256, payload: random(20) }));
    verifySign1(readSign1(decode(message)), { key });
    return toHex(message);
  };
  await useCrypto('portable');
  assert.equal(run(7), run(7));
  assert.notEqual(run(7), run(8));
  await useCrypto('node');
  assert.notEqual(run(7), run(7));
});
