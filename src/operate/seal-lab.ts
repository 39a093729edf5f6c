import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { type LabFile, type LabOptions, secret, writeFiles } from './lab.ts';
import type { SealHttpsLab } from './seal-https-lab.ts';
import { t8Clients, t8Files, t8ResourceServers, t8Servers, t8Service } from './seal-t8-lab.ts';

/** Scopes of what the SEAL server of the lab offers. */
const operations = (kind: string, names: readonly string[] = ['create', 'read', 'update', 'delete', 'discover', 'subscribe']): string =>
  names.map((name) => `${kind}:${name}`).join(' ');
const scopes = `notes:read notes:write km ${operations('spatial-anchor')} ${operations('spatial-map')} user-profile:read user-profile:write`;

/** Where the application of a lab has the answer sent. */
const redirectUri = 'http://127.0.0.1:8731/callback';

/** The name in the certificate of the VAL server. */
export const valServerName = 'val1.val.example';
/** Those in the certificates of the API exposing function and of the core function of CAPIF, as clients. */
export const capifNames = { aef: 'seal1.val.example', core: 'ccf.val.example' } as const;

/**
 * Makes a SEAL deployment: a SIM-S (`as.yaml`), a SEAL server (`rs.yaml`), a SIM-C (`client.yaml`) and fresh keys in `keys/`, for one user on one machine.
 *
 * Returns the paths of the files.
 *
 * @throws {ConfigError} as `writeLab`
 */
export async function writeSealLab(
  folder: string,
  { random, asPort = 5783, rsPort = 5683, https }: Omit<LabOptions, 'profile'> & { readonly https?: SealHttpsLab },
): Promise<readonly string[]> {
  const texts: readonly LabFile[] = [
    ...['ue1-sims.key', 'seal1-sims.key', 'sims-seal1-token.key'].map((name): LabFile => [join('keys', name), secret(random)]),
    [join('keys', 'seal1-records.key'), `${toHex(random(32))}\n`],
    ...(https === undefined ? [] : [...httpsFiles(https), ...t8Files(https, random, asPort)]),
    ['as.yaml', simS(asPort, https)],
    ['rs.yaml', sealServer(asPort, rsPort, https)],
    ['client.yaml', simC(asPort, rsPort, https)],
    ...(https === undefined ? [] : [['capif.yaml', capifCore(https)] as const, [join('keys', 'subscribers.jsonl'), `${https.msgin5g.subscriber}\n`] as const]),
  ];
  return writeFiles(folder, texts);
}

function httpsFiles({ ca, crl, simS: as, sealServer: rs, valServer, tokenKey, app, val, password, capif, msgin5g }: SealHttpsLab): readonly LabFile[] {
  const pairs = [['sims', as] as const, ['seal1', rs] as const, ['val1', valServer] as const, ['aef', capif.aef] as const, ['capif', capif.core] as const];
  return [
    [join('tls', 'ca.pem'), ca],
    [join('tls', 'ca.crl'), crl],
    ...pairs.flatMap(([name, { cert, key }]): readonly LabFile[] => [
      [join('tls', `${name}.pem`), cert],
      [join('tls', `${name}.key`), key],
    ]),
    [join('keys', 'sims-seal1-sign.pem'), tokenKey],
    [join('keys', 'app.secret'), `${app.secret}\n`],
    [join('keys', 'val1.secret'), `${val.secret}\n`],
    [join('keys', 'anna.password'), `${password}\n`],
    [join('keys', 'capif-sign.pem'), capif.signingKey],
    [join('keys', 'ue1.kausf'), `${msgin5g.kAusf}\n`],
  ];
}

/** For tokens over HTTPS, which are JWTs. */
const signingKey = '\n      - { use: sign1, alg: ES256, key_pem_file: keys/sims-seal1-sign.pem } # signs the JWTs of its face over HTTPS';

const issuerOf = ({ asPort }: SealHttpsLab): string => `https://127.0.0.1:${asPort}`;

