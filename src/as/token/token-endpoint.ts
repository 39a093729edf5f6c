import {
  type AccessInformation,
  AceError,
  AceErrorCode,
  aceErrorName,
  type Binding,
  decodeTokenRequest,
  encodeTokenResponse,
  errorResponse,
  type Grant,
  type ProfileAtAs,
  type RegisteredKeys,
  type Scope,
  scopeText,
  type TokenRequest,
  type TokenResponse,
  tokenHashText,
} from '../../ace/index.ts';
import { Code, ContentFormat, formatCode, OptionNumber, RateLimit, type Response, type SecurityAssociation, uintOption } from '../../coap/index.ts';
import { equalBytes } from '../../core/bytes.ts';
import type { Confirmation } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import type { Written } from '../../core/options.ts';
import { acePayload, type EndpointRequest, refuseStranger } from '../endpoint-request.ts';
import type { AuthorizationServerEvent, Emit } from '../events.ts';
import type { ClientSecrets } from '../grants/client-secrets.ts';
import { grantTypeName } from '../grants/grant-types.ts';
import type { Authorization, AuthorizationGrants } from '../grants/grants.ts';
import { refuse } from '../refusal.ts';
import type { Client, RegisteredResourceServer, Registry } from '../registry/registry.ts';
import type { TokenContent, TokenMint } from './access-token.ts';
import type { TokenRecords } from './token-records.ts';
import type { TokenGrant, TokenRules } from './token-rules.ts';
import type { TokenUploads } from './token-uploads.ts';

export interface TokenEndpointOptions {
  readonly registry: Registry;
  readonly grants: AuthorizationGrants;
  readonly secrets: ClientSecrets;
  readonly profiles: ReadonlyMap<number, ProfileAtAs>;
  readonly mint: TokenMint;
  readonly records: TokenRecords;
  readonly env: Env;
  readonly tokensPerClient: number;
  /** Absent: tokens are given to clients, who upload them. */
  readonly uploads?: TokenUploads;
  readonly rules: TokenRules;
  /** Revoke the token of this hash, in base64url. */
  revoke(hash: string): Promise<unknown>;
  readonly emit: Emit;
}

/** What the endpoint has decided, before a key is bound. */
interface Granted {
  readonly resourceServer: RegisteredResourceServer;
  readonly audience: string;
  readonly scope: Scope;
  readonly lifetime: number;
  readonly profile: number;
}

/** A token that is made, and what the client is told of it. */
interface Made {
  readonly granted: Granted;
  readonly response: TokenResponse;
}

/** Symmetric in COSE (RFC 9053, Section 7.1). */
const symmetric = 4;

/**
 * The token endpoint: who asks, what may it have, for which key, and the token.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8
 */
export class TokenEndpoint {
  readonly #options: TokenEndpointOptions;
  /** Secrets that a client shows, but for the one that is known to be right: whoever has its key guesses all night otherwise. */
  readonly #secretRate: RateLimit;

  constructor(options: TokenEndpointOptions) {
    this.#options = options;
    this.#secretRate = new RateLimit(options.env, { burst: 10, rate: 1 / 30, entries: 4096 });
  }

  /** Answer a POST. It rejects only on faults of this server (a store that fails), never on what a client sent. */
  async answer(request: EndpointRequest): Promise<Response> {
    const { registry, emit } = this.#options;
    const { association } = request;
    const peer = (association && registry.fixedPeer(association)) ?? (await registry.peer(association));
    if (peer === undefined) return refuseStranger(request, emit);
    let asked: TokenRequest | undefined;
    try {
      asked = decodeTokenRequest(acePayload(request));
      if (peer.kind !== 'client') throw refuse(AceErrorCode.unauthorized_client, 'a resource server gets no tokens');
      return await this.#grant(association!, peer, asked);
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      emit({
        type: 'token-refused',
        client: peer.id,
        ...(asked?.audience === undefined ? {} : { audience: asked.audience }),
        ...(asked?.scope === undefined ? {} : { scope: scopeText(asked.scope) }),
        reason: error.error === undefined ? formatCode(error.responseCode) : aceErrorName(error.error),
        detail: error.message,
      });
      return errorResponse(error);
    }
  }

  async #grant(association: SecurityAssociation, client: Client, asked: TokenRequest): Promise<Response> {
    const { records, grants, rules, uploads } = this.#options;
    checkIdentity(client, asked);
    if (client.secret !== undefined) await this.#checkSecret(client, asked);
    rules.checkRequest?.(asked);
    const update = checkReqCnf(asked.reqCnf);
    const wish = uploads?.wishOf(asked, update);
    const checked = grants.check(client, asked);
    if (checked !== undefined) await checked;
    if (!records.begin(client.id, this.#options.tokensPerClient)) {
      throw new AceError('ERR_AS_LIMIT', 'the client has too many living tokens', { responseCode: Code.TooManyRequests, retryAfter: 60 });
    }
    let made: Made;
    try {
      made = await this.#make(association, client, asked, update);
    } finally {
      records.end(client.id);
    }
    const { granted, response } = made;
    const { resourceServer, profile } = granted;
    const given = wish === undefined ? response : await uploads!.deliver({ client: client.id, resourceServer, profile, response }, wish);
    return created(asked, granted, given, rules);
  }

