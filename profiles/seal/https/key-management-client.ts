import { type Env, systemEnv } from '../../../src/core/env.ts';
import { fetchHttps, type HttpsRequestInit, type TlsClientOptions } from '../../../src/transport/index.ts';
import { KeyManagementError } from '../key-management/error.ts';
import { ErrorCode, errorCodeMeaning } from '../key-management/error-code.ts';
import { decodeKmResponseJson, encodeKmRequestJson } from '../key-management/json-message.ts';
import { type KeyMaterial, type KeyQuestion, type KmReply, keyMaterialOf, refused, unfit } from '../key-management/key-material.ts';
import type { KmRequest } from '../key-management/message.ts';
import type { Fetch } from './sim-c/provider-metadata.ts';

/** Which keys are asked for over HTTPS, and from whom. */
export interface HttpsKeyRequestInit extends KeyQuestion {
  /** Where it is reached; `sKmsUri` when absent. */
  readonly uri?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** A client of a key management server over HTTPS: where its tokens come from, and whom it trusts. */
export interface KeyManagementClientOptions {
  /** A token of scope `km` that has not expired, such as that of an `OpenIdSimC`. */
  readonly token: () => Promise<string>;
  readonly tls?: TlsClientOptions;
  readonly env?: Pick<Env, 'epoch'>;
  /** `fetchHttps` when absent. */
  readonly fetch?: Fetch;
}

/** Bytes of the longest KM Response: the longest payload in base64url, and the other fields. */
const longestResponse = 98_304;

/** The statuses that an ErrorCode may come with (TS 33.434, Table 5.3.3-2), and those of whatever is before an SKM-S. */
const statuses: ReadonlyMap<number, readonly number[]> = new Map([
  [ErrorCode.Unspecified, [500, 429, 503]],
  [ErrorCode.NoKeyInformation, [404]],
  [ErrorCode.Rejected, [401]],
  [ErrorCode.UnableToValidate, [400, 403, 405, 406, 413, 415]],
]);

/**
 * An SKM-C over HTTPS (TS 33.434, 5.3.2): the token goes with each and every request.
 *
 * ```ts
 * const client = new KeyManagementClient({ token: () => simC.accessToken() });
 * const { payload } = await client.requestKeys({ sKmsUri: 'https://skms.example/km', serviceId: 'v2x', identity: { kind: 'userId', id: 'anna' } });
 * ```
 */
export class KeyManagementClient {
  readonly #options: KeyManagementClientOptions;

  constructor(options: KeyManagementClientOptions) {
    this.#options = options;
  }

  /**
   * Ask for key material, and check what comes back.
   *
   * @throws {KeyManagementError} `ERR_KM_REFUSED` with the ErrorCode, `ERR_KM_RESPONSE`, `ERR_KM_FORMAT`, `ERR_KM_CONFIG` for a URI that is not of https;
   * `TransportError` `ERR_TRANSPORT_HTTPS`; what `token` throws
   */
  requestKeys(init: HttpsKeyRequestInit): Promise<KeyMaterial> {
    const { uri = init.sKmsUri, signal, timeout } = init;
    if (!/^https:\/\//i.test(uri)) throw new KeyManagementError('ERR_KM_CONFIG', 'uri: expected one of https, got another');
    const how = { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) };
    return keyMaterialOf((request) => this.#ask(uri, request, how), init, this.#options.env ?? systemEnv);
  }

  async #ask(uri: string, request: KmRequest, how: Pick<HttpsRequestInit, 'signal' | 'timeout'>): Promise<KmReply> {
    const { token, tls, fetch = fetchHttps } = this.#options;
    const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json', accept: 'application/json' };
    const {
      status,
      headers: answered,
      body,
    } = await fetch(uri, { ...tls, ...how, method: 'POST', headers, body: encodeKmRequestJson(request), limit: longestResponse });
    if (!/^application\/json *(?:;|$)/i.test(answered['content-type'] ?? '')) throw withoutMessage(status);
    return { message: decodeKmResponseJson(body), said: String(status), isSuccess: status === 200, fits: (errorCode) => fitsStatus(errorCode, status) };
  }
}

/** A reserved ErrorCode may come with any error. */
function fitsStatus(errorCode: number, status: number): boolean {
  return statuses.get(errorCode)?.includes(status) ?? status >= 400;
}

/** An answer of something before the SKM-S. */
function withoutMessage(status: number): KeyManagementError {
  if (status === 401) return refused(ErrorCode.Rejected, `the SKM-S answers ${status}: ${errorCodeMeaning(ErrorCode.Rejected)}`);
  if (status === 200) return unfit('a KM response of application/json', 'another media type');
  return new KeyManagementError('ERR_KM_REFUSED', `expected a KM response, got ${status} without one`);
}
