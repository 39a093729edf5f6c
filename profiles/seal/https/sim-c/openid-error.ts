import { ProtocolError } from '../../../../src/core/errors.ts';

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

export type Json = Readonly<Record<string, unknown>>;

/** @throws {OpenIdError} with the code that is given, for what is no object in JSON */
export function jsonObject(code: string, what: string, body: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new OpenIdError(code, `${what}: expected JSON, got something else`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new OpenIdError(code, `${what}: expected an object, got something else`);
  return value as Json;
}
