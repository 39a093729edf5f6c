import {
  type AccessInformation,
  AceError,
  aceErrorName,
  decodeAccessInformation,
  decodeError,
  decodeIntrospectionResponse,
  decodeTrlResponse,
  encodeIntrospectionRequest,
  encodeTokenRequest,
  GrantType,
  type IntrospectionResponse,
  type ProfileAtClient,
  type RevocationList,
  relayedAnswerOf,
  scopeText,
  type TokenRequest,
  TokenType,
  type TrlQuery,
  type TrlResponse,
  tokenResponseOf,
  trlQueryArguments,
} from '../ace/index.ts';
import {
  type CoapUri,
  Code,
  ContentFormat,
  defaultPorts,
  formatCode,
  Method,
  OptionNumber,
  type Peer,
  parseUri,
  type Request,
  type Response,
  type SecurityAssociation,
  sortOptions,
  type UriScheme,
  uintOf,
  uintOption,
  uriOptions,
  withOption,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Emit } from './events.ts';
import { isReplayRefusal, wantsEcho } from './refusals.ts';

/** An authorization server that this client may use. */
export interface AuthorizationServerRegistration {
  /** URI of the token endpoint. */
  readonly uri: string;
  /** The profile of the channel to it. Absent: the first of the client. */
  readonly profile?: number;
  /** What that profile's `connectAs` takes: for OSCORE the parameters of a security context, seen from the client. */
  readonly credentials: unknown;
  /** URI of the introspection endpoint. Absent: `introspect` beside the token endpoint. */
  readonly introspection?: string;
  /** URI of the token revocation list. Absent: `revoke/trl` beside the token endpoint. */
  readonly revocationList?: string;
  /** What it wants to be shown beside the channel (RFC 6749, Section 2.3.1). */
  readonly clientSecret?: Uint8Array;
  /** Seconds that its tokens are good for, when it does not say so with each (RFC 9200, Section 5.10.4). */
  readonly tokenLifetime?: number;
}

/** A token and when it ends. */
export interface Granted {
  readonly response: AccessInformation;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** A request to an AS, beside those for tokens. */
export interface AsRequest {
  /** The last segment of its path, in place of that of the token endpoint. */
  readonly name: string;
  readonly code: number;
  readonly contentFormat: number;
  readonly payload: Uint8Array;
  /** Carried out twice it does no more than once. */
  readonly idempotent?: boolean;
}

interface Server {
  readonly registration: AuthorizationServerRegistration;
  readonly uri: CoapUri;
  readonly introspection: CoapUri;
  readonly revocationList: CoapUri;
  readonly profile: ProfileAtClient;
  association: Promise<SecurityAssociation> | undefined;
}

export interface AuthorizationServersOptions {
  readonly registrations: readonly AuthorizationServerRegistration[];
  readonly profiles: ReadonlyMap<number, ProfileAtClient>;
  readonly tokenRequest?: Partial<TokenRequest>;
  checkTokenRequest?(request: TokenRequest): void;
  checkGrant?(response: AccessInformation): void;
  readonly env: Env;
  /** `signal` ends the exchange. */
  send(request: Request, signal?: AbortSignal): Promise<Response>;
  observe(request: Request, options: { readonly signal: AbortSignal }): AsyncIterable<Response>;
  resolve(host: string, port: number, scheme: UriScheme): Promise<Peer>;
  readonly emit: Emit;
}

interface ProtectedRequest extends Request {
  readonly association: SecurityAssociation;
}

interface PostOptions {
  readonly idempotent?: boolean;
  readonly signal?: AbortSignal | undefined;
}

const grantNames: ReadonlyMap<number, string> = new Map(Object.entries(GrantType).map(([name, number]) => [number, name]));

/** How often a request is sent again. */
const repetitions = 2;

/** The authorization servers that the client trusts, and the channel to each. */
export class AuthorizationServers {
  readonly #options: AuthorizationServersOptions;
  readonly #servers: readonly Server[];

