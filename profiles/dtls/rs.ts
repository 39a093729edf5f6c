import { type Acceptance, AceError, AceErrorCode, credential, type ProfileAtRs, type RsIo, type TokenUpload } from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  type Handler,
  type Layer,
  OptionNumber,
  type Peer,
  type Request,
  type Response,
  type SecurityAssociation,
  uintOf,
} from '../../src/coap/index.ts';
import { constantTimeEqual, emptyBytes, equalBytes } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { type CoseKey, coseKeyMap, decodeCoseKey, KeyType, thumbprint } from '../../src/core/cose/index.ts';
import type { CurveKey } from '../../src/core/crypto/index.ts';
import type { ClaimsSet } from '../../src/core/cwt.ts';
import type { Cancel } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import {
  type Admitted,
  type Authenticator,
  type DtlsSessions,
  encodeSpki,
  type KeptAnswer,
  type PeerIdentity,
  type PskAnswer,
  type SessionCredentials,
} from '../../src/dtls/index.ts';
import { DtlsProfileError, readServerCredentials } from './credentials.ts';
import { type KnownKey, KnownKeys, type TokenTimes } from './known-keys.ts';
import { decodePskIdentity, derivePsk, isForHandshake, isRawPublicKey, profileName } from './params.ts';

/** How the profile is run at a resource server. */
export interface DtlsAtRsOptions {
  /** By the name of the issuer, the key that this RS shares with it to derive pre-shared keys from tokens that hold none (RFC 9202, Section 3.3.1). */
  readonly derivationKeys?: Readonly<Record<string, Uint8Array>>;
  /** Seconds that an uploaded token waits for a first request in a session with its key; 300. */
  readonly unused?: number;
}

/** Milliseconds between the end of a token and that of its sessions, for the 4.01 that ends what goes on in them (RFC 9202, Section 5). */
const farewell = 3000;

function refuse(code: string, message: string, responseCode: number = Code.BadRequest): AceError {
  return new AceError(code, message, { responseCode, ...(responseCode === Code.BadRequest ? { error: AceErrorCode.invalid_request } : {}) });
}

/** RFC 9200, Section 5.10.1: that of a CWT, and the one of tokens that have none of their own, such as references. */
const tokenFormats: ReadonlySet<number | undefined> = new Set([ContentFormat.Cwt, ContentFormat.OctetStream]);

const created: Response = { code: Code.Created, options: [], payload: emptyBytes };

/**
 * The DTLS profile at the RS: who has uploaded a token may open a session with its key, and has the rights of the last token for it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9202#section-3
 */
export function dtlsAtRs(io: RsIo, sessions: DtlsSessions<Peer>, options: DtlsAtRsOptions = {}): ProfileAtRs {
  return new DtlsAtRs(io, sessions, options);
}

class DtlsAtRs implements ProfileAtRs, Authenticator {
  readonly layers: readonly Layer[];
  readonly #io: RsIo;
  readonly #sessions: DtlsSessions<Peer>;
  readonly #derivationKeys: Readonly<Record<string, Uint8Array>>;
  readonly #keys: KnownKeys;
  /** Sessions whose token has ended. */
  readonly #ending = new Map<string, Cancel>();
  /** How authorization servers prove themselves, by what their sessions go by. */
  readonly #issuers = new Map<string, SessionCredentials>();
  readonly #leave: () => void;

