import { generateKeyPairSync } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { AdapterFactory, JWK } from 'oidc-provider';
// @ts-expect-error: no types for a part
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';
import { oscoreProfile } from '../profiles/oscore/index.ts';
import { AccessTokens } from '../profiles/seal/https/openid/access-tokens.ts';
import { Accounts } from '../profiles/seal/https/openid/accounts.ts';
import { Provider } from '../profiles/seal/https/openid/library.ts';
import { OpenIdGrants } from '../profiles/seal/https/openid/openid-grants.ts';
import { makeProvider } from '../profiles/seal/https/openid/provider.ts';
import { jwtKeyOf } from '../profiles/seal/https/openid/signing.ts';
import { Subjects } from '../profiles/seal/identities/subjects.ts';
import { SimS } from '../profiles/seal/index.ts';
import { hashSecret, type TimedTokenKey } from '../src/as/index.ts';
import { fromBase64Url, toBase64Url, utf8 } from '../src/core/bytes.ts';
import { digest } from '../src/core/crypto/index.ts';
import { symmetricKey } from '../src/core/cwt.ts';
import { systemEnv } from '../src/core/env.ts';
import { memoryStore } from '../src/store/index.ts';
import { median, type Row, rounded, summary } from './row.ts';
import type { Run } from './run.ts';

const issuer = 'https://sims.example';
const redirectUri = 'https://app.example/callback';
const secret = 'the secret of an application';
const resource = 'https://seal1.example/';
const verifier = 'a-code-verifier-of-forty-three-characters-at-least';
const codeChallenge = toBase64Url(digest('sha256', utf8(verifier)));
/** Requests under way at once. */
const outstanding = 16;
const basic = `Basic ${btoa(`app:${encodeURIComponent(secret)}`)}`;

/** An OpenID provider that changes codes for tokens. */
interface Contender {
  readonly provider: Provider;
  readonly account: string;
}

/** A code as a login leaves it. */
async function newCode({ provider, account }: Contender): Promise<string> {
  const client = (await provider.Client.find('app'))!;
  const grant = new provider.Grant({ accountId: account, clientId: 'app' });
  grant.addOIDCScope('openid');
  grant.addResourceScope(resource, 'km');
  const grantId = await grant.save();
  const scopes = { scope: 'openid km', resource };
  const pkce = { codeChallenge, codeChallengeMethod: 'S256' };
  return new provider.AuthorizationCode({ accountId: account, client, grantId, gty: 'authorization_code', redirectUri, ...scopes, ...pkce }).save();
}

/** One exchange, without a socket: what HTTP and TLS cost is the same for both. */
function exchange(handler: ReturnType<Provider['callback']>, code: string): Promise<void> {
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app', code_verifier: verifier };
  const body = new URLSearchParams(form).toString();
  const socket = Object.assign(new Socket(), { encrypted: true });
  const request = new IncomingMessage(socket);
  request.method = 'POST';
  request.url = '/token';
  const type = 'application/x-www-form-urlencoded';
  Object.assign(request.headers, { host: 'sims.example', authorization: basic, 'content-type': type, 'content-length': String(body.length) });
  request.push(body);
  request.push(null);
  const response = new ServerResponse(request);
  return new Promise((resolve, reject) => {
    response.end = ((answer: unknown) => {
      if (response.statusCode === 200 && String(answer).includes('access_token')) resolve();
      else reject(new Error(`expected tokens, got ${response.statusCode} ${String(answer)}`));
      return response;
    }) as ServerResponse['end'];
    void handler(request, response);
  });
}

function newKey(): { readonly jwk: JWK; readonly key: TimedTokenKey } {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const [x, y, d] = [jwk.x!, jwk.y!, jwk.d!].map(fromBase64Url) as [Uint8Array, Uint8Array, Uint8Array];
  return { jwk: { ...jwk, use: 'sig', alg: 'ES256' } as JWK, key: { use: 'sign1', algorithm: -7, key: { kty: 2, crv: 1, x, y, d } } };
}

async function ours(): Promise<Contender> {
  const store = memoryStore();
  const hash = await hashSecret(utf8(secret), systemEnv.random);
  const { key } = newKey();
  const simS = new SimS({
    issuer: 'sims.example',
    valSystem: 'val.example',
    store,
    profiles: [oscoreProfile],
    clients: [{ id: 'app', https: { secret: hash, redirectUris: [redirectUri] }, grants: [{ audience: resource, scope: 'km' }] }],
    resourceServers: [{ id: 'seal1', audiences: [resource], tokenKeys: [symmetricKey('AES-CCM-16-64-128', new Uint8Array(16)), newKey().key] }],
    limits: { tokensPerClient: 10_000_000 },
  });
  await simS.identities.put({ kind: 'user', id: 'anna', valServiceIds: ['v2x'] });
  const grants = new OpenIdGrants(store, simS.shared);
  const subjects = new Subjects(store, simS.identities, systemEnv);
  const revokeGrant = (grantId: string): Promise<unknown> => grants.revoke(grantId);
  const accounts = new Accounts({ subjects, isActive: async () => true, revokeGrant });
  const tokens = new AccessTokens({ simS, issuer, env: systemEnv, accounts, grants, revokeGrant });
  const shared = { simS, store, issuer, env: systemEnv, accounts, tokens, grants, revokeGrant, lifetimes: {} };
  const provider = makeProvider({ ...shared, key: jwtKeyOf(key), cookieKey: 'a key' });
  return { provider, account: await subjects.of('anna') };
}

/** The library with its own adapter, which keeps nothing, for the same tokens: JWTs of the same claims. */
function bare(): Contender {
  const claims = { val_user_id: 'anna', val_service_ids: ['v2x'], val_system_id: 'val.example' };
  const provider = new Provider(issuer, {
    adapter: createMemoryAdapter() as AdapterFactory,
    clients: [
      {
        client_id: 'app',
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
  return { provider, account: 'anna' };
}

/** CPU time of one exchange, in microseconds; to get the codes does not count. */
async function cost(contender: Contender, count: number): Promise<number> {
  const codes: string[] = [];
  for (let i = 0; i < count; i++) codes.push(await newCode(contender));
  const handler = contender.provider.callback();
  const before = process.cpuUsage();
  const work = async (): Promise<void> => {
    for (let code = codes.pop(); code !== undefined; code = codes.pop()) await exchange(handler, code);
  };
  await Promise.all(Array.from({ length: outstanding }, work));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** Codes that are changed for tokens, at the SIM-S and at the bare library, in turn. */
export async function oidcTokenRow({ rounds, quick, progress }: Run): Promise<Row> {
  const bench = 'oidc-token';
  const contenders = [await ours(), bare()] as const;
  // The adapter of the library keeps a thousand entries.
  const count = quick ? 20 : 200;
  progress(`${bench}: warming up`);
  for (let i = 0; i < 3; i++) for (const one of contenders) await cost(one, count);
  const costs: readonly [number[], number[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    progress(`${bench}: round ${round} of ${rounds}`);
    for (const [index, one] of contenders.entries()) costs[index]!.push(await cost(one, count));
  }
  const [our, their] = costs;
  const perSecond = (one: number): number => 1e6 / one;
  const { value: peer_value, spread: peer_spread } = summary(their.map(perSecond));
  return {
    bench,
    ...summary(our.map(perSecond)),
    unit: 'op/s',
    rounds,
    peer: 'oidc-provider',
    peer_value,
    peer_spread,
    ratio: rounded(median(their.map((one, round) => one / our[round]!)), 3),
    server_cpu_us: rounded(median(our), 3),
    peer_cpu_us: rounded(median(their), 3),
  };
}
