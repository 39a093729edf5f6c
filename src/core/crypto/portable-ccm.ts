import { constantTimeEqual } from '../bytes.ts';
import { checkSealing, openingFailed } from './aead-parameters.ts';
import { AesBlocks, block } from './portable-aes.ts';
import type { Aead, CipherParameters } from './provider.ts';
import { type CcmKey, openShort, sealShort } from './wasm-ccm.ts';

/** The number in `bytes` at the end of a block, most significant byte first. */
function putLength(out: Uint8Array, end: number, bytes: number, length: number): void {
  for (let i = end - 1, rest = length; i >= end - bytes; i--, rest = Math.floor(rest / 256)) out[i] = rest % 256;
}

/** The AAD behind its encoded length (RFC 3610 Section 2.2); nothing for none. */
function encodedAad(aad: Uint8Array): Uint8Array {
  const { length } = aad;
  if (length === 0) return aad;
  const head = length < 0xff00 ? 2 : 6;
  const encoded = new Uint8Array(head + length);
  if (head === 6) encoded.set([0xff, 0xfe]);
  putLength(encoded, head, head === 2 ? 2 : 4, length);
  encoded.set(aad, head);
  return encoded;
}

/**
 * AES-CCM: short messages in WebAssembly, the others on the block cipher in JavaScript.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3610#section-2
 */
export class CcmAead implements Aead, CcmKey {
  readonly key: Uint8Array;
  place = 0;
  /** Made with the first message that is for it. */
  #aes: AesBlocks | undefined;
  readonly #parameters: CipherParameters;
  readonly nonceLength: number;
  readonly tagLength: number;
  /** Bytes of the length field and of the counter: L. */
  readonly #lengthBytes: number;

  constructor(parameters: CipherParameters, key: Uint8Array) {
    this.key = key;
    this.#parameters = parameters;
    this.nonceLength = parameters.nonceLength;
    this.tagLength = parameters.tagLength;
    this.#lengthBytes = block - 1 - parameters.nonceLength;
  }

  #blocks(): AesBlocks {
    this.#aes ??= new AesBlocks(this.key);
    return this.#aes;
  }

  /** The message under the key stream from block 1 on, and what block 0 leaves for the tag (RFC 3610 §2.3). */
  #crypt(nonce: Uint8Array, input: Uint8Array, out: Uint8Array): Uint8Array {
    const blocks = this.#blocks();
    const stream = new Uint8Array(block);
    const start = (counter: number): void => {
      stream.fill(0);
      stream[0] = this.#lengthBytes - 1;
      stream.set(nonce, 1);
      putLength(stream, block, this.#lengthBytes, counter);
      blocks.encrypt(stream, 0);
    };
    for (let at = 0, counter = 1; at < input.length; at += block, counter++) {
      start(counter);
      const end = Math.min(block, input.length - at);
      for (let i = 0; i < end; i++) out[at + i] = input[at + i]! ^ stream[i]!;
    }
    start(0);
    return stream;
  }

  /** The tag, before it is encrypted (RFC 3610 §2.2). */
  #mac(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const first = new Uint8Array(block);
    first[0] = (aad.length > 0 ? 0x40 : 0) | (((this.tagLength - 2) / 2) << 3) | (this.#lengthBytes - 1);
    first.set(nonce, 1);
    putLength(first, block, this.#lengthBytes, plaintext.length);
    return this.#blocks().cbcMac([first, encodedAad(aad), plaintext]);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    checkSealing(this.#parameters, nonce, plaintext);
    const short = sealShort(this, nonce, aad, plaintext);
    if (short !== undefined) return short;
    const { length } = plaintext;
    const sealed = new Uint8Array(length + this.tagLength);
    const mac = this.#mac(nonce, aad, plaintext);
    const stream = this.#crypt(nonce, plaintext, sealed);
    for (let i = 0; i < this.tagLength; i++) sealed[length + i] = mac[i]! ^ stream[i]!;
    return sealed;
  }

  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const length = ciphertext.length - this.tagLength;
    if (length < 0 || nonce.length !== this.nonceLength || length >= 2 ** (8 * this.#lengthBytes)) throw openingFailed();
    const short = openShort(this, nonce, aad, ciphertext);
    if (short !== undefined) return short;
    const plaintext = new Uint8Array(length);
    const stream = this.#crypt(nonce, ciphertext.subarray(0, length), plaintext);
    const tag = this.#mac(nonce, aad, plaintext).subarray(0, this.tagLength);
    for (let i = 0; i < tag.length; i++) tag[i]! ^= stream[i]!;
    if (!constantTimeEqual(tag, ciphertext.subarray(length))) throw openingFailed();
    return plaintext;
  }
}
