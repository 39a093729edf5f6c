import type { IncomingMessage } from 'node:http';
import { RateLimit } from '../../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import type { AccessTokenVerifier } from '../guard/access-token-verifier.ts';
import { bearerToken } from '../guard/bearer-token.ts';
import { Guard, type GuardEvent, type GuardOptions, type HttpsCaller } from '../guard/guard.ts';
import { type BearerErrorCode, type GuardReason, GuardRefusal } from '../guard/guard-refusal.ts';
import { type PeerCertificate, PeerCertificates } from '../guard/peer-certificate.ts';
import type { RequestGuard } from '../seal-server/endpoint.ts';
import { type CapifContexts, ContextCache } from './core-client.ts';
import { CapifError } from './error.ts';
import { parseCapifScope } from './scope.ts';
import type { SecurityInformation, SecurityMethod, SecurityNotification } from './security-context.ts';

/** An API exposing function, what it exposes, and whom it believes. */
export interface CapifAefOptions {
  readonly aefId: string;
  /** Service APIs, and the scope names of SEAL services that each stands for: `{ 'spatial-anchors-read': 'spatial-anchor:read spatial-anchor:discover' }`. */
  readonly apis: Readonly<Record<string, string>>;
  readonly contexts: CapifContexts;
  /** What the operator lets a core function select; both when absent. */
  readonly methods?: readonly Exclude<SecurityMethod, 'PSK'>[];
  /** Of tokens of the core function, with this AEF as audience. */
  readonly verifier: AccessTokenVerifier;
  /** The invoker, as the core function has onboarded it, that a certificate with such names stands for. */
  readonly invokerOf: (names: readonly string[]) => string | undefined;
  /** VAL services that an invoker acts for, where its token does not say; none when absent. */
  readonly valServiceIdsOf?: (apiInvokerId: string) => readonly string[];
  /** The owner whose resource a request is about. With one, the request follows RNAA: a token that says the owner agreed, or nothing. */
  readonly ownerOf?: (request: IncomingMessage) => string | undefined;
  /** To the services, an invoker for which an owner agreed is that VAL user: what it makes is the owner's. Absent: it stays itself, as a VAL server has to. */
  readonly actsForOwner?: boolean;
  /** As for a `Guard`: requests with wrong tokens that are looked at. */
  readonly failures?: GuardOptions['failures'];
  /** Seconds that a security context is kept; 60. */
  readonly fresh?: number;
  readonly env?: Env;
  /** Hears of who is refused. */
  readonly emit: (event: GuardEvent) => void;
}

/** Of an invoker, what is for this AEF; and until when it counts, in seconds since 1970. */
interface KnownContext {
  readonly entries: readonly SecurityInformation[];
  readonly until: number;
}

/** What an invoker can make an AEF ask its core function, by being refused: questions at once, and for each second after that. */
const questions = { burst: 8, rate: 1, entries: 1024 };

const anyMethod: readonly SecurityMethod[] = ['PKI', 'OAUTH'];

/** What one method entitles an invoker to. */
interface Invocation {
  readonly method: Exclude<SecurityMethod, 'PSK'>;
  readonly apiInvokerId: string;
  readonly certificate: PeerCertificate;
  /** Who asks, by its token. */
  readonly caller?: HttpsCaller;
}

/**
 * The guard of an API exposing function (TS 33.122, 6.5.2; TS 33.434, 5.1.1.8): SEAL-S and the spatial services with CAPIF.
 *
 * Method 2 is mutual TLS alone: the rights stand in the security context of the invoker. Method 3 is an access token of the core function besides. An invoker is
 * let in by the method that the core function has selected for it, and by no other. Method 1 is not there: its key rests on the master secret of the TLS
 * connection between invoker and core function, which Node tells to nobody.
 *
 * ```ts
 * const aef = new CapifAef({ aefId: 'san1', apis, contexts: capifContexts({ apiRoot, tls }), verifier, invokerOf, emit: log });
 * const server = new SealHttpsServer({ listen, guard: aef, services: [new SpatialService({ store })], endpoints: aefSecurityEndpoints({ aef, coreNames }) });
 * ```
 */
export class CapifAef implements RequestGuard {
  readonly aefId: string;
  readonly #options: CapifAefOptions;
  readonly #env: Env;
  readonly #certificates = new PeerCertificates(undefined);
  readonly #contexts: ContextCache;
  readonly #tokens: Guard;
  readonly #anew: RateLimit;

