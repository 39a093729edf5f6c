import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { ConfigError } from './config-error.ts';

export interface LabOptions {
  /** `length` fresh bytes of cryptographic quality; `env.random`. */
  readonly random: (length: number) => Uint8Array;
  /** UDP ports on 127.0.0.1; 5783 and 5683 when absent. */
  readonly asPort?: number;
  readonly rsPort?: number;
}

/** Keys and the configuration of one authorization server, one resource server and one client that fit together. */
const keyNames = ['client1-as.key', 'rs1-as.key', 'as-rs1-token.key'] as const;

/**
 * Makes a lab: `as.yaml`, `rs.yaml`, `client.yaml` and fresh keys in `keys/`, for one user on one machine. Folders get mode 0700, files 0600.
 *
 * Returns the paths of the files.
 *
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if any of it is there already (nothing is written then), `ERR_CONFIG_FILE` if it cannot be written
 */
export async function writeLab(folder: string, options: LabOptions): Promise<readonly string[]> {
  const { random, asPort = 5783, rsPort = 5683 } = options;
  const texts: readonly (readonly [name: string, text: string])[] = [
    ...keyNames.map((name) => [join('keys', name), `${toHex(random(16))}\n`] as const),
    ['as.yaml', asYaml(asPort)],
    ['rs.yaml', rsYaml(asPort, rsPort)],
    ['client.yaml', clientYaml(asPort)],
  ];
  for (const name of ['as.yaml', 'rs.yaml', 'client.yaml', 'keys', 'state']) {
    if (!existsSync(join(folder, name))) continue;
    const message = `expected a folder without a lab, got one with ${name} in it; its keys are not overwritten`;
    throw new ConfigError('ERR_CONFIG_EXISTS', folder, [{ path: '', message }]);
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mkdirSync(join(folder, 'keys'), { mode: 0o700 });
    return texts.map(([name, text]) => {
      const file = join(folder, name);
      writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
      return file;
    });
  } catch (cause) {
    throw new ConfigError('ERR_CONFIG_FILE', folder, [{ path: '', message: (cause as Error).message }], { cause });
  }
}

const asYaml = (asPort: number): string => `# Authorization server: "ace-coap as" with this folder or file. Who may ask for tokens, and for what.

listen: 127.0.0.1:${asPort}
store: ./state/as # tokens it gave, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice
token_lifetime: 3600 # seconds

clients:
  client1:
    # The OSCORE security context between this client and the AS, seen from here: client.yaml has the same key, with the identifiers exchanged.
    oscore:
      master_secret_file: keys/client1-as.key
      sender_id: "01" # hexadecimal, in quotes
      recipient_id: "02" # each client and resource server has its own
    grants:
      # By audience: all that the client may have, and what it gets when it does not say.
      rs1: { scope: "r_temp r_led w_led", default: "r_temp" }

resource_servers:
  rs1:
    audiences: [rs1]
    # For introspection; leave it out for a resource server that does not ask.
    oscore:
      master_secret_file: keys/rs1-as.key
      sender_id: "01"
      recipient_id: "03"
    # What protects the tokens for it. They hold the client's key, so one must be encrypt0.
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }
    scopes: [r_temp, r_led, w_led]
    exi: false # true: tokens live from their arrival on, for a resource server without a clock
    profiles: [coap_oscore]

# "listen" is UDP. It may be a list with one address for each of coap, coap+tcp, coaps+tcp, coap+ws and coaps+ws:
#   listen: ["coap://127.0.0.1:${asPort}", "coaps+tcp://127.0.0.1:${asPort}"]
#   tls: { cert_file: tls/cert.pem, key_file: tls/key.pem }
`;

const rsYaml = (
  asPort: number,
  rsPort: number,
): string => `# Resource server: "ace-coap rs" with this folder or file. What it serves, and whose tokens it takes.

listen: 127.0.0.1:${rsPort}
audience: rs1
store: ./state/rs # tokens, security contexts, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice

issuers:
  - uri: coap://127.0.0.1:${asPort}/token # where a client without a token is sent
    token_keys:
      - { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }
    # For introspection ("ace-coap introspect").
    oscore:
      master_secret_file: keys/rs1-as.key
      sender_id: "03"
      recipient_id: "01"

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

# "listen" is UDP. It may be a list with one address for each of coap, coap+tcp, coaps+tcp, coap+ws and coaps+ws:
#   listen: ["coap://127.0.0.1:${rsPort}", "coaps+tcp://127.0.0.1:${rsPort}"]
#   tls: { cert_file: tls/cert.pem, key_file: tls/key.pem }
`;

const clientYaml = (asPort: number): string => `# Client: "ace-coap get ... --config" with this folder or file.

store: ./state/client # tokens, security contexts, sequence numbers; keep it as long as the keys, or OSCORE uses a nonce twice

# The only authorization servers that this client goes to, whatever a resource server names.
authorization_servers:
  - uri: coap://127.0.0.1:${asPort}/token
    oscore:
      master_secret_file: keys/client1-as.key
      sender_id: "02"
      recipient_id: "01"
`;
