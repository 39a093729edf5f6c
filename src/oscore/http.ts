import {
  findOption,
  isUnsafe,
  Method,
  type Option,
  OptionNumber,
  type Peer,
  type Request,
  type Response,
  recogniseOptions,
  sortOptions,
  targetOptions,
} from '../coap/index.ts';
import { emptyBytes, fromBase64Url, fromUtf8, toBase64Url } from '../core/bytes.ts';
import { OscoreError } from './errors.ts';
import { codeOfStatus, headersOfCode, optionsOfHeaders, statusOfCode } from './http-status.ts';
import { longestOscoreOption } from './option.ts';

/** Header fields by their names in lower case, as `node:http` gives them. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An HTTP request, as far as the mapping goes. */
export interface HttpRequest {
  readonly method: string;
  /** An absolute URI. */
  readonly target: string;
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
}

/** An HTTP response, as far as the mapping goes. */
export interface HttpResponse {
  readonly status: number;
  /** The reason phrase, where it says more than the status code. */
  readonly reason?: string;
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
}

/** The media type of the body of an OSCORE message (RFC 8613, Section 13.5). */
export const oscoreMediaType = 'application/oscore';

/** Options of an OSCORE message that have their say on this hop, or none in HTTP: the target, and what asks for several responses or for none. */
const ofHop: ReadonlySet<number> = new Set([...targetOptions, OptionNumber.Observe, OptionNumber.MaxAge, OptionNumber.NoResponse]);

function unmappable(expected: string, got: string): OscoreError {
  return new OscoreError('ERR_OSCORE_HTTP', `expected ${expected}, got ${got}`);
}

/**
 * The value of the HTTP OSCORE header field that stands for a CoAP OSCORE option: `AA` for the empty one, else base64url without padding.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.2
 */
export function encodeOscoreHeader(value: Uint8Array): string {
  return value.length === 0 ? 'AA' : toBase64Url(value);
}

/**
 * The value of the CoAP OSCORE option that an HTTP OSCORE header field stands for.
 *
 * @throws {OscoreError} `ERR_OSCORE_HTTP` for what is not base64url of 1 to 255 bytes in its one form: no padding, no spare bits
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.3
 */
export function decodeOscoreHeader(text: string): Uint8Array {
  let value = emptyBytes;
  if (/^[A-Za-z0-9_-]{2,340}$/.test(text) && text.length % 4 !== 1) value = fromBase64Url(text);
  if (value.length === 0 || value.length > longestOscoreOption || toBase64Url(value) !== text)
    throw unmappable('an OSCORE header field in base64url', `${text.length} characters that are not`);
  return value.length === 1 && value[0] === 0 ? emptyBytes : value;
}

function protectedHeaders(option: Option): HttpHeaders {
  return { 'content-type': oscoreMediaType, oscore: encodeOscoreHeader(option.value) };
}

/** What HTTP has no place for must not get lost on the way: RFC 7252 §5.7.1 has a proxy refuse an unsafe option that it does not process. */
function checkOptions(options: readonly Option[]): void {
  const unsafe = options.find(({ number }) => isUnsafe(number) && !ofHop.has(number));
  if (unsafe !== undefined) throw unmappable('options that can be mapped to HTTP', `option ${unsafe.number}`);
}

/**
 * The HTTP request for an OSCORE message, on its way to an HTTP server or to an HTTP-to-CoAP proxy: always a POST, whatever the Outer Code says, since nobody may
 * rely on that. An observation becomes a single request: HTTP has one response for each.
 *
 * @param target URI to send it to; absent: the one that Proxy-Uri, or Proxy-Scheme with Uri-Host and Uri-Port, names
 * @throws {OscoreError} `ERR_OSCORE_HTTP` for a message that OSCORE does not protect, for a block of one, and for a target that is not of HTTP
 * @throws {BytesError} `ERR_BYTES_UTF8` for one that is not UTF-8
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.2
 */
export function requestToHttp(message: Pick<Request, 'options' | 'payload'>, target: string = httpTarget(message.options)): HttpRequest {
  const { options, payload } = message;
  const option = findOption(options, OptionNumber.Oscore);
  if (option === undefined || payload.length === 0) throw unmappable('a request with an OSCORE option and a payload', 'one without');
  checkOptions(options);
  return { method: 'POST', target, headers: protectedHeaders(option), body: payload };
}

