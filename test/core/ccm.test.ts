import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type CipherCCMTypes, createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { toHex } from '../../src/core/bytes.ts';
import { encrypt0 } from '../../src/core/cose/index.ts';
import { type Aead, aead, aeadParameters } from '../../src/core/crypto/index.ts';
import { SeededRandom } from '../support/random.ts';
import { scale } from '../support/scale.ts';

const algorithms = [10, 11, 12, 13, 30, 31, 32, 33];

interface Keyed {
  readonly key: Uint8Array;
  readonly cipher: Aead;
  readonly nonceLength: number;
  readonly tagLength: number;
}

function keyed(algorithm: number, random: SeededRandom): Keyed {
  const { keyLength, nonceLength, tagLength } = aeadParameters(algorithm)!;
  const key = random.bytes(keyLength);
  return { key, cipher: aead(algorithm, key), nonceLength, tagLength };
}

/** AES-CCM as OpenSSL does it in one go. */
function reference({ key, tagLength }: Keyed, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-ccm` as CipherCCMTypes, key, nonce, { authTagLength: tagLength });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  // An empty array without memory behind it is what OpenSSL stumbles over.
  const body = cipher.update(plaintext.length === 0 ? Buffer.from([0]).subarray(1) : plaintext);
  cipher.final();
  return Uint8Array.from([...body, ...cipher.getAuthTag()]);
}

test('AES-CCM: keys of all algorithms in turns, sealing and opening, with forgeries in between, equal OpenSSL message by message', () => {
  const random = new SeededRandom(7);
  const parties = algorithms.flatMap((algorithm) => [keyed(algorithm, random), keyed(algorithm, random)]);
  const rounds = scale === 'full' ? 200_000 : 4_000;
  for (let round = 0; round < rounds; round++) {
    const party = random.pick(parties);
    const nonce = random.bytes(party.nonceLength);
    const aad = random.bytes(random.below(60));
    const plaintext = random.bytes(random.below(random.chance(0.1) ? 2100 : 120));
    const sealed = reference(party, nonce, aad, plaintext);
    if (random.chance(0.5)) assert.equal(toHex(party.cipher.seal(nonce, aad, plaintext)), toHex(sealed));
    if (random.chance(0.5)) {
      const forged = sealed.slice();
      forged[random.below(forged.length)]! ^= 1 << random.below(8);
      assert.throws(() => party.cipher.open(nonce, aad, forged), { code: 'ERR_CRYPTO_OPEN' });
    }
    assert.deepEqual(party.cipher.open(nonce, aad, sealed), plaintext);
  }
});

/** The nonce of a Partial IV under a Common IV: the number, XORed into the end (RFC 8613, Section 5.2). */
function numbered(commonIv: Uint8Array, number: number): Uint8Array {
  const nonce = commonIv.slice();
  for (let i = nonce.length - 1, rest = number; rest > 0; i--, rest = Math.floor(rest / 256)) nonce[i]! ^= rest % 256;
  return nonce;
}

test('AES-CCM: nonces that count up, with gaps, steps back and repetitions, messages of changing lengths and forgeries in between', () => {
  const random = new SeededRandom(9);
  const parties = algorithms.map((algorithm) => {
    const party = keyed(algorithm, random);
    return { ...party, commonIv: random.bytes(party.nonceLength), number: random.below(1000) };
  });
  const rounds = scale === 'full' ? 200_000 : 6_000;
  for (let round = 0; round < rounds; round++) {
    const party = random.pick(parties);
    party.number = Math.max(0, party.number + (random.chance(0.9) ? 1 : random.below(30) - 15));
    const nonce = numbered(party.commonIv, party.number);
    const aad = random.bytes(21);
    // Mostly of one size, as the messages of a device are; sometimes longer than what was made ahead, or than can be.
    const plaintext = random.bytes(random.chance(0.8) ? 40 : random.below(300));
    const sealed = reference(party, nonce, aad, plaintext);
    const forged = sealed.slice();
    forged[random.below(forged.length)]! ^= 1 << random.below(8);
    if (random.chance(0.5)) assert.equal(toHex(party.cipher.seal(nonce, aad, plaintext)), toHex(sealed));
    if (random.chance(0.2)) assert.throws(() => party.cipher.open(nonce, aad, forged), { code: 'ERR_CRYPTO_OPEN' });
    for (let copies = random.below(3); copies > 0; copies--) assert.deepEqual(party.cipher.open(nonce, aad, sealed), plaintext);
  }
});

test('AES-CCM: what was opened lies alone in its memory', () => {
  const random = new SeededRandom(10);
  const party = keyed(10, random);
  for (let number = 0; number < 20; number++) {
    const nonce = numbered(new Uint8Array(party.nonceLength), number);
    const plaintext = random.bytes(40);
    const opened = party.cipher.open(nonce, nonce, party.cipher.seal(nonce, nonce, plaintext));
    assert.equal(opened.buffer.byteLength, plaintext.length);
  }
});

test('AES-CCM: every single bit of ciphertext, tag, AAD and nonce counts, and a good message still opens after each', () => {
  const random = new SeededRandom(8);
  for (const algorithm of algorithms) {
    const party = keyed(algorithm, random);
    const parts = { nonce: random.bytes(party.nonceLength), aad: random.bytes(17), sealed: new Uint8Array(0) };
    const plaintext = random.bytes(19);
    for (let use = 0; use < 4; use++) parts.sealed = Uint8Array.from(party.cipher.seal(parts.nonce, parts.aad, plaintext));
    for (const name of ['nonce', 'aad', 'sealed'] as const) {
      for (let bit = 0; bit < parts[name].length * 8; bit++) {
        const changed = { ...parts, [name]: parts[name].slice() };
        changed[name][bit >> 3]! ^= 1 << (bit & 7);
        assert.throws(() => party.cipher.open(changed.nonce, changed.aad, changed.sealed), { code: 'ERR_CRYPTO_OPEN' }, `${name} bit ${bit}`);
      }
    }
    assert.deepEqual(party.cipher.open(parts.nonce, parts.aad, parts.sealed), plaintext);
  }
});

test('AES-CCM: a short message after a long one holds nothing of it, and results stay as they were', () => {
  const random = new SeededRandom(9);
  const party = keyed(10, random);
  const other = keyed(10, random);
  const nonce = random.bytes(13);
  const long = new Uint8Array(2000).fill(0xee);
  const results: { readonly got: Uint8Array; readonly want: string }[] = [];
  for (let length = 0; length < 80; length++) {
    for (const { cipher } of [party, other]) cipher.seal(nonce, long.subarray(0, 40), long);
    const short = new Uint8Array(length);
    const sealed = party.cipher.seal(nonce, short.subarray(0, length % 5), short);
    const want = toHex(reference(party, nonce, short.subarray(0, length % 5), short));
    results.push({ got: sealed, want }, { got: party.cipher.open(nonce, short.subarray(0, length % 5), sealed), want: '00'.repeat(length) });
  }
  for (const { got, want } of results) assert.equal(toHex(got), want);
  for (const { got } of results) assert.equal(got.constructor, Uint8Array);
});

test('AES-CCM: inputs are borrowed: they are not written, and writing them afterwards changes nothing', () => {
  const random = new SeededRandom(10);
  const key = random.bytes(16);
  const copy = key.slice();
  const cipher = aead(10, key);
  const nonce = random.bytes(13);
  const aad = random.bytes(20);
  const plaintext = random.bytes(50);
  const before = [nonce, aad, plaintext].map(toHex);
  const want = toHex(reference({ key: copy, cipher, nonceLength: 13, tagLength: 8 }, nonce, aad, plaintext));
  for (let use = 0; use < 6; use++) {
    // Its round keys are made of the copy too.
    key.fill(use);
    assert.equal(toHex(cipher.seal(nonce, aad, plaintext)), want);
  }
  assert.deepEqual([nonce, aad, plaintext].map(toHex), before);
  // Input and output in one buffer, the ciphertext right behind the AAD.
  const joined = Uint8Array.from([...aad, ...cipher.seal(nonce, aad, plaintext)]);
  assert.deepEqual(cipher.open(nonce, joined.subarray(0, 20), joined.subarray(20)), plaintext);
});

test('AEAD: an empty message and empty AAD without memory behind them seal and open', () => {
  const random = new SeededRandom(11);
  for (const algorithm of [1, 2, 3, 24, ...algorithms]) {
    const { keyLength, nonceLength, tagLength } = aeadParameters(algorithm)!;
    const key = random.bytes(keyLength);
    const cipher = aead(algorithm, key);
    const nonce = random.bytes(nonceLength);
    const empty = new Uint8Array(new ArrayBuffer(0));
    const results = Array.from({ length: 6 }, () => cipher.seal(nonce, empty, empty));
    for (const sealed of results) {
      assert.equal(sealed.length, tagLength);
      assert.deepEqual(sealed, results[0]);
      assert.deepEqual(aead(algorithm, key).open(nonce, empty, sealed), new Uint8Array(0));
      assert.deepEqual(cipher.open(nonce, empty, sealed), new Uint8Array(0));
    }
  }
});

/** What another process gives for messages of many lengths, started with these flags: a line for each. */
function sealedWith(flags: readonly string[]): string {
  const source = `
    const { aead, aeadParameters } = await import(${JSON.stringify(new URL('../../src/core/crypto/index.js', import.meta.url).href)});
    for (const algorithm of [${algorithms}]) {
      const { keyLength, nonceLength } = aeadParameters(algorithm);
      const cipher = aead(algorithm, new Uint8Array(keyLength).fill(algorithm));
      for (let length = 0; length < 1000; length += 37) {
        const nonce = new Uint8Array(nonceLength).fill(length);
        const message = new Uint8Array(length).fill(length);
        const sealed = cipher.seal(nonce, nonce, message);
        if (Buffer.compare(cipher.open(nonce, nonce, sealed), message) !== 0) throw new Error('opened otherwise');
        console.log(Buffer.from(sealed).toString('hex'));
      }
    }`;
  return execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', source], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

test('AES-CCM: without WebAssembly, and where the processor lacks its vector instructions, messages are the same', () => {
  const want = sealedWith([]);
  assert.equal(want.trim().split('\n').length, algorithms.length * 28);
  const withoutVectors = process.arch === 'x64' ? ['--no-enable-ssse3', '--no-enable-sse4-1'] : [];
  for (const flag of ['--jitless', ...withoutVectors]) {
    assert.equal(sealedWith([flag]), want, flag);
    assert.equal(sealedWith([flag, '--conditions=portable']), want, `${flag}, portable`);
  }
});

test('RFC 3610 2.1: a message that the length field cannot hold is refused', () => {
  const random = new SeededRandom(12);
  const { cipher } = keyed(10, random);
  const nonce = random.bytes(13);
  const largest = new Uint8Array(65_535);
  assert.deepEqual(cipher.open(nonce, nonce, cipher.seal(nonce, nonce, largest)), largest);
  assert.throws(() => cipher.seal(nonce, nonce, new Uint8Array(65_536)), { name: 'CryptoError', code: 'ERR_CRYPTO_LENGTH' });
  assert.throws(() => cipher.open(nonce, nonce, new Uint8Array(65_536 + 8)), { code: 'ERR_CRYPTO_OPEN' });
  const options = { key: { kty: 4, k: random.bytes(16) }, algorithm: 10, plaintext: new Uint8Array(65_536), nonce };
  assert.throws(() => encrypt0(options), { name: 'CoseError', code: 'ERR_COSE_ALGORITHM' });
});
