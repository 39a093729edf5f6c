import { emptyBytes, equalBytes, utf8 } from '../../core/bytes.ts';
import type { Request, Response } from '../layer.ts';
import { Code, codeClass, isResponse, Method } from '../message/code.ts';
import { ContentFormat } from '../message/content-format.ts';
import { findOption, type Option, OptionNumber, opaqueOption, sortOptions, uintOf, uintOption } from '../message/option.ts';
import { locationOptions } from '../message/uri.ts';
import type { Answer, AnswerFields } from './answer-fields.ts';
import { decodeProblemDetails, problemText } from './problem-details.ts';

const noOptions: readonly Option[] = [];
const textOptions: readonly Option[] = [uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain)];

export function codeResponse(code: number): Response {
  return { code, options: noOptions, payload: emptyBytes };
}

/**
 * The response that an answer stands for.
 *
 * @param formatOptions the Content-Format option that reading the resource gives, or nothing
 * @throws {RangeError} when a field of the answer is out of its range
 * @throws {TypeError} when it is of another type
 */
export function responseOf(method: number, answer: Answer, formatOptions: readonly Option[]): Response {
  const reads = method === Method.GET || method === Method.FETCH;
  const code = reads ? Code.Content : method === Method.DELETE ? Code.Deleted : Code.Changed;
  if (answer === undefined) return codeResponse(code);
  const formats = reads ? formatOptions : noOptions;
  if (typeof answer === 'string') return { code, options: formats.length === 0 ? textOptions : formats, payload: utf8(answer) };
  if (answer instanceof Uint8Array) return { code, options: formats, payload: answer };
  return fieldsToResponse(answer, code, formats);
}

function fieldsToResponse(answer: AnswerFields, defaultCode: number, formatOptions: readonly Option[]): Response {
  if (typeof answer !== 'object' || answer === null)
    throw new TypeError(`expected an answer of text, bytes or fields, got ${answer === null ? 'null' : typeof answer}`);
  const { code = defaultCode, payload = emptyBytes } = answer;
  if (!isResponse(code)) throw new RangeError(`expected a response code, got ${code}`);
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) throw new TypeError(`expected a payload of text or bytes, got ${typeof payload}`);
  const options: Option[] = answer.options === undefined ? [] : [...answer.options];
  if (answer.etag !== undefined) {
    if (answer.etag.length < 1 || answer.etag.length > 8) throw new RangeError(`expected an ETag of 1 to 8 bytes, got ${answer.etag.length}`);
    options.push(opaqueOption(OptionNumber.ETag, answer.etag));
  }
  if (answer.location !== undefined) options.push(...locationOptions(answer.location));
  if (answer.contentFormat !== undefined) options.push(uintOption(OptionNumber.ContentFormat, answer.contentFormat));
  else if (payload.length !== 0 && codeClass(code) === 2 && findOption(options, OptionNumber.ContentFormat) === undefined) {
    // RFC 7252 §5.5.2: a diagnostic payload has no Content-Format.
    options.push(...(formatOptions.length === 0 && typeof payload === 'string' ? textOptions : formatOptions));
  }
  if (answer.maxAge !== undefined) options.push(uintOption(OptionNumber.MaxAge, answer.maxAge));
  const response = { code, options: options.length < 2 ? options : sortOptions(options), payload: typeof payload === 'string' ? utf8(payload) : payload };
  return answer.nonConfirmable === undefined ? response : { ...response, nonConfirmable: answer.nonConfirmable };
}

/** An error with problem details for a client that asks for another format: their text, as a diagnostic payload (RFC 7252, Section 5.5.2). */
export function inAcceptedFormat(request: Request, response: Response): Response {
  const format = uintOf(response.options, OptionNumber.ContentFormat);
  if (format !== ContentFormat.ConciseProblemDetails || codeClass(response.code) < 4) return response;
  const accept = uintOf(request.options, OptionNumber.Accept);
  if (accept === undefined || accept === format) return response;
  const options = response.options.filter(({ number }) => number !== OptionNumber.ContentFormat);
  return { ...response, options, payload: utf8(problemText(decodeProblemDetails(response.payload))) };
}

/** What follows from the options of a reading request once the representation is known: 4.06, 4.12 and 2.03. */
export function afterwards(request: Request, response: Response): Response {
  if (codeClass(response.code) !== 2) return response;
  let etag: Option | undefined;
  let valid = false;
  for (const { number, value } of request.options) {
    if (number > OptionNumber.Accept) break;
    if (number === OptionNumber.Accept) {
      const format = uintOf(response.options, OptionNumber.ContentFormat);
      if (format !== undefined && format !== uintOf(request.options, OptionNumber.Accept)) return codeResponse(Code.NotAcceptable);
    } else if (number === OptionNumber.IfMatch || number === OptionNumber.IfNoneMatch) {
      const current = findOption(response.options, OptionNumber.ETag)?.value;
      if (request.code === Method.GET && !conditionHolds(request.options, true, current)) return codeResponse(Code.PreconditionFailed);
    } else if (number === OptionNumber.ETag) {
      etag ??= findOption(response.options, OptionNumber.ETag);
      if (etag !== undefined && response.code === Code.Content && equalBytes(value, etag.value)) valid = true;
    }
  }
  if (!valid) return response;
  // RFC 7252 §5.9.1.3: 2.03 has the ETag, a new freshness and no payload.
  const options = response.options.filter(({ number }) => number === OptionNumber.ETag || number === OptionNumber.MaxAge);
  return { ...response, code: Code.Valid, options, payload: emptyBytes };
}

/**
 * Whether If-Match and If-None-Match allow the request.
 *
 * @param exists whether the target has a representation now; `undefined`: nobody can tell
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.10.8
 */
export function conditionHolds(options: readonly Option[], exists: boolean | undefined, etag: Uint8Array | undefined): boolean {
  let wanted = false;
  let matched = false;
  for (const { number, value } of options) {
    if (number === OptionNumber.IfNoneMatch && exists !== false) return false;
    if (number !== OptionNumber.IfMatch) continue;
    wanted = true;
    if (exists === true && (value.length === 0 || (etag !== undefined && equalBytes(value, etag)))) matched = true;
  }
  return !wanted || matched;
}
