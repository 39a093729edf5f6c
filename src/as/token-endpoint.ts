import {
  AceError,
  AceErrorCode,
  aceErrorName,
  type Binding,
  decodeTokenRequest,
  encodeTokenResponse,
  errorResponse,
  GrantType,
  type ProfileAtAs,
  type RegisteredKeys,
  type Scope,
  scopeText,
  type TokenRequest,
  type TokenResponse,
  tokenHashText,
} from '../ace/index.ts';
import { Code, ContentFormat, formatCode, OptionNumber, type Response, uintOption } from '../coap/index.ts';
import { equalBytes } from '../core/bytes.ts';
import type { Confirmation } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import type { TokenMint } from './access-token.ts';
import { acePayload, type EndpointRequest, refuseStranger } from './endpoint-request.ts';
import type { AuthorizationServerEvent, Emit } from './events.ts';
import type { Decision, Policy } from './policy.ts';
import type { Client, RegisteredResourceServer, Registry } from './registry.ts';
import type { TokenRecords } from './token-records.ts';

export interface TokenEndpointOptions {
  readonly registry: Registry;
  readonly policy: Policy;
  readonly profiles: ReadonlyMap<number, ProfileAtAs>;
  readonly mint: TokenMint;
  readonly records: TokenRecords;
  readonly env: Env;
  readonly tokensPerClient: number;
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

function refuse(error: AceErrorCode, message: string): AceError {
  return new AceError('ERR_AS_REFUSED', message, { responseCode: Code.BadRequest, error });
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

  constructor(options: TokenEndpointOptions) {
    this.#options = options;
  }

  /** Answer a POST. It rejects only on faults of this server (a store that fails), never on what a client sent. */
  async answer(request: EndpointRequest): Promise<Response> {
    const { registry, emit } = this.#options;
    const peer = await registry.peer(request.association);
    if (peer === undefined) return refuseStranger(request, emit);
    let asked: TokenRequest | undefined;
    try {
      asked = decodeTokenRequest(acePayload(request));
      if (peer.kind !== 'client') throw refuse(AceErrorCode.unauthorized_client, 'a resource server gets no tokens');
      return await this.#grant(peer, asked);
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

  async #grant(client: Client, asked: TokenRequest): Promise<Response> {
    checkGrantType(client, asked);
    const update = checkReqCnf(asked.reqCnf);
    const { records, policy, env, mint, emit } = this.#options;
    if (records.count(client.id) >= this.#options.tokensPerClient) {
      throw new AceError('ERR_AS_LIMIT', 'the client has too many living tokens', { responseCode: Code.TooManyRequests, retryAfter: 60 });
    }
    const decision = await policy.decide({
      client: client.id,
      ...(asked.audience === undefined ? {} : { audience: asked.audience }),
      ...(asked.scope === undefined ? {} : { scope: asked.scope }),
      update,
    });
    const granted = await this.#settle(client, asked, decision);
    const issuedAt = Math.floor(env.epoch());
    const expiresAt = issuedAt + granted.lifetime;
    const record = { client: client.id, resourceServer: granted.resourceServer.id, expiresAt };
    for (;;) {
      const binding = await this.#bind(client, asked, granted, expiresAt);
      const token = await mint.mint({
        resourceServer: granted.resourceServer,
        audience: granted.audience,
        scope: granted.scope,
        cnf: binding.claims.cnf,
        confidential: binding.confidential,
        ...(asked.cnonce === undefined ? {} : { cnonce: asked.cnonce }),
        lifetime: granted.lifetime,
        issuedAt,
      });
      if (!(await records.add(token, record, binding.changes))) continue;
      emit(issued(client, granted, token, update));
      return created(asked, granted, token, binding);
    }
  }

  /** The decision with what the registrations add to it. */
  async #settle(client: Client, asked: TokenRequest, decision: Decision): Promise<Granted> {
    if (!decision.permit) throw refuse(decision.error, decision.reason);
    const { registry, profiles } = this.#options;
    const resourceServer = await registry.resourceServerOf(decision.audience);
    if (resourceServer === undefined) throw refuse(AceErrorCode.invalid_request, 'the audience is not one that the client may ask for');
    const wanted = asked.aceProfile ?? undefined;
    const profile = resourceServer.profiles.find((id) => client.profiles.includes(id) && profiles.has(id) && (wanted === undefined || wanted === id));
    if (profile === undefined) throw refuse(AceErrorCode.incompatible_ace_profiles, 'client and resource server share no such profile');
    const lifetime = Math.max(1, Math.floor(Math.min(decision.lifetime ?? resourceServer.tokenLifetime, resourceServer.tokenLifetime)));
    return { resourceServer, audience: decision.audience, scope: decision.scope, lifetime, profile };
  }

  async #bind(client: Client, asked: TokenRequest, granted: Granted, expiresAt: number): Promise<Binding> {
    const profile = this.#options.profiles.get(granted.profile)!;
    const binding = await profile.bind({
      client: client.id,
      audience: granted.audience,
      resourceServer: granted.resourceServer.id,
      request: asked,
      keys: keysOf(client, granted),
      expiresAt,
      exi: granted.resourceServer.exi,
    });
    if (binding === undefined) throw refuse(profile.unknownKey, 'req_cnf names no key of this client for this audience');
    return binding;
  }
}

