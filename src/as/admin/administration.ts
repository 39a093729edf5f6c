import { type PeerRules, unionScopes } from '../../ace/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Change, Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';
import { codeHash, codePrefix, decodeCode, issueCode, longestCodeLifetime } from '../grants/codes.ts';
import {
  type Channel,
  type ClientRegistration,
  checkGrant,
  type GrantRegistration,
  type RegisteredPeer,
  type RegisteredResourceServer,
  type ResourceServerRegistration,
  refuseRegistration,
  registeredClient,
  registeredGrant,
  registeredResourceServer,
} from '../registry/registration.ts';
import {
  decodeClientRecord,
  decodePolicyRecord,
  decodeResourceServerRecord,
  encodeClientRecord,
  encodePolicyRecord,
  encodeResourceServerRecord,
} from '../registry/registration-codec.ts';
import {
  encodeAudience,
  encodePeerName,
  idOf,
  newStoreKey,
  peerKey,
  prefixes,
  type StoredResourceServer,
  storedCredential,
  storeKey,
  usable,
} from '../registry/registration-store.ts';
import type { Registry } from '../registry/registry.ts';
import { tryTokenKeys } from '../token/access-token.ts';
import { decodeRecord, tokenKey } from '../token/token-records.ts';
import { type Listing, listEntries, type Page } from './admin-list.ts';
import { clientView, codeView, policyView, resourceServerView, tokenKeyName, tokenKeyView, tokenView, type View } from './admin-views.ts';
import { type Departed, Departures, type TakeAway } from './departures.ts';

/** Bytes of a revision. */
const revisionLength = 8;

/** What is administered, and how the running server takes notice. */
export interface AdministrationOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly env: Pick<Env, 'random' | 'epoch'>;
  /** Associations that go by this name are to end, in this process; the others find out at the next request. */
  readonly ended?: (credential: string) => void;
  /** Revoke a token by its hash; `false`: there is no such token that has not expired. */
  readonly revoke: (hash: string) => Promise<boolean>;
  /** What another face keeps of peers in the same store goes with them. */
  readonly takeAway?: TakeAway;
}

function unknown(what: string): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_UNKNOWN', `${what}: expected one that is registered, got none of this name`);
}

function exists(what: string, how = 'got one that is registered'): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_EXISTS', `${what}: expected a new one, ${how}`);
}

function isFixed(what: string): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_FIXED', `${what}: expected one that administration made, got one of the configuration`);
}

/**
 * What administrators do: registrations of the store come and go. Those of the configuration are shown and stay as they are.
 *
 * Each change is one batch with conditions, so that of two administrators who do the same, in whatever processes, one is told that it is done. It works on a
 * server that runs as on a store that nobody serves.
 */
export class Administration {
  readonly #options: AdministrationOptions;
  readonly #departures: Departures;

  constructor(options: AdministrationOptions) {
    this.#options = options;
    this.#departures = new Departures(options);
  }

  /**
   * Register a client.
   *
   * @throws {AuthorizationServerError} `ERR_AS_CONFIG` for what the configuration could not say either, `ERR_AS_EXISTS` for an id, or identifiers, in use
   */
  async addClient(registration: ClientRegistration): Promise<void> {
    const { registry, env } = this.#options;
    const what = `client "${registration.id}"`;
    const key = newStoreKey(what, prefixes.client, registration.id);
    const client = registeredClient(registration, 'store', registry.rules);
    for (const grant of client.grants.values()) checkGrant(`${what}: grants`, grant, await registry.resourceServerOf(grant.audience));
    if (registry.fixed(client.credential) !== undefined) throw exists(what, 'got one of the configuration');
    await this.#departures.finishOf('client', registration.id);
    const stored = {
      revision: env.random(revisionLength),
      registration: { ...registration, ...(client.channel === undefined ? {} : { profile: client.channel.profile }) },
    };
    await this.#make(what, key, encodeClientRecord(stored), this.#peerChanges(what, client, client.channel));
  }

