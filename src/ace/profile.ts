import type { Layer, Peer, Request, Response, SecurityAssociation, UriScheme } from '../coap/index.ts';
import { toBase64Url } from '../core/bytes.ts';
import type { CoseKey } from '../core/cose/index.ts';
import type { ClaimsSet, Confirmation } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import type { Change, Store } from '../store/index.ts';
import type { AceErrorCode } from './error.ts';
import type { AccessInformation, TokenRequest, TokenResponse } from './token.ts';
import type { Relayed } from './token-upload.ts';

/**
 * The plug of RFC 9200 Appendix C: what a profile of ACE supplies, by role. Roles and profiles never import each other; they meet here.
 *
 * A `Profile` is a stateless value; each role makes its own instance and gives it what it may use.
 */
export interface Profile {
  /** The `ace_profile` value. */
  readonly id: number;
  readonly name: string;
  /** Its part at an authorization server. Absent: the profile has none. */
  as?(io: AsIo): ProfileAtAs;
  /** Its part at a client. */
  client?(io: ClientIo): ProfileAtClient;
  /** Its part at a resource server. */
  rs?(io: RsIo): ProfileAtRs;
}

/**
 * The joint between a channel and a token: equal key ids in two profiles, or of two issuers, never meet.
 */
export function credential(profile: string, issuer: string, keyId: Uint8Array): string {
  return `${profile}:${issuer}:${toBase64Url(keyId)}`;
}

/** Something worth a log line; `reason` is stable, `detail` is for people and holds no secret. */
export interface ProfileEvent {
  readonly type: string;
  readonly reason?: string;
  readonly detail?: string;
  /** A message before it was encrypted or after it was decrypted: for tracing, never for a log. */
  readonly inner?: Request | Response;
  readonly direction?: 'in' | 'out';
}

/** A peer of the AS whose credentials are not among those that were added. */
export interface FoundPeer {
  /** What its associations go by. Of other credentials it is another, also for the same peer. */
  readonly credential: string;
  readonly credentials: unknown;
}

/** What an authorization server lets a profile use. */
export interface AsIo {
  readonly env: Env;
  readonly store: Store;
  /**
   * The registered peer whose credentials have this index (`PeerRules.indexOf`), as it stands at this moment; it is asked when the first message of such a peer
   * comes, and again when there is doubt. Absent: all peers are added.
   */
  findPeer?(index: string): Promise<FoundPeer | undefined>;
  /**
   * Several processes of this AS serve with the store: for so many seconds after a request one of them has its security context to itself. Absent: this process is
   * the only one.
   */
  readonly lease?: number;
  /** For the log and for tracing. */
  emit(event: ProfileEvent): void;
}

/** Keys of client and resource server, beside those that the options of a profile name. */
export interface RegisteredKeys {
  /** What the client proves itself by to the AS, where that is in the same profile. */
  readonly clientCredentials?: unknown;
  readonly clientKeys: readonly CoseKey[];
  readonly serverKey?: CoseKey;
  readonly derivationKey?: Uint8Array;
}

/** What the token endpoint has decided to grant, before the token is made. */
export interface Grant {
  readonly client: string;
  readonly audience: string;
  /** The resource server behind the audience: the space in which key identifiers are unique. */
  readonly resourceServer: string;
  readonly request: TokenRequest;
  /** Bind to this key again, which a response or a token had: the request comes with a refresh token (RFC 9200, Section 5.8.1). */
  readonly key?: Confirmation;
  /** Seconds since 1970; a key that is bound here is of no use afterwards. */
  readonly expiresAt: number;
  /** What the registrations say of keys. */
  readonly keys?: RegisteredKeys;
  /** The token has an `exi` claim: the RS counts from when it gets the token, so a key identifier that was given once must never be given again. */
  readonly exi: boolean;
}

