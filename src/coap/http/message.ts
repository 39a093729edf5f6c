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
  for (const [member] of field.matchAll(/(?:"(?:[^"\\]|\\.)*"|[^,"]|")+/g)) {
    const text = member.trim();
    if (text !== '') members.push(text);
  }
  return members;
}
