import { decode, encode } from '../../../../src/core/cbor.ts';
import type { JsonObject } from '../guard/strict-json.ts';
import { jsonObject, OpenIdError } from './openid-error.ts';

/** What a token endpoint gives (TS 33.434, A.4.2.5). */
export interface TokenResponse {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly idToken?: string;
  readonly refreshToken?: string;
  /** Absent: as it was asked for. */
  readonly scope?: string;
}

const code = 'ERR_OPENID_RESPONSE';

/** @throws {OpenIdError} `ERR_OPENID_REFUSED` with the error that it names, `ERR_OPENID_RESPONSE` for what is no answer to a token request */
export function readTokenResponse(status: number, body: Uint8Array): TokenResponse {
  const response = jsonObject(code, `token response (${status})`, body);
  if (status !== 200) throw refusal(response, `token request (${status})`);
  const { access_token: accessToken, token_type: type, expires_in: expiresIn } = response;
  if (typeof accessToken !== 'string' || accessToken === '') throw new OpenIdError(code, 'access_token: expected one, got none');
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') throw new OpenIdError(code, 'token_type: expected bearer, got another');
  if (typeof expiresIn !== 'number' || !(expiresIn > 0)) throw new OpenIdError(code, 'expires_in: expected seconds, got none');
  const optional = (name: string, member: keyof TokenResponse): Partial<TokenResponse> => {
    const value = response[name];
    if (value !== undefined && typeof value !== 'string') throw new OpenIdError(code, `${name}: expected text, got something else`);
    return value === undefined ? {} : { [member]: value };
  };
  return { accessToken, expiresIn, ...optional('id_token', 'idToken'), ...optional('refresh_token', 'refreshToken'), ...optional('scope', 'scope') };
}

/** An error that a SIM-S names; of the words that come with it only those that a terminal can show. */
export function refusal(parameters: JsonObject, what: string): OpenIdError {
  const { error, error_description: description } = parameters;
  const name = typeof error === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(error) ? error : 'an error without a name';
  const detail = typeof description === 'string' ? `: ${description.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200)}` : '';
  return new OpenIdError('ERR_OPENID_REFUSED', `${what}: the SIM-S says ${name}${detail}`, { error: name });
}

/** A login as it is kept. */
export interface KeptLogin extends Omit<TokenResponse, 'expiresIn' | 'idToken'> {
  /** Seconds since 1970, for the access token: when it was asked for, and when it ends. */
  readonly askedAt?: number;
  readonly expiresAt: number;
  readonly scope: string;
  readonly nonce: string;
  readonly idToken: string;
  /** Until then somebody else asks for new tokens. */
  readonly refreshing?: number;
}

/** An authorization request that waits for its answer. */
export interface PendingRequest {
  readonly codeVerifier: string;
  readonly nonce: string;
  readonly redirectUri: string;
  readonly scope: string;
}

const version = 1;

/** A record of the store: text and numbers by name. */
export function encodeRecord(record: KeptLogin | PendingRequest): Uint8Array {
  return encode(new Map<string, string | number>([['version', version], ...(Object.entries(record) as [string, string | number][])]));
}

/** What `encodeRecord` made; `undefined`: of another version. */
export function decodeRecord<T extends KeptLogin | PendingRequest>(bytes: Uint8Array): T | undefined {
  const value = decode(bytes);
  if (!(value instanceof Map) || value.get('version') !== version) return undefined;
  const { version: _, ...record } = Object.fromEntries(value) as Record<string, unknown>;
  return record as unknown as T;
}