/** A token that the profile has bound to a key: what stands in it, and what comes with it. */
export interface Binding {
  readonly claims: { readonly cnf: Confirmation };
  /** The claims hold a secret: the token must be encrypted for the RS. */
  readonly confidential: boolean;
  /** The key may be that of an earlier token, and what tells the resource server which is the newer is when they were issued: the token has `iat`. */
  readonly dated?: boolean;
  /**
   * What has to be durable before the token is given away; the role makes it in one batch with the record of the token. Where another process has got ahead, so
   * that something else is there than a change expects, the role binds again.
   */
  readonly changes: readonly Change[];
  /** What the response carries beside the token; it sees the finished token (RFC 9202 Section 3.3.1 derives the key from its bytes). */
  response(token: Uint8Array): { readonly cnf?: Confirmation; readonly rsCnf?: Confirmation };
}

/** What an AS has to know of the credentials of its peers, also where it does not serve. */
export interface PeerRules {
  /** Some bindings of the profile are confidential: a resource server that it serves needs a key to encrypt tokens. */
  readonly confidential: boolean;
  /**
   * By what a message, or a handshake, names credentials: no two peers may have the same, and the AS finds by it those that are registered. At most 600 letters,
   * digits and `.-_`. Throws on credentials of a wrong shape. Absent: all peers are added.
   */
  indexOf?(credentials: unknown): string;
}

/** What a profile supplies for an authorization server (RFC 9200, Appendix C): a channel to its peers, and tokens bound to keys. */
export interface ProfileAtAs extends PeerRules {
  /** The error for a `req_cnf` that names a key which the AS does not know: RFC 9203 invalid_request, RFC 9202 unsupported_pop_key. */
  readonly unknownKey: AceErrorCode;
  /** The secure channel towards clients and resource servers, application side first. */
  readonly layers: readonly Layer[];
  /** Provision a peer (a client or an RS); requests that it protects carry an association with this credential. Throws on credentials of a wrong shape. */
  addPeer(credential: string, credentials: unknown): Promise<void>;
  /** It is a peer no more, be it one that was added or one that was found: its associations end. */
  removePeer(credential: string): void;
  /**
   * Bind a key, at once where nothing has to be looked up. `undefined`: the request names a key that is unknown, foreign or expired; the role answers with
   * `unknownKey`. Throws `AceError`, or rejects with it, for a `req_cnf` that the profile cannot serve (`unsupported_pop_key`).
   */
  bind(grant: Grant): Binding | undefined | Promise<Binding | undefined>;
  /**
   * What this AS sends to authz-info when it uploads a token on behalf of a client (see token-upload.ts). `undefined`: what the client wants the RS to be told is
   * nothing that this profile can pass on, and there is no upload.
   */
  upload?(token: Uint8Array, toRs: Relayed | undefined): Relayed | undefined;
  /** The association that protects requests of this AS to a peer of it. Throws `ProtocolError` when there is none. */
  reach?(peer: FoundPeer): Promise<SecurityAssociation>;
  /** A request under that association was not answered: it may be lost. */
  unreached?(peer: FoundPeer): void;
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /** Let go of contexts and timers. */
  close(): Promise<void>;
}

/** The resource server that a client talks to. */
export interface Target {
  readonly peer: Peer;
  readonly audience: string;
  /** Path segments of the authz-info endpoint. */
  readonly authzInfo: readonly string[];
}

/** What a client lets a profile use. */
export interface ClientIo {
  readonly env: Env;
  readonly store: Store;
  /** Send without this profile's protection, or under `request.association` when it is set. */
  request(request: Request): Promise<Response>;
  /** For the log and for tracing. */
  emit(event: ProfileEvent): void;
}

/** What a profile supplies for a client (RFC 9200, Appendix C): a channel to its peers, and proof of possession. */
export interface ProfileAtClient {
  /** The secure channel, application side first. */
  readonly layers: readonly Layer[];
  /** The profile opens the sessions of this scheme itself: peers of it come to it as an address alone. */
  readonly opens?: UriScheme;
  /** An AS that `connectAs` may be called for later: what these credentials fix goes to nobody else. Throws on credentials of a wrong shape. */
  registerAs?(credentials: unknown): void;
  /** The pre-established association with an AS (RFC 9203 Section 5). Throws on credentials of a wrong shape. */
  connectAs(credentials: unknown, peer: Peer): Promise<SecurityAssociation>;
  /** What this profile adds to a token request; without a target the token is for no RS that is known. `update`: the association whose rights are to change. */
  request(target: Target | undefined, update?: SecurityAssociation): Partial<TokenRequest>;
  /** Upload the token and derive the association. Throws `AceError` when the RS refuses or answers against the profile. */
  establish(granted: TokenResponse, target: Target): Promise<SecurityAssociation>;
  /** Make ready for a token that the AS uploads. Absent: there is no such thing in this profile. */
  prepareUpload?(target: Target): Promise<PreparedUpload>;
  /** Upload a token that changes the rights of a living association. */
  update(granted: TokenResponse, association: SecurityAssociation, target: Target): Promise<void>;
  /** What a later process needs to go on with this association; kept in the client's store. */
  save(association: SecurityAssociation): Uint8Array;
  /** The association that `save` gave these bytes of. Throws `ProtocolError` on bytes that are not such. */
  restore(saved: Uint8Array): Promise<SecurityAssociation>;
  /** The association is not needed any more. */
  release(association: SecurityAssociation): Promise<void>;
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /** Let go of contexts and timers. */
  close(): Promise<void>;
}

