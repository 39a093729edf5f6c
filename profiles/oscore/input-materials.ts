import { AceError, decodeBoundKey, type Ending, Ends, encodeBoundKey, extendBoundKey, type Grant, type ProfileEvent } from '../../src/ace/index.ts';
import { Code } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Env } from '../../src/core/env.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Change, Store } from '../../src/store/index.ts';
import { IdSpace, idOf, indexOf } from './id-space.ts';

/**
 * Seconds that an identifier rests after its last token has expired, before another client may get it: the clocks of AS and RS may differ, and the RS
 * tells clients apart by the identifier (RFC 9203, Section 3.2).
 */
const rest = 300;

/** The identifiers of one resource server: where the store has them, and which are in use. */
interface Space {
  readonly folder: string;
  readonly ids: IdSpace;
}

/** An identifier in use, at least until then. */
interface Taken extends Ending {
  readonly space: Space;
  readonly index: number;
}

/** An identifier that is taken, and what has to become durable for that. */
export interface AllocatedId {
  readonly id: Uint8Array;
  readonly change: Change;
}

/**
 * The identifiers of OSCORE Input Materials that are in use, for each resource server, durable in the store under `as/oscore/<rs>/<id>`, so that an update of
 * access rights can name one after a restart of the AS too.
 */
export class InputMaterials {
  readonly #store: Store;
  readonly #env: Env;
  /** Whether an identifier has been let live longer meanwhile, by whatever process, is seen when its time has come. */
  readonly #taken: Ends<Taken>;
  /** By resource server. */
  readonly #spaces = new Map<string, Space | Promise<Space>>();
  #closed = false;

  constructor(store: Store, env: Env, emit: (event: ProfileEvent) => void) {
    this.#store = store;
    this.#env = env;
    this.#taken = new Ends(env, (taken) => {
      this.#release(taken).catch((error: unknown) => {
        emit({ type: 'input-material', reason: 'not-released', detail: messageOf(error) });
      });
    });
  }

  get size(): number {
    return this.#taken.size;
  }

  /**
   * A fresh identifier for this grant: the shortest that the RS does not have in use, or for a token with `exi` one that was never used, because nobody knows
   * when such a token ends. It stays taken until then, also where the change is not made in the end. At once, but for the first of an RS and for `exi`.
   *
   * @throws {AceError} `ERR_OSCORE_PROFILE_IDS`, 5.03, when all are in use
   */
  allocate(grant: Grant): AllocatedId | Promise<AllocatedId> {
    const space = this.#space(grant.resourceServer);
    return grant.exi || space instanceof Promise ? this.#allocateLater(grant, space) : this.#allocated(grant, space, space.ids.take());
  }

  async #allocateLater(grant: Grant, loading: Space | Promise<Space>): Promise<AllocatedId> {
    const space = await loading;
    const index = grant.exi ? await this.#store.increment(`as/oscore-next/${encodeURIComponent(grant.resourceServer)}`, 1) : space.ids.take();
    return this.#allocated(grant, space, index);
  }

  #allocated(grant: Grant, space: Space, index: number | undefined): AllocatedId {
    const id = index === undefined ? undefined : idOf(index);
    if (index === undefined || id === undefined) {
      throw new AceError('ERR_OSCORE_PROFILE_IDS', 'all identifiers of input materials are in use', {
        responseCode: Code.ServiceUnavailable,
        retryAfter: 60,
      });
    }
    const at = grant.expiresAt + rest;
    this.#await({ at, space, index });
    return { id, change: { key: space.folder + toHex(id), expected: null, value: encodeBoundKey(grant), expiresAt: at } };
  }

  /**
   * What lets the material that `id` names live as long as this grant. `undefined`: the identifier is unknown, of another client or audience, or its last token
   * has expired.
   */
  async extend(grant: Grant, id: Uint8Array): Promise<readonly Change[] | undefined> {
    const { folder } = await this.#space(grant.resourceServer);
    // The store takes no key of any length.
    if (indexOf(toHex(id)) === undefined) return undefined;
    const extension = await extendBoundKey(this.#store, folder + toHex(id), grant, this.#env.epoch(), rest);
    return extension?.changes;
  }

  close(): void {
    this.#closed = true;
    this.#taken.close();
    this.#spaces.clear();
  }

  /** The identifiers in use of one RS, read from the store when they are first needed. */
  #space(resourceServer: string): Space | Promise<Space> {
    const known = this.#spaces.get(resourceServer);
    if (known !== undefined) return known;
    const loading = this.#load(`as/oscore/${encodeURIComponent(resourceServer)}/`);
    this.#spaces.set(resourceServer, loading);
    loading.then(
      (space) => {
        if (this.#spaces.get(resourceServer) === loading) this.#spaces.set(resourceServer, space);
      },
      // A store that fails once is asked again by the next request.
      () => this.#spaces.delete(resourceServer),
    );
    return loading;
  }

  async #load(folder: string): Promise<Space> {
    const space = { folder, ids: new IdSpace() };
    for await (const [key, value] of this.#store.scan(folder)) {
      const index = indexOf(key.slice(folder.length));
      if (index === undefined) continue;
      space.ids.occupy(index);
      this.#await({ at: (decodeBoundKey(value)?.expiresAt ?? 0) + rest, space, index });
    }
    return space;
  }

  /** What is read or given while it is closed waits for nothing. */
  #await(taken: Taken): void {
    if (!this.#closed) this.#taken.add(taken);
  }

  /** Another process of this AS may have the identifier, or have let it live longer. */
  async #release({ space, index }: Taken): Promise<void> {
    const value = await this.#store.get(space.folder + toHex(idOf(index)!));
    const at = value === undefined ? 0 : (decodeBoundKey(value)?.expiresAt ?? 0) + rest;
    if (at > this.#env.epoch()) this.#await({ at, space, index });
    else space.ids.release(index);
  }
}
