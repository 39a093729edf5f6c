import { type Cipher, createCipheriv } from 'node:crypto';
import { constantTimeEqual } from '../bytes.ts';

/** Messages above this size gain nothing: there OpenSSL's own CCM is faster. */
export const largestHotMessage = 2048;

const noIv = Buffer.alloc(0);
const zeroIv = Buffer.alloc(16);
const block = 16;
/** B_0 and the encoded length of the AAD, the AAD, the message: each padded to whole blocks. */
const scratch = Buffer.alloc(block + block + largestHotMessage + 2 * block);
const counters = Buffer.alloc(largestHotMessage + 2 * block);

/**
 * AES-CCM (RFC 3610) on two cipher objects that are never finished, because making one for each message costs more than the encryption.
 *
 * The counter blocks are one update of an ECB cipher. The CBC-MAC is one update of a CBC cipher, whose first block is XORed with the last block that came out
 * of it before: that cancels the chaining, as if the IV were zero again.
 */
export class HotCcm {
  readonly #ecb: Cipher;
  readonly #cbc: Cipher;
  readonly #nonceLength: number;
  readonly #tagLength: number;
  readonly #last: Uint8Array = new Uint8Array(block);

  constructor(keyBits: number, key: Uint8Array, nonceLength: number, tagLength: number) {
    this.#ecb = createCipheriv(`aes-${keyBits}-ecb`, key, noIv).setAutoPadding(false);
    this.#cbc = createCipheriv(`aes-${keyBits}-cbc`, key, zeroIv).setAutoPadding(false);
    this.#nonceLength = nonceLength;
    this.#tagLength = tagLength;
  }

  static fits(aad: Uint8Array, length: number): boolean {
    return aad.length + length <= largestHotMessage && aad.length < 0xff00;
  }

  /** The key stream: 16 bytes for the tag, then as many as the message has. */
  #keyStream(nonce: Uint8Array, length: number): Uint8Array {
    const size = block + Math.ceil(length / block) * block;
    const lengthBytes = 15 - this.#nonceLength;
    for (let offset = 0, counter = 0; offset < size; offset += block, counter++) {
      counters[offset] = lengthBytes - 1;
      counters.set(nonce, offset + 1);
      for (let i = offset + 1 + nonce.length; i < offset + 14; i++) counters[i] = 0;
      // The message is far below 2^20 bytes: two counter bytes are enough.
      counters[offset + 14] = counter >>> 8;
      counters[offset + 15] = counter;
    }
    return this.#ecb.update(counters.subarray(0, size));
  }

  /** The CBC-MAC of nonce, AAD and plaintext. The plaintext is written into the scratch buffer by `put`. */
  #mac(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const length = plaintext.length;
    const lengthBytes = 15 - this.#nonceLength;
    scratch[0] = (aad.length > 0 ? 0x40 : 0) | (((this.#tagLength - 2) / 2) << 3) | (lengthBytes - 1);
    scratch.set(nonce, 1);
    for (let i = 1 + nonce.length; i < 14; i++) scratch[i] = 0;
    scratch[14] = length >>> 8;
    scratch[15] = length;
    const last = this.#last;
    for (let i = 0; i < block; i++) scratch[i]! ^= last[i]!;
    let end = block;
    if (aad.length > 0) {
      scratch[end] = aad.length >>> 8;
      scratch[end + 1] = aad.length;
      scratch.set(aad, end + 2);
      end = pad(end + 2 + aad.length);
    }
    scratch.set(plaintext, end);
    end = pad(end + length);
    const out = this.#cbc.update(scratch.subarray(0, end));
    const mac = out.subarray(out.length - block);
    last.set(mac);
    return mac;
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const length = plaintext.length;
    const stream = this.#keyStream(nonce, length);
    const mac = this.#mac(nonce, aad, plaintext);
    const sealed = new Uint8Array(length + this.#tagLength);
    for (let i = 0; i < length; i++) sealed[i] = plaintext[i]! ^ stream[block + i]!;
    for (let i = 0; i < this.#tagLength; i++) sealed[length + i] = mac[i]! ^ stream[i]!;
    return sealed;
  }

  /** The plaintext, or `undefined` when the tag is wrong. */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    const length = ciphertext.length - this.#tagLength;
    const stream = this.#keyStream(nonce, length);
    const plaintext = new Uint8Array(length);
    for (let i = 0; i < length; i++) plaintext[i] = ciphertext[i]! ^ stream[block + i]!;
    const mac = this.#mac(nonce, aad, plaintext);
    const tag = new Uint8Array(this.#tagLength);
    for (let i = 0; i < tag.length; i++) tag[i] = mac[i]! ^ stream[i]!;
    return constantTimeEqual(tag, ciphertext.subarray(length)) ? plaintext : undefined;
  }
}

/** Fill the scratch buffer with zeros to the end of the block. */
function pad(end: number): number {
  const padded = Math.ceil(end / block) * block;
  for (let i = end; i < padded; i++) scratch[i] = 0;
  return padded;
}
