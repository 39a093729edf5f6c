import { encodeBoundKey, extendBoundKey, type Grant } from '../../src/ace/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Env } from '../../src/core/env.ts';
import type { Change, Store } from '../../src/store/index.ts';

/** Bytes of a key identifier: so many that none comes twice, whatever the RS has forgotten. */
const kidLength = 8;

/**
 * The identifiers of the pre-shared keys in use, unique for each resource server (RFC 9202, Section 3.3.1), in the store under `as/dtls/<rs>/<kid>` for as long as
 * a token with the key lives, so that an update of access rights can name one after a restart of the AS too.
 */
export class KeyIds {
  readonly #store: Store;
  readonly #env: Env;

  constructor(store: Store, env: Env) {
    this.#store = store;
    this.#env = env;
  }

  /** A fresh identifier for this grant. */
  allocate(grant: Grant): { readonly kid: Uint8Array; readonly change: Change } {
    const kid = this.#env.random(kidLength);
    return { kid, change: { key: keyOf(grant, kid), expected: null, value: encodeBoundKey(grant), expiresAt: grant.expiresAt } };
  }

  /** What lets the key that `kid` names live as long as this grant. `undefined`: it is unknown, of another client or audience, or its last token has expired. */
  async extend(grant: Grant, kid: Uint8Array): Promise<readonly Change[] | undefined> {
    if (kid.length !== kidLength) return undefined;
    return (await extendBoundKey(this.#store, keyOf(grant, kid), grant, this.#env.epoch(), 0))?.changes;
  }
}

function keyOf({ resourceServer }: Grant, kid: Uint8Array): string {
  return `as/dtls/${encodeURIComponent(resourceServer)}/${toHex(kid)}`;
}