/** OpenID Connect for VAL users. */
const httpsOfSimS = (https: SealHttpsLab): string => `
  servers:
    val1: { services: [v2x] } # the client of its name below${https.t8 === undefined ? '' : t8Servers}
  https: # OpenID Connect for VAL users, and tokens for VAL servers (TS 33.434, Annex A)
    listen: ${issuerOf(https)}
    cert_file: tls/sims.pem
    key_file: tls/sims.key
    crl_file: tls/ca.crl
    crl_listen: http://127.0.0.1:${https.crlPort} # where it is had as /ca.crl, as the certificates say`;

const httpsClients = ({ app, val, t8 }: SealHttpsLab): string => `
  app: # an application of VAL users; client.yaml and keys/app.secret are its own
    https: { secret_hash: "${app.hash}", redirect_uris: ["${redirectUri}"], name: "An application" }
    grants:
      seal1: { scope: "${scopes}", default: "notes:read" }
  val1: # a VAL server: keys/val1.secret and tls/val1.pem are its own
    https: { secret_hash: "${val.hash}" }
    grants:
      seal1: { scope: "km" }${t8 === undefined ? '' : t8Clients(t8)}`;

const httpsOfSealServer = (https: SealHttpsLab): string => `
  https: # the same services for applications and VAL servers
    listen: https://127.0.0.1:${https.rsPort}
    cert_file: tls/seal1.pem
    key_file: tls/seal1.key
    client_ca_file: tls/ca.pem
    crl_file: tls/ca.crl # certificates that are not taken any more
    certificate_profile: true # certificates without the profile of TS 33.310 are refused
    issuer: ${issuerOf(https)}
    jwks_uri: ${issuerOf(https)}/jwks
    ca_file: tls/ca.pem
    clients: { val1: [${valServerName}] } # by the name in its certificate
  capif: # the same services for API invokers of CAPIF (TS 33.122, methods 2 and 3; RNAA)
    listen: https://127.0.0.1:${https.capif.port}
    cert_file: tls/aef.pem
    key_file: tls/aef.key
    client_ca_file: tls/ca.pem
    core: # "ace-coap seal capif core" with this folder
      uri: ${coreOf(https)}
      jwks_uri: ${coreOf(https)}/jwks
      ca_file: tls/ca.pem
      names: [${capifNames.core}] # whoever shows it may revoke
    aef_id: seal1
    methods: [PKI, OAUTH]
    apis: # and the scopes that each stands for
      spatial-anchors: "${operations('spatial-anchor', anchorOperations)}"
      spatial-anchors-read: "spatial-anchor:read spatial-anchor:discover"
      ss-kir: "km"
    invokers: # by identifier at the core function
      val1: { names: [${valServerName}], services: [v2x] }
    rnaa: true # what is about a VAL user or VAL UE needs a token that this owner agreed to`;

const coreOf = ({ capif }: SealHttpsLab): string => `https://127.0.0.1:${capif.corePort}`;

/** Observation is for CoAP. */
const anchorOperations = ['create', 'read', 'update', 'delete', 'discover'];

const capifCore = (https: SealHttpsLab): string => `# CAPIF core function, a simulator for labs: "ace-coap seal capif core" with this folder or file.

listen: ${coreOf(https)} # tokens name it as their issuer
cert_file: tls/capif.pem
key_file: tls/capif.key
client_ca_file: tls/ca.pem
ca_file: tls/ca.pem # for the AEFs, which hear of revocations
signing_key_file: keys/capif-sign.pem # of tokens
lifetime: 300 # seconds

# In the place of onboarding: certificates by the names in them, what each may call, and resource owners who agreed that it acts for them.
invokers:
  val1: { names: [${valServerName}], rights: { seal1: [spatial-anchors, ss-kir] }, owners: [anna@val.example] }
# In the place of publishing; of the methods that an invoker has, the first one here is selected.
aefs:
  seal1: { names: [${capifNames.aef}], methods: [OAUTH, PKI], uri: "https://127.0.0.1:${https.capif.port}" }
`;

