import { createHash, generateKeyPairSync } from 'node:crypto';
import { CompactSign, exportJWK, type JWK } from 'jose';
import { OpenIdSimC, type OpenIdSimCOptions } from '../../../../../profiles/seal/https/sim-c/openid-sim-c.ts';
import type { Fetch } from '../../../../../profiles/seal/https/sim-c/provider-metadata.ts';
import { fromUtf8, toBase64Url, utf8 } from '../../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../../src/core/env.ts';
import { memoryStore } from '../../../../../src/store/index.ts';

type Claims = Readonly<Record<string, unknown>>;
type SigningKey = ReturnType<typeof generateKeyPairSync>['privateKey'];

export const issuer = 'https://sims.val.example';
export const clientId = 'app one';
export const clientSecret = 'a:b%c';
export const redirectUri = 'http://127.0.0.1:8731/callback';
export const anna = 'anna@val.example';

const makeKey = (): SigningKey => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const [first, second] = [makeKey(), makeKey()];

/** A request as it came. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly form: Readonly<Record<string, string>>;
}

/** A SIM-S in memory that says what a test has it say, with a clock that stands still. */
export class FakeSimS {
  now = 1_800_000_000;
  readonly requests: FakeRequest[] = [];
  /** In place of, or beside, what it usually says; `undefined` leaves a member out. */
  metadata: Claims = {};
  claims: Claims = {};
  header: Claims = {};
  response: Claims = {};
  status = 200;
  /** What a revocation is answered with. */
  revocation: readonly [status: number, body: Claims] = [200, {}];
  /** In place of the signed ID token. */
  sign: ((payload: Uint8Array, header: Claims) => Promise<string>) | undefined;
  key: SigningKey = first;
  /** While a token request is answered. */
  meanwhile: () => Promise<void> = async () => {};
  readonly env: Env = { ...systemEnv, epoch: (): number => this.now, now: (): number => 1000 * this.now };
  #nonce = '';
  #issued = 0;

  simC(options: Partial<OpenIdSimCOptions> = {}): OpenIdSimC {
    const { env, fetch } = this;
    return new OpenIdSimC({ issuer, clientId, clientSecret, redirectUri, store: memoryStore({ env }), env, fetch, ...options });
  }

  /** Use another key from now on. */
  rotate(): void {
    this.key = second;
  }

  /** What the user does in a browser: the answer to an authorization request. */
  answer(uri: string, changes: Readonly<Record<string, string | undefined>> = {}): string {
    const asked = new URL(uri).searchParams;
    this.#nonce = asked.get('nonce')!;
    const answer = new URL(asked.get('redirect_uri')!);
    const parameters = { code: 'the-code', state: asked.get('state')!, iss: issuer, ...changes };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) answer.searchParams.set(name, value);
    return answer.href;
  }

  /** Requests to the token endpoint. */
  get tokenRequests(): readonly FakeRequest[] {
    return this.requests.filter(({ path }) => path === '/token');
  }

  readonly fetch: Fetch = async (uri: string, init = {}) => {
    const { pathname } = new URL(uri);
    const { method = 'GET', headers = {}, body } = init;
    const form = Object.fromEntries(new URLSearchParams(typeof body === 'string' ? body : fromUtf8(body ?? new Uint8Array(0))));
    this.requests.push({ method, path: pathname, authorization: (headers as Readonly<Record<string, string>>)['Authorization'], form });
    const [status, answer] = await this.#answerTo(pathname);
    return { status, headers: {}, body: utf8(JSON.stringify(answer)) };
  };

  async #answerTo(path: string): Promise<readonly [status: number, body: unknown]> {
    switch (path) {
      case '/.well-known/openid-configuration':
        return [
          200,
          { issuer, ...endpoints, code_challenge_methods_supported: ['S256'], authorization_response_iss_parameter_supported: true, ...this.metadata },
        ];
      case '/jwks':
        return [200, { keys: [await publicJwk(this.key)] }];
      case '/token': {
        await this.meanwhile();
        const number = ++this.#issued;
        const accessToken = `access-${number}`;
        const tokens = {
          access_token: accessToken,
          token_type: 'Bearer',
          expires_in: 300,
          refresh_token: `refresh-${number}`,
          id_token: await this.#idToken(accessToken),
        };
        return [this.status, { ...tokens, ...this.response }];
      }
      default:
        return this.revocation;
    }
  }

  async #idToken(accessToken: string): Promise<string> {
    const claims = {
      iss: issuer,
      sub: anna,
      aud: clientId,
      exp: this.now + 300,
      iat: this.now,
      nonce: this.#nonce,
      at_hash: toBase64Url(createHash('sha256').update(accessToken).digest().subarray(0, 16)),
      val_service_ids: ['v2x', 'maps'],
      ...this.claims,
    };
    const header = { alg: 'ES256', kid: await kidOf(this.key), ...this.header };
    const payload = utf8(JSON.stringify(claims));
    return this.sign?.(payload, header) ?? new CompactSign(payload).setProtectedHeader(header as { alg: string }).sign(this.key);
  }
}

const endpoints = {
  authorization_endpoint: `${issuer}/auth`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  revocation_endpoint: `${issuer}/revoke`,
};

async function kidOf(key: SigningKey): Promise<string> {
  return key === first ? 'first' : key === second ? 'second' : 'other';
}

async function publicJwk(key: SigningKey): Promise<JWK> {
  const { d: _, ...jwk } = await exportJWK(key);
  return { ...jwk, kid: await kidOf(key), alg: 'ES256', use: 'sig' };
}

/** A key that the SIM-S has not. */
export const strangeKey: SigningKey = makeKey();

/** Its public key, as one might misuse it for a secret. */
export async function publicKeyText(): Promise<string> {
  return JSON.stringify(await publicJwk(first));
}
