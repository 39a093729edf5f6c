import {
  Code,
  ContentFormat,
  codeClass,
  contentFormatName,
  contentFormatOf,
  httpStatuses,
  type Option,
  OptionNumber,
  uintOf,
  uintOption,
} from '../coap/index.ts';

/** A status line. */
export interface HttpStatus {
  readonly status: number;
  readonly reason?: string;
}

/** Of two status codes that may stand for one response code it is the one that always may. */
const statuses: ReadonlyMap<number, number> = new Map<number, number>([
  ...httpStatuses,
  [Code.Deleted, 200],
  [Code.Changed, 200],
  // Note 6: nobody can tell from it which of the options is meant.
  [Code.BadOption, 500],
]);

/** The way back: where several codes have one status code, the one that says no more than that. */
const codes: ReadonlyMap<number, number> = new Map<number, number>([
  [201, Code.Created],
  [401, Code.Unauthorized],
  ...[...statuses]
    .filter(([code, status]) => status >= 400 && code !== Code.Unauthorized && code !== Code.BadOption && code !== Code.MethodNotAllowed)
    .map(([code, status]) => [status, code] as const),
  [405, Code.MethodNotAllowed],
  [502, Code.BadGateway],
]);

/**
 * The status line for a response code; `undefined` for a code that is never translated (2.31, 4.08: notes 10), and for one that is no response.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8075#section-7
 */
export function statusOfCode(code: number, hasPayload: boolean): HttpStatus | undefined {
  if (code === Code.Continue || code === Code.RequestEntityIncomplete) return undefined;
  // Note 2.
  if ((code === Code.Deleted || code === Code.Changed) && !hasPayload) return { status: 204 };
  // Note 7.
  if (code === Code.MethodNotAllowed) return { status: 400, reason: 'CoAP server returned 4.05' };
  const status = statuses.get(code);
  if (status !== undefined) return { status };
  // RFC 7252 §5.9: one that is not known counts as the first of its class.
  const generic = statuses.get(codeClass(code) * 32);
  return generic === undefined ? undefined : { status: generic };
}

/** The response code for a status code; `undefined` for an interim response, a redirection and what is none. */
export function codeOfStatus(status: number): number | undefined {
  const code = codes.get(status);
  if (code !== undefined) return code;
  if (status >= 200 && status < 300) return Code.Changed;
  if (status >= 400 && status < 500) return Code.BadRequest;
  return status >= 500 && status < 600 ? Code.InternalServerError : undefined;
}

/** The header fields of a response that nothing protects. */
export function headersOfCode(code: number, options: readonly Option[], payload: Uint8Array): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const format = uintOf(options, OptionNumber.ContentFormat);
  // RFC 8075 §6.6: a diagnostic payload.
  if (payload.length > 0) headers['content-type'] = format === undefined ? 'text/plain;charset=utf-8' : mediaTypeOf(format);
  // RFC 8075 §7, note 8; RFC 8516 §3 means the same.
  if (code === Code.ServiceUnavailable || code === Code.TooManyRequests) {
    const maxAge = uintOf(options, OptionNumber.MaxAge);
    if (maxAge !== undefined) headers['retry-after'] = `${maxAge}`;
  }
  return headers;
}

/** RFC 8075 §6.2: the number of a format whose media type is not known. */
function mediaTypeOf(format: number): string {
  const name = contentFormatName(format);
  return contentFormatOf(name) === format ? name : `application/coap-payload;cf=${format}`;
}

/** The options that go with a body of this Content-Type and a Retry-After in seconds; `undefined`: the body has no Content-Format. */
export function optionsOfHeaders(code: number, contentType: string | undefined, retryAfter: string | undefined): readonly Option[] | undefined {
  const format = contentType === undefined ? undefined : contentFormatOf(contentType);
  if (contentType !== undefined && format === undefined) return undefined;
  // RFC 7252 §5.5.2: a diagnostic payload has none.
  const diagnostic = format === ContentFormat.TextPlain && codeClass(code) !== 2;
  const options = format === undefined || diagnostic ? [] : [uintOption(OptionNumber.ContentFormat, format)];
  const waits = code === Code.ServiceUnavailable || code === Code.TooManyRequests;
  if (waits && retryAfter !== undefined && /^\d{1,9}$/.test(retryAfter)) options.push(uintOption(OptionNumber.MaxAge, Number(retryAfter)));
  return options;
}
