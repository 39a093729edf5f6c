import { AceError, decodeBoundKey, Expiry, encodeBoundKey, extendBoundKey, type Grant, type ProfileEvent } from '../../src/ace/index.ts';
import { Code } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Env } from '../../src/core/env.ts';
import type { Store } from '../../src/store/index.ts';
import { IdSpace, idOf, indexOf } from './id-space.ts';

/**
 * Seconds that an identifier rests after its last token has expired, before another client may get it: the clocks of AS and RS may differ, and the RS
 * tells clients apart by the identifier (RFC 9203, Section 3.2).
 */
const rest = 300;

/**
 * The identifiers of OSCORE Input Materials that are in use, for each resource server, durable in the store under `as/oscore/<rs>/<id>`, so that an update of
 * access rights can name one after a restart of the AS too.
 */
export class InputMaterials {
  readonly #store: Store;
  readonly #env: Env;
  readonly #emit: (event: ProfileEvent) => void;
  readonly #expiry: Expiry;
  readonly #spaces = new Map<string, Promise<IdSpace>>();

  constructor(store: Store, env: Env, emit: (event: ProfileEvent) => void) {
    this.#store = store;
    this.#env = env;
    this.#emit = emit;
    this.#expiry = new Expiry(env, (key) => {
      this.#release(key).catch((error: unknown) => {
        emit({ type: 'input-material', reason: 'not-released', detail: error instanceof Error ? error.message : String(error) });
      });
    });
  }

  get size(): number {
    return this.#expiry.size;
  }

  /**
   * A fresh identifier for this grant: the shortest that the RS does not have in use, or for a token with `exi` one that was never used, because nobody knows
   * when such a token ends.
   *
   * @throws {AceError} `ERR_OSCORE_PROFILE_IDS`, 5.03, when all are in use
   */
  async allocate(grant: Grant): Promise<Uint8Array> {
    const folder = folderOf(grant.resourceServer);
    const space = await this.#space(folder);
    const record = encodeBoundKey(grant);
    for (;;) {
      const index = grant.exi ? await this.#store.increment(`as/oscore-next/${encodeURIComponent(grant.resourceServer)}`, 1) : space.take();
      const id = index === undefined ? undefined : idOf(index);
      if (index === undefined || id === undefined) {
        throw new AceError('ERR_OSCORE_PROFILE_IDS', 'all identifiers of input materials are in use', {
          responseCode: Code.ServiceUnavailable,
          retryAfter: 60,
        });
      }
      const key = folder + toHex(id);
      let ours = false;
      try {
        ours = await this.#store.compareAndSet(key, undefined, record);
      } catch (error) {
        // Whether it was written is not known: the identifier stays taken until the entry, if there is one, would have expired.
        this.#expiry.set(key, grant.expiresAt + rest);
        throw error;
      }
      if (ours) {
        this.#expiry.set(key, grant.expiresAt + rest);
        return id;
      }
      await this.#takeUp(key);
    }
  }

  /**
   * Let the material that `id` names live as long as this grant. `false`: the identifier is unknown, of another client or audience, or its last token has
   * expired.
   */
  async extend(grant: Grant, id: Uint8Array): Promise<boolean> {
    const folder = folderOf(grant.resourceServer);
    await this.#space(folder);
    // The store takes no key of any length.
    if (indexOf(toHex(id)) === undefined) return false;
    const key = folder + toHex(id);
    const end = await extendBoundKey(this.#store, key, grant, () => this.#env.epoch());
    if (end !== undefined) this.#expiry.set(key, end + rest);
    return end !== undefined;
  }

  close(): void {
    this.#expiry.close();
    this.#spaces.clear();
  }

  /** The identifiers in use of one RS, read from the store when they are first needed. */
  #space(folder: string): Promise<IdSpace> {
    let space = this.#spaces.get(folder);
    if (space === undefined) {
      space = this.#load(folder);
      this.#spaces.set(folder, space);
      // A store that fails once is asked again by the next request.
      space.catch(() => this.#spaces.delete(folder));
    }
    return space;
  }

  async #load(folder: string): Promise<IdSpace> {
    const space = new IdSpace();
    for await (const [key, value] of this.#store.scan(folder)) {
      const index = indexOf(key.slice(folder.length));
      if (index === undefined) continue;
      space.occupy(index);
      this.#expiry.set(key, (decodeBoundKey(value)?.expiresAt ?? 0) + rest);
    }
    return space;
  }

  /** Another process of this AS has the identifier: it is freed here when that entry ends. */
  async #takeUp(key: string): Promise<void> {
    const value = await this.#store.get(key);
    this.#expiry.set(key, (value === undefined ? 0 : (decodeBoundKey(value)?.expiresAt ?? 0)) + rest);
  }

  async #release(key: string): Promise<void> {
    const slash = key.lastIndexOf('/') + 1;
    const space = await this.#spaces.get(key.slice(0, slash));
    const value = await this.#store.get(key);
    if (value !== undefined) {
      const end = (decodeBoundKey(value)?.expiresAt ?? 0) + rest;
      if (end > this.#env.epoch()) {
        this.#expiry.set(key, end);
        return;
      }
      if (!(await this.#store.compareAndSet(key, value, undefined))) {
        this.#emit({ type: 'input-material', reason: 'changed-elsewhere' });
        this.#expiry.set(key, this.#env.epoch() + rest);
        return;
      }
    }
    const index = indexOf(key.slice(slash));
    if (index !== undefined) space?.release(index);
  }
}

function folderOf(resourceServer: string): string {
  return `as/oscore/${encodeURIComponent(resourceServer)}/`;
}
