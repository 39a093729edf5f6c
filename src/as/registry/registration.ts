import { type Aif, encodeAif, type PeerRules, type Scope } from '../../ace/index.ts';
import { parseUri } from '../../coap/index.ts';
import type { CoseKey } from '../../core/cose/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import { AuthorizationServerError } from '../error.ts';
import { type GrantTypeName, grantTypesOf } from '../grants/grant-types.ts';
import { parseSlowHash } from '../grants/slow-hash.ts';
import { checkTimes, type TimedTokenKey } from '../token/token-keys.ts';

/** What an administrator may have to do with. */
export const adminObjects = ['client', 'rs', 'key', 'policy', 'token', 'code'] as const;
/** One of `adminObjects`. */
export type AdminObject = (typeof adminObjects)[number];

/** What one client may have at one audience. */
export interface GrantRegistration {
  readonly audience: string;
  /** Scope names, an AIF, or the bytes of another form of scope. */
  readonly scope: string | Uint8Array | Aif;
  /** What a request without a scope gets. Absent: all of `scope`. */
  readonly default?: string | Uint8Array | Aif;
}

/** How a client is known where the server has a face over HTTPS: by a secret in the Authorization header. */
export interface HttpsClientRegistration {
  /** The hash of its secret, as `hashSecret` makes it. */
  readonly secret: string;
  /** Where users of its are sent back to; each counts as it is written, to the letter. Absent: it has no users and asks for itself, with client_credentials. */
  readonly redirectUris?: readonly string[];
  /** What users are told that they sign in to; the id when absent. */
  readonly name?: string;
  /** The resource server that it is too: it may ask about tokens for it. */
  readonly resourceServer?: string;
}

/** A client that the AS knows, as a configuration or an administrator gives it. */
export interface ClientRegistration {
  readonly id: string;
  /** The profile of the channel between client and AS; the first of the AS when absent. */
  readonly profile?: number;
  /** What that profile's `addPeer` takes: for OSCORE the parameters of a security context, seen from the AS. Absent: it has the face over HTTPS only. */
  readonly credentials?: unknown;
  /** Absent: it has no face over HTTPS. */
  readonly https?: HttpsClientRegistration;
  /** Profiles that the client can use towards resource servers. Absent: `profile` only. */
  readonly profiles?: readonly number[];
  /** Of those of the AS, the grant types that the client may use. Absent: client_credentials only. */
  readonly grantTypes?: readonly GrantTypeName[];
  /** The hash of a `client_secret`, as `hashSecret` makes it: the client has to show the secret beside being the peer of its channel. */
  readonly secret?: string;
  readonly grants: readonly GrantRegistration[];
  /** What it may administer over CoAP. Absent: nothing. */
  readonly admin?: 'all' | readonly AdminObject[];
  /** Raw public keys that its tokens may be bound to, beside the one by which it proves itself to the AS. */
  readonly rawPublicKeys?: readonly CoseKey[];
}

/** A resource server that the AS knows, as a configuration or an administrator gives it. */
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
  /** What protects its tokens: of those whose time it is, the one whose time began last, in the order of the list; `encrypt0` for claims that are confidential. */
  readonly tokenKeys: readonly TimedTokenKey[];
  /** Every scope name that the RS knows. Present: a grant outside it is refused at the start. */
  readonly scopes?: readonly string[];
  /** Seconds; 3600 when absent. */
  readonly tokenLifetime?: number;
  /** Tokens carry `exi` and `cti` in place of `exp`, for an RS without a clock (RFC 9200, Section 5.10.3). */
  readonly exi?: boolean;
  /** Tokens carry `iss`. */
  readonly iss?: boolean;
  /** The raw public key that clients are told with each token of the DTLS profile. */
  readonly rawPublicKey?: CoseKey;
  /** From it and a token the RS derives a pre-shared key (RFC 9202, Section 3.3.1). */
  readonly derivationKey?: Uint8Array;
  /** URI of its authz-info, where the AS uploads tokens if it does so (experiment `token-upload`). Absent: clients do it themselves. */
  readonly authzInfo?: string;
}

/** A grant with its scopes as they stand in messages. */
export interface RegisteredGrant {
  readonly audience: string;
  readonly scope: Scope;
  readonly defaultScope: Scope;
}

/** Whether a registration is fixed by the configuration, or was made by administration. */
export type Source = 'config' | 'store';

/** The channel to a peer: in which profile, and by what the peer proves itself. */
export interface Channel {
  readonly profile: number;
  readonly credentials: unknown;
}

