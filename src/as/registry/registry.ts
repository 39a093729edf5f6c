import type { FoundPeer } from '../../ace/index.ts';
import type { SecurityAssociation } from '../../coap/index.ts';
import type { Store } from '../../store/index.ts';
import {
  type Client,
  type ClientRegistration,
  checkGrant,
  clientCredential,
  type RegisteredPeer,
  type RegisteredResourceServer,
  type ResourceServerRegistration,
  type Rules,
  refuseRegistration,
  registeredClient,
  registeredResourceServer,
  resourceServerCredential,
} from './registration.ts';
import { type PeerName, peerNameOf, RegistrationStore, storedCredential } from './registration-store.ts';

export { AuthorizationServerError } from '../error.ts';
export type { Client, RegisteredPeer, RegisteredResourceServer } from './registration.ts';

/** Peers of the configuration, and the store with those that are administered. */
export interface RegistryOptions extends Rules {
  readonly clients: readonly ClientRegistration[];
  readonly resourceServers: readonly ResourceServerRegistration[];
  readonly store: Store;
}

/**
 * Who may talk to this AS and what each may have: the registrations of the configuration, which are fixed until another takes its place, and those of the store, which administration makes and
 * ends while the AS runs.
 *
 * Nothing of the store is loaded ahead. The name that an association with a peer of the store goes by has the revision of its credentials in it, and each request
 * reads the registration again: where that is gone or has other credentials, whichever process saw to it, the association is one with nobody.
 */
export class Registry {
  /** @internal */
  readonly stored: RegistrationStore;
  readonly rules: Rules;
  /** Of the fixed ones: by credential, and those of each kind by id. */
  #fixed = new Map<string, RegisteredPeer>();
  #clients = new Map<string, Client>();
  #resourceServers = new Map<string, RegisteredResourceServer>();
  #audiences = new Map<string, RegisteredResourceServer>();
  /** Of the fixed ones: by profile, their indices. */
  #indices = new Map<number, Set<string>>();

  /** @throws {AuthorizationServerError} `ERR_AS_CONFIG`, naming the registration */
  constructor({ clients, resourceServers, store, ...rules }: RegistryOptions) {
    this.rules = rules;
    this.stored = new RegistrationStore(store, rules);
    for (const server of resourceServers) this.#addResourceServer(registeredResourceServer(server, 'config', rules));
    for (const client of clients) this.#addClient(registeredClient(client, 'config', rules));
  }

  /** Put the registrations of another configuration, which were checked in a registry of their own, in the place of the fixed ones. */
  replaceConfigured(next: Registry): void {
    this.#fixed = next.#fixed;
    this.#clients = next.#clients;
    this.#resourceServers = next.#resourceServers;
    this.#audiences = next.#audiences;
    this.#indices = next.#indices;
  }

  /** Those of the configuration. */
  get fixedPeers(): readonly RegisteredPeer[] {
    return [...this.fixedClients, ...this.fixedResourceServers];
  }

