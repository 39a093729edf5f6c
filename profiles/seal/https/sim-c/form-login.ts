import { fromUtf8 } from '../../../../src/core/bytes.ts';
import type { HttpsResponse } from '../../../../src/transport/index.ts';
import { OpenIdError } from './openid-error.ts';
import type { Fetch } from './provider-metadata.ts';

/** A login without a browser. */
export interface FormLogin {
  /** Of the authorization request. */
  readonly uri: string;
  readonly redirectUri: string;
  readonly username: string;
  readonly password: string;
  readonly fetch: Fetch;
}

/** Pages and redirects on the way. */
const mostSteps = 16;

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/**
 * Fill in the login page of a SIM-S of this program, as a browser without JavaScript does, for programs and tests that have no person at hand.
 *
 * @returns the redirect URI with the answer, for `OpenIdSimC.callback`
 * @throws {OpenIdError} `ERR_OPENID_SIGN_IN` where name and password are not taken, or there were too many attempts; `ERR_OPENID_FORM` for other pages
 */
export async function logInByForm({ uri, redirectUri, username, password, fetch }: FormLogin): Promise<string> {
  const { origin } = new URL(uri);
  const cookies = new Map<string, Cookie>();
  const send = async (to: URL, form?: Readonly<Record<string, string>>): Promise<HttpsResponse> => {
    if (to.origin !== origin) throw new OpenIdError('ERR_OPENID_FORM', 'expected pages of the SIM-S alone, got one of another');
    const sent = [...cookies.values()].filter(({ path }) => isWithin(to.pathname, path)).map(({ name, value }) => `${name}=${value}`);
    const headers = { Accept: 'text/html', ...(sent.length === 0 ? {} : { Cookie: sent.join('; ') }) };
    const type = 'application/x-www-form-urlencoded';
    const response = await fetch(
      to.href,
      form === undefined ? { headers } : { method: 'POST', headers: { ...headers, 'Content-Type': type }, body: new URLSearchParams(form).toString() },
    );
    for (const line of response.headers['set-cookie'] ?? []) keepCookie(cookies, line);
    return response;
  };
  let at = new URL(uri);
  let response = await send(at);
  for (let step = 0; step < mostSteps; step++) {
    const { status, headers } = response;
    if (status === 302 || status === 303) {
      const next = new URL(headers.location ?? '', at);
      if (isAnswer(next, redirectUri)) return next.href;
      at = next;
      response = await send(at);
      continue;
    }
    if (status === 429)
      throw new OpenIdError('ERR_OPENID_SIGN_IN', `too many attempts: expected to wait ${Number(headers['retry-after'])} seconds, got one sooner`);
    if (status === 403) throw new OpenIdError('ERR_OPENID_SIGN_IN', 'the SIM-S does not take the user name or the password');
    const fields = status === 200 ? formOf(fromUtf8(response.body)) : undefined;
    if (fields === undefined) throw new OpenIdError('ERR_OPENID_FORM', `expected a login page, got another (${status})`);
    at = new URL(fields.action, at);
    response = await send(at, { token: fields.token, ...(fields.asksPassword ? { username, password, answer: 'sign-in' } : { answer: 'allow' }) });
  }
  throw new OpenIdError('ERR_OPENID_FORM', `expected to be back after ${mostSteps} steps, got more`);
}

function isAnswer({ origin, protocol, pathname }: URL, redirectUri: string): boolean {
  const wanted = new URL(redirectUri);
  return protocol === wanted.protocol && origin === wanted.origin && pathname === wanted.pathname;
}

/** RFC 6265 §5.1.4. */
function isWithin(pathname: string, path: string): boolean {
  return pathname === path || (pathname.startsWith(path) && (path.endsWith('/') || pathname[path.length] === '/'));
}

/** An empty value takes a cookie back, as a time that is past does. */
function keepCookie(cookies: Map<string, Cookie>, line: string): void {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
  const at = pair.indexOf('=');
  const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
  const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
  const key = `${name} ${path}`;
  if (value === '') cookies.delete(key);
  else cookies.set(key, { name, value, path });
}

/** What the page of this program asks for. */
function formOf(html: string): { readonly action: string; readonly token: string; readonly asksPassword: boolean } | undefined {
  const [, action] = /<form method="post" action="([^"]*)"/.exec(html) ?? [];
  const [, token] = /<input type="hidden" name="token" value="([^"]*)"/.exec(html) ?? [];
  return action === undefined || token === undefined ? undefined : { action, token, asksPassword: html.includes('name="password"') };
}
