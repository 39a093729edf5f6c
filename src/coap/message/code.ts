/** CoAP Method Codes, IANA registry as of 2026-11 (RFC 7252, RFC 8132). */
export const Method = { GET: 1, POST: 2, PUT: 3, DELETE: 4, FETCH: 5, PATCH: 6, iPATCH: 7 } as const;
export type Method = (typeof Method)[keyof typeof Method];

/** CoAP Response Codes, IANA registry as of 2026-11 (RFC 7252, RFC 7959, RFC 8132, RFC 8516, RFC 8768). The value is the byte on the wire. */
export const Code = {
  Created: 65,
  Deleted: 66,
  Valid: 67,
  Changed: 68,
  Content: 69,
  Continue: 95,
  BadRequest: 128,
  Unauthorized: 129,
  BadOption: 130,
  Forbidden: 131,
  NotFound: 132,
  MethodNotAllowed: 133,
  NotAcceptable: 134,
  RequestEntityIncomplete: 136,
  Conflict: 137,
  PreconditionFailed: 140,
  RequestEntityTooLarge: 141,
  UnsupportedContentFormat: 143,
  UnprocessableEntity: 150,
  TooManyRequests: 157,
  InternalServerError: 160,
  NotImplemented: 161,
  BadGateway: 162,
  ServiceUnavailable: 163,
  GatewayTimeout: 164,
  ProxyingNotSupported: 165,
  HopLimitReached: 168,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

const names: ReadonlyMap<number, string> = new Map([
  ...Object.entries(Method).map(([name, code]) => [code, name] as const),
  // 'BadRequest' reads 'Bad Request', as the RFC prints it.
  ...Object.entries(Code).map(([name, code]) => [code, name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ')] as const),
]);

/** The class of a code: 0 for requests (and Empty), 2, 4, 5 for responses, 7 for signaling. */
export function codeClass(code: number): number {
  return code >>> 5;
}

/** `c.dd` notation: 69 is `2.05`. */
export function formatCode(code: number): string {
  return `${code >>> 5}.${String(code & 0x1f).padStart(2, '0')}`;
}

/** The name in the registry: `GET`, `Not Found`; the `c.dd` notation for a code that is not in it. */
export function codeName(code: number): string {
  return names.get(code) ?? formatCode(code);
}

/** A request code, known or not; 0.00 (Empty) is none. */
export function isRequest(code: number): boolean {
  return code >= 1 && code <= 31;
}

/** A method that changes nothing (RFC 7252, Section 5.1; RFC 8132, Section 4): its request may be sent again. */
export function isSafe(code: number): boolean {
  return code === Method.GET || code === Method.FETCH;
}

/** A method that does no more when it is carried out twice (RFC 7252, Section 5.1; RFC 8132, Section 4). */
export function isIdempotent(code: number): boolean {
  return isSafe(code) || code === Method.PUT || code === Method.DELETE || code === Method.iPATCH;
}

/** A response code of class 2, 4 or 5, known or not. */
export function isResponse(code: number): boolean {
  return (code >= 64 && code <= 95) || (code >= 128 && code <= 191);
}
