import { equalBytes } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import type { Env } from '../../core/env.ts';
import type { Change, Store } from '../../store/index.ts';
import { codePrefix, decodeCode } from '../grants/codes.ts';
import { familyNameOf, familyOf, familyPrefix, familyTokens } from '../grants/refresh-tokens.ts';
import type { RegisteredPeer } from '../registry/registration.ts';
import { newStoreKey, prefixes, storeKey } from '../registry/registration-store.ts';
import { decodeRecord, tokenKey } from '../token/token-records.ts';

/** A client, or a resource server with its audiences, that is removed. */
export interface Departed {
  readonly kind: 'client' | 'rs';
  readonly id: string;
  /** Of a client none. */
  readonly audiences: readonly string[];
}

/** Those whom a new configuration leaves out. */
export function departedOf(before: readonly RegisteredPeer[], after: readonly RegisteredPeer[]): readonly Departed[] {
  const stay = new Set(after.map(({ credential }) => credential));
  return before.filter(({ credential }) => !stay.has(credential)).map(departing);
}

function departing(peer: RegisteredPeer): Departed {
  return { kind: peer.kind, id: peer.id, audiences: peer.kind === 'rs' ? [...peer.audiences] : [] };
}

/** Take away what another face keeps of peers that are removed: grants, and what came of them but for access tokens. Asked again where a removal was cut short. */
export type TakeAway = (departed: readonly Departed[]) => Promise<void>;

/** What says of a record of the store whether it is of one of those who are removed. */
interface Names {
  readonly clients: ReadonlySet<string>;
  readonly resourceServers: ReadonlySet<string>;
  readonly audiences: ReadonlySet<string>;
}

function namesOf(departed: readonly Departed[]): Names {
  const idsOf = (wanted: Departed['kind']): ReadonlySet<string> => new Set(departed.flatMap(({ kind, id }) => (kind === wanted ? [id] : [])));
  return { clients: idsOf('client'), resourceServers: idsOf('rs'), audiences: new Set(departed.flatMap(({ audiences }) => audiences)) };
}

export interface DeparturesOptions {
  readonly store: Store;
  readonly env: Pick<Env, 'epoch'>;
  /** Revoke a token by its hash. */
  readonly revoke: (hash: string) => Promise<boolean>;
  readonly takeAway?: TakeAway;
}

/** Removals that have begun. */
const begun = 'as/removing/';
/** Peers of the configuration. */
const configured = 'as/configured/';
/** Changes that the store takes at once. It is even: some go in pairs. */
const batchSize = 1_000;

