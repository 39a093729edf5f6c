import type { KoaContextWithOIDC } from 'oidc-provider';
import { utf8 } from '../../../../src/core/bytes.ts';
import { passwordAcr } from '../login/acr.ts';
import { errors } from './library.ts';

/** TS 33.434, A.4.2.2: what an authorization request has to say. */
const requiredParameters = ['response_type', 'client_id', 'scope', 'redirect_uri', 'state', 'acr_values', 'code_challenge', 'code_challenge_method'] as const;

/** Bytes of all parameters: they are kept while somebody signs in. */
const longest = 8192;

/**
 * Check what the library leaves to be chosen. It has refused what stands there twice, `acr_values` without `openid` in the scope, and challenges other than S256.
 *
 * @throws {errors.OIDCProviderError}
 */
export function checkAuthorizationRequest({ oidc, query }: KoaContextWithOIDC): void {
  const params: Readonly<Record<string, unknown>> = oidc.params ?? {};
  const missing = requiredParameters.find((name) => params[name] === undefined);
  if (missing !== undefined) throw new errors.InvalidRequest(`expected the parameter ${missing}, got none`);
  // The library takes a type that is named twice for one.
  if (query['response_type'] !== 'code') throw new errors.UnsupportedResponseType('expected response_type=code, got another');
  if (params['response_mode'] !== undefined && params['response_mode'] !== 'query')
    throw new errors.InvalidRequest('expected response_mode=query, got another');
  if (!String(params['acr_values']).split(' ').includes(passwordAcr)) {
    throw new errors.CustomOIDCProviderError('unmet_authentication_requirements', `expected ${passwordAcr} among acr_values, got others`);
  }
  if (utf8(JSON.stringify(params)).length > longest) throw new errors.InvalidRequest(`expected parameters of at most ${longest} bytes, got more`);
}