  constructor(io: RsIo, sessions: DtlsSessions<Peer>, { derivationKeys = {}, unused = 300 }: DtlsAtRsOptions) {
    this.#io = io;
    this.#sessions = sessions;
    this.#derivationKeys = derivationKeys;
    this.#keys = new KnownKeys(io.env, unused, (credential) => io.forget(credential));
    this.layers = [{ name: 'dtls-profile', outbound: (next) => next, inbound: (next) => (request, reply) => this.#receive(request, reply, next) }];
    this.#leave = sessions.authenticate(this);
  }

  /** RFC 9202, Section 3.3.2: what is not enough to choose a token ends the handshake with illegal_parameter. */
  async psk(identity: Uint8Array): Promise<PskAnswer | undefined> {
    if (identity.length === 0) return undefined;
    for (const [credential, known] of this.#issuers) if ('psk' in known && equalBytes(known.psk.identity, identity)) return { credential, key: known.psk.key };
    const known = await this.#identify(identity);
    if (known === undefined || !('psk' in known.key)) return { alert: 'illegal_parameter' };
    return { credential: known.credential, key: known.key.psk };
  }

  rawPublicKey(_key: unknown, spki: Uint8Array): Admitted | undefined {
    for (const [credential, issuer] of this.#issuers)
      if ('rawPublicKey' in issuer && equalBytes(encodeSpki(issuer.rawPublicKey.server)!, spki)) return { credential };
    const known = this.#keys.ofSpki(spki);
    return known === undefined ? undefined : { credential: known.credential };
  }

  /** A token in a psk_identity is not admitted again: what counts is whether the token of the session still stands. */
  goesOn(name: string | undefined, peer: PeerIdentity): KeptAnswer | undefined {
    if (name === undefined) return undefined;
    const issuer = this.#issuers.get(name);
    if (issuer === undefined) return goesOnBy(name, this.#keys.get(name)?.key, peer);
    if ('psk' in issuer) return { credential: name, key: issuer.psk.key };
    return 'rawPublicKey' in issuer ? goesOnBy(name, { rawPublicKey: issuer.rawPublicKey.server }, peer) : undefined;
  }

  addIssuer(issuer: string, credentials: unknown): void {
    this.#issuers.set(`issuer:${issuer}`, readServerCredentials(credentials));
  }

  decodeUpload(request: Request): TokenUpload | undefined {
    if (!tokenFormats.has(uintOf(request.options, OptionNumber.ContentFormat))) return undefined;
    const { association, payload } = request;
    const isOurs = association?.credential !== undefined && this.#keys.get(association.credential)?.association === association;
    return isOurs ? { token: payload, association } : { token: payload };
  }

  async accept(claims: ClaimsSet, issuer: string, upload: TokenUpload): Promise<Acceptance> {
    const times: TokenTimes = { ...(claims.iat === undefined ? {} : { iat: claims.iat }), ...(claims.exp === undefined ? {} : { exp: claims.exp }) };
    const { cnf } = claims;
    const known = cnf?.coseKey === undefined ? this.#referred(cnf?.kid, issuer) : this.#keyOf(cnf.coseKey, issuer, upload.token);
    const before = this.#keys.get(known.credential);
    // RFC 9202, Section 4: rights change for a session only by a token with the key of its handshake.
    if (upload.association !== undefined && before?.association !== upload.association)
      throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected the key of the session that protects the upload, got another', Code.Unauthorized);
    if (before === undefined) {
      const added: KnownKey = { ...known, times };
      this.#keys.add(added);
      return { credential: known.credential, association: known.association, response: created, update: false, saved: encodeSaved(added) };
    }
    // Who has seen a token on its way to an open authz-info may send it again, and bring back rights that are gone (RFC 9202, Section 7.2).
    if (upload.association === undefined && isOlder(times, before.times))
      throw refuse('ERR_DTLS_PROFILE_OLDER', 'expected no older token than the last one for the same key, got one', Code.Unauthorized);
    before.times = times;
    const { association, used } = before;
    return { credential: known.credential, association, response: created, update: used, saved: encodeSaved(before) };
  }

  async restore(name: string, saved: Uint8Array): Promise<SecurityAssociation> {
    if (this.#keys.get(name) !== undefined) throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', `expected one key for "${name}", got two`);
    const known = decodeSaved(name, saved);
    this.#keys.add(known);
    return known.association;
  }

  release(name: string): void {
    const known = this.#keys.get(name);
    if (known === undefined) return;
    this.#keys.remove(name);
    if (this.#ending.has(name)) return;
    const end = (): void => {
      this.#ending.delete(name);
      // Another token for the key may have come in the meantime.
      if (this.#keys.get(name) === undefined) this.#sessions.end(name);
    };
    this.#ending.set(name, this.#io.env.schedule(farewell, end));
  }

  stats(): Readonly<Record<string, number>> {
    return { keys: this.#keys.size, unused: this.#keys.waiting, ending: this.#ending.size };
  }

  async close(): Promise<void> {
    this.#leave();
    for (const cancel of this.#ending.values()) cancel();
    this.#ending.clear();
    this.#keys.close();
  }

  /** All sessions with a key are one association to the guard; where the key has ended, nothing vouches for the request. */
  #receive(request: Request, reply: Parameters<Handler>[1], next: Handler): void {
    const { association, ...unprotected } = request;
    if (association?.kind !== 'dtls' || association.credential?.startsWith(`${profileName}:`) !== true) {
      next(request, reply);
      return;
    }
    const known = this.#keys.get(association.credential);
    if (known === undefined) {
      next(unprotected, reply);
      return;
    }
    this.#keys.use(known);
    next({ ...unprotected, association: known.association }, reply);
  }

  async #identify(identity: Uint8Array): Promise<KnownKey | undefined> {
    const said = decodePskIdentity(identity);
    if (said === undefined) return undefined;
    if ('kid' in said) {
      const [known, ...others] = this.#keys.named(said.kid).filter(({ key }) => 'psk' in key);
      // Two issuers have given the same name: it says too little.
      return others.length === 0 ? known : undefined;
    }
    try {
      return this.#keys.get((await this.#io.admit(said)).credential);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return undefined;
    }
  }

  /** The key that a token refers to by its kid. */
  #referred(kid: Uint8Array | undefined, issuer: string): KnownKey {
    if (kid === undefined) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a COSE_Key or a kid, got neither');
    const [known, ...others] = this.#keys.named(kid).filter((one) => one.issuer === issuer);
    if (known === undefined || others.length > 0) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected the kid of one key that is known here, got another');
    return known;
  }

  #keyOf(given: CoseKey, issuer: string, token: Uint8Array): KnownKey {
    if (!isForHandshake(given)) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a key for a handshake by its alg and key_ops, got one for something else');
    if (given.kty !== KeyType.Symmetric) {
      if (!isRawPublicKey(given)) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a public key on P-256, P-384 or Ed25519, got another');
      return fresh(credential(profileName, issuer, thumbprint(given)), issuer, given.kid, { rawPublicKey: given });
    }
    const { kid } = given;
    if (kid === undefined) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a symmetric key with a kid, got one without');
    const psk = given.k ?? this.#derive(issuer, token);
    const known = fresh(credential(profileName, issuer, kid), issuer, kid, { psk });
    const before = this.#keys.get(known.credential);
    if (before !== undefined && (!('psk' in before.key) || !constantTimeEqual(before.key.psk, psk)))
      throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a kid of its own for another key, got one that is in use');
    return known;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9202#section-3.3.1 */
  #derive(issuer: string, token: Uint8Array): Uint8Array {
    const derivationKey = Object.hasOwn(this.#derivationKeys, issuer) ? this.#derivationKeys[issuer] : undefined;
    if (derivationKey === undefined) throw refuse('ERR_DTLS_PROFILE_KEY', 'cnf: expected a key, got its kid alone, and no key to derive it from is shared');
    return derivePsk(derivationKey, token);
  }
}

/** A pre-shared key is for who asks to compare. */
function goesOnBy(
  name: string,
  key: { readonly psk: Uint8Array } | { readonly rawPublicKey: CurveKey } | undefined,
  peer: PeerIdentity,
): KeptAnswer | undefined {
  if (key === undefined) return undefined;
  if ('psk' in key) return { credential: name, key: key.psk };
  return peer.type === 'raw-public-key' && equalBytes(encodeSpki(key.rawPublicKey)!, peer.spki) ? { credential: name } : undefined;
}

function fresh(name: string, issuer: string, kid: Uint8Array | undefined, key: KnownKey['key']): KnownKey {
  const own = 'psk' in key ? { psk: key.psk.slice() } : key;
  const association: SecurityAssociation = { kind: 'dtls', id: name, credential: name };
  return { credential: name, issuer, kid: kid?.slice(), key: own, association, times: {}, used: false };
}

/**
 * By when they were issued, or else by when they end, where an AS gives all the same time. An AS that says of a token when it was issued says so of all but the first
 * for a key.
 */
function isOlder(token: TokenTimes, before: TokenTimes): boolean {
  if (before.iat !== undefined) return token.iat === undefined || token.iat < before.iat;
  if (token.iat !== undefined) return false;
  return token.exp !== undefined && before.exp !== undefined && token.exp < before.exp;
}

/** Holds the secret, which a restarted RS needs, and what tells older tokens for the key from newer ones. */
function encodeSaved({ issuer, kid, key, times: { iat, exp } }: KnownKey): Uint8Array {
  return encode([issuer, kid ?? null, 'psk' in key ? key.psk : coseKeyMap(key.rawPublicKey), iat ?? null, exp ?? null]);
}

function decodeSaved(name: string, saved: Uint8Array): KnownKey {
  const value: CborValue = decode(saved);
  const [issuer, kid, key, iat, exp] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  const isNamed = typeof issuer === 'string' && (kid === null || kid instanceof Uint8Array);
  if (!isNamed || !(key instanceof Uint8Array || key instanceof Map))
    throw new DtlsProfileError('ERR_DTLS_PROFILE_USE', 'expected a saved key, got something else');
  const known = fresh(name, issuer, kid ?? undefined, key instanceof Uint8Array ? { psk: key } : { rawPublicKey: decodeCoseKey(key) });
  const times: TokenTimes = { ...(typeof iat === 'number' ? { iat } : {}), ...(typeof exp === 'number' ? { exp } : {}) };
  return { ...known, times, used: true };
}
