import { ProtocolError } from '../../../../src/core/errors.ts';
import { type JsonObject, strictJsonObject } from '../guard/strict-json.ts';

/**
 * A login, or what comes after it, that goes no further. No message holds a code, a token or a secret.
 *
 * `ERR_OPENID_CONFIG` for what a client is made with, `ERR_OPENID_METADATA` and `ERR_OPENID_RESPONSE` for what a SIM-S may not say, `ERR_OPENID_ID_TOKEN` for an
 * ID token that does not hold, `ERR_OPENID_REFUSED` for the errors of OAuth, which `error` names, `ERR_OPENID_LOGIN` where nobody is logged in any more,
 * `ERR_OPENID_FORM` for a login page that cannot be filled in.
 */
export class OpenIdError extends ProtocolError {
  /** The error code of OAuth, as RFC 6749 and OpenID Connect name them. */
  readonly error: string | undefined;

  constructor(code: string, message: string, options: { readonly error?: string; readonly cause?: unknown } = {}) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    this.error = options.error;
  }
}

/** @throws {OpenIdError} with the code that is given, for what is no object in JSON, or names a member twice */
export function jsonObject(code: string, what: string, body: Uint8Array): JsonObject {
  const value = strictJsonObject(body);
  if (value === undefined) throw new OpenIdError(code, `${what}: expected an object in JSON, got something else`);
  return value;
}
