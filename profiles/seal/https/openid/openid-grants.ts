import type { AuthorizationServerEvent, SharedTokens } from '../../../../src/as/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import type { Change, Store } from '../../../../src/store/index.ts';
import { folder, membersFolder, revokingFolder } from '../../openid-keys.ts';
import { hashOf, recallRecord, rememberRecord } from './request-memory.ts';

/** Why nothing that a grant has given is of use any more. */
export type RevocationReason = Extract<AuthorizationServerEvent, { readonly type: 'grant-revoked' }>['reason'];

/**
 * Let nothing that a grant has given be of use any more.
 *
 * @param reason - absent: the library tells why
 * @param client - absent: that of the request that the library works on
 */
export type RevokeGrant = (grantId: string, reason?: RevocationReason, client?: string) => Promise<unknown>;

/** What each grant of a VAL user has given to an application: with it all of that goes. */
export class OpenIdGrants {
  readonly #store: Store;
  readonly #shared: SharedTokens;

  constructor(store: Store, shared: SharedTokens) {
    this.#store = store;
    this.#shared = shared;
  }

  /** The change by which an entry of the store belongs to a grant. */
  member(grantId: string, key: string, expiresAt: number): Change {
    return { key: `${membersFolder}${hashOf(grantId)}/${hashOf(key)}`, value: utf8(key), expiresAt };
  }

  /** The same for an access token, by its token hash. */
  token(grantId: string, hash: string, expiresAt: number): Change {
    return { key: `${membersFolder}${hashOf(grantId)}/${tokens}${hash}`, value: emptyBytes, expiresAt };
  }

  /** The change that fails where the grant is another than this request has read, or has been revoked meanwhile; `undefined`: it has been, or it was not read. */
  read(grantId: string): Change | undefined {
    const key = grantKey(grantId);
    const read = recallRecord(key);
    return read?.payload.exp === undefined ? undefined : { key, value: read.bytes, expected: read.bytes, expiresAt: read.payload.exp };
  }

  /** The change that fails where the grant has been revoked meanwhile; `undefined`: it has been. */
  async living(grantId: string): Promise<Change | undefined> {
    const key = grantKey(grantId);
    const value = await this.#store.get(key);
    if (value === undefined) return undefined;
    const { exp } = JSON.parse(fromUtf8(value)) as { readonly exp: number };
    return { key, value, expected: value, expiresAt: exp };
  }

  /**
   * Let nothing that a grant has given be of use any more.
   *
   * @returns the token hashes of its access tokens
   */
  async revoke(grantId: string): Promise<readonly string[]> {
    const key = grantKey(grantId);
    const name = hashOf(grantId);
    rememberRecord(key, undefined);
    // First, so that nothing more comes of it.
    await this.#store.batch([
      { key, value: undefined },
      { key: revokingFolder + name, value: emptyBytes },
    ]);
    return this.#revokeAll(name);
  }

  /** Bring to an end what a process has begun to revoke that was killed meanwhile. */
  async finish(): Promise<void> {
    for await (const [key] of this.#store.scan(revokingFolder)) await this.#revokeAll(key.slice(revokingFolder.length));
  }

  /** What cannot be revoked now keeps none of the others; it stays for `finish`. */
  async #revokeAll(name: string): Promise<readonly string[]> {
    const prefix = `${membersFolder}${name}/`;
    const revoked: string[] = [];
    const failures: unknown[] = [];
    for await (const [key, value] of this.#store.scan(prefix)) {
      try {
        const member = key.slice(prefix.length);
        if (member.startsWith(tokens)) {
          const hash = member.slice(tokens.length);
          if (await this.#shared.revoke(hash)) revoked.push(hash);
        } else await this.#store.delete(fromUtf8(value));
        await this.#store.delete(key);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    await this.#store.delete(revokingFolder + name);
    return revoked;
  }
}

const tokens = 'token/';

const grantKey = (grantId: string): string => `${folder}Grant/${hashOf(grantId)}`;
