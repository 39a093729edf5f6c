import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Client, FoundToken, SharedTokens } from '../../../../src/as/index.ts';
import { fromBase64Url, fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import type { ClaimsSet } from '../../../../src/core/cwt.ts';
import { readValClaims } from '../../val-claims.ts';
import { goneSignal, waitOf } from '../busy.ts';
import { FormError, readForm } from '../login/form.ts';
import { jwtClaims } from './accounts.ts';
import type { Provider } from './library.ts';
import type { RevokeGrant } from './openid-grants.ts';

/** Who is told whether the credentials of a request are those of the client that they name. */
export interface CredentialOutcome {
  failed(request: IncomingMessage): void;
  succeeded(request: IncomingMessage, client: string): void;
}

export interface TokenEndpointsOptions {
  readonly shared: SharedTokens;
  readonly issuer: string;
  /** That of the moment. */
  readonly provider: () => Provider;
  readonly revokeGrant: RevokeGrant;
  /** Whether there is a VAL user of an account, who may use it. */
  readonly isActive: (account: string) => Promise<boolean>;
  readonly addressOf: (request: IncomingMessage) => string;
  /** Hears of each request whether its client credentials are right. */
  readonly credentials: CredentialOutcome;
  /** Tell that a request is refused. */
  readonly refused: (request: IncomingMessage, event: { readonly reason: string; readonly peer: string; readonly detail?: string }) => void;
}

/** An answer of OAuth 2.0 (RFC 6749, Section 5.2). */
class OAuthRefusal extends Error {
  readonly status: number;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, error: string, description: string, headers: Readonly<Record<string, string>> = {}) {
    super(description);
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of tokens that the SIM-S has given, by whichever face, and of refresh tokens of this one.
 *
 * A client may ask about tokens that it got, and where it is a resource server too about those that are for it; it may revoke its own.
 */
export class TokenEndpoints {
  readonly #options: TokenEndpointsOptions;

  constructor(options: TokenEndpointsOptions) {
    this.#options = options;
  }

  /** Answer a request of the introspection endpoint. */
  introspect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#answer('introspection', request, response, async (client, token) => {
      const { shared } = this.#options;
      const found = await shared.find(token);
      const isTheirs = found !== undefined && (found.record.client === client.id || found.record.resourceServer === client.https?.resourceServer);
      const body = isTheirs ? this.#describe(found, token) : found === undefined ? await this.#describeRefreshToken(client, token) : { active: false };
      const audience = (body as { readonly aud?: unknown }).aud;
      await shared.tell({
        type: 'introspected',
        requester: client.credential,
        active: body.active,
        ...(found !== undefined && body.active ? { client: found.record.client } : {}),
        ...(typeof audience === 'string' ? { audience } : {}),
      });
      return body;
    });
  }

  /** Answer a request of the revocation endpoint. */
  revoke(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#answer('revocation', request, response, async (client, token) => {
      const { shared, provider, revokeGrant } = this.#options;
      const found = await shared.find(token);
      if (found?.record.client === client.id) await shared.revoke(found.hash);
      else if (found === undefined) {
        const refreshToken = await provider().RefreshToken.find(token);
        // RFC 7009 §2.1: with a refresh token go the access tokens of the same grant.
        if (refreshToken?.clientId === client.id && refreshToken.grantId !== undefined) await revokeGrant(refreshToken.grantId, 'revocation', client.id);
      }
      // RFC 7009 §2.2: a token that is none is as good as revoked.
      return {};
    });
  }

  async #answer(
    endpoint: 'introspection' | 'revocation',
    request: IncomingMessage,
    response: ServerResponse,
    work: (client: Client, token: string) => Promise<object>,
  ): Promise<void> {
    try {
      if (request.method !== 'POST') throw new OAuthRefusal(405, 'invalid_request', 'expected POST, got another method', { Allow: 'POST' });
      const client = await this.#clientOf(endpoint, request, response);
      const fields = await readForm(request);
      const token = fields.get('token');
      if (request.url!.includes('?') || fields.has('client_secret'))
        throw new OAuthRefusal(400, 'invalid_request', 'expected parameters in the body, and no secret there');
      if (token === undefined) throw new OAuthRefusal(400, 'invalid_request', 'expected the parameter token, got none');
      send(response, 200, await work(client, token));
    } catch (error) {
      if (error instanceof FormError) send(response, error.status, { error: 'invalid_request', error_description: error.message });
      else if (error instanceof OAuthRefusal) send(response, error.status, { error: error.error, error_description: error.message }, error.headers);
      else throw error;
    }
  }

  async #clientOf(endpoint: 'introspection' | 'revocation', request: IncomingMessage, response: ServerResponse): Promise<Client> {
    const { shared, addressOf, refused, credentials } = this.#options;
    const shown = basicCredentials(request.headers.authorization);
    const client = shown === undefined ? undefined : await shared.client(shown.id);
    if (shown === undefined || client?.https === undefined || !(await this.#isRight(client.https.secret, shown.secret, request, response))) {
      credentials.failed(request);
      refused(request, { reason: endpoint, peer: client?.credential ?? addressOf(request), detail: 'invalid_client' });
      const challenge = { 'WWW-Authenticate': 'Basic realm="SIM-S"' };
      throw new OAuthRefusal(401, 'invalid_client', 'expected a client and its secret in the Authorization header', challenge);
    }
    credentials.succeeded(request, client.id);
    const wait = shared.wait('client', client.id);
    if (wait === 0) return client;
    refused(request, { reason: 'rate-client', peer: client.credential });
    throw new OAuthRefusal(429, 'temporarily_unavailable', 'expected fewer requests of this client', { 'Retry-After': String(wait) });
  }

  async #isRight(hash: string, secret: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { shared, addressOf, refused, credentials } = this.#options;
    try {
      return await shared.accepts(hash, utf8(secret), () => goneSignal(response));
    } catch (error) {
      const wait = waitOf(error);
      if (wait === undefined) throw error;
      // Whoever goes away before it is known pays for it all the same.
      if (response.destroyed) credentials.failed(request);
      refused(request, { reason: 'busy', peer: addressOf(request) });
      throw new OAuthRefusal(503, 'temporarily_unavailable', 'expected fewer secrets to look at', { 'Retry-After': String(wait) });
    }
  }

  #describe({ record, claims }: FoundToken, token: string): { readonly active: boolean } {
    if (!token.includes('.')) return claims === undefined ? { active: false } : { active: true, ...describeCwt(record.client, claims) };
    const payload = JSON.parse(fromUtf8(fromBase64Url(token.split('.')[1]!))) as object;
    return { active: true, ...payload, token_type: 'bearer' } as { readonly active: boolean };
  }

  async #describeRefreshToken(client: Client, value: string): Promise<{ readonly active: boolean }> {
    const { provider, issuer, isActive } = this.#options;
    const token = await provider().RefreshToken.find(value);
    const grant = token?.grantId === undefined ? undefined : await provider().Grant.find(token.grantId);
    if (token === undefined || grant === undefined || token.clientId !== client.id || !token.isValid || token.consumed !== undefined) return { active: false };
    if (!(await isActive(token.accountId))) return { active: false };
    const { accountId: sub, scope, exp, iat } = token;
    const description = { iss: issuer, sub, client_id: client.id, scope, exp, iat };
    return { active: true, ...description };
  }
}

/** The claims of a CWT as a JWT has them; what it is bound to stays out, since that is a key. */
function describeCwt(client: string, { iss, sub, aud, exp, iat, scope, unknown }: ClaimsSet): object {
  const named = { client_id: client, iss, sub, aud, exp, iat, ...(typeof scope === 'string' ? { scope } : {}), token_type: 'pop' };
  return { ...named, ...jwtClaims(readValClaims(unknown === undefined ? {} : { unknown })) };
}

/** RFC 6749 §2.3.1: name and secret, each encoded as in a form. */
export function basicCredentials(header: string | undefined): { readonly id: string; readonly secret: string } | undefined {
  const [, encoded] = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  try {
    const binary = atob(encoded);
    const text = /^[ -~]*$/.test(binary) ? binary : fromUtf8(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
    const colon = text.indexOf(':');
    return colon < 0 ? undefined : { id: decodeField(text.slice(0, colon)), secret: decodeField(text.slice(colon + 1)) };
  } catch {
    return undefined;
  }
}

function decodeField(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function send(response: ServerResponse, status: number, value: object, headers: Readonly<Record<string, string>> = {}): void {
  const body = utf8(JSON.stringify(value));
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    ...headers,
  });
  response.end(body);
}
