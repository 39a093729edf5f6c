import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { accessTokenVerifier, Guard, type GuardEvent, type GuardOptions } from '../../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { fetchHttps, type HttpHandler, type HttpsRequestInit, type HttpsResponse, type HttpsServer, serveHttps } from '../../../../../src/transport/index.ts';
import { type Changes, claims, TokenLab } from './token-lab.ts';

export const host: CertificateInit = { commonName: 'seal', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] };
export const val: CertificateInit = { commonName: 'val-a', names: [{ type: 'dns', value: 'val-a.example' }], usage: ['client'] };

/** The authority of a VAL system and the keys of its SIM-S: made once for all tests of a file. */
export interface Trust {
  readonly authority: LabAuthority;
  readonly server: IssuedCertificate;
  readonly client: IssuedCertificate;
  readonly tokens: TokenLab;
}

export async function makeTrust(): Promise<Trust> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const [server, client, tokens] = await Promise.all([authority.issue(host), authority.issue(val), TokenLab.make()]);
  return { authority, server, client, tokens };
}

function plainHandler({ guard, passed }: GuardLab): HttpHandler {
  return (request, response) =>
    guard.middleware(request, response, (error) => {
      passed.push(request);
      response.writeHead(error === undefined ? 200 : 500).end(guard.callerOf(request)?.clientId);
    });
}

/** An HTTPS server behind a guard, which answers with the client that it was told of. */
export class GuardLab {
  readonly trust: Trust;
  readonly guard: Guard;
  readonly events: GuardEvent[] = [];
  /** Requests that have passed. */
  readonly passed: IncomingMessage[] = [];
  #server: HttpsServer | undefined;

  private constructor(trust: Trust, options: Partial<GuardOptions>) {
    this.trust = trust;
    const verifier = accessTokenVerifier(trust.tokens.options({ env: systemEnv }));
    this.guard = new Guard({ verifier, certificates: 'required', scope: 'location', emit: (event) => this.events.push(event), ...options });
  }

  /** @param handlerOf - what serves behind the guard; `node:http` alone when absent */
  static async within(
    trust: Trust,
    options: Partial<GuardOptions>,
    use: (lab: GuardLab) => Promise<void>,
    handlerOf: (lab: GuardLab) => HttpHandler = plainHandler,
  ): Promise<void> {
    const lab = new GuardLab(trust, options);
    const { guard } = lab;
    const asks = options.certificates !== 'none';
    const credentials = { ...trust.server, ...(asks ? { clientCa: trust.authority.cert } : {}) };
    lab.#server = await serveHttps({ ...credentials, refused: guard.refused }, handlerOf(lab));
    try {
      await use(lab);
    } finally {
      await lab.#server.close();
    }
  }

  get port(): number {
    return this.#server!.port;
  }

  token(changes: Changes = {}): Promise<string> {
    return this.trust.tokens.token({ ...claims(Math.floor(systemEnv.epoch())), ...changes });
  }

  /** With a good certificate and a good token, but for what `init` says. */
  async fetch(init: HttpsRequestInit & { readonly path?: string; readonly token?: string; readonly port?: number } = {}): Promise<HttpsResponse> {
    const { path = '/', port = this.port, token, headers, ...more } = init;
    return fetchHttps(`https://127.0.0.1:${port}${path}`, {
      ca: this.trust.authority.cert,
      timeout: 60_000,
      ...this.trust.client,
      headers: headers ?? { authorization: `Bearer ${token ?? (await this.token())}` },
      ...more,
    });
  }
}

export const text = (body: Uint8Array): string => Buffer.from(body).toString();

/** What a request comes to: its status and error, or that TLS lets nobody in; then the reasons that were logged. */
export async function outcome(lab: GuardLab, answer: Promise<HttpsResponse>): Promise<string> {
  const logged = lab.events.length;
  const said = await answer.then(
    ({ status, headers }) => `${status} ${/error="(\w+)"/.exec(headers['www-authenticate'] ?? '')?.[1] ?? ''}`.trim(),
    ({ code }: { readonly code: string }) => code,
  );
  while (said === 'ERR_TRANSPORT_HTTPS' && lab.events.length === logged) await new Promise((resolve) => setImmediate(resolve));
  return [said, ...lab.events.slice(logged).map(({ reason }) => reason)].join(', ');
}

/** TS 33.434, 5.1.1.8: no certificate, wrong CA, expired, wrong purpose, no token, expired token, wrong scope, certificate not the token's. */
export async function eightWays(lab: GuardLab): Promise<void> {
  const { authority } = lab.trust;
  const now = systemEnv.epoch();
  const stranger = await LabAuthority.make('lab', systemEnv);
  const other = await authority.issue({ ...val, names: [{ type: 'dns', value: 'val-b.example' }] });
  assert.equal(await outcome(lab, lab.fetch()), '200');
  const rows: readonly (readonly [what: string, init: Parameters<typeof lab.fetch>[0], expected: string])[] = [
    ['no certificate', { cert: '', key: '' }, 'ERR_TRANSPORT_HTTPS, no-certificate'],
    ['another authority', await stranger.issue(val), 'ERR_TRANSPORT_HTTPS, certificate-authority'],
    ['expired certificate', await authority.issue({ ...val, notAfter: now - 60 }), 'ERR_TRANSPORT_HTTPS, certificate-time'],
    ['certificate of a server', await authority.issue({ ...val, usage: ['server'] }), 'ERR_TRANSPORT_HTTPS, certificate-purpose'],
    ['no token', { headers: {} }, '401, no-token'],
    ['expired token', { token: await lab.token({ exp: Math.floor(now) - 1 }) }, '401 invalid_token, expired'],
    ['another scope', { token: await lab.token({ scope: 'location2 key-management' }) }, '403 insufficient_scope, scope'],
    ['token of another client', other, '403 invalid_token, client'],
  ];
  for (const [what, init, expected] of rows) assert.equal(await outcome(lab, lab.fetch(init)), expected, what);
  assert.equal(lab.passed.length, 1);
  assert.equal(await outcome(lab, lab.fetch()), '200');
}