/** Keys of the SIM. */
const msgin5gOf = ({ msgin5g: { port, supi } }: SealHttpsLab): string => `
    msgin5g: # registration of MSGin5G clients with keys of the SIM, over TLS (TS 33.501, Annex Y)
      aanf: http://127.0.0.1:${aanfPort} # "ace-coap seal akma aanf" with keys/subscribers.jsonl
      fqdn: msgin5g.val.example
      associations: { ${supi}: [meter1] } # UE service IDs by UE ID
      tls: { listen: "coaps+tcp://127.0.0.1:${port}" }`;

/** Where the AAnF of a lab is. */
const aanfPort = 8090;

const capifOfSimC = (https: SealHttpsLab): string => `
  capif: # for "ace-coap seal capif invoke": the VAL server val1 as an API invoker
    core: ${coreOf(https)}
    invoker_id: val1
    cert_file: tls/val1.pem
    key_file: tls/val1.key
    ca_file: tls/ca.pem`;

const openIdOfSimC = (https: SealHttpsLab): string => `
  openid: # for "ace-coap seal login"
    issuer: ${issuerOf(https)}
    client_id: app
    client_secret_file: keys/app.secret
    redirect_uri: ${redirectUri}
    scope: notes:read km
    ca_file: tls/ca.pem`;

const simS = (
  port: number,
  https?: SealHttpsLab,
): string => `# SIM-S, the authorization server of a SEAL deployment (TS 33.434): "ace-coap as" with this folder or file.

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
    v2x: { audiences: [seal1] } # the SEAL servers that it is for; all when absent${https?.t8 === undefined ? '' : t8Service}
  users:
    anna@val.example: { services: [v2x] }
  ues:
    ue1: { users: [anna@val.example], services: [v2x] } # the client of its name below, unless "client" names another${https === undefined ? '' : httpsOfSimS(https)}

clients:
  ue1:
    # The pre-shared secret of this SIM-C and the SIM-S, seen from here: client.yaml has the same, with the identifiers exchanged.
    oscore: { master_secret_file: keys/ue1-sims.key, sender_id: "01", recipient_id: "02" }
    grants:
      seal1: { scope: "${scopes}", default: "notes:read" }${https === undefined ? '' : httpsClients(https)}

resource_servers:
  seal1:
    audiences: [seal1]
    oscore: { master_secret_file: keys/seal1-sims.key, sender_id: "01", recipient_id: "03" } # for introspection
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/sims-seal1-token.key, kid: "01" }${https === undefined ? '' : signingKey}
    profiles: [coap_oscore]
${https?.t8 === undefined ? '' : t8ResourceServers.slice(1)}`;

const sealServer = (asPort: number, port: number, https?: SealHttpsLab): string => `# SEAL server: "ace-coap rs" with this folder or file.

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
    configuration: {} # user profiles and UE configurations (TS 24.546)${https === undefined ? '' : msgin5gOf(https)}${https === undefined ? '' : httpsOfSealServer(https)}

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

revocation: { observe: true } # follow the list of revoked tokens of the SIM-S
leeway: 0 # seconds by which the clock of the SIM-S may be off; 30 at most
`;

const simC = (asPort: number, rsPort: number, https?: SealHttpsLab): string => `# SIM-C: "ace-coap get ... --config" with this folder or file.

profile: seal
store: ./state/client # tokens, security contexts, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice

seal:
  mode: strict
  scope: notes:read # to ask for where neither the command line nor the SEAL server says; through a proxy it never says
  skms_uri: coap://127.0.0.1:${rsPort}/km # for "ace-coap km get"${https === undefined ? '' : openIdOfSimC(https) + capifOfSimC(https)}

# The SIM-S of the own VAL system.
authorization_servers:
  - uri: coap://127.0.0.1:${asPort}/token
    oscore: { master_secret_file: keys/ue1-sims.key, sender_id: "02", recipient_id: "01" }
`;
