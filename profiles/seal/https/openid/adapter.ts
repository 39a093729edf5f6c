import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';
import { concat, fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { Change, Store } from '../../../../src/store/index.ts';
import { folder } from '../../openid-keys.ts';
import { errors } from './library.ts';
import type { OpenIdGrants, RevokeGrant } from './openid-grants.ts';
import { hashOf, type ReadRecord, recallRecord, rememberRecord } from './request-memory.ts';

/** What a grant has given, of the models that are kept. */
const ofGrants: ReadonlySet<string> = new Set(['AuthorizationCode', 'RefreshToken']);

export interface StoreAdapterOptions {
  readonly store: Store;
  readonly env: Pick<Env, 'epoch'>;
  readonly grants: OpenIdGrants;
  readonly revokeGrant: RevokeGrant;
  /** A code was made, and is not given away yet. */
  readonly codeIssued: (code: AdapterPayload) => Promise<void>;
  /** Whether somebody still is who has signed in. */
  readonly isActive: (account: string) => Promise<boolean>;
}

/**
 * Keeps what an OpenID provider has to remember in a store that processes share, except its clients, which are registrations of the authorization server.
 *
 * Codes, refresh tokens, sessions and interactions go by the SHA-256 of their value, which stands nowhere: who reads the store has none of them. Everything has
 * an end. A code or refresh token is used up by compare-and-set, so of two processes that get it at once one is refused.
 */
export function storeAdapter(options: StoreAdapterOptions): AdapterFactory {
  return (model) => new StoreAdapter(model, options);
}

class StoreAdapter implements Adapter {
  readonly #model: string;
  readonly #options: StoreAdapterOptions;

  constructor(model: string, options: StoreAdapterOptions) {
    this.#model = model;
    this.#options = options;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { store, grants } = this.#options;
    const end = payload.exp ?? (expiresIn === undefined ? undefined : Math.floor(payload.iat ?? 0) + expiresIn);
    if (end === undefined) throw new TypeError(`${this.#model}: expected something that has an end`);
    const ends = { expiresAt: end };
    const key = this.#key(id);
    const changes: Change[] = [{ key, value: encodePayload(id, payload), ...ends }];
    if (ofGrants.has(this.#model) && payload.grantId !== undefined) changes.push(grants.member(payload.grantId, key, end));
    if (this.#model === 'Session' && payload.uid !== undefined) changes.push({ key: uidKey(payload.uid), value: utf8(key), ...ends });
    rememberRecord(key, undefined);
    await store.batch(changes);
    if (this.#model === 'AuthorizationCode') await this.#options.codeIssued(payload);
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const key = this.#key(id);
    const bytes = await this.#options.store.get(key);
    if (bytes === undefined) return undefined;
    const payload = decodePayload(id, bytes);
    if (this.#model === 'Session' && !(await this.#isOfNow(payload))) return undefined;
    rememberRecord(key, { bytes, payload });
    return payload;
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const { store } = this.#options;
    const key = await store.get(uidKey(uid));
    const stored = key === undefined ? undefined : await store.get(fromUtf8(key));
    return stored === undefined ? undefined : decodePayload(undefined, stored);
  }

  /** There are no device codes. */
  async findByUserCode(): Promise<undefined> {}

  async consume(id: string): Promise<void> {
    const { store, revokeGrant } = this.#options;
    const key = this.#key(id);
    const read = recallRecord(key);
    rememberRecord(key, undefined);
    if (read !== undefined && (await this.#use(key, read))) return;
    const bytes = await store.get(key);
    const found = bytes === undefined ? undefined : { bytes, payload: decodePayload(id, bytes) };
    if (found !== undefined && (await this.#use(key, found))) return;
    // Another process has been quicker: two have it.
    const { grantId } = found?.payload ?? {};
    if (grantId !== undefined) await revokeGrant(grantId, this.#model === 'RefreshToken' ? 'refresh-token-reuse' : 'code-reuse');
    throw new errors.InvalidGrant('expected what is used once, got it again');
  }

  /** `false`: it is used up, or another than was read. The record gets one more member behind those that it has. */
  async #use(key: string, { bytes, payload }: ReadRecord): Promise<boolean> {
    if (payload.consumed !== undefined) return false;
    const used = concat(bytes.subarray(0, -1), utf8(`,"consumed":${Math.floor(this.#options.env.epoch())}}`));
    return this.#options.store.compareAndSet(key, bytes, used, payload.exp === undefined ? {} : { expiresAt: payload.exp });
  }

  async destroy(id: string): Promise<void> {
    rememberRecord(this.#key(id), undefined);
    await this.#options.store.delete(this.#key(id));
  }

  /** The library asks each model; that of access tokens sees to all. */
  async revokeByGrantId(grantId: string): Promise<void> {
    if (this.#model === 'AccessToken') await this.#options.revokeGrant(grantId);
  }

  #key(id: string): string {
    return `${folder}${this.#model}/${hashOf(id)}`;
  }

  /** A session of somebody who is no more is none. */
  async #isOfNow({ accountId }: AdapterPayload): Promise<boolean> {
    return accountId === undefined || this.#options.isActive(accountId);
  }
}

const uidKey = (uid: string): string => `${folder}uid/${hashOf(uid)}`;

/** Without its own value, wherever that stands. */
function encodePayload(id: string, payload: AdapterPayload): Uint8Array {
  const { returnTo, session } = payload;
  const kept: AdapterPayload = { ...payload };
  // JSON leaves out what is undefined.
  kept.jti = undefined;
  if (typeof returnTo === 'string' && returnTo.endsWith(id)) kept['returnTo'] = returnTo.slice(0, -id.length);
  // The value of another cookie.
  if (session !== undefined) kept.session = { ...session, cookie: undefined };
  return utf8(JSON.stringify(kept));
}

function decodePayload(id: string | undefined, bytes: Uint8Array): AdapterPayload {
  const payload = JSON.parse(fromUtf8(bytes)) as AdapterPayload;
  if (id === undefined) return payload;
  payload.jti = id;
  if (typeof payload['returnTo'] === 'string') payload['returnTo'] += id;
  return payload;
}
