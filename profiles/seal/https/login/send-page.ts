import type { ServerResponse } from 'node:http';
import { utf8 } from '../../../../src/core/bytes.ts';
import { digest } from '../../../../src/core/crypto/index.ts';
import type { HttpMessage } from '../held-response.ts';
import type { Page } from './page.ts';

/** Nothing is kept, framed, told to others or taken for something else. */
const common: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** Those of every answer to a browser. */
export function setHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(common)) response.setHeader(name, value);
}

/**
 * Answer with a page, under a policy that lets in what the page itself holds and no more.
 *
 * @param redirectUri - where its form leads in the end, which a policy for forms has to let through; absent: it has none
 */
export function sendPage(response: ServerResponse, status: number, page: Page, redirectUri?: unknown): void {
  setHeaders(response);
  const { headers, body } = pageMessage(status, page, redirectUri);
  response.writeHead(status, headers);
  response.end(body);
}

/** The same as a message, with the headers of all pages. */
export function pageMessage(status: number, { html, styles, scripts }: Page, redirectUri?: unknown): HttpMessage {
  const sources = (name: string, texts: readonly string[]): string => (texts.length === 0 ? '' : `; ${name} ${texts.map(hashOf).join(' ')}`);
  const onward = typeof redirectUri === 'string' ? `'self' ${sourceOf(redirectUri)}` : "'none'";
  const body = utf8(html);
  const policy = `default-src 'none'; img-src data:${sources('style-src', styles)}${sources('script-src', scripts)}; form-action ${onward}; frame-ancestors 'none'; base-uri 'none'`;
  const headers = { ...common, 'Content-Security-Policy': policy, 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': body.length };
  return { status, headers, body };
}

/** The text of one element, and no other. */
function hashOf(text: string): string {
  return `'sha256-${btoa(String.fromCharCode(...digest('sha256', utf8(text))))}'`;
}

/**
 * A redirect URI as a policy names it: its origin, or its scheme where it has none (RFC 8252, Section 7.1) and where its host is an IPv6 address (Section 7.3), which
 * no source of a policy can name (CSP Level 3, Section 2.3.1).
 */
function sourceOf(uri: string): string {
  const { origin, protocol, hostname } = new URL(uri);
  return origin === 'null' || hostname.startsWith('[') ? protocol : origin;
}
