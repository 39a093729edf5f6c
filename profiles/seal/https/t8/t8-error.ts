import { STATUS_CODES } from 'node:http';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { type ProblemCause, problemCauses } from './problem-causes.ts';
import type { InvalidParam, ProblemDetails } from './problem-details.ts';

/** How a refused request is answered: with the status of a cause, or with one that there is no cause for. */
export type T8ErrorOptions = ({ readonly reason: ProblemCause } | { readonly status: number }) & {
  readonly invalidParams?: readonly InvalidParam[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
};

/**
 * A request that the T8 gateway does not serve. The peer gets the message.
 *
 * `ERR_T8_REQUEST` for what cannot be understood, `ERR_T8_FORBIDDEN`, `ERR_T8_ABSENT`, `ERR_T8_METHOD`, `ERR_T8_MEDIA_TYPE`, `ERR_T8_SIZE`, `ERR_T8_QUOTA`,
 * `ERR_T8_RATE`, `ERR_T8_BUSY`, `ERR_T8_SENDING`, `ERR_T8_DELIVERY`, `ERR_T8_WITHHELD`; `ERR_T8_CONFIG` for what the operator says,
 * `ERR_T8_ANSWER` and `ERR_T8_SILENCE` at an SCS/AS.
 */
export class T8Error extends ProtocolError {
  readonly status: number;
  /** `undefined`: there is no word for it. */
  readonly reason: ProblemCause | undefined;
  readonly invalidParams: readonly InvalidParam[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: string, message: string, options: T8ErrorOptions) {
    const { invalidParams = [], headers = {}, cause } = options;
    super(code, message, cause === undefined ? undefined : { cause });
    this.reason = 'reason' in options ? options.reason : undefined;
    this.status = 'reason' in options ? problemCauses[options.reason] : options.status;
    this.invalidParams = invalidParams;
    this.headers = headers;
  }

  /** What the answer holds. */
  get problem(): ProblemDetails {
    const { status, reason, invalidParams } = this;
    return {
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: this.message,
      ...(reason === undefined ? {} : { cause: reason }),
      ...(invalidParams.length === 0 ? {} : { invalidParams }),
    };
  }
}

/** 400, with the parameters that are at fault. */
export function badRequest(
  message: string,
  { reason = 'INVALID_MSG_FORMAT', ...more }: { readonly reason?: ProblemCause; readonly invalidParams?: readonly InvalidParam[] } = {},
): T8Error {
  return new T8Error('ERR_T8_REQUEST', message, { reason, ...more });
}

/** 404: there is none, or it is another's. */
export function absent(what: string): T8Error {
  return new T8Error('ERR_T8_ABSENT', `expected ${what} that is there, got another`, { status: 404 });
}

/** 404: no path of an API is made like this one. */
export function noSuchPath(): T8Error {
  return new T8Error('ERR_T8_ABSENT', 'expected the path of a resource, got another', { reason: 'RESOURCE_URI_STRUCTURE_NOT_FOUND' });
}

/** 403, the same for a device that is not there and for one that the caller may not address: who asks learns nothing of either. */
export function forbidden(expected = 'a device that this SCS/AS may address by this API'): T8Error {
  return new T8Error('ERR_T8_FORBIDDEN', `expected ${expected}, got another`, { status: 403 });
}

/** 405, with the methods that there are. */
export function methodRefused(allow: string): T8Error {
  return new T8Error('ERR_T8_METHOD', `expected one of ${allow}, got another method`, { status: 405, headers: { allow } });
}

/** 429 (TS 29.122, 4.4.8.2; RFC 6585, Section 4). @param wait - seconds until it is worth to come again */
export function tooMany(what: string, wait: number): T8Error {
  return new T8Error('ERR_T8_RATE', `expected fewer requests ${what}, got one more`, {
    reason: 'NF_CONGESTION_RISK',
    headers: { 'retry-after': String(wait) },
  });
}

/** What the operator says is wrong. */
export function badConfig(message: string): T8Error {
  return new T8Error('ERR_T8_CONFIG', message, { status: 400 });
}
