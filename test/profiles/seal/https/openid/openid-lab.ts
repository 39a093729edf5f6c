import { generateKeyPairSync } from 'node:crypto';
import { oscoreProfile } from '../../../../../profiles/oscore/index.ts';
import {
  logInByForm,
  type OpenIdFace,
  type OpenIdFaceOptions,
  OpenIdSimC,
  type OpenIdSimCOptions,
  openIdFace,
} from '../../../../../profiles/seal/https/index.ts';
import { passwordUsers } from '../../../../../profiles/seal/https/login/user-authenticator.ts';
import { SimS, type SimSOptions } from '../../../../../profiles/seal/index.ts';
import {
  type AuthorizationServerEvent,
  type ClientRegistration,
  hashSecret,
  setPassword,
  storedPasswords,
  type TimedTokenKey,
} from '../../../../../src/as/index.ts';
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../../../../src/core/bytes.ts';
import { digest } from '../../../../../src/core/crypto/index.ts';
import { symmetricKey } from '../../../../../src/core/cwt.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsResponse, type HttpsServer, serveHttps } from '../../../../../src/transport/index.ts';

export const anna = 'anna@val.example';
export const password = 'correct horse battery';
export const appSecret = 'a secret: with "%+& in it';
export const serverSecret = 'the secret of a server';
export const redirectUri = 'http://127.0.0.1:8731/callback';
const cheap = { N: 2, r: 1, p: 1 };

/** A key on P-256 that signs tokens. */
export function newSigningKey(times: Pick<TimedTokenKey, 'from' | 'until'> = {}): TimedTokenKey {
  const { x, y, d } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return { use: 'sign1', algorithm: -7, key: { kty: 2, crv: 1, x: fromBase64Url(x!), y: fromBase64Url(y!), d: fromBase64Url(d!) }, ...times };
}

export const rsKey: TimedTokenKey = newSigningKey();
const sealed = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(7));

interface Shared {
  readonly ca: string;
  readonly own: IssuedCertificate;
  readonly hashes: { readonly app: string; readonly server: string };
}

let shared: Promise<Shared> | undefined;

/** Made once for each process. */
async function makeShared(): Promise<Shared> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'SIM-S', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  const hash = (secret: string): Promise<string> => hashSecret(utf8(secret), systemEnv.random, cheap);
  return { ca: authority.cert, own, hashes: { app: await hash(appSecret), server: await hash(serverSecret) } };
}

export interface OpenIdLabOptions {
  readonly simS?: Partial<SimSOptions>;
  readonly face?: Partial<OpenIdFaceOptions>;
  readonly clients?: (hashes: Shared['hashes']) => readonly ClientRegistration[];
  readonly store?: Store;
}

/** An answer of the token endpoint. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: HttpsResponse['headers'];
}

/** A SIM-S with both of its faces, of which that over HTTPS is on a socket; and what asks it. */
export class OpenIdLab {
  readonly events: AuthorizationServerEvent[] = [];
  readonly logins: { readonly type: string }[] = [];
  readonly env: Env & { skew: number } = { ...systemEnv, skew: 0, epoch: () => systemEnv.epoch() + this.env.skew };
  store!: Store;
  simS!: SimS;
  face!: OpenIdFace;
  server!: HttpsServer;
  ca!: string;

  static async start(options: OpenIdLabOptions = {}): Promise<OpenIdLab> {
    const lab = new OpenIdLab();
    lab.store = options.store ?? memoryStore();
    shared ??= makeShared();
    const { ca, own, hashes } = await shared;
    lab.ca = ca;
    let handler: OpenIdFace['handler'] = () => {};
    lab.server = await serveHttps(own, (request, response) => handler(request, response));
    lab.simS = new SimS({
      issuer: 'sims.val.example',
      valSystem: 'val.example',
      store: lab.store,
      profiles: [oscoreProfile],
      env: lab.env,
      clients: options.clients?.(hashes) ?? [
        {
          id: 'app',
          https: { secret: hashes.app, redirectUris: [redirectUri] },
          grants: [{ audience: 'seal1', scope: 'km notes:read', default: 'notes:read' }],
        },
        { id: 'val1', https: { secret: hashes.server, resourceServer: 'seal1' }, grants: [{ audience: 'seal1', scope: 'km' }] },
      ],
      resourceServers: [{ id: 'seal1', audiences: ['seal1'], tokenKeys: [sealed, rsKey] }],
      identities: [{ kind: 'server', id: 'val1', valServiceIds: ['v2x'] }],
      emit: (event) => lab.events.push(event),
      ...options.simS,
    });
    await lab.simS.start();
    await lab.simS.identities.put({ kind: 'user', id: anna, valServiceIds: ['v2x'] });
    await setPassword(lab.store, systemEnv.random, anna, password, cheap);
    const { simS, store, env, issuer } = lab;
    lab.face = await openIdFace({
      simS,
      store,
      env,
      issuer,
      authenticator: passwordUsers(storedPasswords(store, systemEnv.random, cheap), simS.identities),
      isActive: async (user) => (await store.get(`as/secret/user/${encodeURIComponent(user)}`)) !== undefined,
      emit: (event) => lab.logins.push(event),
      ...options.face,
    });
    handler = lab.face.handler;
    return lab;
  }

