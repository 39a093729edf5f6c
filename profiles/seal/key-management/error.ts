import { ProtocolError } from '../../../src/core/errors.ts';

/**
 * Key management that failed: `ERR_KM_FORMAT` for a message that is none, `ERR_KM_REFUSED` for an ErrorCode of the server, `ERR_KM_RESPONSE` for a response
 * that does not belong to its request, `ERR_KM_RECORD` for a key record that cannot be kept or opened, `ERR_KM_RECORD_KEY` for records of another key,
 * `ERR_KM_CONFIG` for options that are wrong.
 */
export class KeyManagementError extends ProtocolError {
  /** The ErrorCode that the server gave, where it gave one. */
  readonly errorCode?: number;

  constructor(code: string, message: string, options: { readonly cause?: unknown; readonly errorCode?: number } = {}) {
    super(code, message, 'cause' in options ? { cause: options.cause } : undefined);
    if (options.errorCode !== undefined) this.errorCode = options.errorCode;
  }
}
