import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemEnv } from '../../src/core/env.ts';
import { sharedTrust, type Trust, val1 } from '../profiles/seal/https/face-lab.ts';
import { FakeIssuer } from '../profiles/seal/https/fake-issuer.ts';
import { claims } from '../profiles/seal/https/guard/token-lab.ts';
import { freePort } from '../support/ports.ts';
import { aceExits, edit, type Run } from './lab.ts';

const secret = 'the secret of val1';

/** What a SEAL deployment in a folder needs to be there over HTTPS too: certificates, keys, and a SIM-S that gives tokens. */
export class HttpsSide {
  readonly port: number;
  readonly #issuer: FakeIssuer;
  readonly #trust: Trust;

  private constructor(trust: Trust, port: number, issuer: FakeIssuer) {
    this.#trust = trust;
    this.port = port;
    this.#issuer = issuer;
  }

  static async start(): Promise<HttpsSide> {
    const trust = await sharedTrust();
    const issuer: FakeIssuer = await FakeIssuer.start(trust.server, { val1: secret }, (clientId, scope) => {
      const said = { ...val1, aud: 'seal1', val_system_id: 'val.example', iss: issuer.uri, client_id: clientId, scope };
      return trust.tokens.token({ ...claims(Math.floor(systemEnv.epoch())), ...said });
    });
    return new HttpsSide(trust, await freePort(), issuer);
  }

  get uri(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get issuer(): string {
    return this.#issuer.uri;
  }

  /** What `rs.yaml` and `client.yaml` of a folder have for it. */
  writeTo(folder: string): void {
    const { authority, server, clients, tokens } = this.#trust;
    const tls = join(folder, 'tls');
    mkdirSync(tls);
    const files = {
      'ca.pem': authority.cert,
      'seal1.pem': server.cert,
      'val1.pem': clients.val1.cert,
      'val2.pem': clients.val2.cert,
      'jwks.json': JSON.stringify(tokens.keys),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(tls, name), text);
    const secrets = { 'seal1.key': server.key, 'val1.key': clients.val1.key, 'val2.key': clients.val2.key, 'val1.secret': `${secret}\n` };
    for (const [name, text] of Object.entries(secrets)) writeFileSync(join(tls, name), text, { mode: 0o600 });
    edit(
      join(folder, 'rs.yaml'),
      'seal:\n',
      `seal:
  https:
    listen: ${this.uri}
    cert_file: tls/seal1.pem
    key_file: tls/seal1.key
    client_ca_file: tls/ca.pem
    issuer: ${this.issuer}
    jwks_file: tls/jwks.json
    clients: { val1: [val1.val.example] }
`,
    );
    const redirect = 'http://127.0.0.1:1/callback';
    edit(
      join(folder, 'client.yaml'),
      'seal:\n',
      `seal:
  openid: { issuer: ${this.issuer}, client_id: val1, client_secret_file: tls/val1.secret, redirect_uri: ${redirect}, ca_file: tls/ca.pem }
`,
    );
  }

  /** `ace-coap seal km records` with the token of val1 and a certificate. */
  records(code: number, folder: string, name: 'val1' | 'val2', ...words: readonly string[]): Promise<Run> {
    const file = (of: string): string => join(folder, 'tls', of);
    const known = ['--issuer', this.issuer, '--client-id', 'val1', '--client-secret-file', file('val1.secret'), '--ca', file('ca.pem')];
    const shown = ['--cert', file(`${name}.pem`), '--key', file(`${name}.key`)];
    return aceExits(code, ['seal', 'km', 'records', this.uri, ...known, ...shown, ...words]);
  }

  close(): Promise<void> {
    return this.#issuer.close();
  }
}
