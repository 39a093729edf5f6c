import { unsafe } from '@noble/ciphers/aes.js';

export const block = 16;

type Words = ReturnType<typeof unsafe.encrypt>;

/** Four bytes as a word, the first one lowest; zeros follow the end. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

function putWord(out: Uint8Array, at: number, word: number): void {
  out[at] = word;
  out[at + 1] = word >>> 8;
  out[at + 2] = word >>> 16;
  out[at + 3] = word >>> 24;
}

/** AES with the round keys of one key, block by block. */
export class AesBlocks {
  readonly #roundKeys: Uint32Array;

  constructor(key: Uint8Array) {
    this.#roundKeys = unsafe.expandKeyLE(key);
  }

  /** The encryption of the XOR of a block that came out before and up to 16 bytes, which zeros follow. */
  chain({ s0, s1, s2, s3 }: Words, bytes: Uint8Array, at: number): Words {
    return unsafe.encrypt(this.#roundKeys, s0 ^ wordAt(bytes, at), s1 ^ wordAt(bytes, at + 4), s2 ^ wordAt(bytes, at + 8), s3 ^ wordAt(bytes, at + 12));
  }

  /** Encrypt the block at `at` where it stands. */
  encrypt(bytes: Uint8Array, at: number): void {
    writeBlock(this.chain(zeroBlock, bytes, at), bytes, at);
  }

  /** The CBC-MAC of parts, each of which is padded with zeros to whole blocks. */
  cbcMac(parts: readonly Uint8Array[]): Uint8Array {
    let chained = zeroBlock;
    for (const part of parts) for (let at = 0; at < part.length; at += block) chained = this.chain(chained, part, at);
    const mac = new Uint8Array(block);
    writeBlock(chained, mac, 0);
    return mac;
  }
}

const zeroBlock: Words = { s0: 0, s1: 0, s2: 0, s3: 0 };

function writeBlock({ s0, s1, s2, s3 }: Words, out: Uint8Array, at: number): void {
  putWord(out, at, s0);
  putWord(out, at + 4, s1);
  putWord(out, at + 8, s2);
  putWord(out, at + 12, s3);
}
