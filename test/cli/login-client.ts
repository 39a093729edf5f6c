import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientId, clientSecret, type ProviderLab } from '../profiles/seal/https/login/provider-lab.ts';

/** The client.yaml of an application that logs VAL users in at a provider. */
export function loginClient(issuer: string, redirectUri: string): string {
  return `profile: seal
store: ./state
authorization_servers:
  - uri: coap://127.0.0.1/token
    oscore: { master_secret: "00112233445566778899aabbccddeeff", sender_id: "02", recipient_id: "01" }
seal:
  openid:
    issuer: ${issuer}
    client_id: ${clientId}
    client_secret_file: keys/app.secret
    redirect_uri: ${redirectUri}
    scope: km
    ca_file: tls/ca.pem
`;
}

/** A folder with that file, and what it names. */
export function writeLoginClient(folder: string, { issuer, ca }: ProviderLab, redirectUri: string): void {
  for (const name of ['keys', 'tls']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'keys', 'app.secret'), `${clientSecret}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'tls', 'ca.pem'), ca);
  writeFileSync(join(folder, 'client.yaml'), loginClient(issuer, redirectUri), { mode: 0o600 });
}
