import { tokenHashText } from '../../ace/index.ts';
import { decode, encode } from '../../core/cbor.ts';
import type { Env } from '../../core/env.ts';
import type { Change, Store } from '../../store/index.ts';
import { LivingTokens } from './living-tokens.ts';

/** What the AS remembers of a token that it issued: enough to say whether it is active and who may ask. Never the token. */
export interface TokenRecord {
  readonly client: string;
  readonly resourceServer: string;
  /** Seconds since 1970. For a token with `exi`: as if the RS had got it at once. */
  readonly expiresAt: number;
  /** It is good for nothing any more. Absent: it is good until it expires. */
  readonly revoked?: boolean;
}

const prefix = 'as/token/';

/** Where the store has the record of a token. `hash` is its token hash (RFC 9770, Section 4), in base64url. */
export function tokenKey(hash: string): string {
  return prefix + hash;
}

export function encodeRecord({ client, resourceServer, expiresAt, revoked }: TokenRecord): Uint8Array {
  return encode([client, resourceServer, expiresAt, ...(revoked === true ? [true] : [])]);
}

export function decodeRecord(bytes: Uint8Array): TokenRecord | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [client, resourceServer, expiresAt, revoked] = value as readonly unknown[];
  if (typeof client !== 'string' || typeof resourceServer !== 'string' || typeof expiresAt !== 'number') return undefined;
  return { client, resourceServer, expiresAt, ...(revoked === true ? { revoked } : {}) };
}

/** The issued tokens, by their token hash, until they expire. */
export class TokenRecords {
  readonly #store: Store;
  readonly #env: Env;
  readonly #living: LivingTokens;

  constructor(options: { readonly store: Store; readonly env: Env }) {
    this.#store = options.store;
    this.#env = options.env;
    this.#living = new LivingTokens(options.env);
  }

  /** Living tokens. */
  get size(): number {
    return this.#living.size;
  }

  /** Living tokens of one client. */
  count(client: string): number {
    return this.#living.count(client);
  }

  /**
   * Begin to make a token, so that of requests at once no more get one than may; `end` follows, whatever comes of it.
   *
   * @returns `false`: the client has `most`, those that are being made included, and nothing is begun
   */
  begin(client: string, most: number): boolean {
    return this.#living.begin(client, most);
  }

  /** A token was made and added, or not made. */
  end(client: string): void {
    this.#living.end(client);
  }

  /** Take up what an earlier run left. */
  async start(): Promise<void> {
    const now = this.#env.epoch();
    for await (const [, value] of this.#store.scan(prefix)) {
      const record = decodeRecord(value);
      if (record !== undefined && record.revoked !== true && record.expiresAt > now) this.#living.add(record.client, record.expiresAt);
    }
  }

  /**
   * Make a token and what belongs to it durable, all in one.
   *
   * @param hash - its token hash in base64url
   * @param changes - what else the token needs; where something else is there than one of them expects, nothing is made and the answer is `false`
   */
  add(hash: string, record: TokenRecord, changes: readonly Change[]): Promise<boolean> {
    return this.#store.batch([...changes, { key: tokenKey(hash), value: encodeRecord(record), expiresAt: record.expiresAt }]).then((made) => {
      if (made) this.#living.add(record.client, record.expiresAt);
      return made;
    });
  }

  /** The record of a token that is active: neither expired nor revoked, by whatever process. */
  find(token: Uint8Array): Promise<TokenRecord | undefined> {
    return this.findByHash(tokenHashText(token));
  }

  /** The same by its token hash in base64url. */
  async findByHash(hash: string): Promise<TokenRecord | undefined> {
    const value = await this.#store.get(tokenKey(hash));
    const record = value === undefined ? undefined : decodeRecord(value);
    return record !== undefined && record.revoked !== true && record.expiresAt > this.#env.epoch() ? record : undefined;
  }

  /** A token was revoked: it does not count among those of its client. */
  revoked({ client, expiresAt }: TokenRecord): void {
    this.#living.delete(client, expiresAt);
  }

  close(): void {
    this.#living.close();
  }
}
