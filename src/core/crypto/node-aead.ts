import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { checkSealing, openingFailed } from './aead-parameters.ts';
import type { Aead, CipherParameters } from './provider.ts';
import { type CcmKey, openShort, sealShort } from './wasm-ccm.ts';

/** By length. */
const keyRooms: Uint8Array[] = [];

/** A key for the next call of native code, which would move the key itself out of the heap, and so make it ten times as large for good. */
function outsideHeap(key: Uint8Array): Uint8Array {
  const room = (keyRooms[key.length] ??= new Uint8Array(new ArrayBuffer(key.length)));
  room.set(key);
  return room;
}

// An empty array may have no memory behind it; OpenSSL's CCM takes that for the announcement of a length, not for a message.
const nothing = Buffer.alloc(1).subarray(0, 0);
const inMemory = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? nothing : bytes);

/** As OpenSSL calls them, by the length of the key. A name that is put together for each message is also looked up as if it were new. */
const cipherNames: Readonly<Record<CipherParameters['mode'], Readonly<Record<number, string>>>> = {
  gcm: { 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' },
  ccm: { 16: 'aes-128-ccm', 32: 'aes-256-ccm' },
  'chacha20-poly1305': { 32: 'chacha20-poly1305' },
};

/** Any AEAD by OpenSSL, with cipher objects that are made anew for each message. Of a class, so that many keys take little memory. */
class OpensslAead implements Aead {
  readonly key: Uint8Array;
  readonly #parameters: CipherParameters;

  constructor(parameters: CipherParameters, key: Uint8Array) {
    this.#parameters = parameters;
    this.key = key;
  }

  get nonceLength(): number {
    return this.#parameters.nonceLength;
  }

  get tagLength(): number {
    return this.#parameters.tagLength;
  }

  #cipher(): CipherGCMTypes {
    return cipherNames[this.#parameters.mode][this.key.length] as CipherGCMTypes;
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    checkSealing(this.#parameters, nonce, plaintext);
    const { tagLength } = this;
    const sealing = createCipheriv(this.#cipher(), outsideHeap(this.key), nonce, { authTagLength: tagLength });
    sealing.setAAD(inMemory(aad), { plaintextLength: plaintext.length });
    const sealed = new Uint8Array(plaintext.length + tagLength);
    sealed.set(sealing.update(inMemory(plaintext)));
    sealing.final();
    sealed.set(sealing.getAuthTag(), plaintext.length);
    return sealed;
  }

  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const { nonceLength, tagLength } = this;
    const length = ciphertext.length - tagLength;
    if (length < 0 || nonce.length !== nonceLength) throw openingFailed();
    try {
      const opening = createDecipheriv(this.#cipher(), outsideHeap(this.key), nonce, { authTagLength: tagLength });
      opening.setAuthTag(ciphertext.subarray(length));
      opening.setAAD(inMemory(aad), { plaintextLength: length });
      const plaintext = new Uint8Array(opening.update(inMemory(ciphertext.subarray(0, length))));
      opening.final();
      return plaintext;
    } catch {
      // CCM refuses in update, the others in final: one error for all of them.
      throw openingFailed();
    }
  }
}

/** AES-CCM of one key: short messages in WebAssembly, the others by OpenSSL. */
class CcmAead extends OpensslAead implements CcmKey {
  place = 0;

  override seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return sealShort(this, nonce, aad, plaintext) ?? super.seal(nonce, aad, plaintext);
  }

  override open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    return openShort(this, nonce, aad, ciphertext) ?? super.open(nonce, aad, ciphertext);
  }
}

/** The AEAD of a key that is ours to keep. */
export function aead(parameters: CipherParameters, key: Uint8Array): Aead {
  return parameters.mode === 'ccm' ? new CcmAead(parameters, key) : new OpensslAead(parameters, key);
}