  get issuer(): string {
    return `https://127.0.0.1:${this.server.port}`;
  }

  readonly fetch = (uri: string, init: HttpsRequestInit = {}): Promise<HttpsResponse> => fetchHttps(uri, { ca: this.ca, ...init });

  simC(options: Partial<OpenIdSimCOptions> = {}): OpenIdSimC {
    const { issuer, env, ca } = this;
    return new OpenIdSimC({ issuer, clientId: 'app', clientSecret: appSecret, redirectUri, scope: 'km', store: memoryStore(), env, tls: { ca }, ...options });
  }

  /** The right authorization request, with the parameters that are to be others; `undefined` leaves one out. */
  authorizationUri(change: Readonly<Record<string, string | undefined>> = {}, verifier: string = codeVerifier): string {
    const uri = new URL(`${this.issuer}/authorize`);
    const parameters = {
      response_type: 'code',
      client_id: 'app',
      scope: 'openid km',
      redirect_uri: redirectUri,
      state: 'a state',
      acr_values: '3gpp:acr:password',
      code_challenge: toBase64Url(digest('sha256', utf8(verifier))),
      code_challenge_method: 'S256',
      ...change,
    };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) uri.searchParams.append(name, value);
    return uri.href;
  }

  /** Sign in by the form; the result is the code. */
  async code(uri: string = this.authorizationUri()): Promise<string> {
    const answer = await logInByForm({ uri, redirectUri, username: anna, password, fetch: this.fetch });
    const { searchParams } = new URL(answer);
    const code = searchParams.get('code');
    if (code === null) throw new Error(`expected a code, got ${searchParams.get('error')}: ${searchParams.get('error_description')}`);
    return code;
  }

  /** Ask an endpoint for something as a client. */
  async post(path: string, fields: Readonly<Record<string, string>>, client: string | undefined = 'app', secret: string = appSecret): Promise<Answer> {
    const encoded = [client ?? '', secret].map((text) => encodeURIComponent(text)).join(':');
    const { status, body, headers } = await this.fetch(this.issuer + path, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
        ...(client === undefined ? {} : { Authorization: `Basic ${btoa(encoded)}` }),
      },
      body: new URLSearchParams(fields).toString(),
    });
    return { status, headers, body: JSON.parse(fromUtf8(body) || '{}') as Answer['body'] };
  }

  /** Change a code for tokens. */
  exchange(code: string, change: Readonly<Record<string, string>> = {}, client?: string, secret?: string): Promise<Answer> {
    const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app', code_verifier: codeVerifier, ...change };
    return this.post('/token', fields, client, secret);
  }

  refresh(token: unknown, change: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.post('/token', { grant_type: 'refresh_token', refresh_token: String(token), ...change });
  }

  /** Sign in, and get tokens. */
  async tokens(): Promise<Answer['body']> {
    const { status, body } = await this.exchange(await this.code());
    if (status !== 200) throw new Error(`expected tokens, got ${JSON.stringify(body)}`);
    return body;
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.simS.close();
  }
}

export const codeVerifier = 'a-code-verifier-of-forty-three-characters-at-least';

/** The claims of a JWT. */
export function claimsOf(jwt: unknown): Readonly<Record<string, unknown>> {
  return JSON.parse(fromUtf8(fromBase64Url(String(jwt).split('.')[1]!))) as Readonly<Record<string, unknown>>;
}

/** The header of a JWT. */
export function headerOf(jwt: unknown): Readonly<Record<string, unknown>> {
  return JSON.parse(fromUtf8(fromBase64Url(String(jwt).split('.')[0]!))) as Readonly<Record<string, unknown>>;
}

/** In a lab of its own. */
export async function inOpenIdLab(use: (lab: OpenIdLab) => Promise<void>, options: OpenIdLabOptions = {}): Promise<void> {
  const lab = await OpenIdLab.start(options);
  try {
    await use(lab);
  } finally {
    await lab.close();
  }
}
