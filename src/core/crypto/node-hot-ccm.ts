import { type Cipher, createCipheriv } from 'node:crypto';

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
  readonly #tag: Uint8Array = new Uint8Array(block);

  constructor(keyBits: number, key: Uint8Array, nonceLength: number, tagLength: number) {
    this.#ecb = createCipheriv(`aes-${keyBits}-ecb`, key, noIv).setAutoPadding(false);
    this.#cbc = createCipheriv(`aes-${keyBits}-cbc`, key, zeroIv).setAutoPadding(false);
    this.#nonceLength = nonceLength;
    this.#tagLength = tagLength;
  }

  static fits(aad: Uint8Array, length: number): boolean {
    return aad.length + length <= largestHotMessage && aad.length < 0xff00;
  }

  /** The key stream: 16 bytes for the tag, then at least as many as are asked for. The memory is fresh. */
  #keyStream(nonce: Uint8Array, length: number): Uint8Array {
    const blocks = 1 + Math.ceil(length / block);
    const nonceLength = this.#nonceLength;
    for (let counter = 0, offset = 0; counter < blocks; counter++, offset += block) {
      counters[offset] = 14 - nonceLength;
      for (let i = 0; i < nonceLength; i++) counters[offset + 1 + i] = nonce[i]!;
      for (let i = offset + 1 + nonceLength; i < offset + 14; i++) counters[i] = 0;
      // The message is far below 2^20 bytes: two counter bytes are enough.
      counters[offset + 14] = counter >>> 8;
      counters[offset + 15] = counter;
    }
    return this.#ecb.update(firstBlocks(counters, counterViews, blocks));
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
    const out = this.#cbc.update(firstBlocks(scratch, scratchViews, end / block));
    for (let i = 0, at = out.length - block; i < block; i++) last[i] = out[at + i]!;
    return last;
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext;
    const total = length + this.#tagLength;
    const stream = this.#keyStream(nonce, total);
    const mac = this.#mac(nonce, aad, plaintext);
    for (let i = 0; i < this.#tagLength; i++) stream[block + length + i] = mac[i]! ^ stream[i]!;
    return uncovered(stream, plaintext, length, total);
  }

  /** The plaintext, or `undefined` when the tag is wrong. */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    const length = ciphertext.length - this.#tagLength;
    const stream = this.#keyStream(nonce, length);
    const tag = this.#tag;
    for (let i = 0; i < this.#tagLength; i++) tag[i] = stream[i]!;
    const plaintext = uncovered(stream, ciphertext, length, length);
    const mac = this.#mac(nonce, aad, plaintext);
    let difference = 0;
    for (let i = 0; i < this.#tagLength; i++) difference |= tag[i]! ^ mac[i]! ^ ciphertext[length + i]!;
    return difference === 0 ? plaintext : undefined;
  }
}

/** The message in place of the key stream over it, as long as `total`; what else there is of the key stream is wiped. */
function uncovered(stream: Uint8Array, message: Uint8Array, length: number, total: number): Uint8Array {
  for (let i = 0; i < length; i++) stream[block + i]! ^= message[i]!;
  for (let i = 0; i < block; i++) stream[i] = 0;
  for (let i = block + total; i < stream.length; i++) stream[i] = 0;
  return new Uint8Array(stream.buffer, stream.byteOffset + block, total);
}

const counterViews: Buffer[] = [];
const scratchViews: Buffer[] = [];

/** The first blocks of a buffer, by a view that is made once. */
function firstBlocks(whole: Buffer, views: Buffer[], blocks: number): Buffer {
  return (views[blocks] ??= whole.subarray(0, blocks * block));
}

/** Fill the scratch buffer with zeros to the end of the block. */
function pad(end: number): number {
  const padded = Math.ceil(end / block) * block;
  for (let i = end; i < padded; i++) scratch[i] = 0;
  return padded;
}
