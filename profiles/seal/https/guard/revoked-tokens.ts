import { type FollowOptions, type ListChange, type RevocationList, RevocationListFollower } from '../../../../src/ace/index.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { ProtocolError } from '../../../../src/core/errors.ts';

/** How a resource server over HTTPS follows the token revocation list of its SIM-S. */
export interface RevokedTokensOptions extends FollowOptions {
  /** Over the secure channel of the CoAP face: `AceClient.revocationList`. */
  readonly list: RevocationList;
  readonly env: Env;
  /** Token hashes at most; 65,536 when absent. When one more comes, the one that came first goes. */
  readonly limit?: number;
  /** The list can be had (again), or not any more, and why. Told once for each change from one to the other. */
  readonly reached?: (failure: ProtocolError | undefined) => void;
}

/**
 * The tokens that a SIM-S has revoked, by its token revocation list (RFC 9770), which has those of both faces: a token that is revoked over CoAP is refused over
 * HTTPS, without a question for each request.
 *
 * While the list cannot be had, what is known of it counts, and other tokens are taken until they expire: `reached` tells of it.
 *
 * ```ts
 * const revoked = new RevokedTokens({ list: client.revocationList(asUri), env: systemEnv });
 * revoked.start();
 * const verifier = accessTokenVerifier({ issuer, audience, keys, env: systemEnv, isRevoked: revoked.has });
 * ```
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-11.1
 */
export class RevokedTokens {
  readonly #hashes = new Set<string>();
  readonly #limit: number;
  readonly #follower: RevocationListFollower;

  constructor({ list, env, limit = 65_536, reached = () => {}, ...follow }: RevokedTokensOptions) {
    this.#limit = limit;
    this.#follower = new RevocationListFollower({ ...follow, list, env, changed: (change) => this.#change(change), reached });
  }

  /** Begin to follow the list. */
  start(): void {
    this.#follower.start();
  }

  /** Token hashes that are held. */
  get size(): number {
    return this.#hashes.size;
  }

  /** Whether a token with this hash was revoked: for `isRevoked` of a verifier. */
  readonly has = (tokenHash: string): boolean => this.#hashes.has(tokenHash);

  /** Ask no more. */
  close(): void {
    this.#follower.close();
  }

  /** What leaves the list has expired, and is refused for that. */
  #change(change: ListChange): void {
    if ('all' in change) this.#hashes.clear();
    else for (const hash of change.removed) this.#hashes.delete(hash);
    for (const hash of 'all' in change ? change.all : change.added) this.#hashes.add(hash);
    for (const hash of this.#hashes) {
      if (this.#hashes.size <= this.#limit) break;
      this.#hashes.delete(hash);
    }
  }
}
