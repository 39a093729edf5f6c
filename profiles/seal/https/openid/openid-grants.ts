import type { GrantFolders, RevocationCause, SharedTokens } from '../../../../src/as/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import type { Change, Store } from '../../../../src/store/index.ts';
import { folder, membersFolder, revokingFolder } from '../../openid-keys.ts';
import { hashOf, recallRecord, rememberRecord } from './request-memory.ts';

/**
 * Let nothing that a grant has given be of use any more.
 *
 * @param reason - absent: that for which the library wants it
 * @param client - absent: that of the request that the library works on
 */
export type RevokeGrant = (grantId: string, reason?: RevocationCause['reason'], client?: string) => Promise<unknown>;

/** What each grant of a VAL user has given to an application: with it all of that goes. */
export class OpenIdGrants {
  readonly #store: Store;
  readonly #revocations: SharedTokens['revocations'];
  readonly #folders: GrantFolders;

  constructor(store: Store, { revocations }: Pick<SharedTokens, 'revocations'>) {
    this.#store = store;
    this.#revocations = revocations;
    this.#folders = { revoking: revokingFolder, members: (name) => `${membersFolder}${name}/`, end: (name) => store.delete(grants + name) };
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

  /** Let nothing that a grant has given be of use any more. */
  revoke(grantId: string, cause: RevocationCause): Promise<void> {
    rememberRecord(grantKey(grantId), undefined);
    return this.#revocations.revoke(this.#folders, hashOf(grantId), cause);
  }

  /** Bring to an end what a process has begun to revoke that was killed meanwhile. */
  finish(): Promise<void> {
    return this.#revocations.finish(this.#folders);
  }
}

const tokens = 'token/';
const grants = `${folder}Grant/`;

const grantKey = (grantId: string): string => grants + hashOf(grantId);
