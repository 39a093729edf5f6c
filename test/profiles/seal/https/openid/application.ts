import { logInByForm } from '../../../../../profiles/seal/https/index.ts';
import { fromUtf8, toBase64Url, utf8 } from '../../../../../src/core/bytes.ts';
import { digest } from '../../../../../src/core/crypto/index.ts';
import type { HttpsRequestInit, HttpsResponse } from '../../../../../src/transport/index.ts';

export const anna = 'anna@val.example';
export const password = 'correct horse battery';
export const appSecret = 'a secret: with "%+& in it';
export const redirectUri = 'http://127.0.0.1:8731/callback';
export const codeVerifier = 'a-code-verifier-of-forty-three-characters-at-least';

/** An answer of the token endpoint. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: HttpsResponse['headers'];
}

/** What an application and its VAL user ask of a SIM-S. */
export abstract class Application {
  abstract get issuer(): string;
  abstract readonly fetch: (uri: string, init?: HttpsRequestInit) => Promise<HttpsResponse>;
  /** Of the application, and of the VAL user. */
  readonly secret: string = appSecret;
  readonly password: string = password;

  /** The right authorization request, with the parameters that are to be others; `undefined` leaves one out. */
  authorizationUri(change: Readonly<Record<string, string | undefined>> = {}, verifier: string = codeVerifier): string {
    const uri = new URL(`${this.issuer}/authorize`);
    const parameters = {
      response_type: 'code',
      client_id: 'app',
      scope: 'openid km',
      redirect_uri: redirectUri,
      state: 'a state',
      acr_values: '3gpp:acr:password',
      code_challenge: toBase64Url(digest('sha256', utf8(verifier))),
      code_challenge_method: 'S256',
      ...change,
    };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) uri.searchParams.append(name, value);
    return uri.href;
  }

  /** What comes of an authorization request: `login`, the error that the application is told, or the status of a page that nobody is sent on from. */
  async outcome(uri: string): Promise<string> {
    const { status, headers } = await this.fetch(uri);
    if (status !== 303) return String(status);
    const to = new URL(headers.location!, this.issuer);
    if (to.pathname.startsWith('/interaction/')) return 'login';
    const isAnswer = headers.location!.startsWith(`${redirectUri}?`) && !to.searchParams.has('code');
    return isAnswer ? to.searchParams.get('error')! : `sent to ${headers.location}`;
  }

  /** Sign in by the form; the result is the code. */
  code(uri: string = this.authorizationUri()): Promise<string> {
    return this.codeWith(this.password, uri);
  }

  /** The same with a password that may be a wrong one. */
  async codeWith(password: string, uri: string = this.authorizationUri()): Promise<string> {
    const answer = await logInByForm({ uri, redirectUri, username: anna, password, fetch: this.fetch });
    const { searchParams } = new URL(answer);
    const code = searchParams.get('code');
    if (code === null) throw new Error(`expected a code, got ${searchParams.get('error')}: ${searchParams.get('error_description')}`);
    return code;
  }

  /** Ask an endpoint for something as a client. */
  async post(path: string, fields: Readonly<Record<string, string>>, client: string | undefined = 'app', secret: string = this.secret): Promise<Answer> {
    const encoded = [client ?? '', secret].map((text) => encodeURIComponent(text)).join(':');
    const { status, body, headers } = await this.fetch(this.issuer + path, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Accept: 'application/json',
        ...(client === undefined ? {} : { Authorization: `Basic ${btoa(encoded)}` }),
      },
      body: new URLSearchParams(fields).toString(),
    });
    return { status, headers, body: JSON.parse(fromUtf8(body) || '{}') as Answer['body'] };
  }

  /** Change a code for tokens. */
  exchange(code: string, change: Readonly<Record<string, string>> = {}, client?: string, secret?: string): Promise<Answer> {
    const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app', code_verifier: codeVerifier, ...change };
    return this.post('/token', fields, client, secret);
  }

  refresh(token: unknown, change: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.post('/token', { grant_type: 'refresh_token', refresh_token: String(token), ...change });
  }

  /** Sign in, and get tokens. */
  async tokens(): Promise<Answer['body']> {
    const { status, body } = await this.exchange(await this.code());
    if (status !== 200) throw new Error(`expected tokens, got ${JSON.stringify(body)}`);
    return body;
  }
}
