import { Expiry } from '../../src/ace/index.ts';
import type { SecurityAssociation } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { CoseKey } from '../../src/core/cose/index.ts';
import type { Env } from '../../src/core/env.ts';
import { encodeSpki } from '../../src/dtls/index.ts';

/** Where a token stands among the tokens for its key: seconds since 1970. */
export interface TokenTimes {
  readonly iat?: number;
  readonly exp?: number;
}

/** A proof-of-possession key that a token brought. */
export interface KnownKey {
  readonly credential: string;
  readonly issuer: string;
  readonly kid: Uint8Array | undefined;
  /** A pre-shared key, or a raw public key. */
  readonly key: { readonly psk: Uint8Array } | { readonly rawPublicKey: CoseKey };
  /** What all sessions with the key are to the RS: rights belong to the key. */
  readonly association: SecurityAssociation;
  /** Of the last token that was taken. */
  times: TokenTimes;
  /** A request has come in a session with the key. */
  used: boolean;
}

/**
 * The keys of the tokens that an RS holds. The role bounds their number, and says when one ends; one that nobody uses goes after a time (RFC 9202, Section 7).
 */
export class KnownKeys {
  readonly #env: Env;
  readonly #unused: number;
  readonly #keys = new Map<string, KnownKey>();
  /** By kid, and by SubjectPublicKeyInfo. The keys of several issuers may share a name; the newest stands at the end. */
  readonly #names = new Map<string, Set<KnownKey>>();
  readonly #expiry: Expiry;

  /** `unused`: seconds that a key waits for its first request. `forget`: the role is to end the token of one that has waited in vain. */
  constructor(env: Env, unused: number, forget: (credential: string) => void) {
    this.#env = env;
    this.#unused = unused;
    this.#expiry = new Expiry(env, (credential) => {
      forget(credential);
      this.remove(credential);
    });
  }

  get size(): number {
    return this.#keys.size;
  }

  get waiting(): number {
    return this.#expiry.size;
  }

  get(credential: string): KnownKey | undefined {
    return this.#keys.get(credential);
  }

  /** The keys of a kid, whoever issued them. */
  named(kid: Uint8Array): readonly KnownKey[] {
    return [...(this.#names.get(`kid ${toHex(kid)}`) ?? [])];
  }

  /** The last that came of the keys that are the same raw public key. */
  ofSpki(spki: Uint8Array): KnownKey | undefined {
    return [...(this.#names.get(`spki ${toHex(spki)}`) ?? [])].at(-1);
  }

  add(known: KnownKey): void {
    this.remove(known.credential);
    this.#keys.set(known.credential, known);
    for (const name of namesOf(known)) {
      let holders = this.#names.get(name);
      if (holders === undefined) {
        holders = new Set();
        this.#names.set(name, holders);
      }
      holders.add(known);
    }
    if (!known.used) this.#expiry.set(known.credential, this.#env.epoch() + this.#unused);
  }

  use(known: KnownKey): void {
    if (known.used) return;
    known.used = true;
    this.#expiry.delete(known.credential);
  }

  remove(credential: string): void {
    const known = this.#keys.get(credential);
    if (known === undefined) return;
    this.#keys.delete(credential);
    this.#expiry.delete(credential);
    for (const name of namesOf(known)) {
      const holders = this.#names.get(name);
      holders?.delete(known);
      if (holders?.size === 0) this.#names.delete(name);
    }
  }

  close(): void {
    this.#expiry.close();
    this.#keys.clear();
    this.#names.clear();
  }
}

function namesOf({ kid, key }: KnownKey): readonly string[] {
  return [...(kid === undefined ? [] : [`kid ${toHex(kid)}`]), ...('psk' in key ? [] : [`spki ${toHex(encodeSpki(key.rawPublicKey)!)}`])];
}
