import { decode, encode } from '../../../src/core/cbor.ts';
import { sameValue } from '../../../src/core/same-value.ts';
import type { Change, Store } from '../../../src/store/index.ts';
import {
  checkIdentity,
  clientOf,
  decodeIdentity,
  encodeIdentity,
  IdentityError,
  isIdentityName,
  type ValIdentity,
  type ValIdentityKind,
  valIdentityKinds,
} from './identity.ts';
import { subjectRemoved } from './subjects.ts';

/** Whether an identity is fixed by the configuration, or was provisioned into the store. */
export type IdentitySource = 'config' | 'store';

/** An identity, and whether the configuration or the store has it. */
export interface RegisteredIdentity {
  readonly identity: ValIdentity;
  readonly source: IdentitySource;
}

type Name = readonly [kind: ValIdentityKind, id: string];

const folder = 'seal/identity/';
const clientFolder = 'seal/client/';
/** How often a change is tried that others get ahead of. */
const attempts = 8;

const keyOf = (kind: ValIdentityKind, id: string): string => `${folder}${kind}/${encodeURIComponent(id)}`;
const clientKey = (client: string): string => clientFolder + encodeURIComponent(client);
const nameOf = ({ kind, id }: Pick<ValIdentity, 'kind' | 'id'>): string => `${kind} ${id}`;

/**
 * The VAL identities that a SIM-S knows (TS 33.434, 5.2.3): those of its configuration, and those that its store has, which any process may change while it
 * runs. Nothing is cached, so a change counts for the next token.
 */
export class IdentityRegister {
  /** VAL users who have left the configuration since this process began. */
  readonly departedUsers: Set<string> = new Set();
  readonly #store: Store;
  #configured: ReadonlyMap<string, ValIdentity> = new Map();
  #clients: ReadonlyMap<string, ValIdentity> = new Map();

  /** @throws {IdentityError} `ERR_SEAL_IDENTITY` */
  constructor(store: Store, configured: readonly ValIdentity[] = []) {
    this.#store = store;
    this.configure(configured);
  }

  /**
   * Put other identities in the place of those of the configuration.
   *
   * @throws {IdentityError} `ERR_SEAL_IDENTITY`, and then all stays as it was
   */
  configure(identities: readonly ValIdentity[]): void {
    const [configured, clients] = [new Map<string, ValIdentity>(), new Map<string, ValIdentity>()];
    for (const identity of identities) {
      checkIdentity(identity);
      const client = clientOf(identity);
      if (configured.has(nameOf(identity))) throw new IdentityError('ERR_SEAL_IDENTITY', `expected ${nameOf(identity)} once, got it again`);
      const other = client === undefined ? undefined : clients.get(client);
      if (other !== undefined) throw taken(identity, client!, [other.kind, other.id]);
      configured.set(nameOf(identity), identity);
      if (client !== undefined) clients.set(client, identity);
    }
    for (const [name, { kind, id }] of this.#configured) if (kind === 'user' && !configured.has(name)) this.departedUsers.add(id);
    this.#configured = configured;
    this.#clients = clients;
  }

  /** The identity; `undefined`: nobody has this id. */
  async get(kind: ValIdentityKind, id: string): Promise<ValIdentity | undefined> {
    return (await this.find(kind, id))?.identity;
  }

  /** Whether anybody has this id. */
  async has(kind: ValIdentityKind, id: string): Promise<boolean> {
    return this.#configured.has(nameOf({ kind, id })) || (isIdentityName(id) && (await this.#store.get(keyOf(kind, id))) !== undefined);
  }

  /** The identity and where it stands; that of the configuration goes first. */
  async find(kind: ValIdentityKind, id: string): Promise<RegisteredIdentity | undefined> {
    if (!isIdentityName(id)) return undefined;
    const configured = this.#configured.get(nameOf({ kind, id }));
    if (configured !== undefined) return { identity: configured, source: 'config' };
    const stored = await this.#store.get(keyOf(kind, id));
    return stored === undefined ? undefined : { identity: decodeIdentity(kind, id, stored), source: 'store' };
  }

  /** The VAL UE, VAL server or VAL user that a client of the SIM-S is. */
  async ofClient(client: string): Promise<ValIdentity | undefined> {
    const configured = this.#clients.get(client);
    if (configured !== undefined) return configured;
    if (!isIdentityName(client)) return undefined;
    const name = await this.#store.get(clientKey(client));
    if (name === undefined) return undefined;
    const identity = await this.get(...(decode(name) as unknown as Name));
    // The configuration may have it by now, and another client for it.
    return identity !== undefined && clientOf(identity) === client ? identity : undefined;
  }

  /**
   * Provision an identity into the store, in place of the one before.
   *
   * @throws {IdentityError} `ERR_SEAL_IDENTITY` for one that is wrong, that the configuration has, or whose client is another identity
   */
  async put(identity: ValIdentity): Promise<void> {
    checkIdentity(identity);
    await this.#put(identity.kind, identity.id, () => identity);
  }

  /**
   * Provision VAL services of an identity into the store, beside what there is of it already; where there is nothing, it is new.
   *
   * @throws {IdentityError} `ERR_SEAL_IDENTITY` as `put`
   */
  async addServices(kind: ValIdentityKind, id: string, valServiceIds: readonly string[]): Promise<void> {
    await this.#put(kind, id, (before) => ({ ...before, kind, id, valServiceIds: [...new Set([...(before?.valServiceIds ?? []), ...valServiceIds])] }));
  }

  async #put(kind: ValIdentityKind, id: string, next: (before: ValIdentity | undefined) => ValIdentity): Promise<void> {
    this.#refuseConfigured(kind, id);
    await this.#change(kind, id, async (stored) => {
      const before = stored === undefined ? undefined : decodeIdentity(kind, id, stored);
      const identity = next(before);
      checkIdentity(identity);
      const client = clientOf(identity);
      const configured = client === undefined ? undefined : this.#clients.get(client);
      if (configured !== undefined) throw taken(identity, client!, [configured.kind, configured.id]);
      const changes: Change[] = [{ key: keyOf(kind, id), value: encodeIdentity(identity), expected: stored ?? null }];
      const former = before === undefined ? undefined : clientOf(before);
      if (former !== undefined && former !== client) changes.push(...(await this.#freed([kind, id], former)));
      if (client !== undefined) {
        const index = await this.#store.get(clientKey(client));
        const name: Name = [kind, id];
        const holder = index === undefined ? undefined : (decode(index) as unknown as Name);
        if (holder !== undefined && !sameValue(holder, name)) throw taken(identity, client, holder);
        changes.push({ key: clientKey(client), value: encode([...name]), expected: index ?? null });
      }
      return changes;
    });
  }

