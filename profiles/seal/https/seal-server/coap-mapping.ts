import type { IncomingMessage } from 'node:http';
import {
  Code,
  ContentFormat,
  coapMethodOf,
  codeClass,
  decodeProblemDetails,
  HttpMappingError,
  type MappedRequest,
  Method,
  type Option,
  OptionNumber,
  problemText,
  type Response,
  toCoapRequest,
  toHttpResponse,
  uintOf,
  uintOption,
} from '../../../../src/coap/index.ts';
import { BytesError, emptyBytes, utf8 } from '../../../../src/core/bytes.ts';
import { decode, encode } from '../../../../src/core/cbor.ts';
import { JsonError, readJson, writeJson } from '../../../../src/core/json.ts';
import { checkAccept, checkJson } from './body.ts';
import { type HttpAnswer, HttpRefused, problemAnswer } from './http-answer.ts';

/**
 * Method, URI and conditions of a request, before its body is read.
 *
 * There is no Accept: whoever asks for CBOR alone is told of problems in plain text.
 *
 * @throws {HttpRefused} 400, 406, 412, 414, 501
 */
export function mapHead(request: IncomingMessage): MappedRequest {
  const { method = '', url = '', headers } = request;
  checkAccept(request);
  const conditions = { 'if-match': headers['if-match'], 'if-none-match': headers['if-none-match'] };
  try {
    return toCoapRequest({ method, url, headers: conditions, body: emptyBytes });
  } catch (error) {
    if (!(error instanceof HttpMappingError)) throw error;
    throw new HttpRefused({ status: error.status, reason: 'request', detail: error.message });
  }
}

/**
 * The body of a request in CBOR, with its Content-Format.
 *
 * @throws {HttpRefused} 400, 415
 */
export function mapBody(request: IncomingMessage, code: number, body: Uint8Array): { readonly payload: Uint8Array; readonly options: readonly Option[] } {
  if (body.length === 0) return { payload: body, options: [] };
  if (code === Method.GET || code === Method.DELETE) throw new HttpRefused({ status: 400, reason: 'request', detail: 'expected no body, got one' });
  checkJson(request);
  try {
    return { payload: encode(readJson(body)), options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)] };
  } catch (error) {
    if (!(error instanceof JsonError || error instanceof BytesError)) throw error;
    throw new HttpRefused({ status: 400, reason: 'json', detail: error.message });
  }
}

/** Here it is known what a gateway cannot tell (RFC 8075, Section 7, Notes 5 and 7): which token is missing, and which methods there are. */
const ofOrigin: ReadonlyMap<number, number> = new Map([
  [Code.Unauthorized, 401],
  [Code.MethodNotAllowed, 405],
]);

/** What a router answers by itself has no details. */
const reasons: Readonly<Record<number, string>> = { 404: 'absent', 405: 'method', 406: 'accept', 412: 'condition', 415: 'format', 500: 'fault' };

/**
 * The answer that a response stands for: CBOR is JSON, and problem details are ProblemDetails.
 *
 * @param allow - methods that the resource has
 */
export function mapResponse(method: string, response: Response, allow: readonly string[]): HttpAnswer {
  const { code, options, payload } = response;
  const { status: general, headers } = toHttpResponse(response, { method, isPrivate: true });
  const status = ofOrigin.get(code) ?? general;
  const format = uintOf(options, OptionNumber.ContentFormat);
  if (codeClass(code) !== 2) {
    const { title = '', detail = '' } = format === ContentFormat.ConciseProblemDetails ? decodeProblemDetails(payload) : {};
    const reason = problemText({ title });
    const more = { ...headers, ...(status === 405 ? { allow: allow.join(', ') } : {}), ...(status === 401 ? { 'www-authenticate': challenge } : {}) };
    return problemAnswer({ status, reason: reason === '' ? (reasons[status] ?? 'refused') : reason, detail: problemText({ detail }), headers: more });
  }
  if (payload.length === 0 || status === 304) return { status, headers };
  if (format !== ContentFormat.Cbor) return problemAnswer({ status: 406, reason: 'accept', detail: 'expected a resource that is JSON here, got another' });
  return { status, headers: { ...headers, 'content-type': 'application/json' }, body: utf8(writeJson(decode(payload))) };
}

const challenge = 'Bearer realm="seal", error="invalid_token"';

/** Methods of HTTP that a resource may have, with their codes. */
export const methods: readonly (readonly [name: string, code: number])[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'].map((name) => [
  name,
  coapMethodOf(name),
]);
