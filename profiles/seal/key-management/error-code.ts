import { Code } from '../../../src/coap/index.ts';

/** Values of ErrorCode; 05 to FF are reserved (TS 33.434, Table 5.3.3-2). */
export const ErrorCode = { Unspecified: 1, NoKeyInformation: 2, Rejected: 3, UnableToValidate: 4 } as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

const meanings: ReadonlyMap<number, string> = new Map([
  [ErrorCode.Unspecified, 'unspecified error'],
  [ErrorCode.NoKeyInformation, 'no key information for this service, client, device or user'],
  [ErrorCode.Rejected, 'request rejected'],
  [ErrorCode.UnableToValidate, 'unable to validate the request'],
]);

/**
 * The response codes of CoAP that an ErrorCode may come with: those of CoAP for the HTTP codes that Table 5.3.3-2 maps to. The first is the usual one; 4.03 is
 * for who may not ask for this, and 4.13 for a request that is too long to be read.
 */
const responseCodes: ReadonlyMap<number, readonly [number, ...number[]]> = new Map([
  [ErrorCode.Unspecified, [Code.InternalServerError]],
  [ErrorCode.NoKeyInformation, [Code.NotFound]],
  [ErrorCode.Rejected, [Code.Unauthorized]],
  [ErrorCode.UnableToValidate, [Code.BadRequest, Code.Forbidden, Code.RequestEntityTooLarge]],
]);

/** The usual response code for an ErrorCode. */
export function responseCodeOf(errorCode: ErrorCode): number {
  return responseCodes.get(errorCode)![0];
}

/** Whether a response of this code may carry this ErrorCode; a reserved one may come with any error. */
export function fitsResponseCode(errorCode: number, code: number): boolean {
  return responseCodes.get(errorCode)?.includes(code) ?? code >> 5 >= 4;
}

/** Two hexadecimal digits, as the table has them: `02`. */
export function formatErrorCode(errorCode: number): string {
  return errorCode.toString(16).toUpperCase().padStart(2, '0');
}

/** What an ErrorCode says; a reserved one is an unknown failure. */
export function errorCodeMeaning(errorCode: number): string {
  return meanings.get(errorCode) ?? 'unknown failure (a reserved ErrorCode)';
}