  /**
   * Take an identity out of the store: the next token that it asks for it does not get.
   *
   * @returns whether it was there
   * @throws {IdentityError} `ERR_SEAL_IDENTITY` for one that the configuration has
   */
  async remove(kind: ValIdentityKind, id: string): Promise<boolean> {
    this.#refuseConfigured(kind, id);
    if (!isIdentityName(id)) return false;
    return this.#change(kind, id, async (before) => {
      if (before === undefined) return undefined;
      const client = clientOf(decodeIdentity(kind, id, before));
      return [
        { key: keyOf(kind, id), value: undefined, expected: before },
        ...(client === undefined ? [] : await this.#freed([kind, id], client)),
        ...(kind === 'user' ? await subjectRemoved(this.#store, id) : []),
      ];
    });
  }

  /** All of them, or those of a kind: of the configuration first. */
  async *list(kind?: ValIdentityKind): AsyncGenerator<RegisteredIdentity, void, undefined> {
    for (const identity of this.#configured.values()) if (kind === undefined || identity.kind === kind) yield { identity, source: 'config' };
    for (const one of valIdentityKinds) {
      if (kind !== undefined && kind !== one) continue;
      for await (const [key, value] of this.#store.scan(`${folder}${one}/`)) {
        const id = decodeURIComponent(key.slice(folder.length + one.length + 1));
        if (!this.#configured.has(nameOf({ kind: one, id }))) yield { identity: decodeIdentity(one, id, value), source: 'store' };
      }
    }
  }

  /** Make changes that start from the record that is there; `undefined`: there is nothing to be done. */
  async #change(kind: ValIdentityKind, id: string, plan: (before: Uint8Array | undefined) => Promise<readonly Change[] | undefined>): Promise<boolean> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const changes = await plan(await this.#store.get(keyOf(kind, id)));
      if (changes === undefined) return false;
      if (await this.#store.batch(changes)) return true;
    }
    throw new IdentityError(
      'ERR_SEAL_IDENTITY',
      `${kind} ${JSON.stringify(id)}: expected nobody else to change it meanwhile, got others ahead ${attempts} times`,
    );
  }

  /** The entry of a client that is no identity any more. */
  async #freed(name: Name, client: string): Promise<readonly Change[]> {
    const index = await this.#store.get(clientKey(client));
    return index === undefined || !sameValue(decode(index), name) ? [] : [{ key: clientKey(client), value: undefined, expected: index }];
  }

  #refuseConfigured(kind: ValIdentityKind, id: string): void {
    if (this.#configured.has(nameOf({ kind, id }))) {
      throw new IdentityError(
        'ERR_SEAL_IDENTITY',
        `${kind} ${JSON.stringify(id)}: expected an identity of the store, got one that stands in the configuration`,
      );
    }
  }
}

function taken({ kind, id }: ValIdentity, client: string, [otherKind, other]: Name): IdentityError {
  const message = `${kind} ${JSON.stringify(id)}: client: expected a client of its own, got ${JSON.stringify(client)}, which is ${otherKind} ${JSON.stringify(other)}`;
  return new IdentityError('ERR_SEAL_IDENTITY', message);
}