/** A token that the AS is to upload, seen from the client. One of `establish` and `cancel` is called. */
export interface PreparedUpload {
  /** What the RS is to be told beside the token. */
  readonly toRs?: Relayed;
  /** Derive the association from what the RS has answered to the AS. Throws as `ProfileAtClient.establish` does. */
  establish(granted: AccessInformation, answer: Relayed): Promise<SecurityAssociation>;
  /** The AS has not uploaded the token. */
  cancel(): Promise<void>;
}

/** What a resource server lets a profile use. */
export interface RsIo {
  readonly env: Env;
  readonly store: Store;
  /** For the log and for tracing. */
  emit(event: ProfileEvent): void;
  /** Take a token that came another way than to /authz-info (RFC 9202, Section 3.3.2) as one that came there. Throws `AceError`. */
  admit(upload: TokenUpload): Promise<Acceptance>;
  /** A token that no request has come for has waited long enough: it ends, and `release` is called. One that was used stays. */
  forget(credential: string): void;
}

/** What came to /authz-info: the token and what the profile needs of the rest. */
export interface TokenUpload {
  readonly token: Uint8Array;
  /** The association that protected the upload; absent for a first upload. */
  readonly association?: SecurityAssociation;
  /** The response code of every refusal of the token. Absent: that of what is wrong with it (RFC 9200, Section 5.10.1.1). */
  readonly refusedWith?: number;
  /** The profile's own part, opaque to the role. */
  readonly extra?: unknown;
}

/** The profile has taken the token. */
export interface Acceptance {
  readonly credential: string;
  /** What the token is bound to: a new association that waits for its first request, or on an update the one that protected the upload. */
  readonly association: SecurityAssociation;
  /** The answer to the upload. */
  readonly response: Response;
  /** `true`: the rights of the credential's association changed, the association stayed. */
  readonly update: boolean;
  /** What a restarted RS needs to go on with this association; kept beside the token in the RS's store. Absent: what is kept stays. */
  readonly saved?: Uint8Array;
}

/** What a profile supplies for a resource server (RFC 9200, Appendix C): uploads, and associations bound to tokens. */
export interface ProfileAtRs {
  /** The secure channel, application side first; the RS puts its guard above them. */
  readonly layers: readonly Layer[];
  /**
   * An AS that may upload tokens on behalf of clients, with what `connectAs` takes at a client. An upload that it protects is as one that nothing protects. Throws
   * on credentials of a wrong shape.
   */
  addIssuer?(issuer: string, credentials: unknown): void;
  /** Read an upload; `undefined`: not of this profile (its Content-Format is another's). Throws `AceError` with the response code. */
  decodeUpload(request: Request): TokenUpload | undefined;
  /** Bind the verified claims of the token to an association. Throws `AceError` with the response code. */
  accept(claims: ClaimsSet, issuer: string, upload: TokenUpload): Promise<Acceptance>;
  /** Bring back an association after a restart, from what `accept` gave to be kept. */
  restore(credential: string, saved: Uint8Array): Promise<SecurityAssociation>;
  /** The token ended, was evicted or was replaced by one with another key. */
  release(credential: string): void;
  /** Entries of each kind that it holds. */
  stats(): Readonly<Record<string, number>>;
  /** Let go of contexts and timers. */
  close(): Promise<void>;
}
