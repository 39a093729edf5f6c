import { emptyBytes, fromUtf8, utf8 } from '../../core/bytes.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Response } from '../layer.ts';
import { Code, codeClass, codeName, formatCode } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import { findOption, OptionNumber, readUint } from '../message/option.ts';
import { relativeLocationOf } from '../message/uri.ts';
import { decodeProblemDetails, type ProblemDetails } from '../resource/problem-details.ts';
import { entityTagOf } from './entity-tag.ts';
import { contentOfFormat } from './media-type.ts';
import type { HttpResponse } from './message.ts';
import { httpStatuses } from './status.ts';

/** What an HTTP response is for. */
export interface ResponseMappingOptions {
  /** Of the HTTP request. */
  readonly method: string;
  /** The HTTP URI of a location at the server, `/log/7?v=2`. Absent: the same. `undefined`: it has none. */
  readonly location?: (location: string) => string | undefined;
  /** Only the client that asked may keep it. */
  readonly isPrivate?: boolean;
}

/** Seconds that a response without Max-Age is fresh (RFC 7252, Section 5.10.5). */
const defaultMaxAge = 60;

/** Options that header fields of a client become (Note 6). */
const ofHeaderFields: ReadonlySet<number> = new Set([
  OptionNumber.IfMatch,
  OptionNumber.ETag,
  OptionNumber.IfNoneMatch,
  OptionNumber.ContentFormat,
  OptionNumber.Accept,
]);

/**
 * The HTTP response that a CoAP response stands for; to HEAD the same, whose body whoever sends it leaves away.
 *
 * Bad input of the server gives a 502: a location or an option that cannot be read. 2.31 and 4.08 are of block-wise transfer and reach nobody (Note 10): also 502.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-7
 */
export function toHttpResponse(response: Response, options: ResponseMappingOptions): HttpResponse {
  try {
    return mapped(response, options);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return problemResponse(502, `the answer of the server cannot be read: ${error.message}`);
  }
}

/** Forbids a browser to see more in a response than its media type says. */
const contentTypeOptions = 'nosniff';

/** A response of the gateway's own, in words: `application/problem+json` (RFC 9457). */
export function problemResponse(status: number, detail: string): HttpResponse {
  const headers = { 'x-content-type-options': contentTypeOptions, 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  return { status, headers, body: problemJson({ status, detail }) };
}

function mapped(response: Response, options: ResponseMappingOptions): HttpResponse {
  const { code, payload } = response;
  if (code === Code.Continue || code === Code.RequestEntityIncomplete)
    return problemResponse(502, `the server answered ${formatCode(code)} to a whole request`);
  const problem = problemOf(response);
  const status = statusOf(response, problem);
  const headers: Record<string, string> = { 'x-content-type-options': contentTypeOptions };
  let body = payload;
  if (problem !== undefined) {
    headers['content-type'] = 'application/problem+json';
    body = problemJson({ ...problem, status });
  } else if (payload.length > 0) addContent(response, headers);
  if (code === Code.Created) addLocation(response, options, headers);
  addFreshness(response, status, options, headers);
  const isEmpty = status === 204 || status === 304;
  const mappedResponse = { status, headers, body: isEmpty ? emptyBytes : body };
  // Note 7: for whoever looks for the fault.
  return code === Code.MethodNotAllowed ? { ...mappedResponse, reason: 'CoAP server returned 4.05' } : mappedResponse;
}

function statusOf({ code, payload }: Response, problem: ProblemDetails | undefined): number {
  // Note 2.
  if (code === Code.Deleted || code === Code.Changed) return payload.length > 0 ? 200 : 204;
  // Note 6: it is the client's header field if the server says that it is.
  if (code === Code.BadOption) {
    const unprocessed = problem?.unprocessedCoapOption ?? [];
    return unprocessed.length > 0 && unprocessed.every((number) => ofHeaderFields.has(number)) ? 400 : 500;
  }
  // RFC 7252 §5.9: an unknown code counts as the generic one of its class.
  return httpStatuses.get(code) ?? { 2: payload.length > 0 ? 200 : 204, 4: 400, 5: 500 }[codeClass(code)] ?? 502;
}

function addContent({ code, options, payload }: Response, headers: Record<string, string>): void {
  const format = findOption(options, OptionNumber.ContentFormat);
  if (format !== undefined) {
    const { contentType, contentEncoding } = contentOfFormat(readUint(format.value));
    headers['content-type'] = contentType;
    if (contentEncoding !== undefined) headers['content-encoding'] = contentEncoding;
    return;
  }
  // RFC 7252 §5.5.2: what an error has without a Content-Format is words for people.
  headers['content-type'] = codeClass(code) > 2 && isText(payload) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}

function isText(payload: Uint8Array): boolean {
  try {
    fromUtf8(payload);
    return true;
  } catch {
    return false;
  }
}

function addLocation({ options }: Response, { location = (path) => path }: ResponseMappingOptions, headers: Record<string, string>): void {
  const relative = relativeLocationOf(options);
  const uri = relative === undefined ? undefined : location(relative);
  if (uri !== undefined) headers['location'] = uri;
}

/** RFC 7252, Section 10.2.2: a max-age of what is left; RFC 8075, Section 7, Note 8: when to come again. Answers to what is not GET serve once. */
function addFreshness(
  { code, options }: Response,
  status: number,
  { method, isPrivate = false }: ResponseMappingOptions,
  headers: Record<string, string>,
): void {
  const option = findOption(options, OptionNumber.MaxAge);
  const maxAge = option === undefined ? undefined : readUint(option.value);
  const etag = findOption(options, OptionNumber.ETag);
  if (etag !== undefined && codeClass(code) === 2) headers['etag'] = entityTagOf(etag.value);
  if ((status === 503 || status === 429) && maxAge !== undefined) headers['retry-after'] = String(maxAge);
  const isRead = method === 'GET' || method === 'HEAD';
  if (isRead && (code === Code.Content || code === Code.Valid)) {
    headers['cache-control'] = `${isPrivate ? 'private, ' : ''}max-age=${maxAge ?? defaultMaxAge}`;
    headers['vary'] = 'accept';
  } else headers['cache-control'] = 'no-store';
}

/** The problem details of a response (RFC 9290); words that cannot be read are none. */
function problemOf({ code, options, payload }: Response): ProblemDetails | undefined {
  const format = findOption(options, OptionNumber.ContentFormat);
  if (codeClass(code) < 4 || payload.length === 0 || format === undefined || readUint(format.value) !== ContentFormat.ConciseProblemDetails) return undefined;
  const details = decodeProblemDetails(payload);
  return details.title === undefined ? { ...details, title: codeName(code) } : details;
}

/** RFC 9457: `type` is absent, so the status says what kind of problem it is. Entries that only CoAP knows stay behind. */
function problemJson({ title, detail, instance, status }: Pick<ProblemDetails, 'title' | 'detail' | 'instance'> & { readonly status: number }): Uint8Array {
  const text = (value: ProblemDetails['title']): string | undefined => (typeof value === 'object' ? value.text : value);
  return utf8(JSON.stringify({ title: text(title), status, detail: text(detail), instance }));
}
