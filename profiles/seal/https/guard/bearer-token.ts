import type { IncomingMessage } from 'node:http';

/** What of a request says who asks. `body`: what a parser before has made of its body. */
export type GuardedRequest = IncomingMessage & { readonly body?: unknown };

/** The access token of a request, or why there is none. */
export type FoundToken = { readonly token: string } | { readonly fault: 'no-token' | 'header' | 'place'; readonly expected: string };

const bearer = /^bearer(?: +|$)/i;
const token68 = /^[A-Za-z0-9._~+/-]+=*$/;
const parameterName = 'access_token';

/**
 * The access token in the `Authorization` header, once: any other place would leave it in logs and histories (TS 33.434, A.6).
 *
 * A form that comes without the header can be there for nothing but the token in it, and is refused for its place: it is not read.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-2
 */
export function bearerToken(request: GuardedRequest): FoundToken {
  const { authorization: fields = [] } = request.headersDistinct;
  if (isInQuery(request.url ?? '') || isInBody(request.body)) return elsewhere;
  const [field] = fields;
  if (field === undefined) return isForm(request) ? elsewhere : { fault: 'no-token', expected: 'an access token' };
  if (fields.length > 1) return { fault: 'header', expected: 'one Authorization header' };
  if (!bearer.test(field)) return { fault: 'no-token', expected: 'an access token of type Bearer' };
  const token = field.replace(bearer, '').trimEnd();
  return token68.test(token) ? { token } : { fault: 'header', expected: 'Bearer and one token in the Authorization header' };
}

const elsewhere: FoundToken = { fault: 'place', expected: 'the access token in the Authorization header, and nowhere else' };

function isInQuery(url: string): boolean {
  const at = url.indexOf('?');
  return at >= 0 && new URLSearchParams(url.slice(at)).has(parameterName);
}

function isInBody(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, parameterName);
}

function isForm({ headers }: GuardedRequest): boolean {
  return /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers['content-type'] ?? '');
}