  /** The token, once it is durable. */
  async #make(association: SecurityAssociation, client: Client, asked: TokenRequest, update: boolean): Promise<Made> {
    const { registry, records, grants, env, mint, rules, emit } = this.#options;
    for (;;) {
      const authorization = await grants.authorize(client, asked, update);
      const ofAudience = registry.fixedResourceServerOf(authorization.audience) ?? (await registry.resourceServerOf(authorization.audience));
      const granted = this.#settle(client, asked, authorization, ofAudience);
      const { resourceServer, audience, scope, lifetime, profile } = granted;
      const added = rules.claims === undefined ? undefined : await rules.claims(grantOf(client, granted, authorization));
      const issuedAt = Math.floor(env.epoch());
      const expiresAt = issuedAt + lifetime;
      const profileAtAs = this.#options.profiles.get(profile)!;
      const binds = profileAtAs.bind(toBind(client, asked, granted, authorization, expiresAt));
      const binding = bound(binds instanceof Promise ? await binds : binds, profileAtAs, authorization);
      const { cnf } = binding.claims;
      const { confidential, dated = false } = binding;
      const content: Written<TokenContent> = {
        ...{ resourceServer, audience, scope, cnf, confidential, dated, issuer: rules.nameIssuer ?? false, lifetime, issuedAt },
      };
      if (asked.cnonce !== undefined) content.cnonce = asked.cnonce;
      if (added !== undefined) content.added = added;
      const minted = mint.mint(content);
      const token = minted instanceof Uint8Array ? minted : await minted;
      const hash = tokenHashText(token);
      const answer = binding.response(token);
      const { changes, refreshToken } = authorization.conclude({ hash, resourceServer: resourceServer.id, profile, key: answer.cnf ?? cnf, expiresAt });
      const record = { client: client.id, resourceServer: resourceServer.id, expiresAt };
      // Somebody else has got ahead: what was read is not so any more.
      if (!(await records.add(hash, record, [...binding.changes, ...changes]))) continue;
      emit(issued(client, asked, granted, update, hash));
      const isFixed = registry.fixedPeer(association) !== undefined && registry.fixedResourceServerOf(audience) !== undefined;
      if (!isFixed) await this.#checkStanding(association, granted, hash);
      const response: Written<TokenResponse> = { accessToken: token, expiresIn: lifetime };
      if (answer.cnf !== undefined) response.cnf = answer.cnf;
      if (answer.rsCnf !== undefined) response.rsCnf = answer.rsCnf;
      if (refreshToken !== undefined) response.refreshToken = refreshToken;
      return { granted, response };
    }
  }

  /** Whoever is removed while a token is made gets none: the removal may not have seen it. */
  async #checkStanding(association: SecurityAssociation, { audience, resourceServer }: Granted, hash: string): Promise<void> {
    const { registry, revoke } = this.#options;
    const isClient = (await registry.peer(association)) !== undefined;
    if (isClient && (await registry.resourceServerOf(audience))?.id === resourceServer.id) return;
    await revoke(hash);
    if (isClient) throw refuse(AceErrorCode.invalid_request, 'the audience is not one that the client may ask for');
    throw new AceError('ERR_AS_REFUSED', 'the client is none any more', { responseCode: Code.Unauthorized });
  }

  /** A secret comes on top of the security association (RFC 6749, Section 5.2). */
  async #checkSecret(client: Client, { clientSecret }: TokenRequest): Promise<void> {
    const { secrets } = this.#options;
    const wait = secrets.knows(client, clientSecret) ? 0 : this.#secretRate.take(client.id);
    if (wait > 0)
      throw new AceError('ERR_AS_LIMIT', 'too many secrets that were not known to be right', { responseCode: Code.TooManyRequests, retryAfter: wait });
    if (!(await secrets.accepts(client, clientSecret))) {
      throw refuse(AceErrorCode.invalid_client, 'expected the client_secret of the client', Code.Unauthorized);
    }
  }

  /** What the grant permits with what the registrations add to it. */
  #settle(client: Client, asked: TokenRequest, authorization: Authorization, resourceServer: RegisteredResourceServer | undefined): Granted {
    const { profiles, rules } = this.#options;
    const { audience, scope, lifetime: wished, bound } = authorization;
    if (resourceServer === undefined) throw refuse(AceErrorCode.invalid_request, 'the audience is not one that the client may ask for');
    if (rules.absoluteExpiry === true && resourceServer.exi)
      throw refuse(AceErrorCode.invalid_request, 'the audience wants tokens without exp, which are not given here');
    if (bound !== undefined && bound.resourceServer !== resourceServer.id) {
      throw refuse(AceErrorCode.invalid_grant, 'the audience is of another resource server by now');
    }
    const wanted = bound?.profile ?? asked.aceProfile ?? undefined;
    const profile = resourceServer.profiles.find((id) => client.profiles.includes(id) && profiles.has(id) && (wanted === undefined || wanted === id));
    if (profile === undefined) throw refuse(AceErrorCode.incompatible_ace_profiles, 'client and resource server share no such profile');
    const lifetime = Math.max(1, Math.floor(Math.min(wished ?? resourceServer.tokenLifetime, resourceServer.tokenLifetime)));
    return { resourceServer, audience, scope, lifetime, profile };
  }
}

