import type { Scope } from '../../ace/index.ts';
import { concat, equalBytes, toBase64Url, utf8 } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import { aead, digest, hkdf, hmac } from '../../core/crypto/index.ts';
import { type Confirmation, decodeConfirmation, encodeConfirmation } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import type { Change, Store } from '../../store/index.ts';

/** What one first grant has given, and what all refresh tokens that follow from it stand for. */
export interface Family {
  readonly client: string;
  readonly audience: string;
  readonly resourceServer: string;
  readonly scope: Scope;
  /** Of the first grant. */
  readonly grantType: number;
  /** Who granted it, for the password grant. */
  readonly username: string | undefined;
  readonly profile: number;
  /** Seconds since 1970. */
  readonly endsAt: number;
}

/** What the store has of a family: hashes of its tokens, never one of them. */
interface FamilyRecord extends Family {
  readonly current: Uint8Array;
  /** The token before, which the client has if the answer with the current one did not reach it. */
  readonly previous: Uint8Array | undefined;
  /** Makes the current token from the one before. */
  readonly seed: Uint8Array | undefined;
  /** The key that tokens are bound to, encrypted under the current refresh token. */
  readonly sealedKey: Uint8Array;
  /** Seconds since 1970: end of the current token. */
  readonly expiresAt: number;
  readonly revoked: boolean;
}

/** A refresh token that was looked up. */
export interface FoundFamily {
  /** The family's name in keys of the store. */
  readonly name: string;
  readonly record: FamilyRecord;
  readonly stored: Uint8Array;
  /** `spent`: neither the current token nor the one before, so that somebody uses a copy. */
  readonly standing: 'current' | 'previous' | 'spent';
}

export interface RefreshTokensOptions {
  readonly store: Store;
  readonly env: Env;
  /** Seconds that a refresh token is good for. */
  readonly lifetime: number;
  /** Seconds that all refresh tokens which follow from one first grant are good for. */
  readonly familyLifetime: number;
}

const handleLength = 16;
const tokenLength = 32;
const seedLength = 16;
/** AES-GCM with a key of 128 bits. */
const sealAlgorithm = 1;
const version = 1;

/**
 * Refresh tokens (RFC 6749, Section 6): a handle that names the family, then 128 bits of secret. One record of the store is the family; each use replaces its
 * current token (rotation).
 *
 * The client may not get an answer that the store has the traces of. So the token before stays of use until the current one is used, and gives the same current
 * one again, which is made from it by a seed in the record: asking twice, also by two processes of the client at once, does not fork the family. That is as safe as
 * rotation without it: whoever has copied a token gets the same successor as the client, and with the first use of what follows one of the two is left with a token
 * that is neither the current one nor the one before. Its use revokes the family. Who reads the store has the seed and no token to use it with; who has an old
 * token has no seed.
 *
 * The key that tokens are bound to (RFC 9200, Section 5.8.1: the same for all of them) is kept too, encrypted by the refresh token, which the store does not have.
 */
export class RefreshTokens {
  readonly #options: RefreshTokensOptions;

  constructor(options: RefreshTokensOptions) {
    this.#options = options;
  }

