import { generateKeyPairSync } from 'node:crypto';
import { oscoreProfile } from '../../../../../profiles/oscore/index.ts';
import { type OpenIdFace, type OpenIdFaceOptions, OpenIdSimC, type OpenIdSimCOptions, openIdFace } from '../../../../../profiles/seal/https/index.ts';
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
import { fromBase64Url, fromUtf8, utf8 } from '../../../../../src/core/bytes.ts';
import { symmetricKey } from '../../../../../src/core/cwt.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import {
  fetchHttps,
  type HttpsRequestInit,
  type HttpsResponse,
  type HttpsServer,
  type HttpsServerOptions,
  serveHttps,
} from '../../../../../src/transport/index.ts';
import { Application, anna, appSecret, codeVerifier, password, redirectUri } from './application.ts';

export { anna, appSecret, codeVerifier, password, redirectUri };
export const serverSecret = 'the secret of a server';
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
  readonly listen?: Partial<HttpsServerOptions>;
}

/** A SIM-S with both of its faces, of which that over HTTPS is on a socket; and what asks it. */
export class OpenIdLab extends Application {
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
    lab.server = await serveHttps({ ...own, ...options.listen }, (request, response) => handler(request, response));
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

  readonly fetch = (uri: string, init: HttpsRequestInit = {}): Promise<HttpsResponse> => fetchHttps(uri, { ca: this.ca, timeout: 60_000, ...init });

  simC(options: Partial<OpenIdSimCOptions> = {}): OpenIdSimC {
    const { issuer, env, ca } = this;
    return new OpenIdSimC({ issuer, clientId: 'app', clientSecret: appSecret, redirectUri, scope: 'km', store: memoryStore(), env, tls: { ca }, ...options });
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.simS.close();
  }
}

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
