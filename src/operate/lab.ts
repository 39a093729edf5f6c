import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { Curve, encodeCoseKey, KeyType } from '../core/cose/index.ts';
import { keyPair } from '../core/crypto/index.ts';
import { type NewFile, writeNewFiles } from './new-files.ts';

/** What a lab is made of. */
export interface LabOptions {
  /** `length` fresh bytes of cryptographic quality; `env.random`. */
  readonly random: (length: number) => Uint8Array;
  /** UDP ports on 127.0.0.1; 5783 and 5683 when absent. Sessions over DTLS have the port above each. */
  readonly asPort?: number;
  readonly rsPort?: number;
  /** What protects all that goes between the three; `oscore` when absent. */
  readonly profile?: LabProfile;
}

/** What protects the messages of a lab: the OSCORE profile, or the DTLS profile with pre-shared or raw public keys. */
export type LabProfile = 'oscore' | 'dtls-psk' | 'dtls-rpk';

/** A file of the lab and what is in it. */
export type LabFile = NewFile;

/** Fresh keys, and what the configuration says of them. */
interface LabKeys {
  readonly files: readonly LabFile[];
  /** The sections of the client, the administrator and the RS at the AS, and of the AS at each. */
  readonly client: string;
  readonly admin: string;
  readonly rs: string;
  readonly asAtClient: string;
  readonly asAtAdmin: string;
  readonly asAtRs: string;
  /** At the top of each file. */
  readonly own: Readonly<Record<'as' | 'rs' | 'client' | 'admin', string>>;
  /** Of the RS at the AS. */
  readonly serverKey: string;
}

export const secret = (random: LabOptions['random']): string => `${toHex(random(16))}\n`;

function oscoreKeys(random: LabOptions['random']): LabKeys {
  const section = (file: string, sender: string, recipient: string, note = ''): string =>
    `oscore:\n  master_secret_file: keys/${file}\n  sender_id: "${sender}"${note === '' ? '' : ' # hexadecimal, in quotes'}\n  recipient_id: "${recipient}"${note}`;
  return {
    files: ['client1-as.key', 'rs1-as.key', 'admin-as.key'].map((name) => [join('keys', name), secret(random)]),
    client: `# The OSCORE security context between this client and the AS, seen from here: client.yaml has the same key, with the identifiers exchanged.\n${section('client1-as.key', '01', '02', ' # each client and resource server has its own')}`,
    admin: section('admin-as.key', '01', '04'),
    rs: section('rs1-as.key', '01', '03'),
    asAtClient: section('client1-as.key', '02', '01'),
    asAtAdmin: section('admin-as.key', '04', '01'),
    asAtRs: section('rs1-as.key', '03', '01'),
    own: { as: '', rs: '', client: '', admin: '' },
    serverKey: '',
  };
}

function pskKeys(random: LabOptions['random']): LabKeys {
  const section = (peer: string): string => `dtls: { psk_identity: ${peer}, psk_file: keys/${peer}-as.key }`;
  return {
    files: ['client1-as.key', 'rs1-as.key', 'admin-as.key'].map((name) => [join('keys', name), secret(random)]),
    client: `# The pre-shared key between this client and the AS: client.yaml has the same.\n${section('client1')}`,
    admin: section('admin'),
    rs: section('rs1'),
    asAtClient: section('client1'),
    asAtAdmin: section('admin'),
    asAtRs: section('rs1'),
    own: { as: '', rs: '', client: '', admin: '' },
    serverKey: '',
  };
}

function rawPublicKeys(random: LabOptions['random']): LabKeys {
  const files = ['as', 'rs1', 'client1', 'admin'].flatMap((name): LabFile[] => {
    const { d, ...point } = keyPair(Curve.P256, random);
    const key = { kty: KeyType.EC2, ...point };
    return [
      [join('keys', `${name}.key`), `${toHex(encodeCoseKey({ ...key, d }))}\n`],
      [join('keys', `${name}.pub`), `${toHex(encodeCoseKey(key))}\n`],
    ];
  });
  const section = (peer: string): string => `dtls: { peer_key_file: keys/${peer}.pub }`;
  const own = (name: string): string => `dtls: { key_file: keys/${name}.key } # the raw public key of this side, a COSE_Key in hexadecimal\n`;
  return {
    files,
    client: `# The raw public key of the client; tokens are bound to it.\n${section('client1')}`,
    admin: section('admin'),
    rs: section('rs1'),
    asAtClient: section('as'),
    asAtAdmin: section('as'),
    asAtRs: section('as'),
    own: { as: own('as'), rs: own('rs1'), client: own('client1'), admin: own('admin') },
    serverKey: 'raw_public_key_file: keys/rs1.pub # clients are told it with each token\n    ',
  };
}