/** The security association has authenticated the client: what it says of itself must agree. */
function checkIdentity(client: Client, { clientId, clientSecret }: TokenRequest): void {
  if (clientId !== undefined && clientId !== client.id) throw refuse(AceErrorCode.invalid_client, 'client_id is not the authenticated client');
  // RFC 6749, Section 2.3: a client must not use more than one authentication method in a request, unless it was registered so.
  if (clientSecret !== undefined && client.secret === undefined) {
    throw refuse(AceErrorCode.invalid_request, 'client_secret has no place beside a secure channel');
  }
}

function toBind(client: Client, asked: TokenRequest, granted: Granted, { bound, keyUntil = 0 }: Authorization, expiresAt: number): Grant {
  const grant: Written<Grant> = {
    client: client.id,
    audience: granted.audience,
    resourceServer: granted.resourceServer.id,
    request: asked,
    keys: keysOf(client, granted),
    expiresAt: Math.max(expiresAt, keyUntil),
    exi: granted.resourceServer.exi,
  };
  if (bound !== undefined) grant.key = bound.key;
  return grant;
}

function bound(binding: Binding | undefined, { unknownKey }: ProfileAtAs, { bound: before }: Authorization): Binding {
  if (binding !== undefined) return binding;
  if (before !== undefined) throw refuse(AceErrorCode.invalid_grant, 'the key of the refresh token is known no more');
  throw refuse(unknownKey, 'req_cnf names no key of this client for this audience');
}

function grantOf(client: Client, { resourceServer, audience, scope }: Granted, { username }: Authorization): TokenGrant {
  return { client: client.id, resourceServer: resourceServer.id, audience, scope, ...(username === undefined ? {} : { username }) };
}

function keysOf({ channel, rawPublicKeys }: Client, { profile, resourceServer: { rawPublicKey, derivationKey } }: Granted): RegisteredKeys {
  const keys: Written<RegisteredKeys> = { clientKeys: rawPublicKeys };
  if (channel?.profile === profile) keys.clientCredentials = channel.credentials;
  if (rawPublicKey !== undefined) keys.serverKey = rawPublicKey;
  if (derivationKey !== undefined) keys.derivationKey = derivationKey;
  return keys;
}

/** What no profile takes. Returns whether the request names a key that it already has. */
function checkReqCnf(reqCnf: Confirmation | undefined): boolean {
  if (reqCnf === undefined) return false;
  // RFC 9201, Section 3.1: a symmetric key of the client's making is refused, in whatever wrapping; a reference to one is fine.
  if (reqCnf.osc !== undefined || reqCnf.encryptedCoseKey !== undefined || reqCnf.coseKey?.kty === symmetric) {
    throw refuse(AceErrorCode.invalid_request, 'req_cnf must not hold a symmetric key');
  }
  if (reqCnf.coseKey === undefined && reqCnf.kid === undefined)
    throw refuse(AceErrorCode.invalid_request, 'req_cnf holds no confirmation method that is known');
  return reqCnf.coseKey === undefined;
}

function issued(client: Client, asked: TokenRequest, granted: Granted, update: boolean, token: string): AuthorizationServerEvent {
  const { audience, scope, lifetime, profile } = granted;
  const grant = grantTypeName(asked.grantType);
  return { type: 'token-issued', client: client.id, audience, scope: scopeText(scope), expiresIn: lifetime, profile, update, grant, token };
}

function sameScope(a: Scope, b: Scope | undefined): boolean {
  return typeof a === 'string' ? a === b : b instanceof Uint8Array && equalBytes(a, b);
}

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.2 */
function created(asked: TokenRequest, granted: Granted, given: AccessInformation, { nameProfile = false, nameServerKey = false }: TokenRules): Response {
  const { rawPublicKey } = granted.resourceServer;
  const response: Written<AccessInformation> = { ...given };
  // RFC 6749, Section 5.1: scope is left out only when it is what the client asked for.
  if (!sameScope(granted.scope, asked.scope)) response.scope ??= granted.scope;
  if (nameProfile || asked.aceProfile === null) response.aceProfile ??= granted.profile;
  if (nameServerKey && rawPublicKey !== undefined) response.rsCnf ??= { coseKey: rawPublicKey };
  const options = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
  // RFC 9202, Section 3.2.1: Max-Age stays within expires_in; absent it means 60 s (RFC 7252, Section 5.10.5).
  if (granted.lifetime < 60) options.push(uintOption(OptionNumber.MaxAge, granted.lifetime));
  return { code: Code.Created, options, payload: encodeTokenResponse(response) };
}
