import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { calculateJwkThumbprint, type JSONWebKeySet, type JWK, SignJWT } from 'jose';
import { fromUtf8, toHex, utf8 } from '../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { fetchHttps, type TlsClientOptions } from '../../../../src/transport/index.ts';
import { type PeerCertificate, PeerCertificates } from '../guard/peer-certificate.ts';
import { bodyOf, checkJson } from '../seal-server/body.ts';
import { type HttpAnswer, HttpRefused, notStored, problemAnswer } from '../seal-server/http-answer.ts';
import { CapifError } from './error.ts';
import { type CapifGrants, formatCapifScope, parseCapifScope } from './scope.ts';
import {
  readSecurityNotification,
  readServiceSecurity,
  type SecurityInformation,
  type SecurityMethod,
  type SecurityNotification,
  type ServiceSecurity,
} from './security-context.ts';

/** An API invoker that is onboarded. */
export interface CapifInvokerRegistration {
  /** Names of its certificate. */
  readonly names: readonly string[];
  /** APIs that it may call, by AEF. */
  readonly rights: Readonly<Record<string, readonly string[]>>;
  /** Resource owners who agreed that it acts for them (RNAA). */
  readonly owners?: readonly string[];
}

/** An API exposing function that is published. */
export interface CapifAefRegistration {
  /** Names of its certificate. */
  readonly names: readonly string[];
  /** What it takes, what the operator would rather have first. */
  readonly methods: readonly Exclude<SecurityMethod, 'PSK'>[];
  /** Where it hears of revocations: `https://seal1.val.example`. */
  readonly uri?: string;
}

/** Who there is for a core function, and how long its tokens last. */
export interface CapifCoreSimulatorOptions {
  /** What tokens name as `iss`: its own URI. */
  readonly issuer: string;
  /** In the place of onboarding (TS 29.222, API_Invoker_Management), by `apiInvokerId`. */
  readonly invokers: Readonly<Record<string, CapifInvokerRegistration>>;
  /** In the place of publishing, by `aefId`. */
  readonly aefs: Readonly<Record<string, CapifAefRegistration>>;
  /** Seconds that a token lasts; 300. */
  readonly lifetime?: number | undefined;
  /** What signs its tokens, for ES256, in PEM. Absent: a fresh key, with which the tokens of an earlier run end. */
  readonly signingKey?: string;
  /** How it shows itself to AEFs. */
  readonly tls?: TlsClientOptions;
  readonly env?: Env;
  /** Hears of what it has decided. */
  readonly emit?: (event: CapifCoreEvent) => void;
}

/** What of a core function may be another while it runs; what is not given stays. */
export type CapifCoreChanges = Pick<CapifCoreSimulatorOptions, 'invokers' | 'aefs' | 'lifetime' | 'tls'>;

/** What a core function tells its operator; it holds no token. */
export interface CapifCoreEvent {
  readonly type: 'method-selected' | 'token-issued' | 'revoked' | 'refused';
  readonly apiInvokerId?: string;
  readonly aefId?: string;
  readonly method?: SecurityMethod;
  readonly scope?: string;
  /** Of a refusal: what was asked for, the status, and why. */
  readonly request?: string;
  readonly status?: number;
  readonly detail?: string;
}

const root = '/capif-security/v1';
const largest = 65_536;

/** An error of the token endpoint (RFC 6749, Section 5.2). */
class TokenError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/**
 * A CAPIF core function for labs, as far as CAPIF-1e and CAPIF-3 need one (TS 29.222, CAPIF_Security_API; TS 33.122, 6.4 and 6.5): it selects the method of
 * each interface, issues tokens and revokes. Who invokers and AEFs are stands in its options. AEFs find the keys of its tokens at `/jwks`, for which TS 29.222 has
 * no place.
 *
 * Its listener has to ask for certificates: `serveHttps({ ..., clientCa }, core.handler)`.
 */
export class CapifCoreSimulator {
  /** The public key that its tokens are verified with. */
  readonly keys: JSONWebKeySet;
  #options: CapifCoreSimulatorOptions;
  readonly #key: KeyObject;
  readonly #kid: string;
  readonly #env: Env;
  readonly #certificates = new PeerCertificates(undefined);
  /** By invoker. */
  readonly #contexts = new Map<string, ServiceSecurity>();

  private constructor(options: CapifCoreSimulatorOptions, key: KeyObject, publicKey: JWK, kid: string) {
    this.#options = options;
    this.#key = key;
    this.#kid = kid;
    this.keys = { keys: [{ ...publicKey, alg: 'ES256', use: 'sig', kid }] };
    this.#env = options.env ?? systemEnv;
  }

