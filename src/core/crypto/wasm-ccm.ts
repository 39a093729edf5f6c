import { carve } from '../bytes.ts';
import { openingFailed } from './aead-parameters.ts';
import { assemble, type Code, i32, ifElse, local, loopWhile, select, v128, type WasmFunction } from './wasm.ts';
import { aesExports, aesFunctions, callEncryptPair, roundKeysLength, subBytesTables, tablesLength } from './wasm-aes.ts';

const block = 16;
/** Above this size OpenSSL's own CCM is faster. The counters have one byte here, which is enough for five times as much. */
const longest = 768;

/** Keys whose round keys stay in the memory. */
const mostKeys = 1024;

/** Where things stand in the memory, after the tables. */
const masks = tablesLength;
const counterBlock: number = masks + 2 * block;
const sealed: number = counterBlock + block;
/** B_0, the AAD and the message, each to whole blocks. */
const head: number = sealed + longest;
const roundKeys: number = head + longest + 4 * block;
const pages: number = Math.ceil((roundKeys + mostKeys * roundKeysLength) / 0x1_0000);

const { get, set, tee } = local;

/**
 * CCM (RFC 3610) in one pass: each turn encrypts a block of the CBC-MAC and one counter block side by side. Expects the counter block A_0, and from `head` on
 * B_0, the AAD and the message, each padded with zeros; leaves the message under the key stream at `into`, and in the place of A_0 the tag.
 */
const crypt: WasmFunction = (() => {
  const [firstRoundKey, lastRoundKey, headLength, textLength, into, rest] = [0, 1, 2, 3, 4, 5];
  const [offset, mac, counters, stream] = [6, 7, 8, 9];
  const inText: Code = [get(offset), get(textLength), i32.lessUnsigned];
  const blockAfter: Code = [get(offset), i32.const(block), i32.add];
  return {
    parameters: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: ['i32', 'v128', 'v128', 'v128'],
    code: [
      [i32.const(0), v128.load(counterBlock), set(counters)],
      loopWhile(
        [get(mac), get(offset), v128.load(head), v128.xor],
        // A_1 and what follows for the message, then A_0 for the tag: the head makes the turns one more at least than the message has blocks.
        [get(counters), [blockAfter, i32.const(4), i32.shiftRight], i32.const(0), inText, select, v128.replaceLastByte],
        [get(firstRoundKey), get(lastRoundKey), callEncryptPair, set(stream), set(mac)],
        inText,
        ifElse([
          [get(into), get(offset), i32.add],
          [get(offset), get(headLength), i32.add, v128.load(head), get(stream), v128.xor],
          // What follows the last byte stays zero: the CBC-MAC of a message that is opened comes over it.
          [[i32.const(masks + block), get(rest), i32.subtract], i32.const(masks), [blockAfter, get(textLength), i32.eq], select, v128.load(0), v128.and],
          v128.store(0),
        ]),
        [blockAfter, tee(offset), [get(headLength), get(textLength), i32.add], i32.ne],
      ),
      [i32.const(0), get(mac), get(stream), v128.xor, v128.store(counterBlock)],
    ],
  };
})();

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  expandKey(keyLength: number, address: number, end: number): void;
  crypt(firstRoundKey: number, lastRoundKey: number, headLength: number, textLength: number, into: number, rest: number): void;
}

/** What there is of the JavaScript API of WebAssembly; types for it come with browsers only. */
interface WebAssembly {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** A key, its algorithm, and the place of its round keys that it was given last. */
export interface CcmKey {
  /** Not written to while it is in use. */
  readonly key: Uint8Array;
  readonly nonceLength: number;
  readonly tagLength: number;
  place: number;
}

class ShortCcm {
  readonly #exports: Exports;
  readonly #memory: Uint8Array;
  /** By place. */
  readonly #keys: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(mostKeys).fill(undefined);
  #next = 0;

  private constructor(exports: Exports) {
    this.#exports = exports;
    this.#memory = new Uint8Array(exports.memory.buffer);
    this.#memory.set(subBytesTables());
    this.#memory.fill(0xff, masks, masks + block);
  }

  /** `undefined`: this engine has no WebAssembly (`--jitless`, a policy of the page), or the processor not the vector instructions. */
  static make(): ShortCcm | undefined {
    const { WebAssembly } = globalThis as { WebAssembly?: WebAssembly };
    if (WebAssembly === undefined) return undefined;
    const { Instance, Module } = WebAssembly;
    try {
      const { exports } = new Instance(new Module(assemble(pages, [...aesFunctions, crypt], { ...aesExports, crypt: aesFunctions.length })));
      return new ShortCcm(exports as Exports);
    } catch {
      return undefined;
    }
  }