/** RFC 7252 §10.1; path and query are inside. */
function httpTarget(options: readonly Option[]): string {
  const uri = findOption(options, OptionNumber.ProxyUri);
  if (uri !== undefined) {
    const match = /^(https?:\/\/[^/?#@]+)\/?$/i.exec(fromUtf8(uri.value));
    if (match === null) throw unmappable('a Proxy-Uri of HTTP without path and query', 'another');
    return `${match[1]}/`;
  }
  const text = (number: number): string | undefined => {
    const found = findOption(options, number);
    return found === undefined ? undefined : fromUtf8(found.value);
  };
  const scheme = text(OptionNumber.ProxyScheme)?.toLowerCase();
  const host = text(OptionNumber.UriHost);
  if ((scheme !== 'http' && scheme !== 'https') || host === undefined || /[/?#@\s]/.test(host))
    throw unmappable('a target in Proxy-Uri, or in Proxy-Scheme and Uri-Host', 'none of HTTP');
  const port = findOption(options, OptionNumber.UriPort)?.value.reduce((number, byte) => number * 256 + byte, 0);
  return `${scheme}://${host}${port === undefined || port === (scheme === 'http' ? 80 : 443) ? '' : `:${port}`}/`;
}

/**
 * The OSCORE message that an HTTP request carries, as an HTTP-to-CoAP proxy sends it on, or as an HTTP endpoint hands it to OSCORE.
 *
 * The Content-Format for OSCORE must not be used in CoAP, so none is set.
 *
 * @param peer whom the message is for: the CoAP server, or at an endpoint its HTTP client
 * @param target options that name the target, of `uriOptions`; absent: none
 * @throws {OscoreError} `ERR_OSCORE_HTTP`, to be answered with 400 (Bad Request): no POST, no OSCORE header field or a malformed one, no body;
 * `ERR_OSCORE_HTTP_TYPE`, with 415 (Unsupported Media Type): a Content-Type that is not `application/oscore`, or a Content-Encoding
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.3
 */
export function requestFromHttp(request: Omit<HttpRequest, 'target'>, peer: Peer, target: readonly Option[] = []): Request {
  const { method, headers, body } = request;
  const value = oscoreHeaderOf(headers, body);
  if (value === undefined) throw unmappable('an OSCORE header field', 'none');
  if (method !== 'POST') throw unmappable('a POST with the OSCORE header field', method);
  return { code: Method.POST, options: sortOptions([...target, { number: OptionNumber.Oscore, value }]), payload: body, peer };
}

function field(headers: HttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}

/** The OSCORE option of an HTTP message; `undefined`: it has no OSCORE header field. */
function oscoreHeaderOf(headers: HttpHeaders, body: Uint8Array): Uint8Array | undefined {
  const header = field(headers, 'oscore');
  if (header === undefined) return undefined;
  const value = decodeOscoreHeader(header.trim());
  const type = field(headers, 'content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  const coding = field(headers, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (type !== oscoreMediaType || coding !== 'identity')
    throw new OscoreError('ERR_OSCORE_HTTP_TYPE', `expected a body of ${oscoreMediaType} as it is, got ${type ?? 'no Content-Type'} in ${coding}`);
  // RFC 8613 §2: an OSCORE message without a payload is malformed.
  if (body.length === 0) throw unmappable('a body with the OSCORE header field', 'none');
  return value;
}

/**
 * The HTTP response for what came in answer to an OSCORE message: 200 with the OSCORE header field for one that is protected. An error of OSCORE processing or of
 * a proxy is not; its code is mapped by RFC 8075, Section 7, and its text becomes the body.
 *
 * @throws {OscoreError} `ERR_OSCORE_HTTP`, to be answered with 502 (Bad Gateway): a protected response of another class than success or without a payload, and a
 * response that RFC 8075 never maps, as 2.31
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.2 and https://www.rfc-editor.org/rfc/rfc8075#section-7
 */
export function responseToHttp(message: Pick<Response, 'code' | 'options' | 'payload'>): HttpResponse {
  const { code, payload } = message;
  const option = findOption(message.options, OptionNumber.Oscore);
  if (option !== undefined) {
    if (code >>> 5 !== 2 || payload.length === 0) throw unmappable('a protected response with a payload in a success', `code ${code}`);
    checkOptions(message.options);
    return { status: 200, headers: protectedHeaders(option), body: payload };
  }
  const { bad, options } = recogniseOptions(message.options);
  const status = statusOfCode(code, payload.length > 0);
  if (status === undefined || bad !== undefined) throw unmappable('a response that HTTP has a status code for', `code ${code}`);
  return { ...status, headers: headersOfCode(code, options, payload), body: payload };
}

/**
 * The CoAP response for what came in answer to a request of `requestToHttp`. With the OSCORE header field it is the protected response, a 2.04 (Changed);
 * without, an error of a proxy or of OSCORE processing, which nothing protects.
 *
 * @throws {OscoreError} `ERR_OSCORE_HTTP`, `ERR_OSCORE_HTTP_TYPE`, to be answered with 5.02 (Bad Gateway): an OSCORE header field in another response than a 200
 * (OK), a malformed one, another Content-Type, no body; a redirection, and a status code that is none
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-11.3
 */
export function responseFromHttp(response: HttpResponse): Response {
  const { status, headers, body } = response;
  const value = oscoreHeaderOf(headers, body);
  const code = codeOfStatus(status);
  if (code === undefined || (value !== undefined && status !== 200))
    throw unmappable('200 with the OSCORE header field, or an error without', `status ${status}`);
  if (value !== undefined) return { code, options: [{ number: OptionNumber.Oscore, value }], payload: body };
  const options = optionsOfHeaders(code, field(headers, 'content-type'), field(headers, 'retry-after'));
  // A body whose format has no number cannot be told in CoAP, and an error is one without it too.
  return { code, options: options ?? [], payload: options === undefined ? emptyBytes : body };
}
