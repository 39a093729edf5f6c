import { type Cipher, createCipheriv } from 'node:crypto';
import { carve } from '../bytes.ts';

/** Messages above this size gain nothing: there OpenSSL's own CCM is faster. */
const largestHotMessage = 2048;

/** By length. */
const keyRooms: Uint8Array[] = [];

/** A key for the next call of native code, which would move the key itself out of the heap, and so make it ten times as large for good. */
export function outsideHeap(key: Uint8Array): Uint8Array {
  const room = (keyRooms[key.length] ??= new Uint8Array(new ArrayBuffer(key.length)));
  room.set(key);
  return room;
}

const noIv = Buffer.alloc(0);
const zeroIv = Buffer.alloc(16);
const block = 16;
/** B_0 and the encoded length of the AAD, the AAD, the message: each padded to whole blocks. */
const scratch = Buffer.alloc(block + block + largestHotMessage + 2 * block);
const counters = Buffer.alloc(largestHotMessage + 2 * block);
/** Nonces that differ in the lowest bits of the last byte only: consecutive Partial IVs, whatever they are XORed with. */
const neighbours = 8;
/** Key streams of so many blocks are made for all neighbours at once. */
const mostBlocksAhead = 16;

/**
 * AES-CCM (RFC 3610) on two cipher objects that are never finished, because making one for each message costs more than the encryption.
 *
 * The counter blocks are one update of an ECB cipher: those of a nonce and, once nonces are seen to follow each other, of those that are likely next, since
 * a call costs more than the blocks. The CBC-MAC is one update of a CBC cipher, whose first block is XORed with the last block that came out
 * of it before: that cancels the chaining, as if the IV were zero again.
 */
export class HotCcm {
  readonly #ecb: Cipher;
  readonly #cbc: Cipher;
  readonly #nonceLength: number;
  readonly #tagLength: number;
  readonly #last: Uint8Array = new Uint8Array(block);
  #stream: Uint8Array = noIv;
  #start = 0;
  /** The nonce whose group `#stream` is for: with `#blocksAhead` blocks for each neighbour, or, when that is 0, for the one nonce. */
  readonly #group: Uint8Array;
  #blocksAhead = 0;
  /** How many of the group were asked for. */
  #used = 0;

  constructor(keyBits: number, key: Uint8Array, nonceLength: number, tagLength: number) {
    this.#ecb = createCipheriv(`aes-${keyBits}-ecb`, outsideHeap(key), noIv).setAutoPadding(false);
    this.#cbc = createCipheriv(`aes-${keyBits}-cbc`, outsideHeap(key), zeroIv).setAutoPadding(false);
    this.#nonceLength = nonceLength;
    this.#tagLength = tagLength;
    this.#group = new Uint8Array(nonceLength);
  }

  static fits(aad: Uint8Array, length: number): boolean {
    return aad.length + length <= largestHotMessage && aad.length < 0xff00;
  }

  /** Puts the key stream for a nonce at `#stream` and `#start`: 16 bytes for the tag, then at least `length`. */
  #prepare(nonce: Uint8Array, length: number): void {
    const blocks = 1 + Math.ceil(length / block);
    const isNeighbour = this.#isNeighbour(nonce);
    if (isNeighbour && blocks <= this.#blocksAhead) {
      this.#start = this.#place(nonce) * this.#blocksAhead * block;
      this.#used++;
      return;
    }
    // One by one until a neighbour comes; groups then follow each other as long as they are used.
    const ahead = blocks <= mostBlocksAhead && (isNeighbour ? this.#blocksAhead === 0 : this.#used > neighbours / 2);
    this.#group.set(nonce);
    this.#used = ahead ? 1 : 0;
    this.#blocksAhead = ahead ? blocks : 0;
    if (!ahead) {
      this.#fill(nonce, nonce[nonce.length - 1]!, 0, blocks);
      this.#stream = this.#ecb.update(firstBlocks(counters, counterViews, blocks));
      this.#start = 0;
      return;
    }
    const first = nonce[nonce.length - 1]! & -neighbours;
    for (let i = 0; i < neighbours; i++) this.#fill(nonce, first + i, i * blocks, blocks);
    this.#stream = this.#ecb.update(firstBlocks(counters, counterViews, neighbours * blocks));
    this.#start = this.#place(nonce) * blocks * block;
  }

  /** Whether a nonce is in one group of neighbours with the one before. */
  #isNeighbour(nonce: Uint8Array): boolean {
    const group = this.#group;
    const last = this.#nonceLength - 1;
    if (((nonce[last]! ^ group[last]!) & -neighbours) !== 0) return false;
    for (let i = last - 1; i >= 0; i--) if (nonce[i] !== group[i]) return false;
    return true;
  }

  #place(nonce: Uint8Array): number {
    return nonce[this.#nonceLength - 1]! & (neighbours - 1);
  }

  /** The counter blocks for a nonce with another last byte, from block `at`. */
  #fill(nonce: Uint8Array, lastByte: number, at: number, blocks: number): void {
    const nonceLength = this.#nonceLength;
    for (let counter = 0, offset = at * block; counter < blocks; counter++, offset += block) {
      counters[offset] = 14 - nonceLength;
      for (let i = 0; i < nonceLength; i++) counters[offset + 1 + i] = nonce[i]!;
      counters[offset + nonceLength] = lastByte;
      for (let i = offset + 1 + nonceLength; i < offset + 14; i++) counters[i] = 0;
      // The message is far below 2^20 bytes: two counter bytes are enough.
      counters[offset + 14] = counter >>> 8;
      counters[offset + 15] = counter;
    }
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
    this.#prepare(nonce, length);
    const mac = this.#mac(nonce, aad, plaintext);
    const sealed = carve(length + this.#tagLength);
    this.#cover(plaintext, length, sealed);
    for (let i = 0; i < this.#tagLength; i++) sealed[length + i] = mac[i]! ^ this.#stream[this.#start + i]!;
    return sealed;
  }

  /** The plaintext, or `undefined` when the tag is wrong. */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    const length = ciphertext.length - this.#tagLength;
    this.#prepare(nonce, length);
    // Not carved: who gets it must not find another message around it.
    const plaintext = new Uint8Array(length);
    this.#cover(ciphertext, length, plaintext);
    const mac = this.#mac(nonce, aad, plaintext);
    let difference = 0;
    for (let i = 0; i < this.#tagLength; i++) difference |= this.#stream[this.#start + i]! ^ mac[i]! ^ ciphertext[length + i]!;
    if (difference === 0) return plaintext;
    plaintext.fill(0);
    return undefined;
  }

  #cover(message: Uint8Array, length: number, into: Uint8Array): void {
    const stream = this.#stream;
    for (let i = 0, at = this.#start + block; i < length; i++, at++) into[i] = message[i]! ^ stream[at]!;
  }
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
