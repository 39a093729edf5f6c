import { type Aif, encodeAif, type ProfileAtAs, type Scope } from '../ace/index.ts';
import type { SecurityAssociation } from '../coap/index.ts';
import { AuthorizationServerError } from './error.ts';
import { type GrantTypeName, grantTypesOf } from './grant-types.ts';
import { parseSlowHash } from './slow-hash.ts';
import { checkTimes, type TimedTokenKey } from './token-keys.ts';

/** What one client may have at one audience. */
export interface GrantRegistration {
  readonly audience: string;
  /** Scope names, an AIF, or the bytes of another form of scope. */
  readonly scope: string | Uint8Array | Aif;
  /** What a request without a scope gets. Absent: all of `scope`. */
  readonly default?: string | Uint8Array | Aif;
}

export interface ClientRegistration {
  readonly id: string;
  /** The profile of the channel between client and AS; the first of the AS when absent. */
  readonly profile?: number;
  /** What that profile's `addPeer` takes: for OSCORE the parameters of a security context, seen from the AS. */
  readonly credentials: unknown;
  /** Profiles that the client can use towards resource servers. Absent: `profile` only. */
  readonly profiles?: readonly number[];
  /** Of those of the AS, the grant types that the client may use. Absent: client_credentials only. */
  readonly grantTypes?: readonly GrantTypeName[];
  /** The hash of a `client_secret`, as `hashSecret` makes it: the client has to show the secret beside being the peer of its channel. */
  readonly secret?: string;
  readonly grants: readonly GrantRegistration[];
}

export interface ResourceServerRegistration {
  readonly id: string;
  /** An audience belongs to one resource server: a key that several servers know proves nothing to any of them (RFC 9200, Section 6.1). */
  readonly audiences: readonly string[];
  /** The profile of the channel between RS and AS; the first of the AS when absent. */
  readonly profile?: number;
  /** What that profile's `addPeer` takes. Absent: this RS does not introspect. */
  readonly credentials?: unknown;
  /** Profiles towards clients, the preferred one first; all of the AS when absent. */
  readonly profiles?: readonly number[];
  /**
   * What protects its tokens: of those whose time it is, the one whose time began last, in the order of the list, and `encrypt0` for claims that are confidential.
   */
  readonly tokenKeys: readonly TimedTokenKey[];
  /** Every scope name that the RS knows. Present: a grant outside it is refused at the start. */
  readonly scopes?: readonly string[];
  /** Seconds; 3600 when absent. */
  readonly tokenLifetime?: number;
  /** Tokens carry `exi` and `cti` in place of `exp`, for an RS without a clock (RFC 9200, Section 5.10.3). */
  readonly exi?: boolean;
  /** Tokens carry `iss`. */
  readonly iss?: boolean;
}

/** A grant with its scopes as they stand in messages. */
export interface RegisteredGrant {
  readonly audience: string;
  readonly scope: Scope;
  readonly defaultScope: Scope;
}

export interface Client {
  readonly kind: 'client';
  readonly id: string;
  readonly credential: string;
  readonly profiles: readonly number[];
  readonly grantTypes: ReadonlySet<number>;
  readonly secret: string | undefined;
  readonly grants: ReadonlyMap<string, RegisteredGrant>;
}

export interface RegisteredResourceServer {
  readonly kind: 'rs';
  readonly id: string;
  readonly credential: string;
  readonly audiences: readonly string[];
  readonly profiles: readonly number[];
  readonly tokenKeys: readonly TimedTokenKey[];
  readonly tokenLifetime: number;
  readonly exi: boolean;
  readonly iss: boolean;
}

export type RegisteredPeer = Client | RegisteredResourceServer;

export const clientCredential = (id: string): string => `client:${id}`;
export const resourceServerCredential = (id: string): string => `rs:${id}`;

/** The profile that a registration means when it names none. */
export function firstOf(profiles: ReadonlyMap<number, ProfileAtAs>): number | undefined {
  return profiles.keys().next().value;
}

function refuse(what: string, expected: string): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_CONFIG', `${what}: ${expected}`);
}

function scopeOf(scope: string | Uint8Array | Aif): Scope {
  return typeof scope === 'string' || scope instanceof Uint8Array ? scope : encodeAif(scope);
}

/** Who may talk to this AS and what each may have: the registrations, checked and made fit for look-ups. */
export class Registry {
  readonly #peers = new Map<string, RegisteredPeer>();
  readonly #audiences = new Map<string, RegisteredResourceServer>();

  /** @throws {AuthorizationServerError} `ERR_AS_CONFIG`, naming the registration */
  constructor(
    clients: readonly ClientRegistration[],
    resourceServers: readonly ResourceServerRegistration[],
    profiles: ReadonlyMap<number, ProfileAtAs>,
    issuer: string | undefined,
  ) {
    for (const server of resourceServers) this.#addResourceServer(server, profiles, issuer);
    const knownScopes = new Map(resourceServers.flatMap((server) => server.audiences.map((audience) => [audience, server.scopes] as const)));
    for (const client of clients) this.#addClient(client, profiles, knownScopes);
  }

