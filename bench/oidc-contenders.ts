/** OpenID providers that change codes and refresh tokens for tokens: the HTTPS face of our SIM-S, and the library that it stands on. */
import { generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { AdapterFactory, JWK } from 'oidc-provider';
// @ts-expect-error: no types for a part
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';
import { oscoreProfile } from '../profiles/oscore/index.ts';
import { openIdFace } from '../profiles/seal/https/index.ts';
import { AccessTokens } from '../profiles/seal/https/openid/access-tokens.ts';
import { Accounts } from '../profiles/seal/https/openid/accounts.ts';
import { Provider } from '../profiles/seal/https/openid/library.ts';
import { OpenIdGrants } from '../profiles/seal/https/openid/openid-grants.ts';
import { makeProvider } from '../profiles/seal/https/openid/provider.ts';
import { jwtKeyOf } from '../profiles/seal/https/openid/signing.ts';
import { Subjects } from '../profiles/seal/identities/subjects.ts';
import { SimS } from '../profiles/seal/index.ts';
import { hashSecret, setPassword, type TimedTokenKey } from '../src/as/index.ts';
import { fromBase64Url, utf8 } from '../src/core/bytes.ts';
import { symmetricKey } from '../src/core/cwt.ts';
import { systemEnv } from '../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../src/pki/index.ts';
import { memoryStore } from '../src/store/index.ts';
import { serveHttps } from '../src/transport/index.ts';
import { application, codeChallenge } from './oidc-application.ts';

const issuer = 'https://sims.example';
const resource = 'https://seal1.example/';
const { clientId, secret, redirectUri } = application;

/** An OpenID provider on a socket. */
export interface Contender {
  readonly port: number;
  /** In PEM: what its certificate is signed by. */
  readonly ca: string;
  /** A code as a login leaves it. */
  newCode(): Promise<string>;
  close(): Promise<void>;
}

async function newCode(provider: Provider, accountId: string): Promise<string> {
  const client = (await provider.Client.find(clientId))!;
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope('openid');
  grant.addResourceScope(resource, 'km');
  const grantId = await grant.save();
  const scopes = { scope: 'openid km', resource };
  const pkce = { codeChallenge, codeChallengeMethod: 'S256' };
  return new provider.AuthorizationCode({ accountId, client, grantId, gty: 'authorization_code', redirectUri, ...scopes, ...pkce }).save();
}

async function certificate(): Promise<IssuedCertificate & { readonly ca: string }> {
  const authority = await LabAuthority.make('bench', systemEnv);
  const own = await authority.issue({ commonName: 'OpenID provider', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  return { ...own, ca: authority.cert };
}

function newKey(): { readonly jwk: JWK; readonly key: TimedTokenKey } {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const [x, y, d] = [jwk.x!, jwk.y!, jwk.d!].map(fromBase64Url) as [Uint8Array, Uint8Array, Uint8Array];
  return { jwk: { ...jwk, use: 'sig', alg: 'ES256' } as JWK, key: { use: 'sign1', algorithm: -7, key: { kty: 2, crv: 1, x, y, d } } };
}

/** Our SIM-S, whole: what `openIdFace` and `serveHttps` make of a store in memory. */
export async function startSimS(): Promise<Contender> {
  const store = memoryStore();
  const { ca, ...own } = await certificate();
  const { key } = newKey();
  const simS = new SimS({
    issuer: 'sims.example',
    valSystem: 'val.example',
    store,
    profiles: [oscoreProfile],
    clients: [
      {
        id: clientId,
        https: { secret: await hashSecret(utf8(secret), systemEnv.random), redirectUris: [redirectUri] },
        grants: [{ audience: resource, scope: 'km' }],
      },
    ],
    resourceServers: [{ id: 'seal1', audiences: [resource], tokenKeys: [symmetricKey('AES-CCM-16-64-128', new Uint8Array(16)), newKey().key] }],
    limits: { tokensPerClient: 10_000_000 },
  });
  await simS.start();
  await simS.identities.put({ kind: 'user', id: 'anna', valServiceIds: ['v2x'] });
  await setPassword(store, systemEnv.random, 'anna', 'the password of anna', { N: 2, r: 1, p: 1 });
  const face = await openIdFace({ simS, store, issuer, signingKeys: [key] });
  const server = await serveHttps(own, face.handler);
  // A provider beside it on the same store makes the codes, as the face would after a login.
  const grants = new OpenIdGrants(store, simS.shared);
  const subjects = new Subjects(store, simS.identities, systemEnv);
  const revokeGrant = (grantId: string): Promise<unknown> => grants.revoke(grantId, { client: clientId, reason: 'account' });
  const accounts = new Accounts({ subjects, isActive: async () => true, revokeGrant });
  const tokens = new AccessTokens({ simS, issuer, env: systemEnv, accounts, grants, revokeGrant });
  const shared = { simS, store, issuer, env: systemEnv, accounts, tokens, grants, revokeGrant, lifetimes: {} };
  const provider = makeProvider({ ...shared, key: jwtKeyOf(key), cookieKey: 'a key' });
  const account = await subjects.of('anna');
  return {
    port: server.port,
    ca,
    newCode: () => newCode(provider, account),
    close: async () => {
      await server.close();
      await simS.close();
    },
  };
}

/** The library with its own adapter, which keeps nothing, for the same tokens, JWTs of the same claims; on the HTTPS server of Node as it is. */
export async function startLibrary(): Promise<Contender> {
  const { ca, ...own } = await certificate();
  const claims = { val_user_id: 'anna', val_service_ids: ['v2x'], val_system_id: 'val.example' };
  const provider = new Provider(issuer, {
    adapter: createMemoryAdapter() as AdapterFactory,
    clients: [
      {
        client_id: clientId,
        client_secret: secret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [newKey().jwk] },
    cookies: { keys: ['a key'] },
    claims: { openid: ['sub', ...Object.keys(claims)] },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => resource,
        getResourceServerInfo: async () => ({
          scope: 'km',
          audience: resource,
          accessTokenTTL: 3600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
        useGrantedResource: () => true,
      },
    },
    extraTokenClaims: async () => claims,
    expiresWithSession: () => false,
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...claims }) }),
    ttl: { AuthorizationCode: 600, Grant: 3600, IdToken: 300, RefreshToken: 3600, AccessToken: 3600, Session: 3600, Interaction: 600 },
  });
  const handler: (request: IncomingMessage, response: ServerResponse) => void = provider.callback();
  const server = createServer(own, handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca,
    newCode: () => newCode(provider, 'anna'),
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
