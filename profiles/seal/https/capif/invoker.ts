import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsResponse, type TlsClientOptions } from '../../../../src/transport/index.ts';
import { strictJsonObject } from '../guard/strict-json.ts';
import { trustedInvokerUri } from './core-client.ts';
import { CapifError } from './error.ts';
import { formatCapifScope } from './scope.ts';
import { readServiceSecurity, type SecurityInformation, type SecurityMethod, type ServiceSecurity } from './security-context.ts';

/** An API invoker that is onboarded, and its core function. */
export interface CapifInvokerOptions {
  readonly apiInvokerId: string;
  /** `https://ccf.example` */
  readonly apiRoot: string;
  /** Its certificate and key, for core function and AEFs both. */
  readonly tls: TlsClientOptions;
  /** Where it would hear of revocations; `https://invoker.invalid/` when absent. */
  readonly notificationDestination?: string;
  /** Milliseconds to wait for an answer of the core function; 10,000. */
  readonly timeout?: number;
  readonly env?: Pick<Env, 'epoch'>;
}

/** A call of a service API. */
export interface CapifCallInit extends Pick<HttpsRequestInit, 'method' | 'headers' | 'body' | 'timeout' | 'signal'> {
  readonly aefId: string;
  readonly apis: readonly string[];
  /** The owner for whom it acts (RNAA). */
  readonly resOwnerId?: string;
}

interface Token {
  readonly token: string;
  /** Seconds since 1970. */
  readonly askedAt: number;
  readonly until: number;
}

/** Seconds before its end that a token is used no more. */
const margin = 10;
const mostTokens = 64;

/**
 * An API invoker (TS 33.122, 6.3 to 6.5): it negotiates the method for each AEF, and then calls by that method alone. A VAL server is one, and so is a client of
 * the spatial services (TS 33.434 v19, 6.1).
 *
 * ```ts
 * const invoker = new CapifInvoker({ apiInvokerId: 'val1', apiRoot: 'https://ccf.example', tls: { ca, cert, key } });
 * await invoker.negotiate([{ aefId: 'san1', prefSecurityMethods: ['OAUTH', 'PKI'] }]);
 * await invoker.fetch('https://san1.example/sanm/v1/anchors', { aefId: 'san1', apis: ['spatial-anchors'] });
 * ```
 */
export class CapifInvoker {
  readonly #options: CapifInvokerOptions;
  readonly #env: Pick<Env, 'epoch'>;
  readonly #tokens = new Map<string, Token>();
  #selected: readonly SecurityInformation[] = [];

  constructor(options: CapifInvokerOptions) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
  }

  /**
   * Let the core function select a method for each AEF.
   *
   * @throws {CapifError} `ERR_CAPIF_REFUSED`, `ERR_CAPIF_FORMAT`
   */
  async negotiate(wanted: readonly Pick<SecurityInformation, 'aefId' | 'apiId' | 'prefSecurityMethods'>[]): Promise<ServiceSecurity> {
    const { apiRoot, apiInvokerId, notificationDestination = 'https://invoker.invalid/' } = this.#options;
    const { status, body } = await fetchHttps(trustedInvokerUri(apiRoot, apiInvokerId), {
      ...this.#core(),
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ securityInfo: wanted, notificationDestination }),
    });
    if (status !== 201) throw refused(`expected 201, got ${status}`);
    const context = readServiceSecurity(body);
    this.#selected = context.securityInfo;
    this.#tokens.clear();
    return context;
  }

  /** The method that was selected; `undefined`: none was negotiated. */
  methodOf(aefId: string, api?: string): SecurityMethod | undefined {
    return this.#selected.find((info) => info.aefId === aefId && (info.apiId === undefined || info.apiId === api))?.selSecurityMethod;
  }

  /**
   * An access token for APIs of an AEF, kept until it ends.
   *
   * @throws {CapifError} `ERR_CAPIF_REFUSED` with the error code of RFC 6749, `ERR_CAPIF_FORMAT`, `ERR_CAPIF_SCOPE`
   */
  async token({ aefId, apis, resOwnerId }: Pick<CapifCallInit, 'aefId' | 'apis' | 'resOwnerId'>): Promise<string> {
    const scope = formatCapifScope([[aefId, apis]]);
    const name = JSON.stringify([scope, resOwnerId]);
    const kept = this.#tokens.get(name);
    const askedAt = this.#env.epoch();
    // One that is of a time to come was asked for before the clock was set back.
    if (kept !== undefined && kept.askedAt <= askedAt && askedAt < kept.until) return kept.token;
    const { apiRoot, apiInvokerId } = this.#options;
    const owner = resOwnerId === undefined ? {} : { resOwnerId };
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: apiInvokerId, scope, ...owner });
    const { status, body } = await fetchHttps(`${apiRoot}/capif-security/v1/securities/${encodeURIComponent(apiInvokerId)}/token`, {
      ...this.#core(),
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    });
    const answer = strictJsonObject(body);
    if (status !== 200) throw refused(`${wordOf(answer?.['error'])}: expected 200, got ${status}`);
    const { access_token: token, token_type: type, expires_in: seconds } = answer ?? {};
    if (typeof token !== 'string' || String(type).toLowerCase() !== 'bearer' || !(Number(seconds) > 0)) {
      throw new CapifError('ERR_CAPIF_FORMAT', 'token response: expected access_token, token_type Bearer and expires_in, got something else');
    }
    this.#tokens.set(name, { token, askedAt, until: askedAt + Number(seconds) - margin });
    if (this.#tokens.size > mostTokens) this.#tokens.delete(this.#tokens.keys().next().value!);
    return token;
  }

  /**
   * Call an API by the method that was selected.
   *
   * @throws {CapifError} `ERR_CAPIF_METHOD` before anything is sent: none was negotiated, or one that is not there, or an owner where there is no token to name it
   */
  async fetch(uri: string, { aefId, apis, resOwnerId, headers, ...init }: CapifCallInit): Promise<HttpsResponse> {
    const { tls } = this.#options;
    const method = this.methodOf(aefId, apis[0]);
    if (method === undefined || method === 'PSK') throw unselected(`expected PKI or OAUTH to be selected for ${aefId}, got ${method ?? 'nothing'}`);
    if (method === 'PKI') {
      if (resOwnerId !== undefined) throw unselected('expected OAUTH, which an owner agrees by, got PKI');
      return fetchHttps(uri, { ...tls, ...init, ...(headers === undefined ? {} : { headers }) });
    }
    const token = await this.token({ aefId, apis, ...(resOwnerId === undefined ? {} : { resOwnerId }) });
    return fetchHttps(uri, { ...tls, ...init, headers: { ...headers, authorization: `Bearer ${token}` } });
  }

  #core(): TlsClientOptions & Pick<HttpsRequestInit, 'timeout'> {
    const { tls, timeout } = this.#options;
    return { ...tls, ...(timeout === undefined ? {} : { timeout }) };
  }
}

function refused(detail: string): CapifError {
  return new CapifError('ERR_CAPIF_REFUSED', `CAPIF core function: ${detail}`);
}

function unselected(detail: string): CapifError {
  return new CapifError('ERR_CAPIF_METHOD', `security method: ${detail}`);
}

/** An error code of RFC 6749, which is all that is repeated of an answer. */
function wordOf(error: unknown): string {
  return typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : 'no error code';
}
