import type { IncomingHttpHeaders } from 'node:http';

/** What a request is for: a name in the request line goes before the Host field (RFC 9112, Section 3.2.2). */
export function requestTarget(url: string): { readonly host?: string; readonly rest: string } {
  const [, host, rest] = url.startsWith('/') ? [] : (/^https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? []);
  return host === undefined ? { rest: url } : { host, rest: rest! };
}

/** The host of a Host field or an authority, without its port, in lower case. */
export function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, '');
}

/** Whether a page of this origin is one of the host that it asks. Browsers say of every request that may change something where it comes from. */
export function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.toLowerCase().replace(/^https?:\/\//, '') === host.toLowerCase();
}

/** The names of those who a request has passed, in lower case (RFC 9110, Section 7.6.3). */
export function viasOf(field: string | undefined): string[] {
  if (field === undefined) return [];
  return field.split(',').map((member) => member.trim().toLowerCase().split(/\s+/)[1] ?? '');
}

/** Whether a client wants no stored answer (RFC 9111, Sections 5.2.1 and 5.4). */
export function wantsFresh({ 'cache-control': control, pragma }: IncomingHttpHeaders): boolean {
  if (control === undefined) return pragma !== undefined && /\bno-cache\b/i.test(pragma);
  return /(?:^|,)\s*(?:no-cache|no-store|max-age=0)\s*(?:,|$)/i.test(control);
}
