import type { IncomingMessage, ServerResponse } from 'node:http';
import { tokenHashText } from '../../../../src/ace/index.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import type { Caller } from '../../caller.ts';
import { type CredentialFailureRates, CredentialFailures } from '../credential-failures.ts';
import type { AccessTokenClaims } from './access-token-claims.ts';
import type { AccessTokenVerifier } from './access-token-verifier.ts';
import { BearerError } from './bearer-error.ts';
import { bearerToken, type GuardedRequest } from './bearer-token.ts';
import { type BearerErrorCode, type GuardReason, GuardRefusal, type GuardRefusalOptions } from './guard-refusal.ts';
import { handshakeReason } from './handshake-reason.ts';
import { type PeerCertificate, PeerCertificates } from './peer-certificate.ts';

/** Who asks over HTTPS, as the SIM-S and the certificate vouch for it. */
export interface HttpsCaller extends Caller {
  readonly subject: string;
  readonly clientId: string;
  /** DNS names and URIs of its certificate. */
  readonly names: readonly string[];
  /** All that the token says. */
  readonly claims: AccessTokenClaims;
}

/** What a guard tells its operator. Tokens stand in it by their hash, and `client` only if the token is good. */
export type GuardEvent =
  | {
      readonly type: 'refused';
      readonly reason: GuardReason;
      readonly status: number;
      readonly detail: string;
      readonly address: string;
      readonly names: readonly string[];
      readonly client?: string;
      readonly token?: string;
    }
  /** TLS itself has refused a peer; `detail` is the word of OpenSSL. */
  | { readonly type: 'handshake-refused'; readonly reason: string; readonly detail: string; readonly address: string };

/** Whom a guard lets in. */
export interface GuardOptions {
  readonly verifier: AccessTokenVerifier;
  /** `required`: the client of the token has to be the one of the certificate that TLS has verified. */
  readonly certificates: 'required' | 'none';
  /**
   * With it, a certificate must also have the profile of TS 33.310, Section 6.1.3a, which binds TLS entities to take no others: `lintCertificate` finds no fault
   * in it, once for each connection.
   */
  readonly certificateProfile?: Pick<Env, 'epoch'>;
  /**
   * The names of the scope that a token needs, with spaces between; absent or `undefined`: a token is enough. Where Express has mounted the guard at a path,
   * `request.url` is what comes after it.
   */
  readonly scope?: string | ((request: IncomingMessage) => string | undefined);
  /** The clients, as the SIM-S has registered them, that a certificate with such names may stand for; the names themselves when absent. */
  readonly clientOf?: (names: readonly string[]) => readonly string[] | undefined;
  /** The last word, with certificate and token at hand (TS 33.434, 5.1.1.8). */
  readonly policy?: (caller: HttpsCaller, request: IncomingMessage) => boolean | Promise<boolean>;
  /** Where a request comes from: the other end of the connection when absent. Behind a proxy, `(request) => request.ip` of an Express that trusts it. */
  readonly addressOf?: (request: IncomingMessage) => string | undefined;
  /**
   * Requests with wrong tokens that are looked at, of one certificate (of one token, where there is none) and of one address; what is more is 429 with Retry-After.
   * A token that has expired or was revoked is not wrong, and whoever has shown a good one from there does not wait for others. `false`: all of them.
   */
  readonly failures?: CredentialFailureRates | false;
  readonly env?: Pick<Env, 'now'>;
  /** `seal` when absent. */
  readonly realm?: string;
  /** Hears of who is refused. */
  readonly emit: (event: GuardEvent) => void;
}

interface Known {
  names: readonly string[];
  token?: string;
  client?: string;
}