  /** A family of this handle. */
  begin(handle: Uint8Array, family: Family, key: Confirmation): { readonly token: Uint8Array; readonly change: Change } {
    const token = concat(handle, this.#options.env.random(tokenLength - handleLength));
    const record: FamilyRecord = {
      ...family,
      current: digest('sha256', token),
      previous: undefined,
      seed: undefined,
      sealedKey: seal(token, key),
      expiresAt: this.expiry(family),
      revoked: false,
    };
    return { token, change: { key: keyOf(familyName(handle)), expected: null, value: encodeRecord(record), expiresAt: record.expiresAt } };
  }

  /** Seconds since 1970: when a refresh token of the family that is given now ends. */
  expiry({ endsAt }: Pick<Family, 'endsAt'>): number {
    return Math.min(Math.floor(this.#options.env.epoch()) + this.#options.lifetime, endsAt);
  }

  /** Seconds since 1970: when a family that begins now ends. */
  familyEnd(): number {
    return Math.floor(this.#options.env.epoch()) + this.#options.familyLifetime;
  }

  /** The family that a token is of. `undefined`: there is none, or it has expired. */
  async find(token: Uint8Array): Promise<FoundFamily | undefined> {
    if (token.length !== tokenLength) return undefined;
    const name = familyName(token.subarray(0, handleLength));
    const stored = await this.#options.store.get(keyOf(name));
    const record = stored === undefined ? undefined : decodeRecord(stored);
    if (stored === undefined || record === undefined || record.expiresAt <= this.#options.env.epoch()) return undefined;
    const hash = digest('sha256', token);
    const isPrevious = record.previous !== undefined && equalBytes(hash, record.previous);
    const standing = record.revoked ? 'spent' : equalBytes(hash, record.current) ? 'current' : isPrevious ? 'previous' : 'spent';
    return { name, record, stored, standing };
  }

  /** What follows a token that is not spent: the next one, the key that tokens are bound to, and what makes it so. */
  follow(
    { name, record, stored, standing }: FoundFamily,
    token: Uint8Array,
  ): { readonly token: Uint8Array; readonly key: Confirmation; readonly change: Change } {
    if (standing === 'previous') {
      const current = successor(token, record.seed!);
      // The condition alone: in between, the family may have been revoked.
      const change = { key: keyOf(name), expected: stored, value: stored, expiresAt: record.expiresAt };
      return { token: current, key: unseal(current, record.sealedKey), change };
    }
    const seed = this.#options.env.random(seedLength);
    const next = successor(token, seed);
    const key = unseal(token, record.sealedKey);
    const expiresAt = this.expiry(record);
    const value = encodeRecord({ ...record, current: digest('sha256', next), previous: record.current, seed, sealedKey: seal(next, key), expiresAt });
    return { token: next, key, change: { key: keyOf(name), expected: stored, value, expiresAt } };
  }

  /** Let no token of the family be of use any more. It stays in the store, so that what was cut short is finished when one of its tokens comes again. */
  async revoke(name: string): Promise<void> {
    const { store } = this.#options;
    for (;;) {
      const stored = await store.get(keyOf(name));
      const record = stored === undefined ? undefined : decodeRecord(stored);
      if (stored === undefined || record === undefined || record.revoked) return;
      const value = encodeRecord({ ...record, revoked: true });
      if (await store.compareAndSet(keyOf(name), stored, value, { expiresAt: record.expiresAt })) return;
    }
  }
}

/** A new handle, for `RefreshTokens.begin`. */
export function newHandle(random: Env['random']): Uint8Array {
  return random(handleLength);
}

/** The name of a family in keys of the store, from its handle. */
export function familyName(handle: Uint8Array): string {
  return toBase64Url(digest('sha256', handle));
}

/** Families in the store, by their names. */
export const familyPrefix = 'as/refresh/';

const keyOf = (name: string): string => familyPrefix + name;

/** The name of the family that stands under a key of the store. */
export function familyNameOf(key: string): string {
  return key.slice(familyPrefix.length);
}

/** What a record of the store is the family of; `undefined`: it is of another version. */
export function familyOf(bytes: Uint8Array): Family | undefined {
  return decodeRecord(bytes);
}

/** Where the store has the living tokens of a family, by their hashes. */
export const familyTokens = (name: string): string => `as/family/${name}/`;

function successor(token: Uint8Array, seed: Uint8Array): Uint8Array {
  return concat(token.subarray(0, handleLength), hmac('sha256', token, seed).subarray(0, tokenLength - handleLength));
}

/** Each token is the key of one encryption, so its nonce may be zero. */
function sealer(token: Uint8Array): { readonly cipher: ReturnType<typeof aead>; readonly nonce: Uint8Array } {
  const cipher = aead(sealAlgorithm, hkdf('sha256', token, new Uint8Array(0), utf8('ace-coap refresh token'), 16));
  return { cipher, nonce: new Uint8Array(cipher.nonceLength) };
}

function seal(token: Uint8Array, key: Confirmation): Uint8Array {
  const { cipher, nonce } = sealer(token);
  return cipher.seal(nonce, token.subarray(0, handleLength), encode(encodeConfirmation(key)));
}

function unseal(token: Uint8Array, sealed: Uint8Array): Confirmation {
  const { cipher, nonce } = sealer(token);
  return decodeConfirmation(decode(cipher.open(nonce, token.subarray(0, handleLength), sealed)));
}

function encodeRecord(record: FamilyRecord): Uint8Array {
  const { client, audience, resourceServer, scope, grantType, username = null, profile, endsAt } = record;
  const { current, previous = null, seed = null, sealedKey, expiresAt, revoked } = record;
  return encode([
    version,
    client,
    audience,
    resourceServer,
    scope,
    grantType,
    username,
    profile,
    endsAt,
    current,
    previous,
    seed,
    sealedKey,
    expiresAt,
    revoked,
  ]);
}

function decodeRecord(bytes: Uint8Array): FamilyRecord | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [, client, audience, resourceServer, scope, grantType, username, profile, endsAt, current, previous, seed, sealedKey, expiresAt, revoked] =
    value as readonly unknown[];
  const fits =
    typeof client === 'string' &&
    typeof audience === 'string' &&
    typeof resourceServer === 'string' &&
    (typeof scope === 'string' || scope instanceof Uint8Array) &&
    typeof grantType === 'number' &&
    (username === null || typeof username === 'string') &&
    typeof profile === 'number' &&
    typeof endsAt === 'number' &&
    current instanceof Uint8Array &&
    (previous === null || previous instanceof Uint8Array) &&
    (seed === null || seed instanceof Uint8Array) &&
    sealedKey instanceof Uint8Array &&
    typeof expiresAt === 'number' &&
    typeof revoked === 'boolean';
  if (!fits) return undefined;
  const family: Family = { client, audience, resourceServer, scope, grantType, username: username ?? undefined, profile, endsAt };
  return { ...family, current, previous: previous ?? undefined, seed: seed ?? undefined, sealedKey, expiresAt, revoked };
}
