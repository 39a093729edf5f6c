import { Expiry, type Permissions, type Scope } from '../ace/index.ts';
import { Code, type SecurityAssociation } from '../coap/index.ts';
import { utf8 } from '../core/bytes.ts';
import { decode, encode } from '../core/cbor.ts';
import { type ClaimsSet, decodeClaims, encodeClaims } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import type { Store } from '../store/index.ts';
import type { TokenEnd } from './events.ts';
import { leastWait } from './exi.ts';
import type { LastingReply } from './lasting-reply.ts';
import { decide } from './targets.ts';
import { WriteBehind } from './write-behind.ts';

/** Claims that say who a token is about, for the resources. */
export type KeptClaims = Pick<ClaimsSet, 'sub' | 'aud' | 'unknown'>;

/** What an RS keeps of an access token: its authorization information, never its bytes. */
export interface AccessToken {
  readonly profile: number;
  readonly issuer: string;
  readonly scope: Scope;
  readonly claims: KeptClaims;
  readonly permissions: Permissions;
  /** Seconds since 1970; infinite for a token that has `exi` only. */
  readonly expiresAt: number;
  /** Milliseconds of `Env.now`, for a token with `exi`. */
  readonly endsAt?: number;
  /** The sequence number of a token with `exi`. */
  readonly sequence?: number;
  /** The token hashes by which it counts as revoked. */
  readonly hashes: readonly string[];
  /** What the profile needs to go on after a restart. */
  readonly saved?: Uint8Array;
}

/** A key that proved itself, or will, and the token that is bound to it. */
export interface Binding {
  readonly credential: string;
  token: AccessToken;
  /** The association that the token is bound to; none until the first request on one of those that wait. */
  association: SecurityAssociation | undefined;
  /** By whom a token is uploaded is not known: each counts from the first request on the association that its upload led to. */
  readonly pending: WeakMap<SecurityAssociation, AccessToken>;
  usedAt: number;
  readonly lasting: Set<LastingReply>;
}

/** A token as the store has it. */
export interface StoredToken {
  readonly credential: string;
  readonly profile: number;
  readonly issuer: string;
  readonly scope: Scope;
  readonly claims: KeptClaims;
  readonly expiresAt: number;
  readonly hashes: readonly string[];
  readonly saved: Uint8Array;
}

/** A stored token that is good again, and the association that it is bound to. */
export interface Revived {
  readonly association: SecurityAssociation;
  readonly token: AccessToken;
}

export interface TokenTableOptions {
  readonly store: Store;
  readonly env: Env;
  /** Tokens at most. When one more comes, those that have expired go first, then the one that was used least recently. */
  readonly limit: number;
  /** Seconds that a token counts after its `exp`. */
  readonly leeway: number;
  isRevoked(token: AccessToken): boolean;
  /** Forget the association: it is done before lasting requests are ended, so that no answer uses it any more. */
  release(binding: Binding, reason: TokenEnd): void;
  fault(error: unknown): void;
}

const folder = 'rs/token/';
const version = 3;

/** The store takes keys of 1,000 bytes. */
const longestCredential = 900;

/**
 * The access tokens of an RS, one for each proof-of-possession key (RFC 9200, Section 5.10.1).
 *
 * A token goes to the store when its first request has verified: that is when the client has shown that it holds the key, and no upload by a stranger costs
 * a write. What a crash loses before that, the client uploads again.
 */
export class TokenTable {
  readonly #options: TokenTableOptions;
  #limit: number;
  readonly #bindings = new Map<string, Binding>();
  readonly #expiry: Expiry;
  readonly #writes: WriteBehind;
  /** Credentials that the store may know. */
  readonly #stored = new Set<string>();

  constructor(options: TokenTableOptions) {
    this.#options = options;
    this.#limit = options.limit;
    this.#expiry = new Expiry(options.env, (credential) => this.#wake(credential));
    this.#writes = new WriteBehind((credential) => this.#write(credential), options.fault);
  }

  get size(): number {
    return this.#bindings.size;
  }

