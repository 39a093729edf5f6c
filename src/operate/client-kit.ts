import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { writeNewFiles } from './new-files.ts';

/** What a new client is given, and what it may. */
export interface ClientKitOptions {
  /** `length` fresh bytes of cryptographic quality; `env.random`. */
  readonly random: (length: number) => Uint8Array;
  /** Of the token endpoint. */
  readonly uri: string;
  /** Scope names by audience. */
  readonly grants: readonly (readonly [audience: string, scope: string])[];
  readonly admin?: readonly string[];
}

/** What a new client was given. */
export interface ClientKit {
  /** Path of what its AS has to know. */
  readonly registration: string;
  /** Take it away again; the folder too, if it was made for it. */
  remove(): void;
}

/** Bytes of the identifier of a client: random, so that a million of them hardly meet, and who does not ask the AS before can make one. */
const idLength = 5;
/** The identifier of the AS may be the same for all: each context has a Master Secret of its own. */
const asId = '00';

/**
 * Makes what a new client needs: a key, `client.yaml`, and `registration.yaml` with what its AS has to know. The folder gets mode 0700, the files 0600.
 *
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if one of them is there already (nothing is written then), `ERR_CONFIG_FILE` if they cannot be written (nothing is left then)
 */
export function writeClientKit(folder: string, { random, uri, grants, admin = [] }: ClientKitOptions): ClientKit {
  const id = toHex(random(idLength));
  const context = (sender: string, recipient: string): string => `oscore: { master_secret_file: as.key, sender_id: "${sender}", recipient_id: "${recipient}" }`;
  const lines = grants.map(([audience, scope]) => `  ${JSON.stringify(audience)}: { scope: ${JSON.stringify(scope)} }\n`);
  const files = [
    ['as.key', `${toHex(random(16))}\n`],
    [
      'registration.yaml',
      `${context(asId, id)}\ngrants:${lines.length === 0 ? ' {}\n' : `\n${lines.join('')}`}${admin.length === 0 ? '' : `admin: [${admin.join(', ')}]\n`}`,
    ],
    ['client.yaml', `store: ./state\nauthorization_servers:\n  - uri: ${uri}\n    ${context(id, asId)}\n`],
  ] as const;
  const { remove } = writeNewFiles(folder, files, { expected: 'a folder without a client', taken: files.map(([name]) => name) });
  return { registration: join(folder, 'registration.yaml'), remove };
}
