import { BytesError, fromBase64Url } from '../../../src/core/bytes.ts';
import type { CborMap, CborValue } from '../../../src/core/cbor.ts';
import { JsonError, readJson } from '../../../src/core/json.ts';
import { fetchHttps, type HttpsRequestInit, type TlsClientOptions } from '../../../src/transport/index.ts';
import { KeyManagementError } from '../key-management/error.ts';
import type { KeyInfo } from '../key-management/key-management-server.ts';
import type { Identity } from '../key-management/key-records.ts';
import { keyRecordsPath } from './seal-server/key-records.ts';
import type { Fetch } from './sim-c/provider-metadata.ts';

/** Whose keys a VAL server asks for. */
export interface KeyInfoRequest extends Pick<HttpsRequestInit, 'signal' | 'timeout'> {
  /** VAL service ID. */
  readonly serviceId: string;
  /** Absent: those of the service as a whole. A VAL client has no place in TS 29.549. */
  readonly identity?: Identity & { readonly kind: 'deviceId' | 'userId' };
}

/** A VAL server that asks for keys. */
export interface KeyRecordsClientOptions {
  /** Where the API of the key management server is: `https://skms.example`. */
  readonly apiRoot: string;
  /** A token of scope `km`, such as that of `ClientCredentials`. */
  readonly token: () => Promise<string>;
  /** With the certificate of the VAL server. */
  readonly tls: TlsClientOptions;
  /** `fetchHttps` when absent. */
  readonly fetch?: Fetch;
}

/** Bytes of the longest ValKeyInfo. */
const longestAnswer = 98_304;

const members = { deviceId: 'valUeId', userId: 'valUserId' } as const;

/**
 * A VAL server as a client of SS_KeyInfoRetrieval (TS 29.549).
 *
 * ```ts
 * const client = new KeyRecordsClient({ apiRoot: 'https://skms.example', token: () => credentials.token(), tls: { ca, cert, key } });
 * const { payload } = await client.keyInfo({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } });
 * ```
 */
export class KeyRecordsClient {
  readonly #options: KeyRecordsClientOptions;

  constructor(options: KeyRecordsClientOptions) {
    this.#options = options;
  }

  /**
   * @throws {KeyManagementError} `ERR_KM_REFUSED` with what the server says, `ERR_KM_RESPONSE` for what is no answer to the request; `TransportError`
   * `ERR_TRANSPORT_HTTPS`; what `token` throws
   */
  async keyInfo({ serviceId, identity, ...how }: KeyInfoRequest): Promise<KeyInfo> {
    const { apiRoot, token, tls, fetch = fetchHttps } = this.#options;
    const query = new URLSearchParams({ 'val-service-id': serviceId });
    if (identity !== undefined) query.set('val-tgt-ue', JSON.stringify({ [members[identity.kind]]: identity.id }));
    const headers = { authorization: `Bearer ${await token()}`, accept: 'application/json, application/problem+json' };
    const uri = `${apiRoot.replace(/\/$/, '')}${keyRecordsPath}?${query.toString()}`;
    const { status, body } = await fetch(uri, { ...tls, ...how, headers, limit: longestAnswer });
    const answer = objectOf(body);
    if (status !== 200) throw refused(status, answer);
    if (answer === undefined) throw unfit('JSON', 'something else');
    return keyInfoOf(answer, serviceId, identity);
  }
}

function objectOf(body: Uint8Array): CborMap | undefined {
  try {
    const value = readJson(body);
    return value instanceof Map ? value : undefined;
  } catch (error) {
    if (!(error instanceof JsonError) && !(error instanceof BytesError)) throw error;
    return undefined;
  }
}

function keyInfoOf(answer: CborMap, serviceId: string, identity: KeyInfoRequest['identity']): KeyInfo {
  const [userUri, valService, keyInfo, sKmsId] = ['userUri', 'valService', 'keyInfo', 'skmsId'].map((name) => answer.get(name));
  if (typeof userUri !== 'string' || typeof keyInfo !== 'string') throw unfit('userUri and keyInfo', 'none');
  if (valService !== serviceId) throw unfit('the VAL service that was asked for', 'another');
  if (sKmsId !== undefined && typeof sKmsId !== 'string') throw unfit('skmsId as text', 'something else');
  if (!isTarget(answer.get('valTgtUe'), identity)) throw unfit('the target that was asked for', 'another');
  try {
    return { userUri, serviceId, ...(sKmsId === undefined ? {} : { sKmsId }), payload: fromBase64Url(keyInfo) };
  } catch {
    throw unfit('keyInfo in base64url', 'something else');
  }
}

function isTarget(value: CborValue, identity: KeyInfoRequest['identity']): boolean {
  if (identity === undefined) return value === undefined;
  return value instanceof Map && value.size === 1 && value.get(members[identity.kind]) === identity.id;
}

/** Of a text that a server sends, in an error. */
const longestShown = 200;

function refused(status: number, problem: CborMap | undefined): KeyManagementError {
  const said = ['cause', 'detail'].flatMap((name) => {
    const value = problem?.get(name);
    return typeof value === 'string' && value !== '' ? [value.replace(/[^\x20-\x7e]/g, ' ').slice(0, longestShown)] : [];
  });
  return new KeyManagementError('ERR_KM_REFUSED', [`the SKM-S answers ${status}`, ...said].join(': '));
}

function unfit(expected: string, got: string): KeyManagementError {
  return new KeyManagementError('ERR_KM_RESPONSE', `ValKeyInfo: expected ${expected}, got ${got}`);
}
