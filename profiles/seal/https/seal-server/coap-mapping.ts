import type { IncomingMessage } from 'node:http';
import {
  CoapError,
  Code,
  ContentFormat,
  codeClass,
  decodeProblemDetails,
  findOption,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  parseUri,
  pathOptions,
  problemText,
  queryOptions,
  type Response,
  relativeLocationOf,
  sortOptions,
  uintOf,
  uintOption,
} from '../../../../src/coap/index.ts';
import { BytesError, fromHex, toHex, utf8 } from '../../../../src/core/bytes.ts';
import { decode, encode } from '../../../../src/core/cbor.ts';
import { JsonError, readJson, writeJson } from '../../../../src/core/json.ts';
import { checkAccept, checkJson } from './body.ts';
import { type HttpAnswer, type HttpRefusal, HttpRefused, notStored, problemAnswer } from './http-answer.ts';

/** A request as a resource that is written for CoAP sees it. */
export interface MappedRequest {
  readonly code: number;
  readonly options: readonly Option[];
}

/** Methods of HTTP that resources may have, by their code in CoAP. */
export const methods: Readonly<Record<string, number>> = {
  GET: Method.GET,
  HEAD: Method.GET,
  POST: Method.POST,
  PUT: Method.PUT,
  DELETE: Method.DELETE,
  PATCH: Method.PATCH,
};

function refused(status: number, reason: string, detail: string): HttpRefused {
  return new HttpRefused({ status, reason, detail });
}

/**
 * Code and options that a request stands for (RFC 7252, Section 10.2), but those of its body.
 *
 * @throws {HttpRefused} 400, 406, 501
 */
export function mapRequest(request: IncomingMessage): MappedRequest {
  const code = methods[request.method ?? ''];
  if (code === undefined) throw refused(501, 'method', 'expected a method that CoAP has, got another');
  checkAccept(request);
  // No Accept: whoever asks for CBOR alone is told of problems in plain text.
  return { code, options: sortOptions([...uriOptionsOf(request.url ?? ''), ...conditions(request, code)]) };
}

function uriOptionsOf(url: string): readonly Option[] {
  try {
    if (!url.startsWith('/')) throw refused(400, 'uri', 'expected a path, got something else');
    const { path, query } = parseUri(`coap://server${url}`);
    const options = [...pathOptions(path), ...queryOptions(query)];
    if (options.some(({ value }) => value.length > 255)) throw refused(400, 'uri', 'expected parts of at most 255 bytes, got a longer one');
    return options;
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    throw refused(400, 'uri', 'expected a path and a query of percent-encoded UTF-8, got something else');
  }
}

/** If-Match, If-None-Match: what a safe method is asked with is ETag in CoAP (RFC 7252, Sections 5.10.6 and 5.10.8). */
function conditions({ headers }: IncomingMessage, code: number): readonly Option[] {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
  const options: Option[] = [];
  if (ifMatch !== undefined) {
    const tags = ifMatch.trim() === '*' ? [new Uint8Array(0)] : tagsOf(ifMatch, false);
    if (tags.length === 0) throw refused(412, 'condition', 'expected a representation with another ETag');
    options.push(...tags.map((tag) => opaqueOption(OptionNumber.IfMatch, tag)));
  }
  if (ifNoneMatch === undefined) return options;
  if (code === Method.GET && ifNoneMatch.trim() !== '*') options.push(...tagsOf(ifNoneMatch, true).map((tag) => opaqueOption(OptionNumber.ETag, tag)));
  else if (code !== Method.GET && ifNoneMatch.trim() === '*') options.push({ number: OptionNumber.IfNoneMatch, value: new Uint8Array(0) });
  else throw refused(400, 'condition', 'expected If-None-Match with ETags to read, or with * to write, got another');
  return options;
}

/** ETags of ours among those of a field; a weak one counts for reading alone (RFC 9110, Section 8.8.3.2). */
function tagsOf(field: string, takesWeak: boolean): readonly Uint8Array[] {
  const found = field.matchAll(/(W\/)?"([^"]*)"/g);
  return [...found].flatMap(([, weak, tag]) => ((weak === undefined || takesWeak) && /^(?:[0-9a-f]{2}){1,8}$/.test(tag!) ? [fromHex(tag!)] : []));
}

