import { equalBytes, toBase64Url } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import type { Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';
import {
  type ClientRegistration,
  clientCredential,
  type GrantRegistration,
  type RegisteredPeer,
  type ResourceServerRegistration,
  type Rules,
  refuseRegistration,
  registeredClient,
  registeredResourceServer,
  resourceServerCredential,
} from './registration.ts';
import { decodeClientRecord, decodePolicyRecord, decodeResourceServerRecord, type StoredRegistration } from './registration-codec.ts';

/** Bytes that the ids in a key of the store may take. */
const longestIds = 900;

/** What stands in a URI as it is, the usual case. */
const unreserved = /^[\w.~-]+$/;
const loneSurrogate = /\p{Cs}/u;

/** The registrations of the AS in the store, by prefix. */
export const prefixes = { client: 'as/client/', rs: 'as/rs/', peer: 'as/peer/', audience: 'as/audience/', policy: 'as/policy/' } as const;

/** A key of the store; `undefined`: nothing has such an id, since it is empty, too long for a key, or no text. */
export function storeKey(prefix: string, ...ids: readonly string[]): string | undefined {
  let key = '';
  for (const id of ids) {
    const isPlain = unreserved.test(id);
    if (id === '' || (!isPlain && loneSurrogate.test(id))) return undefined;
    if (key !== '') key += '/';
    key += isPlain ? id : encodeURIComponent(id);
  }
  return key.length > longestIds ? undefined : prefix + key;
}

/**
 * The key of something that is to be made.
 *
 * @throws {AuthorizationServerError} `ERR_AS_CONFIG`
 */
export function newStoreKey(what: string, prefix: string, ...ids: readonly string[]): string {
  const key = storeKey(prefix, ...ids);
  if (key === undefined) throw refuseRegistration(what, `expected an id of 1 to ${longestIds} bytes as it stands in a URI, got another`);
  return key;
}

/** The index of a peer in a profile, as a key. */
export function peerKey(profile: number, index: string): string {
  return `${prefixes.peer}${profile}/${index}`;
}

/** Whom an index is of. */
export interface PeerName {
  readonly kind: 'client' | 'rs';
  readonly id: string;
}

export function encodePeerName({ kind, id }: PeerName): Uint8Array {
  return encode([kind, id]);
}

export function decodePeerName(bytes: Uint8Array): PeerName | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [kind, id] = value as readonly unknown[];
  return (kind === 'client' || kind === 'rs') && typeof id === 'string' ? { kind, id } : undefined;
}

/** A registration of the store: as it stands there, and made fit for use. */
export interface StoredPeer<T extends RegisteredPeer = RegisteredPeer> {
  /** The bytes of the record. */
  readonly bytes: Uint8Array;
  readonly stored: StoredRegistration<T['kind'] extends 'client' ? ClientRegistration : ResourceServerRegistration>;
  readonly peer: T;
}

export type StoredClient = StoredPeer<RegisteredPeer & { readonly kind: 'client' }>;
export type StoredResourceServer = StoredPeer<RegisteredPeer & { readonly kind: 'rs' }>;

const separator = '#';

/** What an association with a peer of the store goes by: who it is, and of which revision its credentials are. */
export function storedCredential({ kind, id }: PeerName, revision: Uint8Array): string {
  return `${kind === 'client' ? clientCredential(id) : resourceServerCredential(id)}${separator}${toBase64Url(revision)}`;
}

/** Whose a credential is, if it may be of a peer of the store. */
export function peerNameOf(credential: string): PeerName | undefined {
  const end = credential.lastIndexOf(separator);
  if (end < 0) return undefined;
  if (credential.startsWith('client:')) return { kind: 'client', id: credential.slice(7, end) };
  return credential.startsWith('rs:') ? { kind: 'rs', id: credential.slice(3, end) } : undefined;
}

/** How many decoded records are kept. */
const keptRecords = 4096;

/**
 * Reads the registrations that the store has.
 *
 * Each look-up reads the store, so what another process changed is seen at once. What is kept is the decoded form of the last records that were read, for as long
 * as the bytes in the store are the same.
 */