/** A client as the registry has it, with its policies and all defaults filled in. */
export interface Client {
  readonly kind: 'client';
  readonly id: string;
  readonly source: Source;
  /** `client:ID` */
  readonly credential: string;
  /** Absent: it has the face over HTTPS only. */
  readonly channel?: Channel;
  readonly https?: HttpsClientRegistration;
  readonly profiles: readonly number[];
  readonly grantTypes: ReadonlySet<number>;
  readonly secret?: string;
  readonly grants: ReadonlyMap<string, RegisteredGrant>;
  readonly admin: ReadonlySet<AdminObject>;
  readonly rawPublicKeys: readonly CoseKey[];
}

/** A resource server as the registry has it, with all defaults filled in. */
export interface RegisteredResourceServer {
  readonly kind: 'rs';
  readonly id: string;
  readonly source: Source;
  /** `rs:ID` */
  readonly credential: string;
  /** Absent: it does not introspect. */
  readonly channel?: Channel;
  readonly audiences: readonly string[];
  readonly profiles: readonly number[];
  readonly tokenKeys: readonly TimedTokenKey[];
  readonly scopes?: readonly string[];
  readonly tokenLifetime: number;
  readonly exi: boolean;
  readonly iss: boolean;
  readonly rawPublicKey?: CoseKey;
  readonly derivationKey?: Uint8Array;
  readonly authzInfo?: string;
}

/** A party that is registered; `kind` says which. */
export type RegisteredPeer = Client | RegisteredResourceServer;

/** What registrations are made and checked by. */
export interface Rules {
  /** By number; the first is what a registration means that names none. */
  readonly profiles: ReadonlyMap<number, PeerRules>;
  readonly issuer: string | undefined;
}

export const clientCredential = (id: string): string => `client:${id}`;
export const resourceServerCredential = (id: string): string => `rs:${id}`;

export function refuseRegistration(what: string, expected: string): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_CONFIG', `${what}: ${expected}`);
}

export function scopeOf(scope: string | Uint8Array | Aif): Scope {
  return typeof scope === 'string' || scope instanceof Uint8Array ? scope : encodeAif(scope);
}

