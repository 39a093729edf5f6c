import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../../src/core/env.ts';
import { writeLab } from '../../src/operate/index.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { audience, issuer, TokenLab } from '../profiles/seal/https/guard/token-lab.ts';

export const meter = 'meter1@op.example';

const config = `audience: ${audience}
store: ./state/t8
client: client.yaml
https:
  listen: 127.0.0.1:0
  cert_file: scef.pem
  key_file: scef.key
  client_ca_file: ca.pem
  issuer: ${issuer}
  jwks_file: jwks.json
  clients: { app1: [app1.example] }
notifications: { ca_file: ca.pem, allow: ["127.0.0.1:1"] }
rules:
  - { scs_as: app1, devices: "pump*@op.example", api: nidd }
`;

/** The folder of a T8 gateway, and what an SCS/AS has. */
export class T8Folder {
  readonly path: string;
  readonly tokens: TokenLab;
  readonly tls: IssuedCertificate & { readonly ca: string };
  readonly #parent: string;

  static async make(): Promise<T8Folder> {
    const authority = await LabAuthority.make('lab', systemEnv);
    const scef = await authority.issue({ commonName: 'scef', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server', 'client'] });
    const app = await authority.issue({ commonName: 'app1', names: [{ type: 'dns', value: 'app1.example' }], usage: ['client'] });
    const folder = new T8Folder(await TokenLab.make(), { ca: authority.cert, ...app });
    await writeLab(folder.path, { random: systemEnv.random });
    const files = { 'ca.pem': authority.cert, 'scef.pem': scef.cert, 'scef.key': scef.key, 'jwks.json': JSON.stringify(folder.tokens.keys), 't8.yaml': config };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
    chmodSync(join(folder.path, 'scef.key'), 0o600);
    return folder;
  }

  private constructor(tokens: TokenLab, tls: T8Folder['tls']) {
    this.#parent = mkdtempSync(join(tmpdir(), 'ace-coap-t8-'));
    this.path = join(this.#parent, 'lab');
    this.tokens = tokens;
    this.tls = tls;
  }

  remove(): void {
    rmSync(this.#parent, { recursive: true });
  }
}