  /** A core function with a signing key. @throws {CapifError} `ERR_CAPIF_CONFIG`: that is none for ES256 */
  static async make(options: CapifCoreSimulatorOptions): Promise<CapifCoreSimulator> {
    const key = signingKeyOf(options.signingKey);
    const publicKey = createPublicKey(key).export({ format: 'jwk' }) as JWK;
    // By its thumbprint, an AEF sees that a token is of another key than those that it has kept.
    return new CapifCoreSimulator(options, key, publicKey, await calculateJwkThumbprint(publicKey));
  }

  /** Answers a request. */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response);

  /** End rights of an invoker, and tell the AEFs. @throws {CapifError} `ERR_CAPIF_REFUSED` when one does not hear of it; its rights have ended all the same */
  async revoke(notification: SecurityNotification): Promise<void> {
    const told = Object.entries(this.#options.aefs).filter(([aefId]) => aefId === (notification.aefId ?? aefId));
    for (const [aefId] of told) this.#end({ ...notification, aefId });
    for (const [, { uri }] of told) {
      if (uri === undefined) continue;
      const { status } = await fetchHttps(`${uri}/aef-security/v1/revoke-authorization`, {
        ...this.#options.tls,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revokeInfo: notification, supportedFeatures: '0' }),
      });
      if (status !== 200) throw new CapifError('ERR_CAPIF_REFUSED', `AEF: expected 200 to a revocation, got ${status}`);
    }
  }

  /**
   * Take other invokers and AEFs, and what else is given. Rights that went end, and the AEFs hear of it.
   *
   * @throws {CapifError} as `revoke`
   */
  async reconfigure({ invokers, aefs, ...rest }: CapifCoreChanges): Promise<void> {
    // An AEF that has changed its trust as well hears of it under the new certificate.
    this.#options = { ...this.#options, ...rest };
    const ended = [...this.#contexts].flatMap(([apiInvokerId, { securityInfo }]) =>
      securityInfo.flatMap(({ aefId, authorizationInfo }) => {
        const rights = Object.hasOwn(aefs, aefId) && Object.hasOwn(invokers, apiInvokerId) ? (invokers[apiInvokerId]!.rights[aefId] ?? []) : [];
        const apiIds = [...parseCapifScope(authorizationInfo!).get(aefId)!].filter((api) => !rights.includes(api));
        return apiIds.length === 0 ? [] : [{ apiInvokerId, aefId, apiIds, cause: 'UNEXPECTED_REASON' }];
      }),
    );
    // An AEF that went hears of it too.
    const heard = await Promise.allSettled(ended.map((notification) => this.revoke(notification)));
    this.#options = { ...this.#options, invokers, aefs };
    const failed = heard.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: HttpAnswer;
    try {
      answer = await this.#serve(request);
    } catch (error) {
      answer = answerTo(error);
      const detail = error instanceof Error ? error.message : 'it threw';
      this.#emit({ type: 'refused', request: `${request.method} ${request.url?.split('?')[0]}`, status: answer.status, detail });
    }
    if (response.destroyed) return;
    response.writeHead(answer.status, { ...notStored, ...answer.headers, ...(request.complete ? {} : { connection: 'close' }) }).end(answer.body);
  }

  async #serve(request: IncomingMessage): Promise<HttpAnswer> {
    const { method = '', url = '', socket } = request;
    const peer = this.#certificates.of(socket);
    if (peer === undefined) throw refused(401, 'certificate', 'expected a certificate that is trusted here, got none');
    const [path = '', query = ''] = url.split('?', 2);
    if (method === 'GET' && path === '/jwks') return json(200, this.keys);
    const [, kind, id = '', action] = /^\/capif-security\/v1\/(trustedInvokers|securities)\/([\w.~-]{1,128})(?:\/([a-z]+))?$/.exec(path) ?? [];
    switch (`${method} ${kind} ${action}`) {
      case 'PUT trustedInvokers undefined':
        return this.#create(request, id, peer);
      case 'POST trustedInvokers update':
        this.#contextOf(id);
        return this.#create(request, id, peer);
      case 'GET trustedInvokers undefined':
        return json(200, this.#contextFor(id, this.#aefsOf(peer), query));
      case 'DELETE trustedInvokers undefined':
        return this.#delete(id, this.#aefsOf(peer));
      case 'POST trustedInvokers delete':
        return this.#revokedBy(this.#aefsOf(peer), id, await bodyOf(request, largest), request);
      case 'POST securities token':
        return this.#token(id, peer, await formOf(request));
      default:
        throw refused(kind === undefined ? 404 : 405, 'resource', 'expected a resource and a method of CAPIF_Security_API, got another');
    }
  }

  async #create(request: IncomingMessage, id: string, peer: PeerCertificate): Promise<HttpAnswer> {
    const { rights } = this.#invokerOf(id, peer);
    checkJson(request);
    const { securityInfo, notificationDestination } = readServiceSecurity(await bodyOf(request, largest));
    const selected = securityInfo.map((info) => this.#select(info, rights));
    const isNew = request.method === 'PUT';
    this.#contexts.set(id, { securityInfo: selected, notificationDestination });
    for (const { aefId, selSecurityMethod: method } of selected) this.#emit({ type: 'method-selected', apiInvokerId: id, aefId, method: method! });
    // What it may call is for the AEF alone to read.
    const told = selected.map(({ authorizationInfo: _, ...info }) => info);
    const answer = json(isNew ? 201 : 200, { securityInfo: told, notificationDestination });
    return isNew ? { ...answer, headers: { ...answer.headers, location: `${root}/trustedInvokers/${id}` } } : answer;
  }

  /** TS 33.122, 6.3.1.2: the core function selects, by what both have. */
  #select({ aefId, apiId, prefSecurityMethods }: SecurityInformation, rights: CapifInvokerRegistration['rights']): SecurityInformation {
    const apis = (rights[aefId] ?? []).filter((api) => apiId === undefined || api === apiId);
    if (apis.length === 0) throw refused(403, 'rights', 'expected an AEF and an API that the invoker may call, got another');
    const selSecurityMethod = this.#options.aefs[aefId]?.methods.find((method) => prefSecurityMethods.includes(method));
    if (selSecurityMethod === undefined) throw refused(403, 'method', 'expected a security method that the AEF has too, got others');
    return {
      aefId,
      ...(apiId === undefined ? {} : { apiId }),
      prefSecurityMethods,
      selSecurityMethod,
      authorizationInfo: formatCapifScope([[aefId, apis]]),
    };
  }

  #contextFor(id: string, aefs: ReadonlySet<string>, query: string): ServiceSecurity {
    const { securityInfo, notificationDestination } = this.#contextOf(id);
    const wantsRights = new URLSearchParams(query).get('authorizationInfo') === 'true';
    const own = securityInfo.filter(({ aefId }) => aefs.has(aefId));
    if (own.length === 0) throw absent();
    return {
      notificationDestination,
      securityInfo: own.map(({ authorizationInfo, ...info }) => (wantsRights ? { ...info, authorizationInfo: authorizationInfo! } : info)),
    };
  }

  #delete(id: string, aefs: ReadonlySet<string>): HttpAnswer {
    this.#contextFor(id, aefs, '');
    this.#keep(
      id,
      this.#contextOf(id).securityInfo.filter(({ aefId }) => !aefs.has(aefId)),
    );
    return { status: 204 };
  }

  #revokedBy(aefs: ReadonlySet<string>, id: string, body: Uint8Array, request: IncomingMessage): HttpAnswer {
    checkJson(request);
    const notification = readSecurityNotification(body);
    if (notification.apiInvokerId !== id) throw refused(400, 'message', 'apiInvokerId: expected that of the path, got another');
    this.#contextFor(id, aefs, '');
    for (const aefId of aefs) if (aefId === (notification.aefId ?? aefId)) this.#end({ ...notification, aefId });
    return { status: 204 };
  }

  #end({ apiInvokerId, aefId = '', apiIds }: SecurityNotification): void {
    const context = this.#contexts.get(apiInvokerId);
    if (context === undefined) return;
    this.#emit({ type: 'revoked', apiInvokerId, aefId });
    const left = context.securityInfo.flatMap((info) => {
      if (info.aefId !== aefId) return [info];
      const apis = [...parseCapifScope(info.authorizationInfo!).get(aefId)!].filter((api) => !apiIds.includes(api));
      return apis.length === 0 ? [] : [{ ...info, authorizationInfo: formatCapifScope([[aefId, apis]]) }];
    });
    this.#keep(apiInvokerId, left);
  }

  #keep(id: string, securityInfo: readonly SecurityInformation[]): void {
    if (securityInfo.length === 0) this.#contexts.delete(id);
    else this.#contexts.set(id, { ...this.#contextOf(id), securityInfo });
  }

  async #token(id: string, peer: PeerCertificate, form: ReadonlyMap<string, string>): Promise<HttpAnswer> {
    const grantType = form.get('grant_type');
    if (grantType === undefined || form.get('client_id') === undefined) throw new TokenError('invalid_request', 'expected grant_type and client_id');
    if (grantType !== 'client_credentials') throw new TokenError('unsupported_grant_type', 'expected client_credentials');
    const { invokers, issuer, lifetime = 300 } = this.#options;
    const registration = Object.hasOwn(invokers, id) ? invokers[id] : undefined;
    const isOwn = registration?.names.some((name) => peer.names.includes(name)) === true;
    if (!isOwn || form.get('client_id') !== id) throw new TokenError('invalid_client', 'expected the certificate and the identifier of one invoker', 401);
    const granted = this.#grantable(id);
    const scope = form.get('scope') ?? (granted.size === 0 ? '' : formatCapifScope(granted));
    const asked = grantsOf(scope);
    for (const [aefId, apis] of asked) {
      for (const api of apis) if (granted.get(aefId)?.has(api) !== true) throw new TokenError('invalid_scope', 'expected APIs that OAuth was selected for');
    }
    const owner = form.get('resOwnerId');
    if (owner !== undefined && registration.owners?.includes(owner) !== true)
      throw new TokenError('unauthorized_client', 'expected a resource owner who agreed');
    const now = Math.floor(this.#env.epoch());
    const claims = { client_id: id, scope, ...(owner === undefined ? {} : { resOwnerId: owner }), cnf: { 'x5t#S256': peer.thumbprint } };
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: this.#kid })
      .setIssuer(issuer)
      .setSubject(id)
      .setAudience([...asked.keys()])
      .setIssuedAt(now)
      .setExpirationTime(now + lifetime)
      .setJti(toHex(this.#env.random(16)))
      .sign(this.#key);
    this.#emit({ type: 'token-issued', apiInvokerId: id, scope });
    return json(200, { access_token: token, token_type: 'Bearer', expires_in: lifetime, scope });
  }

  #emit(event: CapifCoreEvent): void {
    this.#options.emit?.(event);
  }

  /** What tokens may be for: where OAuth was selected. */
  #grantable(id: string): CapifGrants {
    const granted = new Map<string, Set<string>>();
    for (const { aefId, selSecurityMethod, authorizationInfo } of this.#contexts.get(id)?.securityInfo ?? []) {
      if (selSecurityMethod !== 'OAUTH') continue;
      const apis = granted.get(aefId) ?? new Set();
      for (const api of parseCapifScope(authorizationInfo!).get(aefId)!) apis.add(api);
      granted.set(aefId, apis);
    }
    return granted;
  }

  #contextOf(id: string): ServiceSecurity {
    const context = this.#contexts.get(id);
    if (context === undefined) throw absent();
    return context;
  }

  #invokerOf(id: string, { names }: PeerCertificate): CapifInvokerRegistration {
    const { invokers } = this.#options;
    const registration = Object.hasOwn(invokers, id) ? invokers[id]! : undefined;
    if (registration?.names.some((name) => names.includes(name)) === true) return registration;
    throw refused(403, 'invoker', 'expected the certificate of this invoker, got another');
  }

  /** One certificate may be that of several. */
  #aefsOf({ names }: PeerCertificate): ReadonlySet<string> {
    const found = Object.entries(this.#options.aefs).filter(([, aef]) => aef.names.some((name) => names.includes(name)));
    if (found.length === 0) throw refused(403, 'aef', 'expected the certificate of an AEF, got another');
    return new Set(found.map(([aefId]) => aefId));
  }
}