function channelOf(what: string, profile: number | undefined, credentials: unknown, { profiles }: Rules): Channel {
  const number = profile ?? profiles.keys().next().value;
  if (number === undefined || !profiles.has(number))
    throw refuseRegistration(`${what}: profile`, `expected a profile of this authorization server, got ${number}`);
  return { profile: number, credentials };
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG`, naming the registration */
export function registeredResourceServer(server: ResourceServerRegistration, source: Source, rules: Rules): RegisteredResourceServer {
  const what = `resource server "${server.id}"`;
  if (server.id === '') throw refuseRegistration(what, 'expected an id of its own');
  if (server.audiences.length === 0) throw refuseRegistration(`${what}: audiences`, 'expected at least one, got none');
  const offered = server.profiles ?? [...rules.profiles.keys()];
  if (offered.length === 0) throw refuseRegistration(`${what}: profiles`, 'expected at least one, got none');
  if (server.tokenKeys.length === 0) throw refuseRegistration(`${what}: tokenKeys`, 'expected at least one, got none');
  for (const [index, key] of server.tokenKeys.entries()) checkTimes(`${what}: tokenKeys[${index}]`, key);
  const lifetime = server.tokenLifetime ?? 3600;
  if (!Number.isSafeInteger(lifetime) || lifetime < 1) throw refuseRegistration(`${what}: tokenLifetime`, `expected whole seconds from 1 on, got ${lifetime}`);
  if (server.iss === true && rules.issuer === undefined) {
    throw refuseRegistration(`${what}: iss`, 'expected an issuer in the options of the authorization server, got none');
  }
  if (server.profile !== undefined && !rules.profiles.has(server.profile)) {
    throw refuseRegistration(`${what}: profile`, `expected a profile of this authorization server, got ${server.profile}`);
  }
  if (server.authzInfo !== undefined) checkAuthzInfo(`${what}: authzInfo`, server);
  for (const id of offered) {
    const profile = rules.profiles.get(id);
    if (profile === undefined) throw refuseRegistration(`${what}: profiles`, `expected profiles of this authorization server, got ${id}`);
    if (profile.confidential && !server.tokenKeys.some((key) => key.use === 'encrypt0')) {
      throw refuseRegistration(`${what}: tokenKeys`, `expected a key for COSE_Encrypt0, because tokens of profile ${id} carry secrets, got none`);
    }
  }
  return {
    kind: 'rs',
    id: server.id,
    source,
    credential: resourceServerCredential(server.id),
    ...(server.credentials === undefined ? {} : { channel: channelOf(what, server.profile, server.credentials, rules) }),
    audiences: [...server.audiences],
    profiles: [...offered],
    tokenKeys: [...server.tokenKeys],
    ...(server.scopes === undefined ? {} : { scopes: [...server.scopes] }),
    tokenLifetime: lifetime,
    exi: server.exi ?? false,
    iss: server.iss ?? false,
    ...(server.rawPublicKey === undefined ? {} : { rawPublicKey: server.rawPublicKey }),
    ...(server.derivationKey === undefined ? {} : { derivationKey: server.derivationKey }),
    ...(server.authzInfo === undefined ? {} : { authzInfo: server.authzInfo }),
  };
}

function checkAuthzInfo(what: string, { authzInfo, credentials }: ResourceServerRegistration): void {
  if (credentials === undefined) throw refuseRegistration(what, 'expected credentials beside it, since uploads by the AS are protected, got none');
  try {
    parseUri(authzInfo!);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw refuseRegistration(what, error.message);
  }
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG`, naming the registration */
export function registeredClient(client: ClientRegistration, source: Source, rules: Rules): Client {
  const what = `client "${client.id}"`;
  if (client.id === '') throw refuseRegistration(what, 'expected an id of its own');
  if (client.credentials === undefined && client.https === undefined) throw refuseRegistration(what, 'expected credentials or https, got neither');
  const channel = client.credentials === undefined ? undefined : channelOf(what, client.profile, client.credentials, rules);
  if (client.https !== undefined) checkHttps(`${what}: https`, client.https);
  const grants = new Map<string, RegisteredGrant>();
  for (const grant of client.grants) {
    if (grants.has(grant.audience)) throw refuseRegistration(`${what}: grants`, `expected one grant for each audience, got two for "${grant.audience}"`);
    grants.set(grant.audience, registeredGrant(grant));
  }
  if (client.secret !== undefined) parseSlowHash(`${what}: secret`, client.secret);
  const foreign = client.admin === 'all' ? undefined : client.admin?.find((object) => !adminObjects.includes(object));
  if (foreign !== undefined) throw refuseRegistration(`${what}: admin`, `expected all or some of ${adminObjects.join(', ')}; got "${foreign}"`);
  return {
    kind: 'client',
    id: client.id,
    source,
    credential: clientCredential(client.id),
    ...(channel === undefined ? {} : { channel }),
    ...(client.https === undefined ? {} : { https: client.https }),
    profiles: [...(client.profiles ?? (channel === undefined ? [] : [channel.profile]))],
    grantTypes: grantTypesOf(`${what}: grantTypes`, client.grantTypes),
    ...(client.secret === undefined ? {} : { secret: client.secret }),
    grants,
    admin: new Set(client.admin === 'all' ? adminObjects : client.admin),
    rawPublicKeys: [...(client.rawPublicKeys ?? [])],
  };
}

/** Of scheme https, of a loopback address, or of a scheme of an application's own (RFC 8252, Section 7). */
function isRedirectUri(text: string): boolean {
  const uri = URL.canParse(text) ? new URL(text) : undefined;
  if (uri === undefined || text.includes('#') || uri.username !== '' || uri.password !== '') return false;
  if (uri.protocol === 'http:') return ['127.0.0.1', '[::1]', 'localhost'].includes(uri.hostname);
  return uri.protocol === 'https:' || uri.protocol.includes('.');
}

function checkHttps(what: string, { secret, redirectUris }: HttpsClientRegistration): void {
  parseSlowHash(`${what}: secret`, secret);
  if (redirectUris?.length === 0) throw refuseRegistration(`${what}: redirectUris`, 'expected at least one, got none');
  const wrong = redirectUris?.find((text) => !isRedirectUri(text));
  if (wrong === undefined) return;
  throw refuseRegistration(
    `${what}: redirectUris`,
    `expected https, http to this machine, or a scheme with a dot, and no fragment; got ${JSON.stringify(wrong)}`,
  );
}

export function registeredGrant(grant: GrantRegistration): RegisteredGrant {
  const scope = scopeOf(grant.scope);
  return { audience: grant.audience, scope, defaultScope: grant.default === undefined ? scope : scopeOf(grant.default) };
}

/**
 * That a grant is for an audience that there is, and for scopes that its resource server knows.
 *
 * @param server - the one that has the audience
 * @throws {AuthorizationServerError} `ERR_AS_CONFIG`
 */
export function checkGrant(what: string, grant: RegisteredGrant, server: RegisteredResourceServer | undefined): void {
  if (server === undefined) throw refuseRegistration(what, `expected an audience of a resource server, got "${grant.audience}"`);
  const { scopes } = server;
  for (const scope of [grant.scope, grant.defaultScope]) {
    if (typeof scope !== 'string' || scopes === undefined) continue;
    const foreign = scope.split(' ').find((name) => !scopes.includes(name));
    if (foreign !== undefined) throw refuseRegistration(what, `expected scopes that "${grant.audience}" knows, got "${foreign}"`);
  }
}
