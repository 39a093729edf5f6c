import type { JSONWebKeySet } from 'jose';
import type { Env } from '../../../../src/core/env.ts';
import type { HttpsRequestInit, HttpsResponse } from '../../../../src/transport/index.ts';
import { IssuerKeys } from '../guard/issuer-keys.ts';
import type { JsonObject } from '../guard/strict-json.ts';
import { jsonObject, OpenIdError } from './openid-error.ts';

/** What a client needs of a SIM-S (OpenID Connect Discovery 1.0, Section 3). */
export interface ProviderMetadata {
  readonly issuer: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  readonly revocationEndpoint?: string;
  /** Every answer to an authorization request names the issuer (RFC 9207). */
  readonly namesIssuer: boolean;
}

/** A request over HTTPS: `fetchHttps`, or what stands for it. */
export type Fetch = (uri: string, init?: HttpsRequestInit) => Promise<HttpsResponse>;

/** TS 33.434, A.9: between SIM-C and SIM-S there is TLS. */
export function httpsUri(code: string, what: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.hash !== '')
    throw new OpenIdError(code, `${what}: expected a URI of https, got something else`);
  return value as string;
}

async function getJson(uri: string, what: string, fetch: Fetch): Promise<JsonObject> {
  const { status, body } = await fetch(uri, { headers: { Accept: 'application/json' } });
  if (status !== 200) throw new OpenIdError('ERR_OPENID_METADATA', `${what}: expected 200, got ${status}`);
  return jsonObject('ERR_OPENID_METADATA', what, body);
}

/**
 * Ask a SIM-S what it offers.
 *
 * @throws {OpenIdError} `ERR_OPENID_METADATA`: another issuer, endpoints that are none, or without what TS 33.434, A.4, needs
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export async function discoverProvider(issuer: string, fetch: Fetch): Promise<ProviderMetadata> {
  const document = await getJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, 'metadata', fetch);
  const endpoint = (name: string): string => httpsUri('ERR_OPENID_METADATA', name, document[name]);
  // Discovery, Section 4.3: exactly the one that was asked.
  if (document['issuer'] !== issuer) throw new OpenIdError('ERR_OPENID_METADATA', 'issuer: expected the one that was asked, got another');
  const methods = document['code_challenge_methods_supported'];
  if (Array.isArray(methods) && !methods.includes('S256'))
    throw new OpenIdError('ERR_OPENID_METADATA', 'code_challenge_methods_supported: expected S256 among them, got others');
  return {
    issuer,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    jwksUri: endpoint('jwks_uri'),
    ...(document['revocation_endpoint'] === undefined ? {} : { revocationEndpoint: endpoint('revocation_endpoint') }),
    namesIssuer: document['authorization_response_iss_parameter_supported'] === true,
  };
}

/** The keys that a SIM-S signs with, asked for when an ID token names one that is not known. */
export function keysOf({ jwksUri }: ProviderMetadata, fetch: Fetch, env: Pick<Env, 'now'>): IssuerKeys {
  return new IssuerKeys(
    async () => (await getJson(jwksUri, 'keys', fetch)) as unknown as JSONWebKeySet,
    env,
    () => {},
  );
}
