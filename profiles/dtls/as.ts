import {
  AceError,
  AceErrorCode,
  type AsIo,
  aceUpload,
  type Binding,
  type FoundPeer,
  type Grant,
  type PeerRules,
  type ProfileAtAs,
  type Relayed,
} from '../../src/ace/index.ts';
import { Code, ContentFormat, type Layer, type Peer, type SecurityAssociation } from '../../src/coap/index.ts';
import { emptyBytes, equalBytes } from '../../src/core/bytes.ts';
import { type CoseKey, KeyType } from '../../src/core/cose/index.ts';
import type { Confirmation } from '../../src/core/cwt.ts';
import { type Admitted, type Authenticator, type DtlsSessions, encodeSpki, type PskAnswer, type SessionCredentials } from '../../src/dtls/index.ts';
import type { Change } from '../../src/store/index.ts';
import { ClientSession, sessionLayer } from './client-session.ts';
import { credentialsIndex, DtlsProfileError, dtlsPeers, type PeerCredentials, pskIndex, readOwnKey, readPeerCredentials, spkiIndex } from './credentials.ts';
import { KeyIds } from './key-ids.ts';
import { derivePsk, isForHandshake, isRawPublicKey, keyIdOf, keyPairOf, pskLength, publicPart } from './params.ts';

/** What the AS knows of keys, by the ids of its registrations. */
export interface DtlsAtAsOptions {
  /** Raw public keys of clients, beside those by which they prove themselves to the AS. A client gets tokens for no others (RFC 9202, Section 3.2.1). */
  readonly clientKeys?: Readonly<Record<string, readonly CoseKey[]>>;
  /** The raw public key of each resource server that has one. */
  readonly serverKeys?: Readonly<Record<string, CoseKey>>;
  /** For resource servers that derive pre-shared keys from their tokens (RFC 9202, Section 3.3.1): a key of its own that each shares with this AS. */
  readonly derivationKeys?: Readonly<Record<string, Uint8Array>>;
  /** The raw public key of this AS, with its private part: for sessions that it opens itself, to upload tokens to resource servers that prove themselves by one. */
  readonly ownKey?: CoseKey | undefined;
}

function refuse(message: string, error: AceErrorCode = AceErrorCode.unsupported_pop_key): AceError {
  return new AceError('ERR_DTLS_PROFILE_KEY', message, { responseCode: Code.BadRequest, error });
}

/**
 * The DTLS profile at the AS: who its clients and resource servers are, and a fresh pre-shared key, or the raw public key of the client, for each token.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3
 */
export function dtlsAtAs(io: AsIo, sessions: DtlsSessions<Peer>, options: DtlsAtAsOptions = {}): ProfileAtAs {
  return new DtlsAtAs(io, sessions, options);
}