const makers: Readonly<Record<LabProfile, (random: LabOptions['random']) => LabKeys>> = {
  oscore: oscoreKeys,
  'dtls-psk': pskKeys,
  'dtls-rpk': rawPublicKeys,
};

/** What stands in the files in so many words. */
interface LabPlaces {
  readonly keys: LabKeys;
  readonly asPort: number;
  readonly rsPort: number;
  readonly name: 'coap_oscore' | 'coap_dtls';
}

/** The lines of a section further in. */
function indented(text: string, depth: number): string {
  return text.replaceAll('\n', `\n${' '.repeat(depth)}`);
}

/** Plain CoAP, and beside it the sessions of DTLS. */
function listenAt({ name }: LabPlaces, port: number): string {
  return name === 'coap_oscore' ? `127.0.0.1:${port}` : `["coap://127.0.0.1:${port}", "coaps://127.0.0.1:${port + 1}"]`;
}

function tokenUri({ name, asPort }: LabPlaces): string {
  return name === 'coap_oscore' ? `coap://127.0.0.1:${asPort}/token` : `coaps://127.0.0.1:${asPort + 1}/token`;
}

const kept = ({ name }: LabPlaces): string => (name === 'coap_oscore' ? ', or OSCORE uses a nonce twice' : '');

/**
 * Makes a lab: `as.yaml`, `rs.yaml`, `client.yaml`, `admin.yaml` and fresh keys in `keys/`, for one user on one machine. Folders get mode 0700, files 0600.
 *
 * Returns the paths of the files.
 *
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if any of it is there already (nothing is written then), `ERR_CONFIG_FILE` if it cannot be written (nothing is left then)
 */
export async function writeLab(folder: string, options: LabOptions): Promise<readonly string[]> {
  const { random, asPort = 5783, rsPort = 5683, profile = 'oscore' } = options;
  const keys = makers[profile](random);
  const places: LabPlaces = { keys, asPort, rsPort, name: profile === 'oscore' ? 'coap_oscore' : 'coap_dtls' };
  const texts: readonly LabFile[] = [
    ...keys.files,
    [join('keys', 'as-rs1-token.key'), secret(random)],
    ['as.yaml', asYaml(places)],
    ['rs.yaml', rsYaml(places)],
    ['client.yaml', clientYaml(places)],
    ['admin.yaml', adminYaml(places)],
  ];
  return writeFiles(folder, texts);
}

/**
 * Writes the files of a lab, some of them in `keys/`.
 *
 * @throws {ConfigError} as `writeLab`
 */
export function writeFiles(folder: string, texts: readonly LabFile[]): readonly string[] {
  const names = texts.map(([name]) => name).filter((name) => !name.includes('/') && !name.includes('\\'));
  return writeNewFiles(folder, texts, { expected: 'a folder without a lab', taken: [...names, 'keys', 'tls', 'state'] }).paths;
}

const asYaml = (places: LabPlaces): string => `# Authorization server: "ace-coap as" with this folder or file. Who may ask for tokens, and for what.

listen: ${listenAt(places, places.asPort)}
${places.keys.own.as}store: ./state/as # tokens it gave, ${places.name === 'coap_oscore' ? 'sequence numbers' : 'key identifiers'}; keep it as long as the keys${kept(places)}
token_lifetime: 3600 # seconds

clients:
  client1:
    ${indented(places.keys.client, 4)}
    grants:
      # By audience: all that the client may have, and what it gets when it does not say.
      rs1: { scope: "r_temp r_led w_led", default: "r_temp" }
  admin:
    ${indented(places.keys.admin, 4)}
    grants: {}
    admin: all # "ace-coap admin" with admin.yaml; or a list of client, rs, key, policy, token, code

resource_servers:
  rs1:
    audiences: [rs1]
    # For introspection; leave it out for a resource server that does not ask.
    ${indented(places.keys.rs, 4)}
    ${places.keys.serverKey}# What protects the tokens for it. They hold the client's key, so one must be encrypt0.
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }
    scopes: [r_temp, r_led, w_led]
    exi: false # true: tokens live from their arrival on, for a resource server without a clock
    profiles: [${places.name}]

# "listen" is UDP. It may be a list with one address for each of coap, coaps, coap+tcp, coaps+tcp, coap+ws and coaps+ws:
#   listen: ["coap://127.0.0.1:${places.asPort}", "coaps+tcp://127.0.0.1:${places.asPort}"]
#   tls: { cert_file: tls/cert.pem, key_file: tls/key.pem }
`;