function signingKeyOf(pem: string | undefined): KeyObject {
  if (pem === undefined) return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Said below.
  }
  if (key?.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw new CapifError('ERR_CAPIF_CONFIG', 'signing key: expected a private key of P-256 in PEM, got something else');
}

function grantsOf(scope: string): CapifGrants {
  try {
    return parseCapifScope(scope);
  } catch (error) {
    if (!(error instanceof CapifError)) throw error;
    throw new TokenError('invalid_scope', 'expected a scope of CAPIF, with APIs that OAuth was selected for');
  }
}

/** A form whose parameters stand in it once (RFC 6749, Section 3.2). */
async function formOf(request: IncomingMessage): Promise<ReadonlyMap<string, string>> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i.test(type)) throw new TokenError('invalid_request', 'expected a form');
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(fromUtf8(await bodyOf(request, largest)))) {
    if (form.has(name)) throw new TokenError('invalid_request', 'expected each parameter once');
    form.set(name, value);
  }
  return form;
}

function answerTo(error: unknown): HttpAnswer {
  if (error instanceof TokenError) return json(error.status, { error: error.error, error_description: error.message });
  if (error instanceof HttpRefused) return problemAnswer(error.refusal);
  if (error instanceof ProtocolError) return problemAnswer({ status: 400, reason: 'message', detail: error.message });
  return problemAnswer({ status: 500, reason: 'fault', detail: 'the core function has failed' });
}

function refused(status: number, reason: string, detail: string): HttpRefused {
  return new HttpRefused({ status, reason, detail });
}

function absent(): HttpRefused {
  return refused(404, 'context', 'expected an invoker with a security context, got another');
}

function json(status: number, value: object): HttpAnswer {
  return { status, headers: { ...notStored, 'content-type': 'application/json' }, body: utf8(JSON.stringify(value)) };
}
