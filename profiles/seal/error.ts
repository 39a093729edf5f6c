import { ProtocolError } from '../../src/core/errors.ts';

/** How a SEAL error is answered. */
export interface SealErrorOptions {
  /** The CoAP code of the answer. */
  readonly responseCode: number;
  /** Seconds until it is worth to ask again. */
  readonly maxAge?: number;
  /** The most bytes that a payload may have. */
  readonly size1?: number;
  readonly cause?: unknown;
}

/**
 * A request that a SEAL server refuses. The peer gets the code and the message as problem details (TS 24.546, C.1.3), so a message never holds what it must
 * not read.
 *
 * `ERR_SEAL_QUERY`, `ERR_SEAL_FORMAT` and `ERR_SEAL_MODEL` for what cannot be understood, `ERR_SEAL_CALLER`, `ERR_SEAL_SERVICE` and `ERR_SEAL_RIGHTS` for
 * whoever may not, `ERR_SEAL_ABSENT`, `ERR_SEAL_METHOD`, `ERR_SEAL_CHANGED`, `ERR_SEAL_SIZE`, `ERR_SEAL_QUOTA`, `ERR_SEAL_RATE`, `ERR_SEAL_FULL`, `ERR_SEAL_BUSY`.
 */
export class SealError extends ProtocolError {
  readonly responseCode: number;
  readonly maxAge: number | undefined;
  readonly size1: number | undefined;

  constructor(code: string, message: string, options: SealErrorOptions) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    this.responseCode = options.responseCode;
    this.maxAge = options.maxAge;
    this.size1 = options.size1;
  }
}
