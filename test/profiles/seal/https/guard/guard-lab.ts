import type { IncomingMessage } from 'node:http';
import { accessTokenVerifier, Guard, type GuardEvent, type GuardOptions } from '../../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { fetchHttps, type HttpsRequestInit, type HttpsResponse, type HttpsServer, serveHttps } from '../../../../../src/transport/index.ts';
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

  static async within(trust: Trust, options: Partial<GuardOptions>, use: (lab: GuardLab) => Promise<void>): Promise<void> {
    const lab = new GuardLab(trust, options);
    const { guard } = lab;
    const asks = options.certificates !== 'none';
    lab.#server = await serveHttps({ ...trust.server, ...(asks ? { clientCa: trust.authority.cert } : {}), refused: guard.refused }, (request, response) =>
      guard.middleware(request, response, (error) => {
        lab.passed.push(request);
        response.writeHead(error === undefined ? 200 : 500).end(guard.callerOf(request)?.clientId);
      }),
    );
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
      ...this.trust.client,
      headers: headers ?? { authorization: `Bearer ${token ?? (await this.token())}` },
      ...more,
    });
  }
}

export const text = (body: Uint8Array): string => Buffer.from(body).toString();
