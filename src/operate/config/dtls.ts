import { utf8 } from '../../core/bytes.ts';
import { decode } from '../../core/cbor.ts';
import { type CoseKey, decodeCoseKey } from '../../core/cose/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { DtlsServerSettings, RawDtlsServerSettings, SuitesConfig } from './dtls-settings.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { readKey } from './key-file.ts';
import type { RawDtlsChannel, RawDtlsOwn } from './schema.ts';

/** How a peer proves itself in a DTLS handshake, seen from the AS: a pre-shared key, or its raw public key. */
export type DtlsPeerConfig = { readonly psk: { readonly identity: Uint8Array; readonly key: Uint8Array } } | { readonly rawPublicKey: CoseKey };

/** The same towards an AS: with raw public keys that of the AS, and the own one. */
export type DtlsServerConfig =
  | { readonly psk: { readonly identity: Uint8Array; readonly key: Uint8Array } }
  | { readonly rawPublicKey: { readonly server: CoseKey; readonly own: CoseKey } };

/** What a process has for its own DTLS sessions. */
export interface DtlsConfig {
  /** Its raw public key, with the private part. */
  readonly ownKey?: CoseKey;
  /** A client: how an RS gets a token with a pre-shared key (RFC 9202, Section 3.3.2). */
  readonly token?: 'upload' | 'psk-identity';
  /** The list of cipher suites; those of `default` when absent. */
  readonly suites?: SuitesConfig;
  /** How sessions are opened, how long they last and how many there are. What is absent is as the engine has it. */
  readonly settings?: DtlsServerSettings;
  /** A server: the sessions of its clients go on after a restart. */
  readonly keepSessions?: boolean;
  /** A server: what clients are told with which of their keys to come. */
  readonly pskHint?: Uint8Array;
}

const nothing: CoseKey = { kty: 2 };

/** A COSE_Key in hexadecimal, with `part` for a handshake, public or with its private part; what is wrong is noted in `file`. */
export function readCoseKey(
  file: ConfigFile,
  path: ConfigPath,
  entries: object,
  inline: string,
  named: string,
  part?: 'public' | 'private',
  env?: string,
): CoseKey {
  const parse = (bytes: Uint8Array): CoseKey => decodeCoseKey(decode(bytes));
  const isPublic = (bytes: Uint8Array): boolean => {
    try {
      return parse(bytes).d === undefined;
    } catch {
      return false;
    }
  };
  const bytes = readKey(file, path, { ...entries }, inline, named, { isPublic, ...(env === undefined ? {} : { env }) });
  if (bytes === undefined) return nothing;
  const place = [...path, [inline, env].find((entry) => entry !== undefined && Object.hasOwn(entries, entry)) ?? named];
  try {
    const key = parse(bytes);
    if (part !== undefined && (key.crv === undefined || (part === 'private') !== (key.d !== undefined)))
      file.problem(place, `expected a key on P-256, P-384 or Ed25519 ${part === 'private' ? 'with' : 'without'} its private part, got another`);
    return key;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    file.problem(place, `expected a COSE_Key in hexadecimal: ${error.message}`);
    return nothing;
  }
}

/** The keys of a process for its sessions; what is wrong is noted in `file`. */
export function readDtlsOwn(file: ConfigFile, raw: RawDtlsOwn = {}): DtlsConfig {
  const hasKey = raw.key !== undefined || raw.key_file !== undefined;
  return {
    ...(hasKey && { ownKey: readCoseKey(file, ['dtls'], raw, 'key', 'key_file', 'private') }),
    ...(raw.token !== undefined && { token: raw.token }),
  };
}

/**
 * Whether a server keeps the sessions of its clients when it ends in order: as the file says, and where it says nothing, unless they are forward secret and nothing
 * else (with `seal-strict`), since keys that lie in a store while the server is away can open what was said before.
 */
export function readKeepSessions(
  file: ConfigFile,
  raw: RawDtlsServerSettings | undefined,
  { suites }: Pick<DtlsConfig, 'suites'>,
  lease?: number,
): { readonly keepSessions: boolean } {
  // A session belongs to the address that its client sends to: nothing in the store tells which of several processes comes after there.
  if (raw?.keep_sessions === true && lease !== undefined)
    file.problem(['dtls', 'keep_sessions'], 'expected a store of one server, got one that several servers may have (lease)');
  return { keepSessions: raw?.keep_sessions ?? (!isForwardSecret(suites) && lease === undefined) };
}

function isForwardSecret(suites: SuitesConfig | undefined): boolean {
  return Array.isArray(suites) ? suites.every((suite) => suite.startsWith('TLS_ECDHE_')) : suites === 'seal-strict';
}

/** The credentials of a peer of the AS. */
export function readDtlsPeer(file: ConfigFile, raw: RawDtlsChannel, path: ConfigPath): DtlsPeerConfig {
  if (raw.psk_identity === undefined) return { rawPublicKey: readCoseKey(file, path, raw, 'peer_key', 'peer_key_file', 'public') };
  if (raw.peer_key !== undefined || raw.peer_key_file !== undefined) file.problem(path, 'expected either psk_identity or a peer key, got both');
  const key = readKey(file, path, { ...raw }, 'psk', 'psk_file') ?? new Uint8Array(16);
  if (key.length < 16) file.problem([...path, 'psk_file'], `expected a key of at least 16 bytes, got ${key.length}`);
  return { psk: { identity: utf8(raw.psk_identity), key } };
}

/** The credentials towards an AS; with raw public keys the own one stands at the top of the file. */
export function readDtlsServer(file: ConfigFile, raw: RawDtlsChannel, path: ConfigPath, { ownKey }: DtlsConfig): DtlsServerConfig {
  const peer = readDtlsPeer(file, raw, path);
  if ('psk' in peer) return peer;
  if (ownKey === undefined) file.problem(path, 'expected a section dtls with a key at the top of the file beside a peer key, got none');
  return { rawPublicKey: { server: peer.rawPublicKey, own: ownKey ?? nothing } };
}
