import { decode, encode } from '../../core/cbor.ts';
import type { Change, Store } from '../../store/index.ts';
import { codePrefix, decodeCode } from '../grants/codes.ts';
import { familyNameOf, familyOf, familyPrefix, familyTokens } from '../grants/refresh-tokens.ts';
import { newStoreKey } from '../registry/registration-store.ts';

/** A client, or a resource server with its audiences, that is removed. */
export interface Departed {
  readonly kind: 'client' | 'rs';
  readonly id: string;
  /** Of a client none. */
  readonly audiences: readonly string[];
}

/** Take away what another face keeps of a peer that is removed: grants, and what came of them but for access tokens. Asked again where a removal was cut short. */
export type TakeAway = (departed: Departed) => Promise<void>;

/** Removals that have begun. */
const begun = 'as/removing/';

/**
 * What is left in the store of peers that are removed. That a removal has begun is written with the end of the registration, so that where a process is killed
 * meanwhile the next one finishes it: nobody who is registered under the same name later gets what the store has of the other.
 */
export class Departures {
  readonly #store: Store;
  readonly #takeAway: TakeAway;

  constructor(store: Store, takeAway: TakeAway = async () => {}) {
    this.#store = store;
    this.#takeAway = takeAway;
  }

  /** The change that says that the removal has begun, for the batch that ends the registration. */
  begin({ kind, id, audiences }: Departed): Change {
    return { key: keyOf(kind, id), value: encode([kind, id, audiences]) };
  }

  /** The removal of a peer that has begun and not ended. */
  async begunOf(kind: Departed['kind'], id: string): Promise<Departed | undefined> {
    const bytes = await this.#store.get(keyOf(kind, id));
    return bytes === undefined ? undefined : decodeDeparted(bytes);
  }

  /** Every removal that has begun and not ended. */
  async all(): Promise<readonly Departed[]> {
    const found: Departed[] = [];
    for await (const [, bytes] of this.#store.scan(begun)) found.push(decodeDeparted(bytes));
    return found;
  }

  /** Nothing is left. */
  async end({ kind, id }: Departed): Promise<void> {
    await this.#store.delete(keyOf(kind, id));
  }

  /** Take away codes and refresh tokens (RFC 6749, Sections 4.1 and 6) of the client, or for the resource server, on every face. */
  async takeGrants(departed: Departed): Promise<void> {
    const { kind, id, audiences } = departed;
    const keys: string[] = [];
    for await (const [key, bytes] of this.#store.scan(codePrefix)) {
      const grant = decodeCode(bytes)?.grant;
      if (grant !== undefined && (kind === 'client' ? grant.client === id : audiences.includes(grant.audience))) keys.push(key);
    }
    for await (const [key, bytes] of this.#store.scan(familyPrefix)) {
      const family = familyOf(bytes);
      if (family === undefined || (kind === 'client' ? family.client : family.resourceServer) !== id) continue;
      // The family last: by it the others are found again.
      for await (const [token] of this.#store.scan(familyTokens(familyNameOf(key)))) keys.push(token);
      keys.push(key);
    }
    for (const key of keys) await this.#store.delete(key);
    await this.#takeAway(departed);
  }
}

function keyOf(kind: Departed['kind'], id: string): string {
  return newStoreKey(`${kind} "${id}"`, `${begun}${kind}/`, id);
}

function decodeDeparted(bytes: Uint8Array): Departed {
  const [kind, id, audiences] = decode(bytes) as unknown as readonly [Departed['kind'], string, readonly string[]];
  return { kind, id, audiences };
}
