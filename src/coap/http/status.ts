import { Code } from '../message/code.ts';

/**
 * The HTTP status for each response code: RFC 8075, Section 7, Table 2; RFC 8132 and RFC 8516, whose codes have the names of statuses; RFC 8768, Section 5 for 5.08.
 * What depends on more than the code (2.02, 2.04, 4.02) is not in it, nor is what is never translated (Note 10).
 */
export const httpStatuses: ReadonlyMap<number, number> = new Map([
  [Code.Created, 201],
  [Code.Valid, 304],
  [Code.Content, 200],
  [Code.BadRequest, 400],
  // Note 5: a 401 would need WWW-Authenticate.
  [Code.Unauthorized, 403],
  [Code.Forbidden, 403],
  [Code.NotFound, 404],
  // Note 7: a 405 would need Allow.
  [Code.MethodNotAllowed, 400],
  [Code.NotAcceptable, 406],
  [Code.Conflict, 409],
  [Code.PreconditionFailed, 412],
  [Code.RequestEntityTooLarge, 413],
  [Code.UnsupportedContentFormat, 415],
  [Code.UnprocessableEntity, 422],
  [Code.TooManyRequests, 429],
  [Code.InternalServerError, 500],
  [Code.NotImplemented, 501],
  [Code.BadGateway, 502],
  [Code.ServiceUnavailable, 503],
  [Code.GatewayTimeout, 504],
  [Code.ProxyingNotSupported, 502],
  [Code.HopLimitReached, 508],
]);
