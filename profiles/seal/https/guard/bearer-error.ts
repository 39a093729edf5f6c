import { ProtocolError } from '../../../../src/core/errors.ts';

/** Why an access token is not taken; `unavailable`: nobody can say, since keys or revocations cannot be had. */
export type BearerReason = 'malformed' | 'algorithm' | 'signature' | 'issuer' | 'audience' | 'expired' | 'claims' | 'revoked' | 'unavailable';

/** An access token that is not taken: `ERR_SEAL_BEARER`. Its message may be told to whoever showed the token. */
export class BearerError extends ProtocolError {
  readonly reason: BearerReason;
  /** The error code of RFC 6750, Section 3.1; the token may be good when there is none. */
  readonly error: 'invalid_token' | undefined;
  readonly status: 401 | 503;

  constructor(reason: BearerReason, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_SEAL_BEARER', message, options);
    this.reason = reason;
    const isDown = reason === 'unavailable';
    this.error = isDown ? undefined : 'invalid_token';
    this.status = isDown ? 503 : 401;
  }
}