  /**
   * End a client, its policies, its associations, and its codes and refresh tokens on every face, and revoke its tokens. Where this fails half-way it can be done
   * again, and is, by whoever serves next. A token that is being issued in the same moment is not given.
   *
   * @returns how many tokens were revoked
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN`, `ERR_AS_FIXED`
   */
  async removeClient(id: string): Promise<number> {
    const { registry, store } = this.#options;
    const what = `client "${id}"`;
    if (registry.fixed(`client:${id}`) !== undefined) throw isFixed(what);
    const departed: Departed = { kind: 'client', id, audiences: [] };
    if ((await registry.stored.client(id)) === undefined) return this.#rest(what, departed);
    const revoked = await this.#departures.revokeTokens([departed]);
    for (;;) {
      const found = await registry.stored.client(id);
      if (found === undefined) throw unknown(what);
      const key = newStoreKey(what, prefixes.client, id);
      const peers = this.#peerChanges(what, found.peer, found.peer.channel).map(gone);
      if (!(await store.batch([{ key, value: undefined, expected: found.bytes }, ...peers, this.#departures.begin(departed)]))) continue;
      this.#options.ended?.(storedCredential(found.peer, found.stored.revision));
      return revoked + (await this.#departures.finish([departed])).tokens;
    }
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showClient(id: string): Promise<View> {
    const client = await this.#options.registry.client(id);
    if (client === undefined) throw unknown(`client "${id}"`);
    return clientView(client, this.#options.registry.rules);
  }

  /** What a client may administer; nothing where there is none of this id, of which a removal that was cut short may have left something. */
  async rightsOf(id: string): Promise<Iterable<string>> {
    return (await this.#options.registry.client(id))?.admin ?? [];
  }

  /** Those of the configuration and of the store. */
  listClients(page: Page = {}): Promise<Listing> {
    const { registry } = this.#options;
    const { rules } = registry;
    return this.#list(
      registry.fixedClients.map((client) => [client.id, clientView(client, rules)]),
      prefixes.client,
      (bytes) => clientView(registeredClient(decodeClientRecord(bytes).registration, 'store', rules), rules),
      page,
    );
  }

  /**
   * Register a resource server.
   *
   * @throws {AuthorizationServerError} `ERR_AS_CONFIG`, `ERR_AS_EXISTS` also for an audience that another has
   */
  async addResourceServer(registration: ResourceServerRegistration): Promise<void> {
    const { registry, env } = this.#options;
    const what = `resource server "${registration.id}"`;
    const key = newStoreKey(what, prefixes.rs, registration.id);
    const server = registeredResourceServer(registration, 'store', registry.rules);
    tryTokenKeys(server, env.random);
    if (registry.fixed(server.credential) !== undefined) throw exists(what, 'got one of the configuration');
    await this.#departures.finishOf('rs', registration.id);
    for (const audience of server.audiences) {
      const other = await registry.resourceServerOf(audience);
      if (other !== undefined && other.id !== server.id) throw exists(`${what}: audiences`, `got "${audience}", which "${other.id}" has`);
    }
    const stored = {
      revision: env.random(revisionLength),
      registration: { ...registration, profiles: server.profiles, ...(server.channel === undefined ? {} : { profile: server.channel.profile }) },
    };
    await this.#make(what, key, encodeResourceServerRecord(stored), [
      ...this.#audienceChanges(what, server),
      ...this.#peerChanges(what, server, server.channel),
    ]);
  }

  /**
   * End a resource server, with codes and refresh tokens for it, and revoke the tokens for it. Grants for its audiences are of no use from then on; clients that have them are not changed.
   *
   * @returns how many tokens were revoked, as `removeClient`
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN`, `ERR_AS_FIXED`
   */
  async removeResourceServer(id: string): Promise<number> {
    const { store } = this.#options;
    const what = `resource server "${id}"`;
    const { registry } = this.#options;
    if (registry.fixed(`rs:${id}`) === undefined && (await registry.stored.resourceServer(id)) === undefined)
      return this.#rest(what, { kind: 'rs', id, audiences: [] });
    await this.#changeable(id);
    const revoked = await this.#departures.revokeTokens([{ kind: 'rs', id, audiences: [] }]);
    for (;;) {
      const found = await this.#changeable(id);
      const key = newStoreKey(what, prefixes.rs, id);
      const departed: Departed = { kind: 'rs', id, audiences: [...found.peer.audiences] };
      const others = [...this.#audienceChanges(what, found.peer), ...this.#peerChanges(what, found.peer, found.peer.channel)].map(gone);
      if (!(await store.batch([{ key, value: undefined, expected: found.bytes }, ...others, this.#departures.begin(departed)]))) continue;
      this.#options.ended?.(storedCredential(found.peer, found.stored.revision));
      return revoked + (await this.#departures.finish([departed])).tokens;
    }
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showResourceServer(id: string): Promise<View> {
    const server = await this.#options.registry.resourceServer(id);
    if (server === undefined) throw unknown(`resource server "${id}"`);
    return resourceServerView(server, this.#options.registry.rules);
  }

  /** Those of the configuration and of the store. */
  listResourceServers(page: Page = {}): Promise<Listing> {
    const { registry } = this.#options;
    const { rules } = registry;
    return this.#list(
      registry.fixedResourceServers.map((server) => [server.id, resourceServerView(server, rules)]),
      prefixes.rs,
      (bytes) => resourceServerView(registeredResourceServer(decodeResourceServerRecord(bytes).registration, 'store', rules), rules),
      page,
    );
  }

  /**
   * Give a resource server of the store another key, behind those that it has: the first that fits protects tokens, so the new one is used when the one before it
   * is removed.
   *
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN`, `ERR_AS_FIXED`, `ERR_AS_CONFIG` for a key that does not work, `ERR_AS_EXISTS` for a kid in use
   */
  async addKey(resourceServer: string, key: TokenKey): Promise<void> {
    await this.#changeKeys(resourceServer, (keys) => {
      const name = tokenKeyName(key, keys.length);
      if (keys.some((other, place) => tokenKeyName(other, place) === name)) throw exists(`resource server "${resourceServer}": key ${name}`);
      return [...keys, key];
    });
  }

  /**
   * Take a key from a resource server of the store; what it protects is inactive to introspection from then on.
   *
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN`, `ERR_AS_FIXED`, `ERR_AS_CONFIG` where the others are not enough
   */
  async removeKey(resourceServer: string, name: string): Promise<void> {
    await this.#changeKeys(resourceServer, (keys) => {
      const rest = keys.filter((key, place) => tokenKeyName(key, place) !== name);
      if (rest.length === keys.length) throw unknown(`resource server "${resourceServer}": key ${name}`);
      return rest;
    });
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async listKeys(resourceServer: string): Promise<Listing> {
    const server = await this.#options.registry.resourceServer(resourceServer);
    if (server === undefined) throw unknown(`resource server "${resourceServer}"`);
    return { entries: server.tokenKeys.map(tokenKeyView) };
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showKey(resourceServer: string, name: string): Promise<View> {
    const key = (await this.listKeys(resourceServer)).entries.find(({ id }) => id === name);
    if (key === undefined) throw unknown(`resource server "${resourceServer}": key ${name}`);
    return key;
  }

  /**
   * Permit a client more than its registration does.
   *
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` for the client, `ERR_AS_CONFIG`, `ERR_AS_EXISTS`
   */
  async addPolicy(client: string, grant: GrantRegistration): Promise<void> {
    const { registry, store } = this.#options;
    const what = `policy for client "${client}" at "${grant.audience}"`;
    const registered = await registry.client(client);
    if (registered === undefined) throw unknown(`client "${client}"`);
    const added = registeredGrant(grant);
    checkGrant(what, added, await registry.resourceServerOf(grant.audience));
    const base = registered.grants.get(grant.audience);
    if (base !== undefined && unionScopes(base.scope, added.scope) === undefined) {
      throw refuseRegistration(what, 'expected a scope of the kind that the registered grant has, got one of another');
    }
    const key = newStoreKey(what, prefixes.policy, client, grant.audience);
    const change: Change = { key, value: encodePolicyRecord(grant), expected: null };
    for (;;) {
      const found = registered.source === 'config' ? undefined : await registry.stored.client(client);
      // One who is removed meanwhile leaves no policy to the next of the name.
      if (registered.source !== 'config' && found === undefined) throw unknown(`client "${client}"`);
      const there = found === undefined ? [] : [{ key: newStoreKey(what, prefixes.client, client), value: found.bytes, expected: found.bytes }];
      if (await store.batch([change, ...there])) return;
      if ((await store.get(key)) !== undefined) throw exists(what);
    }
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async removePolicy(client: string, audience: string): Promise<void> {
    const key = storeKey(prefixes.policy, client, audience);
    if (key === undefined || !(await this.#options.store.delete(key))) throw unknown(`policy for client "${client}" at "${audience}"`);
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showPolicy(client: string, audience: string): Promise<View> {
    const policy = await this.#options.registry.stored.policy(client, audience);
    if (policy === undefined) throw unknown(`policy for client "${client}" at "${audience}"`);
    return policyView(client, policy);
  }

  /** The policies, of one client or of all. */
  listPolicies(client: string | undefined, page: Page = {}): Promise<Listing> {
    const prefix = client === undefined ? prefixes.policy : newStoreKey(`client "${client}"`, prefixes.policy, client).concat('/');
    const view = (bytes: Uint8Array, key: string): View =>
      policyView(decodeURIComponent(key.slice(prefixes.policy.length).split('/')[0]!), decodePolicyRecord(bytes));
    return listEntries({ store: this.#options.store, fixed: [], prefix, view, page });
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showToken(hash: string): Promise<View> {
    const bytes = storeKey('', hash) === hash ? await this.#options.store.get(tokenKey(hash)) : undefined;
    const record = bytes && decodeRecord(bytes);
    if (record === undefined) throw unknown('token');
    return tokenView(hash, record);
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async revokeToken(hash: string): Promise<void> {
    await this.showToken(hash);
    if (!(await this.#options.revoke(hash))) throw unknown('token');
  }

  /** Bring to an end what a process has begun to remove that was killed meanwhile, and the removal of these. */
  finishRemovals(begun: readonly Departed[] = []): Promise<void> {
    return this.#departures.finishAll(begun);
  }

  /** Peers of the configuration leave it: that they do is in the store once this is fulfilled, and `finishRemovals` does the rest. */
  beginRemovals(departed: readonly Departed[]): Promise<void> {
    return this.#departures.beginAll(departed);
  }

  /** The same for a server that has the store to itself, by those who stay: who leaves between two runs is noticed too. */
  configure(peers: readonly RegisteredPeer[]): Promise<void> {
    return this.#departures.configure(peers);
  }

  /** Peers come into the configuration: what an earlier one of the same name has left is not for them. */
  async finishRemovalsOf(arrived: readonly Pick<Departed, 'kind' | 'id'>[]): Promise<void> {
    for (const { kind, id } of arrived) await this.#departures.finishOf(kind, id);
  }

  /** What an earlier removal has left that was cut short. */
  async #rest(what: string, departed: Departed): Promise<number> {
    const tokens = storeKey('', departed.id) === undefined ? undefined : await this.#departures.rest(departed);
    if (tokens === undefined) throw unknown(what);
    return tokens;
  }

  /** The issued tokens, of one client or of all. */
  listTokens(client: string | undefined, page: Page = {}): Promise<Listing> {
    const prefix = tokenKey('');
    const view = (bytes: Uint8Array, key: string): View | undefined => {
      const record = decodeRecord(bytes);
      return record === undefined || (client !== undefined && record.client !== client) ? undefined : tokenView(key.slice(prefix.length), record);
    };
    return listEntries({ store: this.#options.store, fixed: [], prefix, view, sparse: client !== undefined, page });
  }

  /**
   * Make an authorization code, which lives for as long as one may. The answer is the only place where it stands.
   *
   * @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` for the client, `ERR_AS_CONFIG` for a grant that it could not be registered with
   */
  async addCode(client: string, grant: GrantRegistration): Promise<View> {
    const { registry, store, env } = this.#options;
    if ((await registry.client(client)) === undefined) throw unknown(`client "${client}"`);
    const added = registeredGrant(grant);
    const { audience, scope } = added;
    checkGrant(`code for client "${client}"`, added, await registry.resourceServerOf(audience));
    const expiresAt = Math.floor(env.epoch()) + longestCodeLifetime;
    const code = await issueCode(store, env, { client, audience, scope, expiresAt });
    return { id: codeHash(code), code, expires_at: expiresAt };
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async showCode(hash: string): Promise<View> {
    const bytes = storeKey('', hash) === hash ? await this.#options.store.get(codePrefix + hash) : undefined;
    const found = bytes && decodeCode(bytes);
    if (found === undefined) throw unknown('code');
    return codeView(hash, found);
  }

  /** @throws {AuthorizationServerError} `ERR_AS_UNKNOWN` */
  async removeCode(hash: string): Promise<void> {
    await this.showCode(hash);
    if (!(await this.#options.store.delete(codePrefix + hash))) throw unknown('code');
  }

  /** The codes that have not expired, of one client or of all. */
  listCodes(client: string | undefined, page: Page = {}): Promise<Listing> {
    const view = (bytes: Uint8Array, key: string): View | undefined => {
      const found = decodeCode(bytes);
      return found === undefined || (client !== undefined && found.grant.client !== client) ? undefined : codeView(key.slice(codePrefix.length), found);
    };
    return listEntries({ store: this.#options.store, fixed: [], prefix: codePrefix, view, sparse: client !== undefined, page });
  }

  #list(fixed: readonly (readonly [id: string, View])[], prefix: string, view: (bytes: Uint8Array) => View, page: Page): Promise<Listing> {
    const ids = new Set(fixed.map(([id]) => id));
    const stored = (bytes: Uint8Array, key: string): View | undefined => {
      const id = idOf(prefix, key);
      if (ids.has(id)) return undefined;
      const read = usable(() => view(bytes));
      return read instanceof AuthorizationServerError ? { id, source: 'store', unusable: read.message } : read;
    };
    return listEntries({ store: this.#options.store, fixed, prefix, view: stored, page });
  }

  async #changeable(id: string): Promise<StoredResourceServer> {
    const { registry } = this.#options;
    const what = `resource server "${id}"`;
    if (registry.fixed(`rs:${id}`) !== undefined) throw isFixed(what);
    const found = await registry.stored.resourceServer(id);
    if (found === undefined) throw unknown(what);
    return found;
  }

  async #changeKeys(id: string, change: (keys: readonly TokenKey[]) => readonly TokenKey[]): Promise<void> {
    const { registry, store, env } = this.#options;
    for (;;) {
      const { bytes, stored } = await this.#changeable(id);
      const registration = { ...stored.registration, tokenKeys: change(stored.registration.tokenKeys) };
      tryTokenKeys(registeredResourceServer(registration, 'store', registry.rules), env.random);
      const next = encodeResourceServerRecord({ ...stored, registration });
      if (await store.compareAndSet(newStoreKey(id, prefixes.rs, id), bytes, next)) return;
    }
  }

  /** What makes a profile find the peer. */
  #peerChanges(what: string, name: RegisteredPeer, channel: Channel | undefined): readonly NewEntry[] {
    if (channel === undefined) return [];
    const { registry } = this.#options;
    const index = indexOf(`${what}: credentials`, registry.rules.profiles.get(channel.profile), channel.credentials);
    if (registry.isFixed(channel.profile, index)) throw exists(`${what}: credentials`, 'got the identifiers of a peer of the configuration');
    return [{ what: `${what}: credentials`, got: 'got the identifiers of another peer', key: peerKey(channel.profile, index), value: encodePeerName(name) }];
  }

  #audienceChanges(what: string, { id, audiences }: ResourceServerRegistration | RegisteredResourceServer): readonly NewEntry[] {
    return [...new Set(audiences)].map((audience) => ({
      what: `${what}: audiences`,
      got: `got "${audience}", which another has`,
      key: newStoreKey(`${what}: audiences`, prefixes.audience, audience),
      value: encodeAudience(id),
    }));
  }

  async #make(what: string, key: string, value: Uint8Array, others: readonly NewEntry[]): Promise<void> {
    const { store } = this.#options;
    const entries = [{ what, got: undefined, key, value }, ...others];
    for (;;) {
      if (await store.batch(entries.map((entry) => ({ key: entry.key, value: entry.value, expected: null })))) return;
      for (const entry of entries) if ((await store.get(entry.key)) !== undefined) throw exists(entry.what, entry.got);
    }
  }
}

/** An entry that must not be there yet, and what to say when it is. */
interface NewEntry {
  readonly what: string;
  readonly got: string | undefined;
  readonly key: string;
  readonly value: Uint8Array;
}

/** The removal of an entry, as long as it is that of the same peer. */
function gone({ key, value }: NewEntry): Change {
  return { key, value: undefined, expected: value };
}

function indexOf(what: string, rules: PeerRules | undefined, credentials: unknown): string {
  if (rules?.indexOf === undefined) throw refuseRegistration(what, 'expected those of a profile whose peers the store can have, got others');
  try {
    return rules.indexOf(credentials);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new AuthorizationServerError('ERR_AS_CONFIG', `${what}: ${cause.message}`, { cause });
  }
}