class DtlsAtAs implements ProfileAtAs, Authenticator {
  /** RFC 9202, Section 4. Section 3.3.1 would have a new key made in place of one that is not found: the session that the request is for would not have it. */
  readonly unknownKey: AceErrorCode = AceErrorCode.unsupported_pop_key;
  readonly confidential: boolean = dtlsPeers.confidential;
  readonly indexOf: NonNullable<PeerRules['indexOf']> = dtlsPeers.indexOf!;
  readonly layers: readonly Layer[] = [sessionLayer((association) => this.#find(association))];
  readonly #io: AsIo;
  readonly #sessions: DtlsSessions<Peer>;
  readonly #options: DtlsAtAsOptions;
  readonly #kids: KeyIds;
  readonly #peers = new Map<string, PeerCredentials>();
  /** Whose credentials have an index. */
  readonly #byIndex = new Map<string, string>();
  /** Sessions that this AS opens, by the credential of the peer. */
  readonly #opened = new Map<string, ClientSession>();
  readonly #leave: () => void;

  constructor(io: AsIo, sessions: DtlsSessions<Peer>, options: DtlsAtAsOptions) {
    this.#io = io;
    this.#sessions = sessions;
    this.#options = options;
    this.#kids = new KeyIds(io.store, io.env);
    this.#leave = sessions.authenticate(this);
  }

  psk(identity: Uint8Array): PskAnswer | undefined | Promise<PskAnswer | undefined> {
    const index = pskIndex(identity);
    const credential = this.#byIndex.get(index);
    const credentials = credential === undefined ? undefined : this.#peers.get(credential);
    if (credentials !== undefined && 'psk' in credentials) return { credential: credential!, key: credentials.psk.key };
    return this.#io.findPeer === undefined ? undefined : this.#found(index);
  }

  rawPublicKey(_key: unknown, spki: Uint8Array): Admitted | undefined | Promise<Admitted | undefined> {
    const index = spkiIndex(spki);
    const credential = this.#byIndex.get(index);
    if (credential !== undefined) return { credential };
    return this.#io.findPeer?.(index).then((found) => found && { credential: found.credential });
  }

  async #found(index: string): Promise<PskAnswer | undefined> {
    const found = await this.#io.findPeer?.(index);
    const credentials = found && readPeerCredentials(found.credentials);
    return credentials !== undefined && 'psk' in credentials ? { credential: found!.credential, key: credentials.psk.key } : undefined;
  }

  async addPeer(credential: string, given: unknown): Promise<void> {
    const credentials = readPeerCredentials(given);
    const index = credentialsIndex(credentials);
    if (this.#peers.has(credential) || this.#byIndex.has(index)) {
      throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', `expected credentials of its own for "${credential}", got those of another peer, or two`);
    }
    this.#peers.set(credential, credentials);
    this.#byIndex.set(index, credential);
  }

  removePeer(credential: string): void {
    const credentials = this.#peers.get(credential);
    if (credentials !== undefined) this.#byIndex.delete(credentialsIndex(credentials));
    this.#peers.delete(credential);
    this.#sessions.end(credential);
    this.unreached({ credential });
  }

  async bind(grant: Grant): Promise<Binding | undefined> {
    const { coseKey, kid } = grant.request.reqCnf ?? {};
    if (grant.key?.coseKey !== undefined) return this.#bindAgain(grant, grant.key.coseKey);
    if (coseKey !== undefined) return this.#bindRawPublicKey(grant, this.#registered(grant, coseKey));
    if (kid === undefined) return this.#bindPsk(grant);
    const known = this.#keysOf(grant).find((key) => equalBytes(keyIdOf(key), kid));
    if (known !== undefined) return this.#bindRawPublicKey(grant, known);
    const changes = await this.#kids.extend(grant, kid);
    return changes && update(kid, changes);
  }

  /** With RFC 9202 alone there is nothing that an RS is told beside the token. */
  upload(token: Uint8Array, toRs: Relayed | undefined): Relayed | undefined {
    if (toRs === undefined) return { contentFormat: ContentFormat.Cwt, payload: token };
    const { contentFormat } = toRs;
    const payload = contentFormat === ContentFormat.AceCbor ? aceUpload(token, toRs.payload) : undefined;
    return payload && { contentFormat: ContentFormat.AceCbor, payload };
  }

  async reach({ credential, credentials }: FoundPeer): Promise<SecurityAssociation> {
    const opened = this.#opened.get(credential) ?? new ClientSession(this.#sessions, `towards ${credential}`, this.#own(readPeerCredentials(credentials)));
    this.#opened.set(credential, opened);
    return opened;
  }

  unreached({ credential }: Pick<FoundPeer, 'credential'>): void {
    this.#opened.get(credential)?.end();
    this.#opened.delete(credential);
  }

  stats(): Readonly<Record<string, number>> {
    return { peers: this.#peers.size, opened: this.#opened.size };
  }

  async close(): Promise<void> {
    this.#leave();
    for (const session of this.#opened.values()) session.end();
    this.#opened.clear();
    this.#peers.clear();
    this.#byIndex.clear();
  }

  #find(association: SecurityAssociation | undefined): ClientSession | undefined {
    return [...this.#opened.values()].find((session) => session === association);
  }

  /** How this AS proves itself to a peer. */
  #own(credentials: PeerCredentials): SessionCredentials {
    if ('psk' in credentials) return credentials;
    return { rawPublicKey: { server: credentials.rawPublicKey, own: keyPairOf(readOwnKey('ownKey', this.#options.ownKey)) } };
  }

  #keysOf({ client, keys }: Grant): readonly CoseKey[] {
    const channel = keys?.clientCredentials === undefined ? undefined : readPeerCredentials(keys.clientCredentials);
    const proved = channel !== undefined && 'rawPublicKey' in channel ? [channel.rawPublicKey] : [];
    return [...(ownOf(this.#options.clientKeys, client) ?? []), ...(keys?.clientKeys ?? []), ...proved];
  }

  /** RFC 9202, Section 3.2.1: the AS MUST check that the key is the client's. Under the name that the client gave it. */
  #registered(grant: Grant, asked: CoseKey): CoseKey {
    if (!isRawPublicKey(asked)) throw refuse('req_cnf: expected a key on P-256, P-384 or Ed25519, got another');
    if (!isForHandshake(asked)) throw refuse('req_cnf: expected a key for a handshake by its alg and key_ops, got one for something else');
    const spki = encodeSpki(asked)!;
    if (!this.#keysOf(grant).some((key) => equalBytes(encodeSpki(key)!, spki))) throw refuse('req_cnf: expected a key of the client, got another');
    return asked;
  }

  /** RFC 9202, Section 3.2.1. The key stands in an update too: nothing is then left to what the RS remembers. */
  #bindRawPublicKey(grant: Grant, key: CoseKey): Binding {
    const server = grant.keys?.serverKey ?? ownOf(this.#options.serverKeys, grant.resourceServer);
    if (server === undefined) throw refuse('req_cnf: expected none, since the resource server has no raw public key');
    const cnf: Confirmation = { coseKey: publicPart(key) };
    return { claims: { cnf }, confidential: false, dated: true, changes: [], response: () => ({ rsCnf: { coseKey: publicPart(server) } }) };
  }

  /** RFC 9200, Section 5.8.1: a refresh token is good for the key of its first token alone. A key that was derived from that token is not derived from this one. */
  async #bindAgain(grant: Grant, key: CoseKey): Promise<Binding | undefined> {
    const { coseKey, kid } = grant.request.reqCnf ?? {};
    const isSymmetric = key.kty === KeyType.Symmetric;
    const keyId = isSymmetric ? key.kid! : keyIdOf(key);
    const isOther = coseKey !== undefined && (isSymmetric || !equalBytes(encodeSpki(coseKey) ?? emptyBytes, encodeSpki(key)!));
    if (isOther || (kid !== undefined && !equalBytes(kid, keyId))) {
      throw refuse('req_cnf names another key than that of the refresh token', AceErrorCode.invalid_request);
    }
    if (!isSymmetric) {
      const isKnown = this.#keysOf(grant).some((known) => equalBytes(encodeSpki(known)!, encodeSpki(key)!));
      return isKnown ? this.#bindRawPublicKey(grant, key) : undefined;
    }
    const changes = await this.#kids.extend(grant, keyId);
    if (changes === undefined || kid !== undefined) return changes && update(keyId, changes);
    const cnf: Confirmation = { coseKey: key };
    return { claims: { cnf }, confidential: true, dated: true, changes, response: () => ({ cnf }) };
  }

  /**
   * RFC 9202, Section 3.3.1. No two tokens have one kid, so a key that is derived from a token is never that of another: `iat`, which the RFC recommends for that, is
   * left out.
   */
  #bindPsk(grant: Grant): Binding {
    const derivationKey = grant.keys?.derivationKey ?? ownOf(this.#options.derivationKeys, grant.resourceServer);
    const { kid, change } = this.#kids.allocate(grant);
    const changes = [change];
    const named: CoseKey = { kty: KeyType.Symmetric, kid };
    if (derivationKey !== undefined) {
      const response = (token: Uint8Array): { cnf: Confirmation } => ({ cnf: { coseKey: { ...named, k: derivePsk(derivationKey, token) } } });
      return { claims: { cnf: { coseKey: named } }, confidential: false, changes, response };
    }
    const cnf: Confirmation = { coseKey: { ...named, k: this.#io.env.random(pskLength) } };
    return { claims: { cnf }, confidential: true, changes, response: () => ({ cnf }) };
  }
}

/** What stands under an id; an id may be a name that every object has something under. */
function ownOf<T>(byId: Readonly<Record<string, T>> | undefined, id: string): T | undefined {
  return byId !== undefined && Object.hasOwn(byId, id) ? byId[id] : undefined;
}

/** RFC 9202, Section 4: an update has the identifier in the token, and no key in the response. */
function update(kid: Uint8Array, changes: readonly Change[]): Binding {
  return { claims: { cnf: { kid: kid.slice() } }, confidential: false, dated: true, changes, response: () => ({}) };
}
