import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { type LabFile, type LabOptions, secret, writeFiles } from './lab.ts';

/** Scopes of what the SEAL server of the lab offers. */
const operations = (kind: string): string => ['create', 'read', 'update', 'delete', 'discover', 'subscribe'].map((name) => `${kind}:${name}`).join(' ');
const scopes = `notes:read notes:write km ${operations('spatial-anchor')} ${operations('spatial-map')} user-profile:read user-profile:write`;

/**
 * Makes a SEAL deployment: a SIM-S (`as.yaml`), a SEAL server (`rs.yaml`), a SIM-C (`client.yaml`) and fresh keys in `keys/`, for one user on one machine.
 *
 * Returns the paths of the files.
 *
 * @throws {ConfigError} as `writeLab`
 */
export async function writeSealLab(folder: string, { random, asPort = 5783, rsPort = 5683 }: Omit<LabOptions, 'profile'>): Promise<readonly string[]> {
  const texts: readonly LabFile[] = [
    ...['ue1-sims.key', 'seal1-sims.key', 'sims-seal1-token.key'].map((name): LabFile => [join('keys', name), secret(random)]),
    [join('keys', 'seal1-records.key'), `${toHex(random(32))}\n`],
    ['as.yaml', simS(asPort)],
    ['rs.yaml', sealServer(asPort, rsPort)],
    ['client.yaml', simC(asPort, rsPort)],
  ];
  return writeFiles(folder, texts);
}

const simS = (port: number): string => `# SIM-S, the authorization server of a SEAL deployment (TS 33.434): "ace-coap as" with this folder or file.

profile: seal
listen: 127.0.0.1:${port}
issuer: sims.val.example # stands in every token
store: ./state/as # tokens it gave, sequence numbers, provisioned identities; keep it as long as the keys, or OSCORE uses a nonce twice
token_lifetime: 3600 # seconds

seal:
  val_system: val.example
  mode: strict # or lenient: the README has a table of the differences
  # VAL users, VAL UEs and VAL servers, and the VAL services that they have. "ace-coap seal provision" adds more while the SIM-S runs.
  services:
    v2x: { audiences: [seal1] } # the SEAL servers that it is for; all when absent
  users:
    anna@val.example: { services: [v2x] }
  ues:
    ue1: { users: [anna@val.example], services: [v2x] } # the client of its name below, unless "client" names another

clients:
  ue1:
    # The pre-shared secret of this SIM-C and the SIM-S, seen from here: client.yaml has the same, with the identifiers exchanged.
    oscore: { master_secret_file: keys/ue1-sims.key, sender_id: "01", recipient_id: "02" }
    grants:
      seal1: { scope: "${scopes}", default: "notes:read" }

resource_servers:
  seal1:
    audiences: [seal1]
    oscore: { master_secret_file: keys/seal1-sims.key, sender_id: "01", recipient_id: "03" } # for introspection
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-seal1-token.key, kid: "01" }
    profiles: [coap_oscore]
`;

const sealServer = (asPort: number, port: number): string => `# SEAL server: "ace-coap rs" with this folder or file.

profile: seal
listen: 127.0.0.1:${port}
audience: seal1
store: ./state/rs # tokens, security contexts, documents; keep it as long as the keys, or OSCORE uses a nonce twice

seal:
  val_system: val.example # tokens of another are refused
  mode: strict
  services:
    spatial: {} # spatial anchors and maps (TS 23.437)
    key_management: # keys of VAL services (TS 33.434, 5.3); "ace-coap seal km put" keeps records, which this key seals in the store
      skms_uri: coap://127.0.0.1:${port}/km # what requests have to name
      record_key_file: keys/seal1-records.key
    configuration: {} # user profiles and UE configurations (TS 24.546)

issuers:
  - uri: coap://127.0.0.1:${asPort}/token # the SIM-S
    issuer: sims.val.example
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-seal1-token.key, kid: "01" }
    oscore: { master_secret_file: keys/seal1-sims.key, sender_id: "03", recipient_id: "01" }

# Beside what the services offer.
scopes:
  "notes:read": { /notes: [GET] }
  "notes:write": { /notes: [GET, PUT] }
resources:
  /notes: { kind: value, initial: "hello" }

leeway: 0 # seconds by which the clock of the SIM-S may be off; 30 at most
`;

const simC = (asPort: number, rsPort: number): string => `# SIM-C: "ace-coap get ... --config" with this folder or file.

profile: seal
store: ./state/client # tokens, security contexts, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice

seal:
  mode: strict
  scope: notes:read # to ask for where neither the command line nor the SEAL server says; through a proxy it never says
  skms_uri: coap://127.0.0.1:${rsPort}/km # for "ace-coap km get"

# The SIM-S of the own VAL system.
authorization_servers:
  - uri: coap://127.0.0.1:${asPort}/token
    oscore: { master_secret_file: keys/ue1-sims.key, sender_id: "02", recipient_id: "01" }
`;
