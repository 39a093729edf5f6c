import { join } from 'node:path';
import { type LabFile, type LabOptions, secret } from './lab.ts';
import type { SealHttpsLab, SealT8Lab } from './seal-https-lab.ts';

/** The SCS/AS of a lab. */
export const labScsAs: string = 'scs1';
/** The name in its certificate. */
export const labScsAsName: string = 'scs1.example';
/** The device that it may address. */
export const labDevice: string = 'meter1@op.example';

/** The files of it. */
export function t8Files(https: SealHttpsLab, random: LabOptions['random'], asPort: number): readonly LabFile[] {
  const { t8 } = https;
  if (t8 === undefined) return [];
  return [
    [join('tls', 'scef.pem'), t8.scef.cert],
    [join('tls', 'scef.key'), t8.scef.key],
    [join('tls', `${labScsAs}.pem`), t8.scsAs.cert],
    [join('tls', `${labScsAs}.key`), t8.scsAs.key],
    [join('keys', 'sims-scef-sign.pem'), t8.tokenKey],
    [join('keys', `${labScsAs}.secret`), `${t8.secret.secret}\n`],
    [join('keys', 'scef-sims.key'), secret(random)],
    [join('keys', 'sims-meter1-token.key'), secret(random)],
    [join('keys', 'sims-scef-token.key'), secret(random)],
    ['t8.yaml', t8Gateway(https, t8)],
    ['scef.yaml', scef(asPort)],
    ['meter.yaml', meter(asPort, t8)],
  ];
}

/** At the SIM-S: a VAL service of the gateway, and those who have it. */
export const t8Service: string = '\n    metering: { audiences: [scef, meter1] } # of the T8 gateway';
export const t8Servers: string = `\n    ${labScsAs}: { services: [metering] } # the SCS/AS, and the gateway as a client of devices\n    scef: { services: [metering] }`;

export const t8Clients = ({ secret: { hash } }: SealT8Lab): string => `
  ${labScsAs}: # an SCS/AS: keys/${labScsAs}.secret and tls/${labScsAs}.pem are its own
    https: { secret_hash: "${hash}" }
    grants:
      scef: { scope: "t8" }
  scef: # the T8 gateway, as a client of devices: scef.yaml
    oscore: { master_secret_file: keys/scef-sims.key, sender_id: "01", recipient_id: "05" }
    grants:
      meter1: { scope: "deliver", default: "deliver" }`;

export const t8ResourceServers: string = `
  scef: # the T8 gateway, as SCS/AS see it
    audiences: [scef]
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-scef-token.key, kid: "03" } # of tokens over CoAP
      - { use: sign1, alg: ES256, key_pem_file: keys/sims-scef-sign.pem } # of those over HTTPS, which are JWTs
    profiles: [coap_oscore]
  meter1: # a device behind it
    audiences: [meter1]
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-meter1-token.key, kid: "02" }
    profiles: [coap_oscore]
`;

const t8Gateway = ({ asPort }: SealHttpsLab, { port, notifyPort }: SealT8Lab): string => `# T8 gateway: "ace-coap seal t8 serve" with this folder or file.

audience: scef # what tokens of SCS/AS are for
store: ./state/t8 # devices, rules, and what waits for them
client: scef.yaml # by which devices are reached

https:
  listen: https://127.0.0.1:${port}
  cert_file: tls/scef.pem
  key_file: tls/scef.key
  client_ca_file: tls/ca.pem
  crl_file: tls/ca.crl # certificates that are not taken any more
  certificate_profile: true # certificates without the profile of TS 33.310 are refused
  issuer: https://127.0.0.1:${asPort}
  jwks_uri: https://127.0.0.1:${asPort}/jwks
  ca_file: tls/ca.pem
  clients: { ${labScsAs}: [${labScsAsName}] } # SCS/AS by the name in its certificate

notifications:
  ca_file: tls/ca.pem
  allow: ["127.0.0.1:${notifyPort}"] # hosts of the own network that may be notified

limits:
  rate: # requests at once, and per second
    per_address: { burst: 512, rate: 256 } # before it is known who asks
    per_scs_as: { burst: 200, rate: 100 }
    per_device: { burst: 50, rate: 10 }

# Nothing is allowed but what a rule allows; "ace-coap seal t8 allow" and "deny" add more while the gateway runs.
rules:
  - { scs_as: ${labScsAs}, devices: "meter*@op.example" }
`;

const scef = (asPort: number): string => `# The T8 gateway as a client of devices: t8.yaml names this file.

profile: seal
store: ./state/scef # tokens, security contexts, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice

seal:
  mode: strict
  scope: deliver

authorization_servers:
  - uri: coap://127.0.0.1:${asPort}/token
    oscore: { master_secret_file: keys/scef-sims.key, sender_id: "05", recipient_id: "01" }
`;

const meter = (asPort: number, { devicePort }: SealT8Lab): string => `# A device behind the T8 gateway: "ace-coap rs" with this file.

profile: seal
listen: 127.0.0.1:${devicePort}
audience: meter1
store: ./state/meter1 # tokens, security contexts; keep it as long as the keys, or OSCORE uses a nonce twice

seal:
  val_system: val.example
  mode: strict

issuers:
  - uri: coap://127.0.0.1:${asPort}/token
    issuer: sims.val.example
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-meter1-token.key, kid: "02" }

scopes:
  "deliver": { /trigger: [POST], /nidd: [POST] }
resources: # what the gateway sends to
  /trigger: { kind: inbox }
  /nidd: { kind: inbox }

leeway: 0
`;