export class RegistrationStore {
  readonly #store: Store;
  readonly #rules: Rules;
  /** In order of use. */
  readonly #decoded = new Map<string, StoredClient | StoredResourceServer>();

  constructor(store: Store, rules: Rules) {
    this.#store = store;
    this.#rules = rules;
  }

  /** Decoded records that are kept. */
  get size(): number {
    return this.#decoded.size;
  }

  /** @throws {AuthorizationServerError} `ERR_AS_RECORD`, `ERR_AS_CONFIG` for a record that cannot be used */
  client(id: string): Promise<StoredClient | undefined> {
    return this.#read(storeKey(prefixes.client, id), (bytes) => this.#client(bytes));
  }

  /** @throws {AuthorizationServerError} as `client` */
  resourceServer(id: string): Promise<StoredResourceServer | undefined> {
    return this.#read(storeKey(prefixes.rs, id), (bytes) => this.#resourceServer(bytes));
  }

  /** All resource servers of the store, but for those whose records cannot be used here: there are no tokens for them. */
  async *resourceServers(): AsyncGenerator<RegisteredPeer & { readonly kind: 'rs' }, void, undefined> {
    for await (const [, bytes] of this.#store.scan(prefixes.rs)) {
      const server = usable(() => this.#resourceServer(bytes).peer);
      if (!(server instanceof AuthorizationServerError)) yield server;
    }
  }

  peer({ kind, id }: PeerName): Promise<StoredClient | StoredResourceServer | undefined> {
    return kind === 'client' ? this.client(id) : this.resourceServer(id);
  }

  /** The id of the resource server that has an audience. */
  async audience(audience: string): Promise<string | undefined> {
    const key = storeKey(prefixes.audience, audience);
    const bytes = key === undefined ? undefined : await this.#store.get(key);
    return bytes && (decode(bytes) as string);
  }

  async peerAt(profile: number, index: string): Promise<PeerName | undefined> {
    const bytes = await this.#store.get(peerKey(profile, index));
    return bytes && decodePeerName(bytes);
  }

  policy(client: string, audience: string): Promise<GrantRegistration | undefined> {
    const key = storeKey(prefixes.policy, client, audience);
    return key === undefined ? Promise.resolve(undefined) : this.#store.get(key).then((bytes) => bytes && decodePolicyRecord(bytes));
  }

  /** The policies for a client, in order of audience. */
  async *policies(client: string, limit: number): AsyncIterable<GrantRegistration> {
    const key = storeKey(prefixes.policy, client);
    if (key === undefined) return;
    for await (const [, bytes] of this.#store.scan(`${key}/`, { limit })) yield decodePolicyRecord(bytes);
  }

  #client(bytes: Uint8Array): StoredClient {
    const stored = decodeClientRecord(bytes);
    return { bytes, stored, peer: registeredClient(stored.registration, 'store', this.#rules) };
  }

  #resourceServer(bytes: Uint8Array): StoredResourceServer {
    const stored = decodeResourceServerRecord(bytes);
    return { bytes, stored, peer: registeredResourceServer(stored.registration, 'store', this.#rules) };
  }

  async #read<T extends StoredClient | StoredResourceServer>(key: string | undefined, read: (bytes: Uint8Array) => T): Promise<T | undefined> {
    if (key === undefined) return undefined;
    const bytes = await this.#store.get(key);
    const kept = this.#decoded.get(key);
    this.#decoded.delete(key);
    if (bytes === undefined) return undefined;
    const record = kept !== undefined && equalBytes(kept.bytes, bytes) ? (kept as T) : read(bytes);
    this.#decoded.set(key, record);
    if (this.#decoded.size > keptRecords) this.#decoded.delete(this.#decoded.keys().next().value!);
    return record;
  }
}

/** What is read from a record, or why this server cannot use it: the record is broken, or of a time when the server was configured otherwise. */
export function usable<T>(read: () => T): T | AuthorizationServerError {
  try {
    return read();
  } catch (error) {
    if (error instanceof AuthorizationServerError) return error;
    throw error;
  }
}

/** The id behind a key of the store. */
export function idOf(prefix: string, key: string): string {
  return decodeURIComponent(key.slice(prefix.length));
}

export function encodeAudience(id: string): Uint8Array {
  return encode(id);
}
