import { type Env, systemEnv } from '../../../src/core/env.ts';
import { fetchHttps, type TlsClientOptions } from '../../../src/transport/index.ts';
import { discoverProvider, type Fetch } from './sim-c/provider-metadata.ts';
import { readTokenResponse } from './sim-c/token-response.ts';

/** A client that speaks for itself, as VAL servers do. */
export interface ClientCredentialsOptions {
  /** The SIM-S by the URI that its tokens name. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Names with a space between them. */
  readonly scope: string;
  /** The server that the token is for (RFC 8707). Absent: what follows from the registration and the scope. */
  readonly resource?: string;
  /** Whom to trust, and what to show. */
  readonly tls?: TlsClientOptions;
  readonly env?: Pick<Env, 'epoch'>;
  /** `fetchHttps` when absent. */
  readonly fetch?: Fetch;
}

/** Seconds before its end from which on a token is not sent any more: it has to be good when it arrives. */
const margin = 5;

interface Held {
  readonly accessToken: string;
  /** Seconds since 1970. */
  readonly askedAt: number;
  readonly expiresAt: number;
}

/**
 * Access tokens of a SIM-S over HTTPS by the client_credentials grant (RFC 6749, Section 4.4): how a VAL server gets them, TS 33.434 leaves open.
 *
 * ```ts
 * const credentials = new ClientCredentials({ issuer: 'https://sims.example', clientId: 'val1', clientSecret, scope: 'km', tls: { ca } });
 * const token = await credentials.token();
 * ```
 */
export class ClientCredentials {
  readonly #options: ClientCredentialsOptions;
  readonly #fetch: Fetch;
  readonly #env: Pick<Env, 'epoch'>;
  #held: Held | undefined;
  #asking: Promise<Held> | undefined;

  constructor(options: ClientCredentialsOptions) {
    const { tls = {}, fetch = fetchHttps, env = systemEnv } = options;
    this.#options = options;
    this.#fetch = (uri, init) => fetch(uri, { ...tls, ...init });
    this.#env = env;
  }

  /**
   * A token that has not expired: the one that there is, or a new one.
   *
   * @throws {OpenIdError} `ERR_OPENID_METADATA`, `ERR_OPENID_REFUSED`, `ERR_OPENID_RESPONSE`; `TransportError` `ERR_TRANSPORT_HTTPS`
   */
  async token(): Promise<string> {
    const now = this.#env.epoch();
    // One that is of a time to come was asked for before the clock was set back.
    if (this.#held !== undefined && this.#held.askedAt <= now && now < this.#held.expiresAt - margin) return this.#held.accessToken;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    this.#held = await this.#asking;
    return this.#held.accessToken;
  }

  async #ask(): Promise<Held> {
    const { issuer, clientId, clientSecret, scope, resource } = this.#options;
    const { tokenEndpoint } = await discoverProvider(issuer, this.#fetch);
    const askedAt = this.#env.epoch();
    // RFC 6749 §2.3.1.
    const [name, secret] = [clientId, clientSecret].map((text) => new URLSearchParams([['', text]]).toString().slice(1));
    const { status, body } = await this.#fetch(tokenEndpoint, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${btoa(`${name}:${secret}`)}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope, ...(resource === undefined ? {} : { resource }) }).toString(),
    });
    const { accessToken, expiresIn } = readTokenResponse(status, body);
    return { accessToken, askedAt, expiresAt: askedAt + expiresIn };
  }
}
