import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { assemble, i32, local, v128, type WasmFunction } from '../../src/core/crypto/wasm.ts';
import { aesExports, aesFunctions, callEncryptPair, subBytesTables } from '../../src/core/crypto/wasm-aes.ts';
import { SeededRandom } from '../support/random.ts';

const [first, second, roundKeys] = [256, 272, 512];

/** The pair of blocks in the memory, where they stand. */
const encryptInMemory: WasmFunction = {
  parameters: ['i32'],
  results: [],
  locals: ['v128', 'v128'],
  code: [
    [i32.const(0), v128.load(first), i32.const(0), v128.load(second), i32.const(roundKeys), local.get(0), callEncryptPair, local.set(2), local.set(1)],
    [i32.const(0), local.get(1), v128.store(first), i32.const(0), local.get(2), v128.store(second)],
  ],
};

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  expandKey(keyLength: number, address: number, end: number): void;
  encrypt(lastRoundKey: number): void;
}

interface Host {
  readonly WebAssembly: { readonly Module: new (bytes: Uint8Array) => object; readonly Instance: new (module: object) => { readonly exports: Exports } };
}

const { WebAssembly } = globalThis as unknown as Host;
const module = new WebAssembly.Module(assemble(1, [...aesFunctions, encryptInMemory], { ...aesExports, encrypt: aesFunctions.length }));
const { exports } = new WebAssembly.Instance(module);
const memory = new Uint8Array(exports.memory.buffer);
memory.set(subBytesTables());

function expand(key: Uint8Array): Uint8Array {
  const end = roundKeys + 4 * (key.length + 28);
  memory.set(key, roundKeys);
  exports.expandKey(key.length, roundKeys, end);
  return memory.slice(roundKeys, end);
}

function encrypt(key: Uint8Array, blocks: readonly [Uint8Array, Uint8Array]): Uint8Array[] {
  const { length } = expand(key);
  memory.set(blocks[0], first);
  memory.set(blocks[1], second);
  exports.encrypt(roundKeys + length - 16);
  return [memory.slice(first, second), memory.slice(second, second + 16)];
}

test('FIPS 197 Appendix A.1 and A.3: the round keys of 128 and 256 bits', () => {
  const short = toHex(expand(fromHex('2b7e151628aed2a6abf7158809cf4f3c')));
  assert.equal(short.length, 2 * 11 * 16);
  assert.equal(short.slice(32, 64), 'a0fafe1788542cb123a339392a6c7605');
  assert.equal(short.slice(-32), 'd014f9a8c9ee2589e13f0cc8b6630ca6');
  const long = toHex(expand(fromHex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4')));
  assert.equal(long.length, 2 * 15 * 16);
  assert.equal(long.slice(64, 128), '9ba354118e6925afa51a8b5f2067fcdea8b09c1a93d194cdbe49846eb75d5b9a');
  assert.equal(long.slice(-32), 'fe4890d1e6188d0b046df344706c631e');
});

test('FIPS 197 Appendix B, C.1 and C.3: the examples, in each place of a pair', () => {
  for (const [key, plaintext, ciphertext] of [
    ['2b7e151628aed2a6abf7158809cf4f3c', '3243f6a8885a308d313198a2e0370734', '3925841d02dc09fbdc118597196a0b32'],
    ['000102030405060708090a0b0c0d0e0f', '00112233445566778899aabbccddeeff', '69c4e0d86a7b0430d8cdb78070b4c55a'],
    ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '00112233445566778899aabbccddeeff', '8ea2b7ca516745bfeafc49904b496089'],
  ] as const) {
    const other = new Uint8Array(16);
    const [left, beside] = encrypt(fromHex(key), [fromHex(plaintext), other]);
    const [before, right] = encrypt(fromHex(key), [other, fromHex(plaintext)]);
    assert.deepEqual([toHex(left!), toHex(right!)], [ciphertext, ciphertext]);
    assert.deepEqual(beside, before);
  }
});

test('FIPS 197 5.1.1: each byte in each place of a block, as OpenSSL does it', () => {
  const random = new SeededRandom(197);
  for (const length of [16, 32]) {
    const key = random.bytes(length);
    const cipher = createCipheriv(`aes-${length * 8}-ecb`, key, null).setAutoPadding(false);
    for (let byte = 0; byte < 256; byte++) {
      for (let place = 0; place < 16; place += 2) {
        const blocks = [random.bytes(16), random.bytes(16)] as const;
        // What the first SubBytes sees is the byte: the first round key is the beginning of the key.
        blocks[0][place] = byte ^ key[place]!;
        blocks[1][place + 1] = byte ^ key[place + 1]!;
        assert.equal(toHex(Uint8Array.from(encrypt(key, blocks).flatMap((block) => [...block]))), toHex(cipher.update(Buffer.concat(blocks))));
      }
    }
  }
});
