import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';
import { passwordAcr } from '../../../../../profiles/seal/https/login/acr.ts';
import type { LoginEvent } from '../../../../../profiles/seal/https/login/events.ts';
import { type InteractionHandlerOptions, interactionHandler } from '../../../../../profiles/seal/https/login/interaction-handler.ts';
import { LoginAttempts } from '../../../../../profiles/seal/https/login/login-attempts.ts';
import { passwordUsers } from '../../../../../profiles/seal/https/login/user-authenticator.ts';
import { logInByForm } from '../../../../../profiles/seal/https/sim-c/form-login.ts';
import { OpenIdSimC, type OpenIdSimCOptions } from '../../../../../profiles/seal/https/sim-c/openid-sim-c.ts';
import type { Fetch } from '../../../../../profiles/seal/https/sim-c/provider-metadata.ts';
import { IdentityRegister } from '../../../../../profiles/seal/index.ts';
import { setPassword, storedPasswords } from '../../../../../src/as/index.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsServer, serveHttps } from '../../../../../src/transport/index.ts';

export const anna = 'anna@val.example';
export const bert = 'bert@val.example';
export const password = 'correct horse battery';
export const clientId = 'app';
export const clientSecret = 'a secret: with "%+& in it';
export const redirectUri = 'http://127.0.0.1:8731/callback';
const cheap = { N: 2, r: 1, p: 1 };

let certificates: Promise<{ readonly ca: string; readonly own: IssuedCertificate }> | undefined;

/** Made once for each process. */
async function makeCertificates(): Promise<{ readonly ca: string; readonly own: IssuedCertificate }> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'SIM-S', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  return { ca: authority.cert, own };
}

export interface ProviderLabOptions {
  readonly handler?: Partial<InteractionHandlerOptions>;
  readonly configuration?: Configuration;
  readonly client?: { readonly [name: string]: unknown };
  /** Seconds to add to the clock of the attempts and of the client. */
  readonly env?: Env;
}

/** A bare OpenID provider with our login, on a socket, and what asks it. */
export class ProviderLab {
  readonly events: LoginEvent[] = [];
  readonly store: Store = memoryStore();
  readonly env: Env & { skew: number } = { ...systemEnv, skew: 0, epoch: () => systemEnv.epoch() + this.env.skew };
  /** Requests to the provider: method and path. */
  readonly requests: string[] = [];
  server!: HttpsServer;
  provider!: Provider;
  attempts!: LoginAttempts;
  ca!: string;

  /** Waits then do not depend on how busy the machine is. */
  stopClock(): void {
    const now = systemEnv.epoch();
    this.env.epoch = () => now + this.env.skew;
  }

  static async start({ handler = {}, configuration = {}, client = {} }: ProviderLabOptions = {}): Promise<ProviderLab> {
    const lab = new ProviderLab();
    certificates ??= makeCertificates();
    const { ca, own } = await certificates;
    lab.ca = ca;
    let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
    lab.server = await serveHttps(own, (request, response) => {
      lab.requests.push(`${request.method} ${request.url!.split('?')[0]}`);
      answer(request, response);
    });
    lab.provider = new Provider(lab.issuer, {
      clients: [
        {
          client_id: clientId,
          client_secret: clientSecret,
          client_name: 'Crossing <assistant> & more',
          redirect_uris: [redirectUri],
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          id_token_signed_response_alg: 'ES256',
          ...client,
        },
      ],
      jwks: { keys: [signingKey] },
      cookies: { keys: ['a key of this lab'] },
      acrValues: [passwordAcr],
      scopes: ['openid', 'offline_access', 'km'],
      claims: { openid: ['sub', 'val_service_ids'] },
      conformIdTokenClaims: false,
      features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
      pkce: { required: () => true },
      issueRefreshToken: async () => true,
      rotateRefreshToken: true,
      ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 300, AuthorizationCode: 60, IdToken: 300, RefreshToken: 3600 },
      findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, val_service_ids: ['v2x', 'maps'] }) }),
      ...configuration,
    });
    const identities = new IdentityRegister(lab.store, [{ kind: 'user', id: anna, valServiceIds: ['v2x'] }]);
    await setPassword(lab.store, systemEnv.random, anna, password, cheap);
    // He has a password and is provisioned nowhere.
    await setPassword(lab.store, systemEnv.random, bert, password, cheap);
    lab.attempts = new LoginAttempts({ store: lab.store, env: lab.env });
    const users = passwordUsers(storedPasswords(lab.store, systemEnv.random, cheap), identities);
    const { provider, attempts } = lab;
    const login = interactionHandler({ provider, users, attempts, emit: (event) => lab.events.push(event), ...handler });
    const others = provider.callback();
    answer = (request, response) => {
      if (request.url!.startsWith('/interaction/')) login(request, response);
      else others(request, response);
    };
    return lab;
  }

  get issuer(): string {
    return `https://127.0.0.1:${this.server.port}`;
  }

  readonly fetch: Fetch = (uri: string, init?: HttpsRequestInit) => fetchHttps(uri, { ca: this.ca, timeout: 60_000, ...init });

  simC(options: Partial<OpenIdSimCOptions> = {}): OpenIdSimC {
    const { issuer, env, ca } = this;
    return new OpenIdSimC({ issuer, clientId, clientSecret, redirectUri, scope: 'km', store: memoryStore(), env, tls: { ca }, ...options });
  }

  /** What the form gives for a name and a password. */
  async logIn(simC: OpenIdSimC, username: string = anna, secret: string = password): Promise<string> {
    return logInByForm({ uri: await simC.authorizationUri(), redirectUri, username, password: secret, fetch: this.fetch });
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

const signingKey = { ...(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as JsonWebKey), use: 'sig', alg: 'ES256' };

/** In a lab of its own. */
export async function inProviderLab(use: (lab: ProviderLab) => Promise<void>, options: ProviderLabOptions = {}): Promise<void> {
  const lab = await ProviderLab.start(options);
  try {
    await use(lab);
  } finally {
    await lab.close();
  }
}