/**
 * Authenticates and authorizes what comes to an HTTPS resource server: mutual TLS and OAuth 2.0 (TS 33.434, 5.1.1.8 and A.6).
 *
 * A token with the thumbprint of a certificate (`cnf`, RFC 8705) is for that certificate. Any other is for those certificates that `clientOf` has for its client:
 * it is good, but not this peer's, which is 403 and `invalid_token`.
 *
 * ```ts
 * const guard = new Guard({ verifier, certificates: 'required', scope: 'key-management', emit: log });
 * await serveHttps({ cert, key, clientCa, refused: guard.refused }, (request, response) => guard.middleware(request, response, serve));
 * ```
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #realm: string;
  readonly #certificates: PeerCertificates;
  readonly #failures: CredentialFailures | undefined;
  readonly #callers = new WeakMap<IncomingMessage, HttpsCaller>();

  constructor(options: GuardOptions) {
    const { env = systemEnv, failures = {} } = options;
    this.#options = options;
    this.#realm = options.realm ?? 'seal';
    this.#certificates = new PeerCertificates(options.certificateProfile);
    this.#failures = failures === false ? undefined : new CredentialFailures(env, failures);
  }

  /**
   * Who asks.
   *
   * @throws {GuardRefusal} and tells of it
   */
  async check(request: GuardedRequest): Promise<HttpsCaller> {
    const known: Known = { names: [] };
    try {
      const caller = await this.#check(request, known);
      this.#callers.set(request, caller);
      return caller;
    } catch (error) {
      if (error instanceof GuardRefusal) this.#tell(error, request, known);
      throw error;
    }
  }

  /** For `node:http` and frameworks that call in this way: answers a request that is refused, and calls `next` for the others. */
  readonly middleware = (request: GuardedRequest, response: ServerResponse, next: (error?: unknown) => void): void => {
    this.check(request).then(
      () => next(),
      (error: unknown) => {
        if (!(error instanceof GuardRefusal)) next(error);
        else if (!response.headersSent) response.writeHead(error.status, error.headers).end(error.body);
      },
    );
  };

  /** Who asks, once the request has passed. */
  callerOf(request: IncomingMessage): HttpsCaller | undefined {
    return this.#callers.get(request);
  }

  /** For `refused` of `serveHttps`: tells of a handshake that failed. */
  readonly refused = (address: string, detail: string): void =>
    this.#options.emit({ type: 'handshake-refused', reason: handshakeReason(detail), detail, address });

  async #check(request: GuardedRequest, known: Known): Promise<HttpsCaller> {
    const { certificates, policy } = this.#options;
    const certificate = this.#certificates.of(request.socket);
    known.names = certificate?.names ?? [];
    if (certificates === 'required') this.#checkCertificate(certificate);
    const found = bearerToken(request);
    if ('fault' in found) {
      const isAbsent = found.fault === 'no-token';
      throw this.#refusal(
        found.fault,
        `expected ${found.expected}, got ${isAbsent ? 'none' : 'something else'}`,
        isAbsent ? 401 : 400,
        isAbsent ? undefined : 'invalid_request',
      );
    }
    known.token = tokenHashText(found.token);
    const claims = await this.#held(found.token, certificate, this.#addressOf(request), certificate?.thumbprint ?? known.token);
    known.client = claims.client_id;
    this.#checkScope(claims.scope, request);
    const caller = callerOf(claims, known.names);
    if (policy !== undefined && !(await policy(caller, request))) {
      throw this.#refusal('policy', 'expected a caller that the policy of this server permits, got another', 403, 'insufficient_scope');
    }
    return caller;
  }

  #checkCertificate(certificate: PeerCertificate | undefined): void {
    if (certificate === undefined) throw this.#refusal('certificate', 'expected a certificate that this server trusts, got none', 403);
    const fault = certificate.findings.find(({ severity }) => severity === 'fault');
    if (fault === undefined) return;
    const { field, clause, expected, got } = fault;
    throw this.#refusal('certificate-profile', `certificate, ${field}: expected ${expected} (${clause}), got ${got}`, 403);
  }

  /** What a token says that is good, and the peer's; `holder` is whom failures are counted for. */
  async #held(token: string, certificate: PeerCertificate | undefined, address: string, holder: string): Promise<AccessTokenClaims> {
    const retryAfter = this.#failures?.wait(address, holder) ?? 0;
    if (retryAfter > 0) throw this.#refusal('rate-credentials', 'expected fewer wrong access tokens from there', 429, undefined, { retryAfter });
    try {
      const claims = await this.#verified(token);
      this.#checkHolder(claims, certificate);
      this.#failures?.succeeded(address, holder);
      return claims;
    } catch (error) {
      if (error instanceof GuardRefusal && isWrong(error)) this.#failures?.failed(address, holder);
      throw error;
    }
  }

  async #verified(token: string): Promise<AccessTokenClaims> {
    try {
      return await this.#options.verifier.verify(token);
    } catch (error) {
      if (!(error instanceof BearerError)) throw error;
      throw this.#refusal(error.reason, error.message, error.status, error.error, { cause: error });
    }
  }

  #checkHolder({ client_id: clientId, cnf }: AccessTokenClaims, certificate: PeerCertificate | undefined): void {
    const { certificates, clientOf = (names: readonly string[]) => names } = this.#options;
    if (cnf !== undefined) {
      // RFC 8705 §3.
      if (certificate?.thumbprint === cnf['x5t#S256']) return;
      throw this.#refusal('client', 'expected the certificate that the token is for, got another, or none', 401, 'invalid_token');
    }
    if (certificates === 'none' || clientOf(certificate!.names)?.includes(clientId) === true) return;
    throw this.#refusal('client', 'expected a token for the client of the certificate, got one for another', 403, 'invalid_token');
  }

  #checkScope(granted: string, request: IncomingMessage): void {
    const { scope } = this.#options;
    const needed = typeof scope === 'function' ? scope(request) : scope;
    if (needed === undefined) return;
    const names = new Set(granted.split(' '));
    if (needed.split(' ').every((name) => names.has(name))) return;
    throw this.#refusal('scope', `expected a token with the scope ${needed}, got one without`, 403, 'insufficient_scope', { scope: needed });
  }

  #refusal(
    reason: GuardReason,
    message: string,
    status: number,
    error?: BearerErrorCode,
    more: Pick<GuardRefusalOptions, 'scope' | 'retryAfter' | 'cause'> = {},
  ): GuardRefusal {
    return new GuardRefusal(reason, message, { status, realm: this.#realm, ...(error === undefined ? {} : { error }), ...more });
  }

  #tell({ reason, status, message: detail }: GuardRefusal, request: IncomingMessage, known: Known): void {
    this.#options.emit({ type: 'refused', reason, status, detail, address: this.#addressOf(request), ...known });
  }

  #addressOf(request: IncomingMessage): string {
    const { addressOf = (from: IncomingMessage) => from.socket.remoteAddress } = this.#options;
    return addressOf(request) ?? 'unknown';
  }
}

/** What the issuer has made counts as no guess, though its time be over; what nobody could judge neither. */
const rightOnce: ReadonlySet<GuardReason> = new Set(['expired', 'revoked', 'unavailable']);

const isWrong = ({ reason }: GuardRefusal): boolean => !rightOnce.has(reason);

function callerOf(claims: AccessTokenClaims, names: readonly string[]): HttpsCaller {
  const { val_user_id: valUserId, val_ue_id: valUeId, val_service_ids: valServiceIds = [] } = claims;
  return {
    subject: claims.sub,
    ...(valUserId === undefined ? {} : { valUserId }),
    ...(valUeId === undefined ? {} : { valUeId }),
    valServiceIds,
    scope: claims.scope,
    expiresAt: claims.exp,
    clientId: claims.client_id,
    names,
    claims,
  };
}