function keysOf({ channel, rawPublicKeys }: Client, { profile, resourceServer: { rawPublicKey, derivationKey } }: Granted): RegisteredKeys {
  return {
    ...(channel.profile === profile ? { clientCredentials: channel.credentials } : {}),
    clientKeys: rawPublicKeys,
    ...(rawPublicKey === undefined ? {} : { serverKey: rawPublicKey }),
    ...(derivationKey === undefined ? {} : { derivationKey }),
  };
}

function checkGrantType(client: Client, asked: TokenRequest): void {
  if ((asked.grantType ?? GrantType.client_credentials) !== GrantType.client_credentials) {
    throw refuse(AceErrorCode.unsupported_grant_type, 'expected grant_type client_credentials (2)');
  }
  // The security association has authenticated the client: what it says of itself must agree (RFC 6749, Section 5.2).
  if (asked.clientId !== undefined && asked.clientId !== client.id) throw refuse(AceErrorCode.invalid_client, 'client_id is not the authenticated client');
  // RFC 6749, Section 2.3: a client must not use more than one authentication method in a request.
  if (asked.clientSecret !== undefined) throw refuse(AceErrorCode.invalid_request, 'client_secret has no place beside a secure channel');
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

function issued(client: Client, granted: Granted, token: Uint8Array, update: boolean): AuthorizationServerEvent {
  const { audience, scope, lifetime, profile } = granted;
  return { type: 'token-issued', token: tokenHashText(token), client: client.id, audience, scope: scopeText(scope), expiresIn: lifetime, profile, update };
}

function sameScope(a: Scope, b: Scope | undefined): boolean {
  return typeof a === 'string' ? a === b : b instanceof Uint8Array && equalBytes(a, b);
}

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.2 */
function created(asked: TokenRequest, granted: Granted, token: Uint8Array, binding: Binding): Response {
  const response: TokenResponse = {
    accessToken: token,
    expiresIn: granted.lifetime,
    // RFC 6749, Section 5.1: scope is left out only when it is what the client asked for.
    ...(sameScope(granted.scope, asked.scope) ? {} : { scope: granted.scope }),
    ...(asked.aceProfile === null ? { aceProfile: granted.profile } : {}),
    ...binding.response(token),
  };
  const options = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
  // RFC 9202, Section 3.2.1: Max-Age stays within expires_in; absent it means 60 s (RFC 7252, Section 5.10.5).
  if (granted.lifetime < 60) options.push(uintOption(OptionNumber.MaxAge, granted.lifetime));
  return { code: Code.Created, options, payload: encodeTokenResponse(response) };
}
