import { CoapError } from '../errors.ts';
import type { Request } from '../layer.ts';
import { Method } from '../message/code.ts';
import { emptyOption, type Option, OptionNumber, opaqueOption, pathOptions, queryOptions, sortOptions, uintOption } from '../message/option.ts';
import { type CoapUri, parseUri } from '../message/uri.ts';
import { tagListOf } from './entity-tag.ts';
import { acceptOfField, formatOfContent, type MediaTypeOptions } from './media-type.ts';
import { fieldOf, HttpMappingError, type HttpRequest } from './message.ts';

/** A CoAP request that goes to nobody yet. */
export type MappedRequest = Pick<Request, 'code' | 'options' | 'payload'>;

/** What an HTTP request is made of. */
export interface RequestMappingOptions extends MediaTypeOptions {
  /** The CoAP resource. Absent: the one with the path and query of the HTTP request (the null mapping of RFC 8075, Section 5.2). */
  readonly resource?: Pick<CoapUri, 'path' | 'query'>;
  /** The same as options, for whoever maps several requests for it: `resourceOptions(...)`. */
  readonly resourceOptions?: readonly Option[];
  /** Bytes of the longest body. Absent: 65,536. */
  readonly maxBody?: number;
}

/** The longest body that CoAP's block-wise layer of this library puts together. */
const defaultMaxBody = 65_536;

/**
 * RFC 7252, Section 10.2, and RFC 8132, Section 5 for the methods of PATCH and FETCH. HTTP's own word for a safe request with a body is QUERY.
 */
const methods: ReadonlyMap<string, number> = new Map([
  ['GET', Method.GET],
  ['HEAD', Method.GET],
  ['POST', Method.POST],
  ['PUT', Method.PUT],
  ['DELETE', Method.DELETE],
  ['PATCH', Method.PATCH],
  ['FETCH', Method.FETCH],
  ['QUERY', Method.FETCH],
  ['IPATCH', Method.iPATCH],
]);

/**
 * The method of CoAP that an HTTP method stands for.
 *
 * @throws {HttpMappingError} 501 for OPTIONS, TRACE, CONNECT and what is not known (RFC 7252, Sections 10.2.1 and 10.2.7)
 */
export function coapMethodOf(method: string): number {
  const code = methods.get(method) ?? methods.get(method.toUpperCase());
  if (code === undefined) throw new HttpMappingError(501, `expected a method that CoAP has, got ${JSON.stringify(method.slice(0, 32))}`);
  return code;
}

/**
 * The CoAP request that an HTTP request stands for: method, Uri-Path and Uri-Query, conditions, Content-Format, Accept and payload.
 *
 * No other header field goes on. Observe has no counterpart in HTTP, and is not there.
 *
 * @throws {HttpMappingError} with the status to answer with: 400, 406, 412, 413, 415, 501
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-10.2
 */
export function toCoapRequest(request: HttpRequest, options: RequestMappingOptions = {}): MappedRequest {
  const code = coapMethodOf(request.method);
  const { body } = request;
  const { maxBody = defaultMaxBody } = options;
  if (body.length > maxBody) throw new HttpMappingError(413, `expected a body of at most ${maxBody} bytes, got ${body.length}`);
  const hasBody = body.length > 0;
  if (hasBody && (code === Method.GET || code === Method.DELETE)) throw new HttpMappingError(400, `${request.method}: expected no body, got one`);
  const found = [...(options.resourceOptions ?? resourceOptions(options.resource ?? resourceOfUrl(request.url)))];
  let isInOrder = true;
  const add = (option: Option): void => {
    isInOrder &&= option.number >= (found[found.length - 1]?.number ?? 0);
    found.push(option);
  };
  addConditions(request, code, add);
  if (hasBody || code === Method.FETCH) addContentFormat(request, options, hasBody, add);
  const accept = fieldOf(request, 'accept');
  const format = accept === undefined || accept === '*/*' ? undefined : acceptOfField(accept, options);
  if (format !== undefined) add(uintOption(OptionNumber.Accept, format));
  return { code, options: isInOrder ? found : sortOptions(found), payload: body };
}

