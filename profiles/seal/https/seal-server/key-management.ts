import { Code } from '../../../../src/coap/index.ts';
import { hasScope } from '../../caller.ts';
import { ErrorCode, encodeKmResponseJson, type KeyManagementServer, type KmResponse, kmJson, kmScope } from '../../key-management/index.ts';
import type { HttpsCaller } from '../guard/guard.ts';
import { checkAccept, checkJson } from './body.ts';
import type { HttpsEndpoint } from './endpoint.ts';
import { type HttpAnswer, notStored } from './http-answer.ts';

/** Key management over HTTPS, and its URI. */
export interface KeyManagementEndpointOptions {
  readonly server: KeyManagementServer;
  /** The URI of this SKM-S over HTTPS, as requests have to name it. */
  readonly sKmsUri: string;
  /** `/km` when absent. */
  readonly path?: string;
}

/** Statuses of TS 33.434, Table 5.3.3-2; for ErrorCode 04 it has 400 and 403, and a request that is too long to be read is 413. */
const statuses: ReadonlyMap<number, number> = new Map([
  [Code.Content, 200],
  [Code.BadRequest, 400],
  [Code.Unauthorized, 401],
  [Code.Forbidden, 403],
  [Code.NotFound, 404],
  [Code.RequestEntityTooLarge, 413],
  [Code.InternalServerError, 500],
]);

/** The status for a response code of an SKM-S. */
export function kmStatusOf(code: number): number {
  return statuses.get(code)!;
}

/** The ErrorCode of what is refused before there is a KM Request. */
function errorCodeOf(status: number): ErrorCode {
  if (status === 401) return ErrorCode.Rejected;
  return status >= 500 || status === 429 ? ErrorCode.Unspecified : ErrorCode.UnableToValidate;
}

/** RFC 6750, Section 3: what the token lacks. */
export function challengeFor(caller: HttpsCaller | undefined): Readonly<Record<string, string>> {
  if (caller === undefined) return { 'www-authenticate': 'Bearer realm="seal", error="invalid_token"' };
  return hasScope(caller, kmScope) ? {} : { 'www-authenticate': `Bearer realm="seal", error="insufficient_scope", scope="${kmScope}"` };
}

/**
 * KM-UU over HTTPS (TS 33.434, 5.3.2 and 5.3.3): KM Requests in the bodies of POST, in JSON both ways, and a KM Response for whatever goes wrong.
 */
export function keyManagementEndpoint({ server, sKmsUri, path = '/km' }: KeyManagementEndpointOptions): HttpsEndpoint {
  const answered = (status: number, response: KmResponse, more: HttpAnswer['headers'] = {}): HttpAnswer => ({
    status,
    headers: { ...notStored, 'content-type': 'application/json', ...more },
    body: encodeKmResponseJson(response),
  });
  return {
    path,
    methods: ['POST'],
    largest: kmJson.longestRequest,
    answer: async (request) => {
      checkAccept(request);
      checkJson(request);
      const { code, response } = await server.answer(request.body, request.callerOf, { sKmsUri, representation: kmJson });
      return answered(kmStatusOf(code), response, challengeFor(request.callerOf()));
    },
    refuse: ({ status }, body) => answered(status, server.refusal(errorCodeOf(status), body, { sKmsUri, representation: kmJson })),
  };
}
