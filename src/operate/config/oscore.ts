import { equalBytes, fromHex } from '../../core/bytes.ts';
import { aeadParameters } from '../../core/crypto/index.ts';
import { aeadAlgorithms, hkdfAlgorithms } from './algorithm-names.ts';
import type { ConfigPath } from './error.ts';
import { ConfigFile } from './file.ts';
import { readKey } from './key-file.ts';
import { oscoreContextSchema, type RawOscore } from './schema.ts';
import { readStore } from './store.ts';

/** The parameters of an OSCORE security context, seen from the end whose file it is. */
export interface OscoreConfig {
  readonly masterSecret: Uint8Array;
  readonly masterSalt?: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext?: Uint8Array;
  /** Numbers of the registry "COSE Algorithms". */
  readonly aead?: number;
  readonly hkdf?: number;
  readonly replayWindow?: number;
}

/** A context from a file of its own. */
export interface OscoreContextConfig {
  readonly file: string;
  readonly parameters: OscoreConfig;
  /** Where its sender sequence numbers are, for `openStore`. */
  readonly store: string;
}

/** The parameters with the key read in; what is wrong is noted in `file`. */
export function readOscore(file: ConfigFile, raw: RawOscore, path: ConfigPath): OscoreConfig {
  const masterSecret = readKey(file, path, { ...raw }, 'master_secret', 'master_secret_file') ?? new Uint8Array(16);
  if (masterSecret.length < 16) file.problem([...path, 'master_secret_file'], `expected a Master Secret of at least 16 bytes, got ${masterSecret.length}`);
  const senderId = fromHex(raw.sender_id);
  const recipientId = fromHex(raw.recipient_id);
  const idContext = raw.id_context === undefined ? undefined : fromHex(raw.id_context);
  const aead = aeadAlgorithms[raw.aead ?? 'AES-CCM-16-64-128']!;
  // RFC 8613 §3.3: an identifier has 6 bytes less than the nonce at most.
  const longest = aeadParameters(aead)!.nonceLength - 6;
  for (const [name, id] of [['sender_id', senderId] as const, ['recipient_id', recipientId] as const]) {
    if (id.length > longest) file.problem([...path, name], `expected at most ${longest} bytes with this AEAD algorithm, got ${id.length}`);
  }
  if (equalBytes(senderId, recipientId)) {
    file.problem([...path, 'recipient_id'], 'expected another identifier than sender_id, got the same: both sides would use one key and nonce');
  }
  return {
    masterSecret,
    ...(raw.master_salt !== undefined && { masterSalt: fromHex(raw.master_salt) }),
    senderId,
    recipientId,
    ...(idContext !== undefined && { idContext }),
    ...(raw.aead !== undefined && { aead }),
    ...(raw.hkdf !== undefined && { hkdf: hkdfAlgorithms[raw.hkdf]! }),
    ...(raw.replay_window !== undefined && { replayWindow: raw.replay_window }),
  };
}

/**
 * One end of an OSCORE security context, with its key, from a JSON file.
 *
 * ```json
 * { "master_secret": "0102030405060708090a0b0c0d0e0f10", "master_salt": "9e7ca92223786340", "sender_id": "", "recipient_id": "01" }
 * ```
 *
 * Bytes are hexadecimal; `id_context`, `aead` and `hkdf` by name, `replay_window` and `store` may be there, and `master_secret_file` in place of the secret.
 * Contexts in one folder share a store, `state/oscore` beside them, unless they say otherwise: two files with the same keys then share one counter.
 *
 * @param path - a file, or a folder with `context.json` in it
 * @throws {ConfigError} with every problem that was found
 */
export function loadOscoreContext(path: string): OscoreContextConfig {
  const file = ConfigFile.readJson(path, 'context.json');
  const raw = file.check(oscoreContextSchema);
  const parameters = readOscore(file, raw, []);
  const store = readStore(file, raw, 'state/oscore');
  if (file.hasProblems) file.finish();
  return { file: file.path, parameters, store };
}
