import { toHex } from '../core/bytes.ts';
import { type NewFile, writeNewFiles } from './new-files.ts';

/** Identifiers and algorithms of a fresh context; what is absent is what RFC 8613 makes mandatory. */
export interface OscorePairOptions {
  /** `length` fresh bytes of cryptographic quality; `env.random`. */
  readonly random: (length: number) => Uint8Array;
  /** What the client sends as; `01` when absent. */
  readonly clientId?: Uint8Array;
  /** What the server sends as; `02` when absent. */
  readonly serverId?: Uint8Array;
  readonly idContext?: Uint8Array;
  /** By its name in the registry "COSE Algorithms". */
  readonly aead?: string;
  /** `HKDF SHA-256` or `HKDF SHA-512`. */
  readonly hkdf?: string;
}

/**
 * Makes both ends of a fresh OSCORE security context: `client.json` and `server.json`, which `loadOscoreContext` reads. The folder gets mode 0700, the files 0600.
 *
 * Returns the paths of the files.
 *
 * @throws {ConfigError} `ERR_CONFIG_EXISTS` if one of them is there already (nothing is written then), `ERR_CONFIG_FILE` if they cannot be written (nothing is left then)
 */
export function writeOscorePair(folder: string, options: OscorePairOptions): readonly string[] {
  const { random, clientId = Uint8Array.of(1), serverId = Uint8Array.of(2), idContext, aead, hkdf } = options;
  const secrets = { master_secret: toHex(random(16)), master_salt: toHex(random(8)) };
  const more = {
    ...(idContext === undefined ? {} : { id_context: toHex(idContext) }),
    ...(aead === undefined ? {} : { aead }),
    ...(hkdf === undefined ? {} : { hkdf }),
  };
  const ends = [
    ['client.json', clientId, serverId],
    ['server.json', serverId, clientId],
  ] as const;
  const files = ends.map(([name, senderId, recipientId]): NewFile => {
    const context = { ...secrets, sender_id: toHex(senderId), recipient_id: toHex(recipientId), ...more };
    return [name, `${JSON.stringify(context, undefined, 2)}\n`];
  });
  return writeNewFiles(folder, files, { expected: 'a folder without OSCORE contexts', taken: files.map(([name]) => name) }).paths;
}
