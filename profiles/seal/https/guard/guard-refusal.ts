import { ProtocolError } from '../../../../src/core/errors.ts';

/**
 * Why a guard lets a request go no further: stable words for logs.
 *
 * `certificate`, `certificate-profile` and `client` are about the certificate: there is none, it has not the profile of TS 33.310, it is not the client's of the
 * token. `no-token`, `header` and `place` are about how the token came: not at all, not as it should, not where it should. Those of a `BearerError` are about
 * the token; `scope` and `policy` about what it is for. `context`, `method` and `owner` are about CAPIF: the core function knows nothing of the invoker, has
 * selected another security method, or the owner of the resource has not agreed. `rate-credentials`: too many wrong tokens came from there.
 */
export type GuardReason =
  | 'certificate'
  | 'certificate-profile'
  | 'client'
  | 'no-token'
  | 'header'
  | 'place'
  | 'malformed'
  | 'algorithm'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'claims'
  | 'revoked'
  | 'unavailable'
  | 'scope'
  | 'policy'
  | 'context'
  | 'method'
  | 'owner'
  | 'rate-credentials';

/** The error codes of RFC 6750, Section 3.1. */
export type BearerErrorCode = 'invalid_request' | 'invalid_token' | 'insufficient_scope';

/** What a refusal says beside its reason. */
export interface GuardRefusalOptions {
  readonly status: number;
  readonly error?: BearerErrorCode;
  /** The scope that is needed. */
  readonly scope?: string;
  readonly realm: string;
  /** Seconds after which it may be asked again: with 429. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/**
 * A request that a guard refuses, `ERR_SEAL_GUARD`, and the answer to it: a challenge as RFC 6750 has it, and problem details as TS 29.122 has them. Its message
 * goes to the peer.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3
 */
export class GuardRefusal extends ProtocolError {
  readonly status: number;
  readonly reason: GuardReason;
  readonly error: BearerErrorCode | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    reason: GuardReason,
    message: string,
    { status, error, scope, realm, retryAfter = status === 503 ? later : undefined, cause }: GuardRefusalOptions,
  ) {
    super('ERR_SEAL_GUARD', message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.reason = reason;
    this.error = error;
    // RFC 6750 §3.1: whoever shows nothing is told of no error.
    const told = error === undefined ? [] : [parameter('error', error), parameter('error_description', message)];
    const challenge = [parameter('realm', realm), ...told, ...(scope === undefined ? [] : [parameter('scope', scope)])].join(', ');
    this.headers = {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(retryAfter === undefined ? { 'www-authenticate': `Bearer ${challenge}` } : { 'retry-after': String(retryAfter) }),
    };
  }

  /** The body of the answer. */
  get body(): string {
    const { status, message, reason } = this;
    return JSON.stringify({ status, title: titles[status] ?? 'Refused', detail: message, cause: reason });
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
};
/** Seconds. */
const later = 10;

/** RFC 6750 §3: an error description has no quotes, no backslashes and ASCII alone. */
function parameter(name: string, value: string): string {
  return `${name}="${value.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?')}"`;
}
