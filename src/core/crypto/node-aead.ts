import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { checkSealing, openingFailed } from './aead-parameters.ts';
import { HotCcm, outsideHeap } from './node-hot-ccm.ts';
import type { Aead, CipherParameters } from './provider.ts';

/** Most keys whose cipher objects (about 1.5 KB each) are kept. */
const mostHotKeys = 1024;
/** A key is hot from its third message on. */
const coldUses = 2;

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
  protected readonly key: Uint8Array;
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

/** AES-CCM of one key: OpenSSL's own for the first messages and for large ones, kept cipher objects in between. */
class CcmAead extends OpensslAead {
  /** Those that are hot, and the place that is looked at next for one that is to go. */
  static readonly #hot: CcmAead[] = [];
  static #hand = 0;
  #uses = 0;
  #recent = false;
  #ccm: HotCcm | undefined;

  #warm(): HotCcm | undefined {
    this.#recent = true;
    if (this.#ccm !== undefined) return this.#ccm;
    if (this.#uses++ < coldUses) return undefined;
    this.#ccm = new HotCcm(this.key.length * 8, this.key, this.nonceLength, this.tagLength);
    CcmAead.#enter(this);
    return this.#ccm;
  }

  /** Second chance: it takes the place of the oldest that was not used since it was last looked at. */
  static #enter(added: CcmAead): void {
    const hot = CcmAead.#hot;
    if (hot.length < mostHotKeys) {
      hot.push(added);
      return;
    }
    for (;;) {
      const at = CcmAead.#hand;
      CcmAead.#hand = (at + 1) % mostHotKeys;
      const candidate = hot[at]!;
      if (candidate.#recent) candidate.#recent = false;
      else {
        candidate.#ccm = undefined;
        candidate.#uses = 0;
        hot[at] = added;
        return;
      }
    }
  }

  override seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const hot = HotCcm.fits(aad, plaintext.length) && nonce.length === this.nonceLength ? this.#warm() : undefined;
    return hot === undefined ? super.seal(nonce, aad, plaintext) : hot.seal(nonce, aad, plaintext);
  }

  override open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const fits = HotCcm.fits(aad, ciphertext.length) && ciphertext.length >= this.tagLength && nonce.length === this.nonceLength;
    const hot = fits ? this.#warm() : undefined;
    if (hot === undefined) return super.open(nonce, aad, ciphertext);
    const plaintext = hot.open(nonce, aad, ciphertext);
    if (plaintext === undefined) throw openingFailed();
    return plaintext;
  }
}

/** The AEAD of a key that is ours to keep. */
export function aead(parameters: CipherParameters, key: Uint8Array): Aead {
  return parameters.mode === 'ccm' ? new CcmAead(parameters, key) : new OpensslAead(parameters, key);
}
