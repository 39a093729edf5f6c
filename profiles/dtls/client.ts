import {
  type AccessInformation,
  AceError,
  type ClientIo,
  type PreparedUpload,
  type ProfileAtClient,
  type Target,
  type TokenRequest,
  type TokenResponse,
} from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  formatCode,
  type Layer,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  type Request,
  type Response,
  type SecurityAssociation,
  uintOption,
} from '../../src/coap/index.ts';
import { equalBytes, toHex } from '../../src/core/bytes.ts';
import { type CborMap, decode, encode } from '../../src/core/cbor.ts';
import { type CoseKey, coseKeyMap, decodeCoseKey, KeyType } from '../../src/core/cose/index.ts';
import { DtlsError, type DtlsSessions, encodeSpki, type SessionCredentials } from '../../src/dtls/index.ts';
import { ClientSession, plainPeer, sessionLayer } from './client-session.ts';
import { DtlsProfileError, readOwnKey, readServerCredentials } from './credentials.ts';
import { encodePskIdentity, isForHandshake, isRawPublicKey, keyIdOf, keyPairOf, publicPart } from './params.ts';

/** How the profile is run at a client. */
export interface DtlsAtClientOptions {
  /** The raw public key of the client, with its private part: tokens are asked for it (RFC 9202, Section 3.2). Absent: for pre-shared keys. */
  readonly ownKey?: CoseKey;
  /**
   * How an RS gets a token with a pre-shared key: by an upload to authz-info, or in the handshake, as psk_identity, which saves the upload and asks the RS for
   * no open authz-info (RFC 9202, Section 3.3.2). Default `upload`.
   */
  readonly token?: 'upload' | 'psk-identity';
}

/** The longest psk_identity: its length stands in two bytes. */
const longestIdentity = 0xffff;

/** What a session with an RS is made of. */
interface Keys {
  /** Names the key in an update of access rights. */
  readonly keyId: Uint8Array;
  readonly key: { readonly psk: Uint8Array } | { readonly server: CoseKey };
}

/**
 * The DTLS profile at the client.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3
 */
export function dtlsAtClient(io: ClientIo, sessions: DtlsSessions<Peer>, options: DtlsAtClientOptions = {}): ProfileAtClient {
  return new DtlsAtClient(io, sessions, options);
}

class DtlsAtClient implements ProfileAtClient {
  readonly opens = 'coaps';
  readonly layers: readonly Layer[];
  readonly #io: ClientIo;
  readonly #sessions: DtlsSessions<Peer>;
  readonly #ownKey: CoseKey | undefined;
  readonly #token: 'upload' | 'psk-identity';
  readonly #servers = new Set<ClientSession>();
  readonly #established = new Map<SecurityAssociation, Keys>();