  seal(key: CcmKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext;
    const { tagLength } = key;
    this.#crypt(key, nonce, aad, plaintext, length, sealed);
    const memory = this.#memory;
    const out = carve(length + tagLength);
    for (let i = 0; i < length; i++) out[i] = memory[sealed + i]!;
    for (let i = 0; i < tagLength; i++) out[length + i] = memory[counterBlock + i]!;
    return out;
  }

  open(key: CcmKey, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const { tagLength } = key;
    const length = ciphertext.length - tagLength;
    const at = this.#crypt(key, nonce, aad, ciphertext, length);
    const memory = this.#memory;
    let difference = 0;
    for (let i = 0; i < tagLength; i++) difference |= memory[counterBlock + i]! ^ ciphertext[length + i]!;
    if (difference !== 0) throw openingFailed();
    // Not carved: who gets it must not find another message around it.
    const plaintext = new Uint8Array(length);
    for (let i = 0; i < length; i++) plaintext[i] = memory[at + i]!;
    return plaintext;
  }

  /**
   * @param into - where the result comes to stand; absent: in the place of the message
   * @returns the place of the message
   */
  #crypt(key: CcmKey, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array, length: number, into?: number): number {
    const memory = this.#memory;
    const { nonceLength } = key;
    const lengthBytes = block - 1 - nonceLength;
    memory[head] = (aad.length > 0 ? 0x40 : 0) | (((key.tagLength - 2) / 2) << 3) | (lengthBytes - 1);
    memory[counterBlock] = lengthBytes - 1;
    for (let i = 0; i < nonceLength; i++) memory[head + 1 + i] = memory[counterBlock + 1 + i] = nonce[i]!;
    for (let i = 1 + nonceLength; i < block - 2; i++) memory[head + i] = memory[counterBlock + i] = 0;
    memory[head + 14] = length >>> 8;
    memory[head + 15] = length;
    memory[counterBlock + 14] = memory[counterBlock + 15] = 0;
    let text = head + block;
    if (aad.length > 0) {
      memory[text++] = aad.length >>> 8;
      memory[text++] = aad.length;
      text = this.#put(aad, aad.length, text);
    }
    const end = this.#put(message, length, text);
    const first = this.#roundKeys(key);
    const last = first + (key.key.length / 4 + 6) * block;
    this.#exports.crypt(first, last, text - head, end - text, into ?? text, ((length - 1) & (block - 1)) + 1);
    return text;
  }

  /** Bytes at an address, and zeros to the end of the block. */
  #put(bytes: Uint8Array, length: number, address: number): number {
    const memory = this.#memory;
    let end = address;
    for (let i = 0; i < length; i++) memory[end++] = bytes[i]!;
    while (end % block !== 0) memory[end++] = 0;
    return end;
  }

  /** The address of the first round key. */
  #roundKeys(key: CcmKey): number {
    if (this.#keys[key.place] !== key.key) this.#enter(key);
    return roundKeys + key.place * roundKeysLength;
  }

  #enter(entered: CcmKey): void {
    const { key } = entered;
    entered.place = this.#next;
    this.#next = (this.#next + 1) % mostKeys;
    this.#keys[entered.place] = key;
    const address = roundKeys + entered.place * roundKeysLength;
    this.#memory.set(key, address);
    this.#exports.expandKey(key.length, address, address + (key.length / 4 + 7) * block);
  }
}

/** Messages of a process before it makes the module, which takes as long as some hundred of them. */
const fewMessages = 16;
let messages = 0;
let shortCcm: ShortCcm | undefined;

function engineFor(key: CcmKey, nonce: Uint8Array, length: number): ShortCcm | undefined {
  if (length > longest || nonce.length !== key.nonceLength) return undefined;
  if (messages < fewMessages && ++messages === fewMessages) shortCcm = ShortCcm.make();
  return shortCcm;
}

/**
 * AES-CCM of a short message: the ciphertext and the tag. `undefined`: it is for another implementation, since it is too long, its nonce has another length,
 * there is no WebAssembly, or it is one of the first few.
 *
 * The AES is ours and takes the time of a few hundred instructions for a block; a call of OpenSSL for each message takes longer than all blocks of the message.
 */
export function sealShort(key: CcmKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array | undefined {
  return engineFor(key, nonce, aad.length + plaintext.length)?.seal(key, nonce, aad, plaintext);
}

/**
 * The plaintext of what `sealShort` gives; `undefined`: it is for another implementation.
 *
 * @throws {CryptoError} `ERR_CRYPTO_OPEN`: the tag is wrong
 */
export function openShort(key: CcmKey, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  if (ciphertext.length < key.tagLength) return undefined;
  return engineFor(key, nonce, aad.length + ciphertext.length)?.open(key, nonce, aad, ciphertext);
}