const rsYaml = (places: LabPlaces): string => `# Resource server: "ace-coap rs" with this folder or file. What it serves, and whose tokens it takes.

listen: ${listenAt(places, places.rsPort)}
${places.keys.own.rs}audience: rs1
store: ./state/rs # tokens, ${places.name === 'coap_oscore' ? 'security contexts, sequence numbers' : 'their keys'}; keep it as long as the keys${kept(places)}

issuers:
  - uri: ${tokenUri(places)} # where a client without a token is sent
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }
    # For introspection ("ace-coap introspect").
    ${indented(places.keys.asAtRs, 4)}

# What each scope name permits.
scopes:
  r_temp: { /temperature: [GET] }
  r_led: { /led: [GET] }
  w_led: { /led: [GET, PUT] }

# What "ace-coap rs" serves: a sensor is a number that changes, a value is text that can be read and written.
resources:
  /temperature: { kind: sensor, unit: C, initial: "21.5", interval: 5 }
  /led: { kind: value, initial: "off" }

public: [] # paths that need no token
cnonce: false # true: a token must be fresh, which a resource server without a clock wants to know (RFC 9200 Section 5.3.1)
leeway: 0 # seconds by which the clock of the authorization server may be off; leeway_cap, 300 unless written here, is the most that this may be

# More that may be said:
#   introspection: { tokens: every, cache: 60, timeout: 10 } # ask the authorization server about each token that comes (RFC 9200 Section 5.9)
#   revocation: { observe: true } # follow its list of revoked tokens (RFC 9770)
#   freshness: { methods: [PUT], window: 30 } # such requests must be fresh: whoever held one back cannot deliver it later (RFC 9175 Section 2.3)
#   q_block: true # robust block-wise transfer for clients that ask for it (RFC 9177)

# "listen" is UDP. It may be a list with one address for each of coap, coaps, coap+tcp, coaps+tcp, coap+ws and coaps+ws:
#   listen: ["coap://127.0.0.1:${places.rsPort}", "coaps+tcp://127.0.0.1:${places.rsPort}"]
#   tls: { cert_file: tls/cert.pem, key_file: tls/key.pem }
`;

const clientYaml = (places: LabPlaces): string => `# Client: "ace-coap get ... --config" with this folder or file.

store: ./state/client # tokens, ${places.name === 'coap_oscore' ? 'security contexts, sequence numbers' : 'their keys'}; keep it as long as the keys${kept(places)}
${places.keys.own.client}
# The only authorization servers that this client goes to, whatever a resource server names.
authorization_servers:
  - uri: ${tokenUri(places)}
    ${indented(places.keys.asAtClient, 4)}

# More that may be said:
#   q_block: true # robust block-wise transfer (RFC 9177), for long bodies over lossy paths
#   hide_path: true # the first request to a resource server, which nothing protects, names no path; say --scope, or have a default at the AS
#   renewal: 30 # seconds before its end from which on a token is renewed
#   revocation: { observe: true } # follow the list of revoked tokens (RFC 9770)
`;

const adminYaml = (places: LabPlaces): string => `# Administrator: "ace-coap admin ... --config" with this file.

store: ./state/admin # ${places.name === 'coap_oscore' ? 'sequence numbers' : 'nothing of use'}; keep it as long as the keys${kept(places)}
${places.keys.own.admin}
authorization_servers:
  - uri: ${tokenUri(places)}
    ${indented(places.keys.asAtAdmin, 4)}
`;
