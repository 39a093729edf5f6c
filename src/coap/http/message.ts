import { CoapError } from '../errors.ts';

/** An HTTP request, whole. */
export interface HttpRequest {
  /** In capitals, as it stands in the request line. */
  readonly method: string;
  /** The request target: `/hc/coap://s.example/light?on`, or an absolute URI. */
  readonly url: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** An HTTP response, whole. */
export interface HttpResponse {
  readonly status: number;
  /** The reason phrase. Absent: that of the status. */
  readonly reason?: string;
  /** By their names in lower case; without the length of the body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** An HTTP message that no CoAP message stands for (`ERR_COAP_HTTP`), and the status that says so. */
export class HttpMappingError extends CoapError {
  readonly status: number;

  constructor(status: number, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_COAP_HTTP', message, options);
    this.status = status;
  }
}

/** A header field with all its lines joined, as RFC 9110, Section 5.2 has it. */
export function fieldOf({ headers }: Pick<HttpRequest, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return value === undefined || typeof value === 'string' ? value : value.join(', ');
}

/** The members of a list, without the commas inside quoted strings (RFC 9110, Section 5.6.1). */
export function membersOf(field: string): string[] {
  const members: string[] = [];
  let start = 0;
  let isClosed = true;
  for (let at = 0; at <= field.length; at++) {
    if (field[at] === '"' && isClosed) {
      const end = endOfQuoted(field, at);
      // No quotation mark behind one that stands alone has a partner.
      if (end === undefined) isClosed = false;
      else at = end;
    } else if (at === field.length || field[at] === ',') {
      const member = field.slice(start, at).trim();
      if (member !== '') members.push(member);
      start = at + 1;
    }
  }
  return members;
}

/** The place of the quotation mark that ends what begins with one; `undefined`: there is none. */
function endOfQuoted(field: string, start: number): number | undefined {
  for (let at = start + 1; at < field.length; at++) {
    if (field[at] === '\\') at++;
    else if (field[at] === '"') return at;
  }
  return undefined;
}
