import {
  AceError,
  decodeExiCti,
  type FollowOptions,
  type ListChange,
  type RevocationList,
  RevocationListFollower,
  tokenHashes,
  tokenHashText,
} from '../ace/index.ts';
import { Code } from '../coap/index.ts';
import type { ClaimsSet } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import type { Store } from '../store/index.ts';
import type { Emit } from './events.ts';
import { RevokedTokens, type SeenToken } from './revoked-tokens.ts';
import type { OpenToken } from './token-check.ts';
import type { AccessToken, TokenTable } from './token-table.ts';

/** How an RS learns of tokens that were revoked. */
export interface RevocationOptions extends FollowOptions {
  /** By the name of the issuer, its token revocation list, over a channel that this RS has to it: `AceClient.revocationList`. */
  readonly lists: Readonly<Record<string, RevocationList>>;
}

export interface RevocationsAtRsOptions {
  readonly revocation: RevocationOptions | undefined;
  readonly store: Store;
  readonly env: Env;
  readonly limit: number;
  readonly leeway: number;
  tokens(): TokenTable;
  /** What is remembered of tokens is not to be used any more. */
  forget(issuer: string, hashes: readonly string[]): void;
  retire(issuer: string, sequence: number): void;
  readonly emit: Emit;
  fault(error: unknown): void;
}

/**
 * The token revocation lists of the issuers at an RS: what is revoked ends at once, and is not taken again.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-11.1
 */
export class RevocationsAtRs {
  readonly #options: RevocationsAtRsOptions;
  readonly #revoked: RevokedTokens;
  readonly #followers: readonly RevocationListFollower[];
  readonly #issuers: ReadonlySet<string>;

  constructor(options: RevocationsAtRsOptions) {
    this.#options = options;
    const { store, env, limit, revocation } = options;
    this.#revoked = new RevokedTokens({ store, env, limit, retire: options.retire, fault: options.fault });
    const { lists = {}, ...follow } = revocation ?? {};
    this.#issuers = new Set(Object.keys(lists));
    this.#followers = Object.entries(lists).map(
      ([issuer, list]) =>
        new RevocationListFollower({
          ...follow,
          list,
          env,
          changed: (change) => this.#changed(issuer, change),
          reached: (failure) => {
            const told = failure === undefined ? { reason: 'reached' } : { reason: failure.code, detail: failure.message };
            options.emit({ type: 'revocation-list', issuer, ...told });
          },
        }),
    );
  }

  /** Take so many token hashes at most from now on. */
  bound(limit: number): void {
    this.#revoked.bound(limit);
  }

  /** Token hashes that are held. */
  get size(): number {
    return this.#revoked.size;
  }

  async start(): Promise<void> {
    if (this.#issuers.size > 0) await this.#revoked.start();
  }

  follow(): void {
    for (const follower of this.#followers) follower.start();
  }

  /**
   * The hashes of a token that has verified; `opaque`: by the word of the AS, which knows its bytes and no others. A token has them also while its issuer has no
   * list here: it may have one after a restart. None, when its bytes could be others and nobody minds.
   *
   * @throws {AceError} `ERR_RS_TOKEN_FORM`, 4.00: its bytes could be others; `ERR_RS_REVOKED`, 4.01
   */
  check(token: Uint8Array, { issuer, claims, opaque }: OpenToken & { readonly opaque: boolean }): readonly string[] {
    const hashes = opaque ? [tokenHashText(token)] : tokenHashes(token);
    if (!this.#issuers.has(issuer)) return hashes ?? [];
    if (hashes === undefined) {
      throw new AceError('ERR_RS_TOKEN_FORM', 'expected a token in tags 61 and of COSE, in shortest form, and without unprotected headers', {
        responseCode: Code.BadRequest,
      });
    }
    if (this.#revoked.has(issuer, hashes)) {
      this.#revoked.see(issuer, hashes, this.#seen(claims));
      throw revokedError();
    }
    return hashes;
  }

  isRevoked({ issuer, hashes }: Pick<AccessToken, 'issuer' | 'hashes'>): boolean {
    return hashes.length > 0 && this.#revoked.has(issuer, hashes);
  }

  async close(): Promise<void> {
    for (const follower of this.#followers) follower.close();
    await this.#revoked.close();
  }

  #seen({ exp, exi, cti }: ClaimsSet): SeenToken {
    if (exi === undefined) return exp === undefined ? {} : { end: exp + this.#options.leeway };
    const sequence = cti === undefined ? undefined : decodeExiCti(cti)?.sequence;
    return sequence === undefined ? {} : { sequence };
  }

  #changed(issuer: string, change: ListChange): void {
    this.#options.forget(issuer, 'all' in change ? change.all : change.added);
    if ('all' in change) this.#revoked.replace(issuer, change.all);
    else {
      this.#revoked.add(issuer, change.added);
      this.#revoked.leave(issuer, change.removed);
    }
    for (const { hashes, expiresAt, sequence } of this.#options.tokens().revoke((token) => token.issuer === issuer && this.isRevoked(token))) {
      const seen = sequence === undefined ? { end: expiresAt + this.#options.leeway } : { sequence };
      this.#revoked.see(issuer, hashes, seen);
    }
  }
}

export function revokedError(): AceError {
  return new AceError('ERR_RS_REVOKED', 'the token was revoked', { responseCode: Code.Unauthorized });
}