  constructor(io: ClientIo, sessions: DtlsSessions<Peer>, { ownKey, token = 'upload' }: DtlsAtClientOptions) {
    this.#io = io;
    this.#sessions = sessions;
    this.#ownKey = ownKey === undefined ? undefined : readOwnKey('ownKey', ownKey);
    this.#token = token;
    this.layers = [sessionLayer((association) => this.#find(association))];
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9202#section-6 */
  async connectAs(credentials: unknown, peer: Peer): Promise<SecurityAssociation> {
    const session = this.#session(readServerCredentials(credentials));
    this.#checkReach(peer);
    await session.open(peer);
    this.#servers.add(session);
    return session;
  }

  request(_target: Target | undefined, update?: SecurityAssociation): Partial<TokenRequest> {
    const keys = update === undefined ? undefined : this.#established.get(update);
    if (keys !== undefined) return { reqCnf: { kid: keys.keyId } };
    return this.#ownKey === undefined ? {} : { reqCnf: { coseKey: publicPart(this.#ownKey) } };
  }

  async establish(granted: TokenResponse, target: Target): Promise<SecurityAssociation> {
    this.#checkReach(target.peer);
    const keys = this.#keysOf(granted);
    const inIdentity = this.#token === 'psk-identity' && 'psk' in keys.key;
    if (!inIdentity) await this.#upload({ ...uploadRequest(target, granted.accessToken), peer: plainPeer(target.peer) });
    const again = this.#credentialsOf(keys);
    return this.#open(keys, target, this.#session(inIdentity ? tokenAsIdentity(granted.accessToken, again) : again, again));
  }

  /** The RS knows the token: what remains is the handshake. */
  async prepareUpload(target: Target): Promise<PreparedUpload> {
    return {
      establish: async (granted) => {
        this.#checkReach(target.peer);
        const keys = this.#keysOf(granted);
        return this.#open(keys, target, this.#session(this.#credentialsOf(keys)));
      },
      cancel: async () => {},
    };
  }

  async #open(keys: Keys, target: Target, session: ClientSession): Promise<SecurityAssociation> {
    try {
      await session.open(target.peer);
    } catch (error) {
      if (!(error instanceof DtlsError) || error.code === 'ERR_DTLS_TIMEOUT') throw error;
      throw broken('ERR_ACE_UPLOAD', `the RS opened no session with the key of the token: ${error.message}`, Code.Unauthorized, error);
    }
    this.#established.set(session, keys);
    return session;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9202#section-4 */
  async update(granted: TokenResponse, association: SecurityAssociation, target: Target): Promise<void> {
    const response = await this.#upload({ ...uploadRequest(target, granted.accessToken), association, idempotent: true });
    if (response.association !== association)
      throw broken('ERR_ACE_UNPROTECTED', 'expected a protected answer to the update, got one without protection', response.code);
  }

  save(association: SecurityAssociation): Uint8Array {
    const keys = this.#established.get(association);
    if (keys === undefined) throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', 'expected a session with an RS, got another association');
    return encode([keys.keyId, 'psk' in keys.key ? keys.key.psk : coseKeyMap(keys.key.server)]);
  }

  async restore(saved: Uint8Array): Promise<SecurityAssociation> {
    const value = decode(saved);
    const [keyId, key] = Array.isArray(value) ? (value as readonly unknown[]) : [];
    if (!(keyId instanceof Uint8Array) || !(key instanceof Uint8Array || key instanceof Map)) {
      throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', 'expected a saved session, got something else');
    }
    const keys: Keys = { keyId: keyId.slice(), key: key instanceof Uint8Array ? { psk: key.slice() } : { server: decodeCoseKey(key as CborMap) } };
    const session = this.#session(this.#credentialsOf(keys));
    this.#established.set(session, keys);
    return session;
  }

  async release(association: SecurityAssociation): Promise<void> {
    if (this.#established.delete(association)) (association as ClientSession).end();
  }

  stats(): Readonly<Record<string, number>> {
    return { sessions: this.#established.size, servers: this.#servers.size };
  }

  async close(): Promise<void> {
    for (const session of [...this.#established.keys(), ...this.#servers]) (session as ClientSession).end();
    this.#servers.clear();
    this.#established.clear();
  }

  #find(association: SecurityAssociation | undefined): ClientSession | undefined {
    if (!(association instanceof ClientSession)) return undefined;
    return this.#servers.has(association) || this.#established.has(association) ? association : undefined;
  }

  #session(credentials: SessionCredentials, again: SessionCredentials = credentials): ClientSession {
    return new ClientSession(this.#sessions, `session ${toHex(this.#io.env.random(8))}`, credentials, again);
  }

  #checkReach(peer: Peer): void {
    if (peer.via !== undefined)
      throw broken('ERR_DTLS_PROFILE_USE', 'expected a server that is reached without a CoAP proxy, got one behind it', Code.ProxyingNotSupported);
  }

  #keysOf({ cnf, rsCnf }: AccessInformation): Keys {
    const key = cnf?.coseKey;
    // RFC 9201 §5.
    if (key !== undefined && !isForHandshake(key))
      throw broken(
        'ERR_DTLS_PROFILE_KEY',
        'token response: expected a key for a handshake in cnf, by its alg and key_ops, got one for something else',
        Code.Created,
      );
    if (key?.kty === KeyType.Symmetric) {
      if (key.k === undefined || key.kid === undefined)
        throw broken('ERR_DTLS_PROFILE_KEY', 'token response: expected k and kid in cnf, got less', Code.Created);
      return { keyId: key.kid.slice(), key: { psk: key.k.slice() } };
    }
    const own = this.#ownKey;
    if (own === undefined) throw broken('ERR_DTLS_PROFILE_KEY', 'token response: expected a symmetric key in cnf, got none', Code.Created);
    // RFC 9202 §3.2.2: the key that the AS names is the one to use.
    if (key !== undefined && !isSameKey(key, own))
      throw broken('ERR_DTLS_PROFILE_KEY', 'token response: expected the key of this client in cnf, got another', Code.Created);
    const server = rsCnf?.coseKey;
    if (server === undefined || !isRawPublicKey(server) || !isForHandshake(server))
      throw broken('ERR_DTLS_PROFILE_KEY', 'token response: expected the public key of the RS in rs_cnf, got none that is of use', Code.Created);
    return { keyId: keyIdOf(own), key: { server } };
  }

  #credentialsOf({ keyId, key }: Keys): SessionCredentials {
    if ('psk' in key) return { psk: { identity: encodePskIdentity(keyId), key: key.psk } };
    if (this.#ownKey === undefined) throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', 'expected the raw public key that the session was made with, got none');
    return { rawPublicKey: { server: key.server, own: keyPairOf(this.#ownKey) } };
  }

  async #upload(request: Request): Promise<Response> {
    const response = await this.#io.request(request);
    if (response.code !== Code.Created) throw broken('ERR_ACE_UPLOAD', `the RS refused the token: ${formatCode(response.code)}`, response.code);
    return response;
  }
}

/** RFC 9202, Section 3.3.2: the token as it came, opaque. */
function tokenAsIdentity(token: Uint8Array, credentials: SessionCredentials): SessionCredentials {
  if (token.length > longestIdentity)
    throw broken('ERR_DTLS_PROFILE_IDENTITY', `expected a token of at most ${longestIdentity} bytes for a psk_identity, got ${token.length}`, Code.Created);
  return 'psk' in credentials ? { psk: { identity: token, key: credentials.psk.key } } : credentials;
}

function uploadRequest(target: Target, token: Uint8Array): Request {
  return {
    code: Method.POST,
    options: [...pathOptions(target.authzInfo), uintOption(OptionNumber.ContentFormat, ContentFormat.Cwt)],
    payload: token,
    peer: target.peer,
  };
}

function isSameKey(one: CoseKey, other: CoseKey): boolean {
  return isRawPublicKey(one) && equalBytes(encodeSpki(one)!, encodeSpki(other)!);
}

function broken(code: string, message: string, responseCode: number, cause?: unknown): AceError {
  return new AceError(code, message, { responseCode, ...(cause === undefined ? {} : { cause }) });
}