  get clients(): readonly Client[] {
    return [...this.#peers.values()].filter((peer) => peer.kind === 'client');
  }

  get resourceServers(): readonly RegisteredResourceServer[] {
    return [...this.#peers.values()].filter((peer) => peer.kind === 'rs');
  }

  /** The peer that protected a message; `undefined`: nobody did, or it is not a peer of this AS. */
  peer(association: SecurityAssociation | undefined): RegisteredPeer | undefined {
    return association?.credential === undefined ? undefined : this.#peers.get(association.credential);
  }

  resourceServerOf(audience: string): RegisteredResourceServer | undefined {
    return this.#audiences.get(audience);
  }

  resourceServer(id: string): RegisteredResourceServer | undefined {
    const peer = this.#peers.get(resourceServerCredential(id));
    return peer?.kind === 'rs' ? peer : undefined;
  }

  #addResourceServer(server: ResourceServerRegistration, profiles: ReadonlyMap<number, ProfileAtAs>, issuer: string | undefined): void {
    const what = `resource server "${server.id}"`;
    const credential = resourceServerCredential(server.id);
    if (server.id === '' || this.#peers.has(credential)) throw refuse(what, 'expected an id of its own');
    if (server.audiences.length === 0) throw refuse(`${what}: audiences`, 'expected at least one, got none');
    const offered = server.profiles ?? [...profiles.keys()];
    if (offered.length === 0) throw refuse(`${what}: profiles`, 'expected at least one, got none');
    if (server.tokenKeys.length === 0) throw refuse(`${what}: tokenKeys`, 'expected at least one, got none');
    for (const [index, key] of server.tokenKeys.entries()) checkTimes(`${what}: tokenKeys[${index}]`, key);
    const lifetime = server.tokenLifetime ?? 3600;
    if (!Number.isSafeInteger(lifetime) || lifetime < 1) throw refuse(`${what}: tokenLifetime`, `expected whole seconds from 1 on, got ${lifetime}`);
    if (server.iss === true && issuer === undefined) throw refuse(`${what}: iss`, 'expected an issuer in the options of the authorization server, got none');
    if (server.profile !== undefined && !profiles.has(server.profile)) {
      throw refuse(`${what}: profile`, `expected a profile of this authorization server, got ${server.profile}`);
    }
    for (const id of offered) {
      const profile = profiles.get(id);
      if (profile === undefined) throw refuse(`${what}: profiles`, `expected profiles of this authorization server, got ${id}`);
      if (profile.confidential && !server.tokenKeys.some((key) => key.use === 'encrypt0')) {
        throw refuse(`${what}: tokenKeys`, `expected a key for COSE_Encrypt0, because tokens of profile ${id} carry secrets, got none`);
      }
    }
    const registered: RegisteredResourceServer = {
      kind: 'rs',
      id: server.id,
      credential,
      audiences: [...server.audiences],
      profiles: [...offered],
      tokenKeys: [...server.tokenKeys],
      tokenLifetime: lifetime,
      exi: server.exi ?? false,
      iss: server.iss ?? false,
    };
    for (const audience of server.audiences) {
      const other = this.#audiences.get(audience);
      if (other !== undefined) throw refuse(`${what}: audiences`, `expected audiences of its own, got "${audience}", which "${other.id}" has too`);
      this.#audiences.set(audience, registered);
    }
    this.#peers.set(credential, registered);
  }

  #addClient(client: ClientRegistration, profiles: ReadonlyMap<number, ProfileAtAs>, knownScopes: ReadonlyMap<string, readonly string[] | undefined>): void {
    const what = `client "${client.id}"`;
    const credential = clientCredential(client.id);
    if (client.id === '' || this.#peers.has(credential)) throw refuse(what, 'expected an id of its own');
    const profile = client.profile ?? firstOf(profiles);
    if (profile === undefined || !profiles.has(profile)) throw refuse(`${what}: profile`, `expected a profile of this authorization server, got ${profile}`);
    const grants = new Map<string, RegisteredGrant>();
    for (const grant of client.grants) {
      if (!this.#audiences.has(grant.audience)) throw refuse(`${what}: grants`, `expected an audience of a resource server, got "${grant.audience}"`);
      if (grants.has(grant.audience)) throw refuse(`${what}: grants`, `expected one grant for each audience, got two for "${grant.audience}"`);
      const scope = scopeOf(grant.scope);
      const known = knownScopes.get(grant.audience);
      if (typeof scope === 'string' && known !== undefined) {
        const foreign = scope.split(' ').find((name) => !known.includes(name));
        if (foreign !== undefined) throw refuse(`${what}: grants`, `expected scopes that "${grant.audience}" knows, got "${foreign}"`);
      }
      grants.set(grant.audience, { audience: grant.audience, scope, defaultScope: grant.default === undefined ? scope : scopeOf(grant.default) });
    }
    const { id, profiles: towards = [profile], secret } = client;
    if (secret !== undefined) parseSlowHash(`${what}: secret`, secret);
    const grantTypes = grantTypesOf(`${what}: grantTypes`, client.grantTypes);
    this.#peers.set(credential, { kind: 'client', id, credential, profiles: [...towards], grantTypes, secret, grants });
  }
}
