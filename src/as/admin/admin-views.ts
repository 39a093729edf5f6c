import { scopeText } from '../../ace/index.ts';
import { toHex } from '../../core/bytes.ts';
import { algorithmNames } from '../../core/cose/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
import type { FoundCode } from '../grants/codes.ts';
import type {
  Channel,
  Client,
  GrantRegistration,
  HttpsClientRegistration,
  RegisteredGrant,
  RegisteredResourceServer,
  Rules,
  Source,
} from '../registry/registration.ts';
import { scopeOf } from '../registry/registration.ts';
import type { TimedTokenKey } from '../token/token-keys.ts';
import type { TokenRecord } from '../token/token-records.ts';

/** Something as an administrator sees it: texts, numbers, lists and more of these by name, never a key, a secret or a token. */
export interface View {
  readonly [name: string]: string | number | boolean | Uint8Array | View | readonly (string | number | View)[];
}

function channelView({ profile, credentials }: Channel, { profiles }: Rules): View {
  const index = profiles.get(profile)?.indexOf?.(credentials);
  return { profile, ...(index === undefined ? {} : { index }) };
}

function httpsView({ redirectUris = [], name, resourceServer }: HttpsClientRegistration): View {
  return { redirect_uris: redirectUris, ...(name === undefined ? {} : { name }), ...(resourceServer === undefined ? {} : { rs: resourceServer }) };
}

export function clientView(client: Client, rules: Rules): View {
  const { id, source, channel, profiles, grants, admin, rawPublicKeys, https } = client;
  return {
    id,
    source,
    ...(channel === undefined ? {} : { channel: channelView(channel, rules) }),
    ...(https === undefined ? {} : { https: httpsView(https) }),
    profiles,
    grants: [...grants.values()].map(grantView),
    admin: [...admin],
    raw_public_keys: rawPublicKeys.length,
  };
}

export function resourceServerView(server: RegisteredResourceServer, rules: Rules): View {
  const { id, source, channel, audiences, profiles, tokenKeys, scopes, tokenLifetime, exi, iss } = server;
  return {
    id,
    source,
    ...(channel === undefined ? {} : { channel: channelView(channel, rules) }),
    audiences,
    profiles,
    token_keys: tokenKeys.map(tokenKeyView),
    ...(scopes === undefined ? {} : { scopes }),
    token_lifetime: tokenLifetime,
    exi,
    iss,
  };
}

/** What a token key is called by: its kid, or its place where it has none. */
export function tokenKeyName({ kid }: TokenKey, place: number): string {
  return kid === undefined ? `#${place}` : toHex(kid);
}

export function tokenKeyView(key: TimedTokenKey, place: number): View {
  const { use, algorithm, untagged, from, until } = key;
  return {
    id: tokenKeyName(key, place),
    use,
    alg: algorithmNames.get(algorithm) ?? algorithm,
    ...(untagged === true ? { untagged } : {}),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
}

function grantView({ audience, scope, defaultScope }: RegisteredGrant): View {
  return { audience, scope: scopeText(scope), default: scopeText(defaultScope) };
}

export function policyView(client: string, grant: GrantRegistration, source: Source = 'store'): View {
  const scope = scopeOf(grant.scope);
  return { client, source, ...grantView({ audience: grant.audience, scope, defaultScope: grant.default === undefined ? scope : scopeOf(grant.default) }) };
}

export function tokenView(hash: string, { client, resourceServer, expiresAt, revoked = false }: TokenRecord): View {
  return { id: hash, client, rs: resourceServer, expires_at: expiresAt, revoked };
}

export function codeView(hash: string, { grant: { client, audience, scope, expiresAt }, family }: Pick<FoundCode, 'grant' | 'family'>): View {
  return { id: hash, client, audience, scope: scopeText(scope), expires_at: expiresAt, used: family !== undefined };
}
