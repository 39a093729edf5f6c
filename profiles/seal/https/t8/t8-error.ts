import { STATUS_CODES } from 'node:http';
import { ProtocolError } from '../../../../src/core/errors.ts';
import type { InvalidParam, ProblemDetails } from './problem-details.ts';

/** How a refused request is answered. */
export interface T8ErrorOptions {
  readonly status: number;
  /** The cause that programs look at, of TS 29.122 or TS 29.500. */
  readonly reason: string;
  readonly invalidParams?: readonly InvalidParam[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * A request that the T8 gateway does not serve. The peer gets the message.
 *
 * `ERR_T8_REQUEST` for what cannot be understood, `ERR_T8_FORBIDDEN`, `ERR_T8_ABSENT`, `ERR_T8_METHOD`, `ERR_T8_MEDIA_TYPE`, `ERR_T8_SIZE`, `ERR_T8_QUOTA`,
 * `ERR_T8_BUSY`, `ERR_T8_SENDING`, `ERR_T8_DELIVERY`, `ERR_T8_WITHHELD`; `ERR_T8_CONFIG` for what the operator says.
 */
export class T8Error extends ProtocolError {
  readonly status: number;
  readonly reason: string;
  readonly invalidParams: readonly InvalidParam[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: string, message: string, { status, reason, invalidParams = [], headers = {}, cause }: T8ErrorOptions) {
    super(code, message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.reason = reason;
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
      cause: reason,
      ...(invalidParams.length === 0 ? {} : { invalidParams }),
    };
  }
}

/** 400, with the parameters that are at fault. */
export function badRequest(message: string, invalidParams: readonly InvalidParam[] = [], cause?: unknown): T8Error {
  const reason = invalidParams.length === 0 ? 'INVALID_MSG_FORMAT' : 'MANDATORY_IE_INCORRECT';
  return new T8Error('ERR_T8_REQUEST', message, { status: 400, reason, invalidParams, ...(cause === undefined ? {} : { cause }) });
}

/** 404: there is none, or it is another's. */
export function absent(what: string): T8Error {
  return new T8Error('ERR_T8_ABSENT', `expected ${what} that is there, got another`, { status: 404, reason: 'RESOURCE_URI_STRUCTURE_NOT_FOUND' });
}

/** 403, the same for a device that is not there and for one that the caller may not address: who asks learns nothing of either. */
export function forbidden(): T8Error {
  return new T8Error('ERR_T8_FORBIDDEN', 'expected a device that this SCS/AS may address by this API, got another', {
    status: 403,
    reason: 'OPERATION_PROHIBITED',
  });
}

/** 405, with the methods that there are. */
export function methodRefused(allow: string): T8Error {
  return new T8Error('ERR_T8_METHOD', `expected one of ${allow}, got another method`, { status: 405, reason: 'METHOD_NOT_ALLOWED', headers: { allow } });
}