  /** @throws {AceError} `ERR_ACE_CONFIG`; `CoapError` `ERR_COAP_URI`; what the profile says of credentials of a wrong shape */
  constructor(options: AuthorizationServersOptions) {
    this.#options = options;
    this.#servers = options.registrations.map((registration) => {
      const uri = parseUri(registration.uri);
      const id = registration.profile ?? options.profiles.keys().next().value;
      const profile = id === undefined ? undefined : options.profiles.get(id);
      if (profile === undefined) {
        throw new AceError('ERR_ACE_CONFIG', `authorizationServers: ${registration.uri}: expected a profile of this client, got ${id}`, {
          responseCode: Code.BadRequest,
        });
      }
      profile.registerAs?.(registration.credentials);
      const beside = (given: string | undefined, ...path: readonly string[]): CoapUri =>
        given === undefined ? { ...uri, path: [...uri.path.slice(0, -1), ...path] } : parseUri(given);
      const introspection = beside(registration.introspection, 'introspect');
      const revocationList = beside(registration.revocationList, 'revoke', 'trl');
      return { registration, uri, introspection, revocationList, profile, association: undefined };
    });
  }

  /**
   * The registered server that a hint, or the caller, names; the only one when nobody names any.
   *
   * @throws {AceError} `ERR_ACE_AS_NOT_ALLOWED`
   */
  choose(uri: string | undefined): AuthorizationServerRegistration {
    return this.#find(uri).registration;
  }

  /**
   * Ask for a token.
   *
   * @throws {AceError} `ERR_ACE_REFUSED` when the AS says no, `ERR_ACE_EXPIRY` when nobody says how long the token is good for, `ERR_ACE_TOKEN_TYPE`
   * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8
   */
  async requestToken(uri: string | undefined, wanted: TokenRequest): Promise<Granted> {
    const server = this.#find(uri);
    const { tokenRequest, env } = this.#options;
    const request = { ...tokenRequest, ...wanted };
    this.#options.checkTokenRequest?.(request);
    const asked = [
      ...(request.audience === undefined ? [] : [`audience ${request.audience}`]),
      ...(request.scope === undefined ? [] : [`scope ${scopeText(request.scope)}`]),
      ...(request.reqCnf === undefined ? [] : ['for the key in use']),
      ...(request.grantType === undefined ? [] : [grantNames.get(request.grantType) ?? `grant ${request.grantType}`]),
    ];
    this.#step('token-request', `${server.registration.uri}: ${asked.join(', ') || 'the default'}`);
    // Whole seconds, as the AS counts them: better a little early than too late.
    const requestedAt = Math.floor(env.epoch());
    const { clientSecret } = server.registration;
    const payload = encodeTokenRequest({ ...request, ...(clientSecret === undefined ? {} : { clientSecret }) });
    // A code is good for one request: a second one would end what the first has brought.
    const answer = await this.#post(server, server.uri, payload, { idempotent: request.code === undefined });
    const response = decodeAccessInformation(answer.payload);
    // Who has not got it from the AS has to be told that the RS has.
    if (relayedAnswerOf(response) === undefined) tokenResponseOf(response);
    if (response.tokenType !== undefined && response.tokenType !== TokenType.PoP) {
      throw new AceError('ERR_ACE_TOKEN_TYPE', `expected a proof-of-possession token, got token_type ${response.tokenType}`, { responseCode: answer.code });
    }
    this.#options.checkGrant?.(response);
    const lifetime = response.expiresIn ?? server.registration.tokenLifetime;
    // RFC 9200, Section 5.10.4: such a token must not be used.
    if (lifetime === undefined) throw new AceError('ERR_ACE_EXPIRY', 'token response: expected expires_in, got none', { responseCode: answer.code });
    const scope = response.scope === undefined ? '' : `, scope ${scopeText(response.scope)}`;
    this.#step(
      'token-response',
      `${formatCode(answer.code)}, ${response.accessToken === undefined ? 'a token at the RS' : `token of ${response.accessToken.length} bytes`} for ${lifetime} s${scope}`,
    );
    // RFC 6749, Section 5.1: a scope that is not named is the one that was asked for, whoever has put it into the request.
    const asGiven = wanted.scope === undefined && request.scope !== undefined ? { scope: request.scope } : {};
    return { response: { ...asGiven, ...response, expiresIn: lifetime }, expiresAt: requestedAt + lifetime };
  }

  /**
   * Ask what a token says.
   *
   * @param signal ends the exchange, so that what is asked next does not wait behind a request that nobody waits for
   * @throws {AceError} `ERR_ACE_REFUSED`
   * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9
   */
  async introspect(uri: string | undefined, token: Uint8Array, signal?: AbortSignal): Promise<IntrospectionResponse> {
    const server = this.#find(uri);
    const answer = await this.#post(server, server.introspection, encodeIntrospectionRequest({ token }), { signal });
    return decodeIntrospectionResponse(answer.payload);
  }

  /**
   * The token revocation list of an AS, as far as it pertains to this client.
   *
   * @throws {AceError} `ERR_ACE_AS_NOT_ALLOWED`. What the list gives fails with `ERR_ACE_REFUSED`, `ERR_ACE_FORMAT` or a `CoapError`
   * @see https://www.rfc-editor.org/rfc/rfc9770#section-6
   */
  revocationList(uri: string | undefined): RevocationList {
    const server = this.#find(uri);
    return {
      query: async (query) => {
        const request = await this.#listRequest(server, query);
        return readList(await this.#send(request, Code.Content));
      },
      observe: (query, signal) => this.#observeList(server, query, signal),
    };
  }

  async *#observeList(server: Server, query: TrlQuery, signal: AbortSignal): AsyncGenerator<TrlResponse, void, undefined> {
    const request = await this.#listRequest(server, query);
    for await (const response of this.#options.observe(request, { signal })) {
      if (response.association !== request.association) throw unprotected(response);
      if (response.code !== Code.Content) throw refused(response);
      yield readList(response);
    }
  }

  async #listRequest(server: Server, query: TrlQuery): Promise<ProtectedRequest> {
    const uri = { ...server.revocationList, query: trlQueryArguments(query) };
    const { peer, association } = await this.#reach(server, uri);
    const options = sortOptions([...uriOptions(uri, peer), uintOption(OptionNumber.Accept, ContentFormat.AceTrl)]);
    return { code: Method.GET, options, payload: emptyBytes, peer, association };
  }

  /**
   * Ask for a resource beside the token endpoint, whatever it answers.
   *
   * @throws {AceError} `ERR_ACE_REFUSED` for an answer that is not protected
   */
  async ask(uri: string | undefined, { name, contentFormat, ...request }: AsRequest): Promise<Response> {
    const server = this.#find(uri);
    const at = { ...server.uri, path: [...server.uri.path.slice(0, -1), name], query: [] };
    const { peer, association } = await this.#reach(server, at);
    const options = withOption(uriOptions(at, peer), uintOption(OptionNumber.ContentFormat, contentFormat));
    return this.#exchange({ ...request, options, peer, association });
  }

  #find(uri: string | undefined): Server {
    const found = uri === undefined ? (this.#servers.length === 1 ? this.#servers[0] : undefined) : this.#servers.find((server) => isSame(server.uri, uri));
    if (found !== undefined) return found;
    throw new AceError(
      'ERR_ACE_AS_NOT_ALLOWED',
      `expected an authorization server of this client's list, got ${uri === undefined ? 'none named' : JSON.stringify(uri)}`,
      {
        responseCode: Code.Unauthorized,
      },
    );
  }

  /** A protected POST that is answered by a protected 2.01. */
  async #post(server: Server, uri: CoapUri, payload: Uint8Array, { idempotent = true, signal }: PostOptions): Promise<Response> {
    const { peer, association } = await this.#reach(server, uri);
    const options = withOption(uriOptions(uri, peer), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor));
    return this.#send({ code: Method.POST, options, payload, peer, association, idempotent }, Code.Created, signal);
  }

  async #reach(server: Server, uri: CoapUri): Promise<Pick<ProtectedRequest, 'peer' | 'association'>> {
    const peer = await this.#options.resolve(uri.host, uri.port, uri.scheme);
    return { peer, association: await this.#connect(server, peer) };
  }

  /** A protected request and its protected answer, of the code that means success. */
  async #send(request: ProtectedRequest, success: number, signal?: AbortSignal): Promise<Response> {
    const response = await this.#exchange(request, signal);
    if (response.code === success) return response;
    throw refused(response);
  }

  /** A protected request that is answered by a protected response. */
  async #exchange(request: ProtectedRequest, signal?: AbortSignal): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.#options.send(request, signal);
      const cause = attempt < repetitions ? causeToRepeat(request, response) : undefined;
      if (cause !== undefined) {
        this.#step('retry', cause);
        continue;
      }
      if (response.association === request.association) return response;
      throw unprotected(response);
    }
  }

  #connect(server: Server, peer: Peer): Promise<SecurityAssociation> {
    if (server.association === undefined) {
      const connecting = server.profile.connectAs(server.registration.credentials, peer);
      server.association = connecting;
      connecting.catch(() => {
        server.association = undefined;
      });
    }
    return server.association;
  }

  #step(step: 'token-request' | 'token-response' | 'retry', detail: string): void {
    this.#options.emit({ type: 'step', step, detail });
  }
}