  constructor(options: CapifAefOptions) {
    const { aefId, contexts, verifier, invokerOf, fresh = 60, failures = {}, env = systemEnv, emit } = options;
    this.aefId = aefId;
    this.#options = options;
    this.#env = env;
    this.#anew = new RateLimit(env, questions);
    this.#contexts = new ContextCache(contexts, () => env.epoch(), fresh);
    const clientOf = (names: readonly string[]): readonly string[] => {
      const invoker = invokerOf(names);
      return invoker === undefined ? [] : [invoker];
    };
    this.#tokens = new Guard({ verifier, certificates: 'required', clientOf, realm: aefId, failures, env, emit });
  }

  /** For `refused` of `serveHttps`: tells of a handshake that failed. */
  readonly refused = (address: string, detail: string): void => this.#tokens.refused(address, detail);

  /**
   * Who asks: the scope of the caller is that of the APIs which it may call.
   *
   * @throws {GuardRefusal} and tells of it
   */
  async check(request: IncomingMessage): Promise<HttpsCaller> {
    const found = bearerToken(request);
    const isBare = 'fault' in found && found.fault === 'no-token' && request.headers.authorization === undefined;
    // What the guard refuses, it tells itself.
    const caller = isBare ? undefined : await this.#tokens.check(request);
    try {
      return await this.#authorize(request, this.#invocation(request, caller));
    } catch (error) {
      if (error instanceof GuardRefusal) this.#tell(error, request, caller);
      throw error;
    }
  }

  /**
   * Whether an invoker has a security context here (TS 29.222, AEF_Security_API).
   *
   * @throws {GuardRefusal} 503: nobody says
   */
  async hasContext(apiInvokerId: string): Promise<boolean> {
    return (await this.#contextOf(apiInvokerId)).entries.length > 0;
  }

  /** The core function has ended rights: what is known of the invoker counts no more, and is asked for again. */
  revoke({ apiInvokerId, aefId = this.aefId }: SecurityNotification): void {
    if (aefId === this.aefId) this.#contexts.drop(apiInvokerId);
  }

  /** Security contexts that are kept. */
  stats(): Readonly<Record<'contexts', number>> {
    return { contexts: this.#contexts.size };
  }

  #invocation(request: IncomingMessage, caller: HttpsCaller | undefined): Invocation {
    const certificate = this.#certificates.of(request.socket);
    if (certificate === undefined) throw this.#refusal('certificate', 'expected a certificate that this server trusts, got none', 403);
    if (caller !== undefined) return { method: 'OAUTH', apiInvokerId: caller.clientId, certificate, caller };
    const apiInvokerId = this.#options.invokerOf(certificate.names);
    if (apiInvokerId === undefined) throw this.#refusal('client', 'expected the certificate of an API invoker, got another', 403);
    return { method: 'PKI', apiInvokerId, certificate };
  }

  /** An invoker may have negotiated anew since its context was asked for. */
  async #authorize(request: IncomingMessage, invocation: Invocation): Promise<HttpsCaller> {
    const { apiInvokerId } = invocation;
    const known = await this.#contextOf(apiInvokerId);
    try {
      return this.#decide(request, invocation, known);
    } catch (error) {
      const isOfContext = error instanceof GuardRefusal && (error.reason === 'method' || error.reason === 'scope');
      if (!isOfContext || this.#anew.take(apiInvokerId) > 0) throw error;
    }
    this.#contexts.drop(apiInvokerId);
    return this.#decide(request, invocation, await this.#contextOf(apiInvokerId));
  }

  #decide(request: IncomingMessage, { method, apiInvokerId, certificate, caller }: Invocation, { entries, until }: KnownContext): HttpsCaller {
    if (entries.length === 0) throw this.#refusal('context', 'expected an API invoker with a security context at the core function, got another', 403);
    const { methods = anyMethod } = this.#options;
    const selected = entries.filter((entry) => entry.selSecurityMethod === method && methods.includes(method));
    if (selected.length === 0) throw this.#wrongMethod(caller === undefined);
    const apis = this.#apisOf(selected, caller);
    if (apis.length === 0) throw this.#refusal('scope', 'expected an API of this AEF that the invoker may call, got none', 403, 'insufficient_scope');
    const owner = this.#options.ownerOf?.(request);
    const agreed = caller?.claims.resOwnerId;
    if (owner !== undefined && owner !== agreed)
      throw this.#refusal('owner', 'expected a token that the resource owner agreed to, got none', 403, 'insufficient_scope');
    const scope = [...new Set(apis.flatMap((api) => this.#options.apis[api]!.split(' ')))].join(' ');
    return caller === undefined ? this.#callerOf(apiInvokerId, certificate, scope, until) : this.#withScope(caller, scope);
  }

  /** RFC 6750, Section 3: who showed nothing, and has to show a token, is asked for one. */
  #wrongMethod(isBare: boolean): GuardRefusal {
    const detail = 'expected the security method that the core function has selected, and that is allowed here, got another';
    return isBare ? this.#refusal('method', detail, 401) : this.#refusal('method', detail, 403, 'invalid_token');
  }

  /** What the context permits, and the token if there is one, of what is exposed here. */
  #apisOf(entries: readonly SecurityInformation[], caller: HttpsCaller | undefined): readonly string[] {
    const inToken = caller === undefined ? undefined : this.#granted(String(caller.scope));
    return Object.keys(this.#options.apis).filter((api) => {
      const permits = ({ apiId = api, authorizationInfo = '' }: SecurityInformation): boolean =>
        apiId === api && this.#granted(authorizationInfo)?.has(api) === true;
      return entries.some(permits) && (caller === undefined || inToken?.has(api) === true);
    });
  }