  /** Those of the configuration. */
  get fixedClients(): readonly Client[] {
    return [...this.#clients.values()];
  }

  /** Those of the configuration. */
  get fixedResourceServers(): readonly RegisteredResourceServer[] {
    return [...this.#resourceServers.values()];
  }

  /** The peer of the configuration that protected a message. */
  fixedPeer({ credential }: SecurityAssociation): RegisteredPeer | undefined {
    return credential === undefined ? undefined : this.#fixed.get(credential);
  }

  /** The one of the configuration with this credential. */
  fixed(credential: string): RegisteredPeer | undefined {
    return this.#fixed.get(credential);
  }

  /** Whether the credentials of a fixed peer have this index in the profile. */
  isFixed(profile: number, index: string): boolean {
    return this.#indices.get(profile)?.has(index) ?? false;
  }

  /** The peer that protected a message; `undefined`: nobody did, or it is not a peer of this AS, or no longer with these credentials. */
  async peer(association: SecurityAssociation | undefined): Promise<RegisteredPeer | undefined> {
    if (association?.credential === undefined) return undefined;
    const { credential } = association;
    const fixed = this.#fixed.get(credential);
    const name = fixed === undefined ? peerNameOf(credential) : undefined;
    if (name === undefined) return fixed;
    if (this.#isFixed(name)) return undefined;
    const found = await this.stored.peer(name);
    return found !== undefined && storedCredential(name, found.stored.revision) === credential ? found.peer : undefined;
  }

  /** The `credential` of a `RegisteredPeer`, from that of an association, which names the revision too where the store has the peer. Whether it has is not looked up. */
  peerCredential(credential: string): string {
    const name = this.#fixed.has(credential) ? undefined : peerNameOf(credential);
    if (name === undefined) return credential;
    return name.kind === 'client' ? clientCredential(name.id) : resourceServerCredential(name.id);
  }

  /** The one of the configuration. */
  fixedClient(id: string): Client | undefined {
    return this.#clients.get(id);
  }

  /** As it stands now, of the configuration or of the store. */
  async client(id: string): Promise<Client | undefined> {
    return this.fixedClient(id) ?? (await this.stored.client(id))?.peer;
  }

  /** As it stands now, of the configuration or of the store. */
  async resourceServer(id: string): Promise<RegisteredResourceServer | undefined> {
    return this.#resourceServers.get(id) ?? (await this.stored.resourceServer(id))?.peer;
  }

  /** Whom the audience belongs to, of the configuration. */
  fixedResourceServerOf(audience: string): RegisteredResourceServer | undefined {
    return this.#audiences.get(audience);
  }

  /** Whom the audience belongs to. */
  async resourceServerOf(audience: string): Promise<RegisteredResourceServer | undefined> {
    const fixed = this.#audiences.get(audience);
    if (fixed !== undefined) return fixed;
    const id = await this.stored.audience(audience);
    return id === undefined || this.#resourceServers.has(id) ? undefined : (await this.stored.resourceServer(id))?.peer;
  }

  /** The peer of the store whose credentials have this index in the profile. */
  async find(profile: number, index: string): Promise<FoundPeer | undefined> {
    if (this.isFixed(profile, index)) return undefined;
    const name = await this.stored.peerAt(profile, index);
    if (name === undefined || this.#isFixed(name)) return undefined;
    const found = await this.stored.peer(name);
    const channel = found?.peer.channel;
    if (found === undefined || channel?.profile !== profile) return undefined;
    return { credential: storedCredential(name, found.stored.revision), credentials: channel.credentials };
  }

  /** A resource server as its profile knows it; `undefined`: there is no channel to it. */
  async found({ source, credential, channel }: RegisteredResourceServer): Promise<FoundPeer | undefined> {
    if (channel === undefined) return undefined;
    const { profile, credentials } = channel;
    if (source === 'config') return { credential, credentials };
    const index = this.rules.profiles.get(profile)?.indexOf?.(credentials);
    return index === undefined ? undefined : this.find(profile, index);
  }

  #isFixed({ kind, id }: PeerName): boolean {
    return (kind === 'client' ? this.#clients : this.#resourceServers).has(id);
  }

  #addResourceServer(server: RegisteredResourceServer): void {
    const what = `resource server "${server.id}"`;
    if (this.#fixed.has(server.credential)) throw refuseRegistration(what, 'expected an id of its own');
    for (const audience of server.audiences) {
      const other = this.#audiences.get(audience);
      if (other !== undefined) throw refuseRegistration(`${what}: audiences`, `expected audiences of its own, got "${audience}", which "${other.id}" has too`);
      this.#audiences.set(audience, server);
    }
    this.#add(server);
  }

  #addClient(client: Client): void {
    const what = `client "${client.id}"`;
    if (this.#fixed.has(client.credential)) throw refuseRegistration(what, 'expected an id of its own');
    for (const grant of client.grants.values()) checkGrant(`${what}: grants`, grant, this.#audiences.get(grant.audience));
    this.#add(client);
  }

  #add(peer: RegisteredPeer): void {
    this.#fixed.set(peer.credential, peer);
    if (peer.kind === 'client') this.#clients.set(peer.id, peer);
    else this.#resourceServers.set(peer.id, peer);
    if (peer.channel === undefined) return;
    const { profile, credentials } = peer.channel;
    const index = this.rules.profiles.get(profile)?.indexOf?.(credentials);
    if (index === undefined) return;
    const indices = this.#indices.get(profile) ?? new Set();
    this.#indices.set(profile, indices.add(index));
  }
}