/** Why a request is to be sent again, if it is. */
function causeToRepeat(request: ProtectedRequest, response: Response): string | undefined {
  // Other processes with the same keys overtook it by more than a replay window.
  if (isReplayRefusal(response)) return 'the AS took the request for a replay';
  // Sent twice, the request may have been carried out before that start.
  const isSafe = request.idempotent === true || response.retransmitted !== true;
  if (isSafe && response.association === request.association && wantsEcho(response)) return 'the AS started again while it was shown an Echo';
  return undefined;
}

function readList(response: Response): TrlResponse {
  const format = uintOf(response.options, OptionNumber.ContentFormat);
  if (format === ContentFormat.AceTrl) return decodeTrlResponse(response.payload);
  throw new AceError('ERR_ACE_FORMAT', `expected Content-Format 262 (application/ace-trl+cbor), got ${format ?? 'none'}`, { responseCode: response.code });
}

function unprotected(response: Response): AceError {
  return new AceError('ERR_ACE_REFUSED', `the AS answered ${formatCode(response.code)} without protection`, { responseCode: response.code });
}

function refused(response: Response): AceError {
  const body = decodeError(uintOf(response.options, OptionNumber.ContentFormat), response.payload);
  const said = body === undefined ? '' : ` ${aceErrorName(body.error)}${body.description === undefined ? '' : ` (${body.description})`}`;
  const retryAfter = response.code === Code.TooManyRequests ? uintOf(response.options, OptionNumber.MaxAge) : undefined;
  const later = retryAfter === undefined ? '' : `; it may be asked again in ${retryAfter} s`;
  return new AceError('ERR_ACE_REFUSED', `the AS refused: ${formatCode(response.code)}${said}${later}`, {
    responseCode: response.code,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(body === undefined ? {} : { error: body.error }),
  });
}

/** A hint may name the scheme of another channel than the one that the client uses (RFC 9200, Section 5.3); then the ports are those of the schemes. */
function isSame(registered: CoapUri, text: string): boolean {
  let hinted: CoapUri;
  try {
    hinted = parseUri(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
  const samePort = registered.port === hinted.port || (registered.port === defaultPorts[registered.scheme] && hinted.port === defaultPorts[hinted.scheme]);
  const samePath = registered.path.length === hinted.path.length && registered.path.every((segment, index) => segment === hinted.path[index]);
  return registered.host === hinted.host && samePort && samePath && hinted.query.join('&') === registered.query.join('&');
}