  /** Requests that go on. */
  get lasting(): number {
    let all = 0;
    for (const binding of this.#bindings.values()) all += binding.lasting.size;
    return all;
  }

  get writing(): number {
    return this.#writes.size;
  }

  /** Whether a credential can be a key of the store. */
  fits(credential: string): boolean {
    return utf8(credential).length <= longestCredential;
  }

  has(credential: string): boolean {
    return this.#bindings.has(credential);
  }

  /** The binding of an association whose request has verified, if its token is valid. */
  authorize(association: SecurityAssociation): Binding | undefined {
    const binding = association.credential === undefined ? undefined : this.#bindings.get(association.credential);
    if (binding === undefined) return undefined;
    if (binding.association !== association && !this.#proved(binding, association)) return undefined;
    if (!this.isValid(binding.token)) {
      this.#end(binding, 'expired');
      return undefined;
    }
    binding.usedAt = this.#options.env.now();
    return binding;
  }

  /** The token that counts for an association. */
  tokenOf({ credential }: SecurityAssociation): AccessToken | undefined {
    const binding = credential === undefined ? undefined : this.#bindings.get(credential);
    return binding !== undefined && this.isValid(binding.token) ? binding.token : undefined;
  }

  isValid(token: AccessToken): boolean {
    const { env, leeway } = this.#options;
    return token.expiresAt + leeway > env.epoch() && (token.endsAt === undefined || token.endsAt > env.now());
  }

  /** Seconds that a token is good for, the leeway included. */
  remaining(token: AccessToken): number {
    const { env, leeway } = this.#options;
    return Math.min(token.expiresAt + leeway - env.epoch(), token.endsAt === undefined ? Number.POSITIVE_INFINITY : (token.endsAt - env.now()) / 1000);
  }

  /** A token for a new association; it replaces the one that its key has, once the association shows itself. */
  put(credential: string, association: SecurityAssociation, token: AccessToken): void {
    let binding = this.#bindings.get(credential);
    if (binding === undefined) {
      this.#makeRoom();
      binding = this.#add(credential, token);
    } else if (binding.association === undefined) {
      binding.token = token;
      this.#schedule(binding);
    }
    binding.pending.set(association, token);
  }

  /** A token for the association that its key has. `false`: that ended meanwhile. */
  update(credential: string, association: SecurityAssociation, token: AccessToken): boolean {
    const binding = this.#bindings.get(credential);
    if (binding === undefined || (binding.association !== association && !this.#proved(binding, association))) return false;
    const { saved = binding.token.saved } = token;
    binding.token = saved === undefined ? token : { ...token, saved };
    this.#schedule(binding);
    this.#changed(binding);
    endUncovered(binding);
    return true;
  }

  /** Scopes mean something else from now on: what they do not cover any more does not go on. */
  review(): void {
    for (const binding of [...this.#bindings.values()]) endUncovered(binding);
  }

  /** End a token that no request has come for. */
  forget(credential: string): void {
    const binding = this.#bindings.get(credential);
    if (binding !== undefined && binding.association === undefined) this.#end(binding, 'unused');
  }

  /** End every token that is meant; the result is what they were. */
  revoke(isMeant: (token: AccessToken) => boolean): readonly AccessToken[] {
    const ended = [...this.#bindings.values()].filter(({ token }) => isMeant(token));
    for (const binding of ended) this.#end(binding, 'revoked');
    return ended.map(({ token }) => token);
  }

  /** Hold so many tokens at most: those that have expired go first, then those that were used least recently. */
  bound(limit: number): void {
    this.#limit = limit;
    if (this.#bindings.size <= limit) return;
    for (const binding of [...this.#bindings.values()]) if (!this.isValid(binding.token)) this.#end(binding, 'expired');
    const byUse = [...this.#bindings.values()].sort((one, other) => one.usedAt - other.usedAt);
    for (const binding of byUse.slice(0, Math.max(0, byUse.length - limit))) this.#end(binding, 'evicted');
  }

  /** Bring back what an earlier run left. `revive` throws, or gives `undefined`, for a token that is no longer good here. */
  async start(revive: (stored: StoredToken) => Promise<Revived | undefined>): Promise<void> {
    const found: (readonly [string, StoredToken | undefined])[] = [];
    for await (const [key, value] of this.#options.store.scan(folder)) found.push([key.slice(folder.length), decodeStored(key.slice(folder.length), value)]);
    for (const [credential, stored] of found) {
      this.#stored.add(credential);
      const revived = stored === undefined || this.#bindings.size >= this.#limit ? undefined : await revive(stored);
      if (revived === undefined) this.#writes.changed(credential);
      else this.#add(credential, revived.token, revived.association);
    }
  }

  /** Forget all, without a word to anybody; what the store has stays. */
  async close(): Promise<void> {
    this.#expiry.close();
    await this.#writes.idle();
    this.#bindings.clear();
  }

  #add(credential: string, token: AccessToken, association?: SecurityAssociation): Binding {
    const binding: Binding = { credential, token, association, pending: new WeakMap(), usedAt: this.#options.env.now(), lasting: new Set() };
    this.#bindings.set(credential, binding);
    this.#schedule(binding);
    return binding;
  }

  /** The first request on an association has verified: its token takes the place of the one before. `false`: none waits for it. */
  #proved(binding: Binding, association: SecurityAssociation): boolean {
    const token = binding.pending.get(association);
    if (token === undefined) return false;
    binding.pending.delete(association);
    if (this.#options.isRevoked(token)) return false;
    binding.association = association;
    binding.token = token;
    this.#schedule(binding);
    // RFC 9203, Section 6: what the replaced association observes would be protected by keys that are gone.
    for (const reply of observations(binding)) if (reply.association !== association) reply.end();
    this.#changed(binding);
    return true;
  }

  #schedule(binding: Binding): void {
    this.#expiry.set(binding.credential, this.#options.env.epoch() + Math.max(this.remaining(binding.token), leastWait));
  }

  #wake(credential: string): void {
    const binding = this.#bindings.get(credential);
    if (binding === undefined) return;
    // A counter of exi runs on a clock of its own.
    if (this.isValid(binding.token)) this.#schedule(binding);
    else this.#end(binding, 'expired');
  }

  #makeRoom(): void {
    if (this.#bindings.size < this.#limit) return;
    let oldest: Binding | undefined;
    for (const binding of [...this.#bindings.values()]) {
      if (!this.isValid(binding.token)) this.#end(binding, 'expired');
      else if (oldest === undefined || binding.usedAt < oldest.usedAt) oldest = binding;
    }
    if (oldest !== undefined && this.#bindings.size >= this.#limit) this.#end(oldest, 'evicted');
  }

  #end(binding: Binding, reason: TokenEnd): void {
    this.#bindings.delete(binding.credential);
    this.#expiry.delete(binding.credential);
    this.#options.release(binding, reason);
    // RFC 9200, Section 5.10.3. Where the token is but forgotten here, what is under way comes to its end.
    const isOver = reason === 'expired' || reason === 'revoked';
    for (const reply of isOver ? [...binding.lasting] : observations(binding)) reply.end();
    this.#changed(binding);
  }

  #changed(binding: Binding): void {
    if (this.#stored.has(binding.credential) || isStorable(binding.token)) this.#writes.changed(binding.credential);
  }

  async #write(credential: string): Promise<void> {
    const { store } = this.#options;
    const binding = this.#bindings.get(credential);
    if (binding !== undefined && isStorable(binding.token)) {
      if (binding.association === undefined) return;
      this.#stored.add(credential);
      await store.put(folder + credential, encodeStored(binding.token));
    } else if (this.#stored.has(credential)) {
      await store.delete(folder + credential);
      if (!this.#bindings.has(credential)) this.#stored.delete(credential);
    }
  }
}

function observations({ lasting }: Binding): readonly LastingReply[] {
  return [...lasting].filter(({ isObservation }) => isObservation);
}

function endUncovered(binding: Binding): void {
  for (const reply of observations(binding)) {
    const verdict = decide(reply.target, binding.token.permissions, reply.method);
    if (verdict !== 'permit') reply.end(verdict === 'path' ? Code.Forbidden : Code.MethodNotAllowed);
  }
}

/** A counter of exi ends with the process, and so does its token. */
function isStorable(token: AccessToken): token is AccessToken & { readonly saved: Uint8Array } {
  return token.saved !== undefined && token.endsAt === undefined;
}

function encodeStored(token: AccessToken): Uint8Array {
  return encode([version, token.profile, token.issuer, token.scope, token.expiresAt, token.hashes, token.saved, encodeClaims(token.claims)]);
}

function decodeStored(credential: string, bytes: Uint8Array): StoredToken | undefined {
  try {
    const value = decode(bytes);
    if (!Array.isArray(value)) return undefined;
    const [made, profile, issuer, scope, expiresAt, hashes, saved, claims] = value as readonly unknown[];
    if (made !== version || typeof profile !== 'number' || typeof issuer !== 'string' || typeof expiresAt !== 'number' || !(saved instanceof Uint8Array))
      return undefined;
    if (typeof scope !== 'string' && !(scope instanceof Uint8Array)) return undefined;
    if (!Array.isArray(hashes) || !hashes.every((hash) => typeof hash === 'string')) return undefined;
    if (!(claims instanceof Uint8Array)) return undefined;
    return { credential, profile, issuer, scope, claims: decodeClaims(claims), expiresAt, hashes, saved };
  } catch {
    return undefined;
  }
}
