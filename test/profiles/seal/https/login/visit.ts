import { fromUtf8 } from '../../../../../src/core/bytes.ts';
import type { HttpsRequestInit, HttpsResponse } from '../../../../../src/transport/index.ts';
import type { ProviderLab } from './provider-lab.ts';

/** A page that was asked for, with the cookies that came on the way. */
export class Visit {
  readonly uri: string;
  readonly response: HttpsResponse;
  readonly html: string;
  readonly token: string;
  readonly #lab: ProviderLab;
  readonly #cookies: string;

  private constructor(lab: ProviderLab, uri: string, cookies: string, response: HttpsResponse) {
    this.#lab = lab;
    this.uri = uri;
    this.#cookies = cookies;
    this.response = response;
    this.html = fromUtf8(response.body);
    this.token = /name="token" value="([^"]*)"/.exec(this.html)?.[1] ?? '';
  }

  /** Begin an authorization, and be sent to the login page. */
  static async start(lab: ProviderLab, prompt?: string): Promise<Visit> {
    const { headers } = await lab.fetch(await lab.simC().authorizationUri(prompt === undefined ? {} : { prompt }));
    const cookies = cookiesOf(headers['set-cookie']);
    const uri = new URL(headers.location!, lab.issuer).href;
    return new Visit(lab, uri, cookies, await lab.fetch(uri, { headers: { Cookie: cookies } }));
  }

  send(init: HttpsRequestInit): Promise<HttpsResponse> {
    return this.#lab.fetch(this.uri, { ...init, headers: { Cookie: this.#cookies, ...init.headers } });
  }

  post(fields: Readonly<Record<string, string>> | string, headers: Readonly<Record<string, string>> = {}): Promise<HttpsResponse> {
    const body = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString();
    return this.send({ method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body });
  }

  logIn(username: string, secret: string): Promise<HttpsResponse> {
    return this.post({ token: this.token, username, password: secret, answer: 'sign-in' });
  }

  /** Follow where an answer leads, once, with the cookies of before. */
  follow(response: HttpsResponse): Promise<HttpsResponse> {
    return this.#lab.fetch(new URL(response.headers.location!, this.uri).href, { headers: { Cookie: this.#cookies } });
  }
}

/** The cookies of an answer, as they are sent back. */
export function cookiesOf(lines: readonly string[] | undefined): string {
  return (lines ?? []).map((line) => line.split(';')[0]).join('; ');
}
