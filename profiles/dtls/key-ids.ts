import { decodeBoundKey, Expiry, encodeBoundKey, extendBoundKey, type Grant, type ProfileEvent } from '../../src/ace/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Env } from '../../src/core/env.ts';
import type { Store } from '../../src/store/index.ts';

/** Bytes of a key identifier: so many that none comes twice, whatever the RS has forgotten. */
const kidLength = 8;

const folder = 'as/dtls/';

/**
 * The identifiers of the pre-shared keys in use, unique for each resource server (RFC 9202, Section 3.3.1), durable in the store under `as/dtls/<rs>/<kid>`, so
 * that an update of access rights can name one after a restart of the AS too.
 */
export class KeyIds {
  readonly #store: Store;
  readonly #env: Env;
  readonly #expiry: Expiry;
  #loaded: Promise<void> | undefined;

  constructor(store: Store, env: Env, emit: (event: ProfileEvent) => void) {
    this.#store = store;
    this.#env = env;
    this.#expiry = new Expiry(env, (key) => {
      this.#release(key).catch((error: unknown) => {
        emit({ type: 'key-id', reason: 'not-released', detail: error instanceof Error ? error.message : String(error) });
      });
    });
  }

  get size(): number {
    return this.#expiry.size;
  }

  /** A fresh identifier for this grant. */
  async allocate(grant: Grant): Promise<Uint8Array> {
    await this.#load();
    const record = encodeBoundKey(grant);
    for (;;) {
      const kid = this.#env.random(kidLength);
      const key = keyOf(grant, kid);
      // Whatever becomes of the writing, who wrote looks after it.
      this.#expiry.set(key, grant.expiresAt);
      if (await this.#store.compareAndSet(key, undefined, record)) return kid;
    }
  }

  /** Let the key that `kid` names live as long as this grant. `false`: it is unknown, of another client or audience, or its last token has expired. */
  async extend(grant: Grant, kid: Uint8Array): Promise<boolean> {
    await this.#load();
    if (kid.length !== kidLength) return false;
    const key = keyOf(grant, kid);
    const end = await extendBoundKey(this.#store, key, grant, () => this.#env.epoch());
    if (end !== undefined) this.#expiry.set(key, end);
    return end !== undefined;
  }

  close(): void {
    this.#expiry.close();
  }

  /** What an earlier run left, read when it is first needed. */
  #load(): Promise<void> {
    if (this.#loaded === undefined) {
      const loading = this.#scan();
      this.#loaded = loading;
      // A store that fails once is asked again by the next request.
      loading.catch(() => {
        this.#loaded = undefined;
      });
    }
    return this.#loaded;
  }

  async #scan(): Promise<void> {
    for await (const [key, value] of this.#store.scan(folder)) this.#expiry.set(key, decodeBoundKey(value)?.expiresAt ?? 0);
  }

  /** Another process of this AS may have let the key live longer. */
  async #release(key: string): Promise<void> {
    const value = await this.#store.get(key);
    if (value === undefined) return;
    const end = decodeBoundKey(value)?.expiresAt ?? 0;
    if (end > this.#env.epoch()) this.#expiry.set(key, end);
    else await this.#store.compareAndSet(key, value, undefined);
  }
}

function keyOf({ resourceServer }: Grant, kid: Uint8Array): string {
  return `${folder}${encodeURIComponent(resourceServer)}/${toHex(kid)}`;
}
