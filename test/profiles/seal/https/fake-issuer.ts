import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IssuedCertificate } from '../../../../src/pki/index.ts';
import { type HttpsServer, serveHttps } from '../../../../src/transport/index.ts';

/** A SIM-S whose token endpoint gives tokens for client_credentials, as a test makes them. */
export class FakeIssuer {
  readonly #secrets: Readonly<Record<string, string>>;
  /** The token for a client and a scope. */
  readonly #token: (clientId: string, scope: string) => Promise<string>;
  #server: HttpsServer | undefined;
  /** Token requests so far. */
  asked = 0;

  private constructor(secrets: Readonly<Record<string, string>>, token: (clientId: string, scope: string) => Promise<string>) {
    this.#secrets = secrets;
    this.#token = token;
  }

  /** @param secrets - of clients, by their ids */
  static async start(
    own: IssuedCertificate,
    secrets: Readonly<Record<string, string>>,
    token: (clientId: string, scope: string) => Promise<string>,
  ): Promise<FakeIssuer> {
    const issuer = new FakeIssuer(secrets, token);
    issuer.#server = await serveHttps(own, (request, response) => void issuer.#answer(request, response));
    return issuer;
  }

  get uri(): string {
    return `https://127.0.0.1:${this.#server!.port}`;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { uri } = this;
    const send = (status: number, value: object): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (request.url === '/.well-known/openid-configuration') {
      send(200, { issuer: uri, authorization_endpoint: `${uri}/auth`, token_endpoint: `${uri}/token`, jwks_uri: `${uri}/jwks` });
      return;
    }
    this.asked++;
    let body = '';
    for await (const part of request) body += String(part);
    const form = new URLSearchParams(body);
    // RFC 6749, Section 2.3.1: each is encoded as in a form.
    const [clientId = '', secret] = atob(request.headers.authorization?.replace('Basic ', '') ?? '')
      .split(':')
      .map((text) => [...new URLSearchParams(`=${text}`).values()][0]);
    if (this.#secrets[clientId] !== secret || form.get('grant_type') !== 'client_credentials') send(401, { error: 'invalid_client' });
    else send(200, { access_token: await this.#token(clientId, form.get('scope') ?? ''), token_type: 'bearer', expires_in: 240 });
  }
}