/**
 * The body of a request in CBOR, with its Content-Format.
 *
 * @throws {HttpRefused} 400, 415
 */
export function mapBody(request: IncomingMessage, body: Uint8Array): { readonly payload: Uint8Array; readonly options: readonly Option[] } {
  if (body.length === 0) return { payload: body, options: [] };
  checkJson(request);
  try {
    return { payload: encode(readJson(body)), options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)] };
  } catch (error) {
    if (!isUnread(error)) throw error;
    throw refused(400, 'json', error.message);
  }
}

/** Statuses of response codes (RFC 8075, Section 7, Table 2). */
const statuses: ReadonlyMap<number, number> = new Map([
  [Code.Created, 201],
  [Code.Deleted, 204],
  [Code.Valid, 304],
  [Code.Changed, 204],
  [Code.Content, 200],
  [Code.BadRequest, 400],
  [Code.Unauthorized, 401],
  [Code.BadOption, 400],
  [Code.Forbidden, 403],
  [Code.NotFound, 404],
  [Code.MethodNotAllowed, 405],
  [Code.NotAcceptable, 406],
  [Code.RequestEntityIncomplete, 400],
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
]);

/**
 * The answer that a response stands for: CBOR is JSON, problem details (RFC 9290) are those of RFC 9457.
 *
 * @param allow - methods that the resource has, for 405
 */
export function mapResponse({ code, options, payload }: Response, allow: readonly string[]): HttpAnswer {
  const status = statuses.get(code) ?? (codeClass(code) === 4 ? 400 : 502);
  if (codeClass(code) !== 2) return problemAnswer({ ...problemOf(status, options, payload), headers: errorHeaders(status, options, allow) });
  const headers = { ...freshness(options), ...etagOf(options), ...locationOf(options) };
  if (payload.length === 0) return { status, headers };
  if (uintOf(options, OptionNumber.ContentFormat) !== ContentFormat.Cbor)
    return problemAnswer({ status: 406, reason: 'accept', detail: 'expected a resource that is JSON here, got another' });
  return { status: status === 204 ? 200 : status, headers: { ...headers, 'content-type': 'application/json' }, body: utf8(writeJson(decode(payload))) };
}

function problemOf(status: number, options: readonly Option[], payload: Uint8Array): HttpRefusal {
  if (uintOf(options, OptionNumber.ContentFormat) !== ContentFormat.ConciseProblemDetails) return { status, reason: reasons[status] ?? 'refused', detail: '' };
  const { title = '', detail = '' } = decodeProblemDetails(payload);
  return { status, reason: problemText({ title }), detail: problemText({ detail }) };
}

/** What a router answers by itself has no details. */
const reasons: Readonly<Record<number, string>> = { 404: 'absent', 405: 'method', 406: 'accept', 412: 'condition', 415: 'format', 500: 'fault' };

function errorHeaders(status: number, options: readonly Option[], allow: readonly string[]): Readonly<Record<string, string>> {
  const wait = uintOf(options, OptionNumber.MaxAge);
  return {
    ...(status === 405 ? { allow: allow.join(', ') } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="seal", error="invalid_token"' } : {}),
    ...((status === 429 || status === 503) && wait !== undefined ? { 'retry-after': String(wait) } : {}),
  };
}

/** What one token may read is not for the next one (RFC 9111, Section 3.5). */
function freshness(options: readonly Option[]): Readonly<Record<string, string>> {
  const seconds = uintOf(options, OptionNumber.MaxAge);
  return seconds === undefined ? notStored : { 'cache-control': `private, max-age=${seconds}` };
}

function etagOf(options: readonly Option[]): Readonly<Record<string, string>> {
  const etag = findOption(options, OptionNumber.ETag);
  return etag === undefined ? {} : { etag: `"${toHex(etag.value)}"` };
}

function locationOf(options: readonly Option[]): Readonly<Record<string, string>> {
  const location = relativeLocationOf(options);
  return location === undefined ? {} : { location };
}

function isUnread(error: unknown): error is JsonError | BytesError {
  return error instanceof JsonError || error instanceof BytesError;
}
