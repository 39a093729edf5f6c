import type { ServerResponse } from 'node:http';
import { utf8 } from '../../../../src/core/bytes.ts';
import { digest } from '../../../../src/core/crypto/index.ts';
import type { Page } from './page.ts';

/** Nothing is kept, framed, told to others or taken for something else. */
export function setHeaders(response: ServerResponse): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
}

/**
 * Answer with a page, under a policy that lets in what the page itself holds and no more.
 *
 * @param redirectUri - where its form leads in the end, which a policy for forms has to let through; absent: it has none
 */
export function sendPage(response: ServerResponse, status: number, { html, styles, scripts }: Page, redirectUri?: unknown): void {
  const sources = (name: string, texts: readonly string[]): string => (texts.length === 0 ? '' : `; ${name} ${texts.map(hashOf).join(' ')}`);
  const onward = typeof redirectUri === 'string' ? `'self' ${sourceOf(redirectUri)}` : "'none'";
  setHeaders(response);
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; img-src data:${sources('style-src', styles)}${sources('script-src', scripts)}; form-action ${onward}; frame-ancestors 'none'; base-uri 'none'`,
  );
  const body = utf8(html);
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': body.length });
  response.end(body);
}

/** The text of one element, and no other. */
function hashOf(text: string): string {
  return `'sha256-${btoa(String.fromCharCode(...digest('sha256', utf8(text))))}'`;
}

/** A redirect URI as a policy names it: its origin, or its scheme where it has none (RFC 8252, Section 7.1). */
function sourceOf(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === 'null' ? protocol : origin;
}