/**
 * What is left in the store of peers that are removed. That a removal has begun is written with the end of the registration, so that where a process is killed
 * meanwhile the next one finishes it: nobody who is registered under the same name later gets what the store has of the other.
 */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #store: Store;

  constructor(options: DeparturesOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** The change that says that the removal has begun, for the batch that ends the registration. */
  begin(departed: Departed): Change {
    const { kind, id } = departed;
    return { key: newStoreKey(`${kind} "${id}"`, `${begun}${kind}/`, id), value: encodeDeparted(departed) };
  }

  /** The same for those who leave the configuration, where no registration ends in the store. */
  async beginAll(departed: readonly Departed[]): Promise<void> {
    await this.#change(departed.filter(({ kind, id }) => keyOf(kind, id) !== undefined).map((one) => this.begin(one)));
  }

  /**
   * These are the peers of the configuration now. Who was one before, in this process or in the last that had the store, and is not among them leaves: that the
   * removal has begun is in the store with it.
   *
   * This is for a server that has the store to itself. Of several on one store each has a file of its own, and a file that does not name a peer says nothing of the
   * others: while files are changed one after the other, a server that starts with the old one would take away what a client has got by the new one.
   */
  async configure(peers: readonly RegisteredPeer[]): Promise<void> {
    const before = new Map<string, Uint8Array>();
    for await (const [key, bytes] of this.#store.scan(configured)) before.set(key, bytes);
    const arrived: Change[] = [];
    for (const peer of peers) {
      const key = storeKey(`${configured}${peer.kind}/`, peer.id);
      if (key === undefined) continue;
      const [value, known] = [encodeDeparted(departing(peer)), before.get(key)];
      before.delete(key);
      if (known === undefined || !equalBytes(known, value)) arrived.push({ key, value });
    }
    const departed = [...before].flatMap(([key, bytes]): Change[] => [this.begin(decodeDeparted(bytes)), { key, value: undefined }]);
    await this.#change([...departed, ...arrived]);
  }

  /** Bring to an end every removal that has begun, and of the others those of peers whose ids no key of the store can hold. */
  async finishAll(others: readonly Departed[] = []): Promise<void> {
    const found = others.filter(({ kind, id }) => keyOf(kind, id) === undefined);
    for await (const [, bytes] of this.#store.scan(begun)) found.push(decodeDeparted(bytes));
    if (found.length > 0) await this.finish(found);
  }

  /** The same for that of one peer, if there is one. */
  async finishOf(kind: Departed['kind'], id: string): Promise<void> {
    const departed = await this.#begunOf(kind, id);
    if (departed !== undefined) await this.finish([departed]);
  }

  /** The registrations are gone; what they have left goes now, for all of them at once. The result is how much of each kind that was. */
  async finish(departed: readonly Departed[]): Promise<{ readonly tokens: number; readonly policies: number }> {
    let policies = 0;
    for (const { kind, id } of departed) if (kind === 'client' && !(await this.#isStored(id))) policies += await this.#removePolicies(id);
    await this.#takeGrants(departed);
    const tokens = await this.revokeTokens(departed);
    for (const { kind, id } of departed) {
      const key = keyOf(kind, id);
      if (key !== undefined) await this.#store.delete(key);
    }
    return { tokens, policies };
  }

  /** Of a peer that is not registered: what a removal has left that was cut short. The result is how many tokens were revoked; `undefined`: nothing was there. */
  async rest(departed: Departed): Promise<number | undefined> {
    const earlier = await this.#begunOf(departed.kind, departed.id);
    const { tokens, policies } = await this.finish([earlier ?? departed]);
    return tokens + policies === 0 && earlier === undefined ? undefined : tokens;
  }

  /** Revoke the living tokens of clients, and for resource servers; the result is how many they were. */
  async revokeTokens(departed: readonly Departed[]): Promise<number> {
    const { env, revoke } = this.#options;
    const { clients, resourceServers } = namesOf(departed);
    const now = env.epoch();
    const hashes: string[] = [];
    for await (const [key, value] of this.#store.scan(tokenKey(''))) {
      const record = decodeRecord(value);
      if (record === undefined || !(clients.has(record.client) || resourceServers.has(record.resourceServer))) continue;
      if (record.revoked !== true && record.expiresAt > now) hashes.push(key.slice(tokenKey('').length));
    }
    for (const hash of hashes) await revoke(hash);
    return hashes.length;
  }

  async #change(changes: readonly Change[]): Promise<void> {
    for (let i = 0; i < changes.length; i += batchSize) await this.#store.batch(changes.slice(i, i + batchSize));
  }

  async #begunOf(kind: Departed['kind'], id: string): Promise<Departed | undefined> {
    const key = keyOf(kind, id);
    const bytes = key === undefined ? undefined : await this.#store.get(key);
    return bytes === undefined ? undefined : decodeDeparted(bytes);
  }

  /** Whether a client of the store has the name of one of the configuration that is gone; the policies are those of the former. */
  async #isStored(id: string): Promise<boolean> {
    const key = storeKey(prefixes.client, id);
    return key !== undefined && (await this.#store.get(key)) !== undefined;
  }

  /** The result is how many they were. */
  async #removePolicies(client: string): Promise<number> {
    const key = storeKey(prefixes.policy, client);
    const keys: string[] = [];
    if (key !== undefined) for await (const [policy] of this.#store.scan(`${key}/`)) keys.push(policy);
    for (const policy of keys) await this.#store.delete(policy);
    return keys.length;
  }

  /** Take away codes and refresh tokens (RFC 6749, Sections 4.1 and 6) of clients, and for resource servers, on every face. */
  async #takeGrants(departed: readonly Departed[]): Promise<void> {
    const { clients, resourceServers, audiences } = namesOf(departed);
    const keys: string[] = [];
    for await (const [key, bytes] of this.#store.scan(codePrefix)) {
      const grant = decodeCode(bytes)?.grant;
      if (grant !== undefined && (clients.has(grant.client) || audiences.has(grant.audience))) keys.push(key);
    }
    for await (const [key, bytes] of this.#store.scan(familyPrefix)) {
      const family = familyOf(bytes);
      if (family === undefined || !(clients.has(family.client) || resourceServers.has(family.resourceServer))) continue;
      // The family last: by it the others are found again.
      for await (const [token] of this.#store.scan(familyTokens(familyNameOf(key)))) keys.push(token);
      keys.push(key);
    }
    for (const key of keys) await this.#store.delete(key);
    await this.#options.takeAway?.(departed);
  }
}

function keyOf(kind: Departed['kind'], id: string): string | undefined {
  return storeKey(`${begun}${kind}/`, id);
}

function encodeDeparted({ kind, id, audiences }: Departed): Uint8Array {
  return encode([kind, id, audiences]);
}

function decodeDeparted(bytes: Uint8Array): Departed {
  const [kind, id, audiences] = decode(bytes) as unknown as readonly [Departed['kind'], string, readonly string[]];
  return { kind, id, audiences };
}