/** Path and query of a request target in origin form, or of an absolute one. */
function resourceOfUrl(url: string): Pick<CoapUri, 'path' | 'query'> {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(url);
  const resource = absolute === null ? url : url.slice(absolute[0].length);
  if (!/^(?:[/?]|$)/.test(resource)) throw new HttpMappingError(400, 'expected a request target that starts with "/", got another');
  try {
    return parseUri(`coap://localhost${resource}`);
  } catch (cause) {
    if (!(cause instanceof CoapError)) throw cause;
    throw new HttpMappingError(400, 'expected a request target whose percent-encoding is UTF-8, got another', { cause });
  }
}

/**
 * Uri-Path and Uri-Query of requests for a resource.
 *
 * @throws {HttpMappingError} for what they cannot hold (RFC 7252, Sections 5.10.1 and 6.4): 400 for a dot segment, 414 for a part of more than 255 bytes
 */
export function resourceOptions({ path, query }: Pick<CoapUri, 'path' | 'query'>): Option[] {
  if (path.includes('.') || path.includes('..')) throw new HttpMappingError(400, 'expected a path without dot segments, got one');
  const resource = [...pathOptions(path), ...queryOptions(query)];
  if (resource.some(({ value }) => value.length > 255))
    throw new HttpMappingError(414, 'expected path segments and arguments of at most 255 bytes, got a longer one');
  return resource;
}

/**
 * RFC 7252, Section 10.2.2. A CoAP ETag is a condition on what comes back, If-Match and If-None-Match are conditions on what is done; dates CoAP has none, so
 * conditions on them are as if they were not there (RFC 9110, Section 13.1.3).
 */
function addConditions(request: HttpRequest, code: number, add: (option: Option) => void): void {
  const ifMatch = fieldOf(request, 'if-match');
  if (ifMatch !== undefined) {
    const { any, tags } = tagListOf('If-Match', ifMatch);
    if (any) add(emptyOption(OptionNumber.IfMatch));
    else if (tags.length === 0) throw new HttpMappingError(412, 'If-Match: no representation of a CoAP resource has such an entity tag');
    for (const tag of tags) add(opaqueOption(OptionNumber.IfMatch, tag));
  }
  const ifNoneMatch = fieldOf(request, 'if-none-match');
  if (ifNoneMatch === undefined) return;
  const { any, tags } = tagListOf('If-None-Match', ifNoneMatch);
  if (code === Method.GET || code === Method.FETCH) for (const tag of tags) add(opaqueOption(OptionNumber.ETag, tag));
  else if (any) add(emptyOption(OptionNumber.IfNoneMatch));
  // Tags that no CoAP resource has are no obstacle.
  else if (tags.length > 0) throw new HttpMappingError(400, `If-None-Match: expected "*" with ${request.method}, got entity tags`);
}

function addContentFormat(request: HttpRequest, options: RequestMappingOptions, hasBody: boolean, add: (option: Option) => void): void {
  const contentType = fieldOf(request, 'content-type');
  const contentEncoding = fieldOf(request, 'content-encoding');
  if (contentType === undefined && contentEncoding === undefined && hasBody) return;
  const format =
    contentType === undefined ? undefined : formatOfContent({ contentType, ...(contentEncoding === undefined ? {} : { contentEncoding }) }, options);
  if (format === undefined) {
    const got = contentType === undefined ? 'none' : shown(contentType);
    const packed = contentEncoding === undefined ? '' : ` with ${shown(contentEncoding)}`;
    throw new HttpMappingError(415, `expected a Content-Type (and Content-Encoding) that has a CoAP Content-Format, got ${got}${packed}`);
  }
  add(uintOption(OptionNumber.ContentFormat, format));
}

/** A field of a client, for it to be told. */
function shown(field: string): string {
  return JSON.stringify(field.slice(0, 64));
}