  /** APIs of this AEF in a scope; `undefined`: none, or it is none of CAPIF. */
  #granted(scope: string): ReadonlySet<string> | undefined {
    try {
      return parseCapifScope(scope).get(this.aefId);
    } catch (error) {
      if (!(error instanceof CapifError)) throw error;
      return undefined;
    }
  }

  /** By mutual TLS alone: in the place of a token stands what the core function says. */
  #callerOf(apiInvokerId: string, { names }: PeerCertificate, scope: string, until: number): HttpsCaller {
    const valServiceIds = this.#options.valServiceIdsOf?.(apiInvokerId) ?? [];
    const now = Math.floor(this.#env.epoch());
    const claims = { iss: 'capif', sub: apiInvokerId, aud: this.aefId, exp: Math.floor(until), iat: now, jti: '', scope, client_id: apiInvokerId };
    return { subject: apiInvokerId, clientId: apiInvokerId, names, valServiceIds, scope, expiresAt: until, claims };
  }

  #withScope(caller: HttpsCaller, scope: string): HttpsCaller {
    const { actsForOwner = false, valServiceIdsOf } = this.#options;
    const { resOwnerId: owner, val_service_ids: valServiceIds = valServiceIdsOf?.(caller.clientId) ?? [] } = caller.claims;
    return { ...caller, scope, valServiceIds, ...(actsForOwner && owner !== undefined ? { valUserId: owner } : {}) };
  }

  async #contextOf(apiInvokerId: string): Promise<KnownContext> {
    try {
      const found = await this.#contexts.find(apiInvokerId);
      if (found === undefined) return { entries: [], until: 0 };
      return { entries: found.context.securityInfo.filter(({ aefId }) => aefId === this.aefId), until: found.until };
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw this.#refusal('unavailable', 'expected an answer of the CAPIF core function, got none', 503, undefined, cause);
    }
  }

  #refusal(reason: GuardReason, message: string, status: number, error?: BearerErrorCode, cause?: unknown): GuardRefusal {
    return new GuardRefusal(reason, message, {
      status,
      realm: this.aefId,
      ...(error === undefined ? {} : { error }),
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #tell({ reason, status, message: detail }: GuardRefusal, request: IncomingMessage, caller: HttpsCaller | undefined): void {
    const names = this.#certificates.of(request.socket)?.names ?? [];
    const client = caller === undefined ? {} : { client: caller.clientId };
    this.#options.emit({ type: 'refused', reason, status, detail, address: request.socket.remoteAddress ?? 'unknown', names, ...client });
  }
}

/**
 * The owner in a request about a target (TS 29.549): the VAL user or VAL UE of its argument `val-tgt-ue`, for `ownerOf`. What an endpoint refuses as no target has
 * no owner.
 */
export function targetOwner(request: Pick<IncomingMessage, 'url'>): string | undefined {
  const { url = '' } = request;
  const at = url.indexOf('?');
  const text = at < 0 ? null : new URLSearchParams(url.slice(at)).get('val-tgt-ue');
  if (text === null) return undefined;
  try {
    const { valUserId, valUeId } = JSON.parse(text) as { readonly valUserId?: unknown; readonly valUeId?: unknown };
    return String(valUserId ?? valUeId ?? text);
  } catch {
    return text;
  }
}
