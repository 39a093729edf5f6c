import type { ScopeTable } from '../../../src/ace/index.ts';
import { type Answer, Code, problem, type Resource, type ResourceRequest } from '../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import type { DtlsTransport } from '../../../src/transport/index.ts';
import type { SealHost, SealService } from '../service.ts';
import type { ApplicationKey } from './aanf.ts';
import type { ApplicationKeys } from './application-keys.ts';
import { AkmaError } from './error.ts';
import { ExpiringMap } from './expiring-map.ts';
import { decodeRequest, encodeMessage, longestMessage, messageFormats, type RegistrationRequest, type RegistrationResponse } from './msgin5g-message.ts';
import { aKidOf, akmaAuthenticator } from './psk.ts';
import type { UeAssociations } from './ue-associations.ts';

/** Whom an MSGin5G server registers, and for how long. */
export interface Msgin5gRegistrationOptions {
  /** Of this server, for each security protocol that its clients may use. */
  readonly keys: readonly ApplicationKeys[];
  readonly associations: UeAssociations;
  /** Let UEs in here by one of these keys. Absent: whoever opens the sessions asks `akmaAuthenticator`. */
  readonly dtls?: { readonly sessions: Pick<DtlsTransport, 'authenticate'>; readonly keys: ApplicationKeys; readonly identityPrefix?: string };
  /** `/msgin5g` when absent. */
  readonly path?: string;
  /** Seconds that a registration lasts at most; 86,400. None lasts longer than the K_AF that it came with. */
  readonly lifetime?: number;
  /** Registrations at once; 10,000. */
  readonly limit?: number;
  readonly env?: Env;
  /** Hears of registrations, their ends, and refusals. */
  readonly emit?: (event: Msgin5gEvent) => void;
}

/** What became of a request; for logs: it names no subscriber. */
export interface Msgin5gEvent {
  readonly type: 'registered' | 'deregistered' | 'registration-refused';
  readonly aKid?: string;
  readonly ueServiceId?: string;
  /** Why it was refused; stable. */
  readonly reason?: RefusalReason;
}

/** Why a registration was refused: a stable word for logs and audits; the client is told less. */
export type RefusalReason =
  | 'no-akma'
  | 'no-key'
  | 'aanf'
  | 'message'
  | 'message-type'
  | 'other-credential'
  | 'no-ue-id'
  | 'no-association'
  | 'other-service-id'
  | 'configuration'
  | 'not-registered'
  | 'full'
  | 'closing';

/** A client that is registered. */
export interface Registration {
  readonly ueServiceId: string;
  readonly ueId: string;
  readonly aKid: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly clientProfile?: unknown;
}

/** A request that is answered by an error. */
class Refusal extends AkmaError {
  readonly reason: RefusalReason;
  readonly responseCode: number;
  /** Seconds after which to try again. */
  readonly maxAge: number | undefined;

  constructor(reason: RefusalReason, responseCode: number, detail: string, maxAge?: number) {
    super('ERR_AKMA_REFUSED', detail);
    this.reason = reason;
    this.responseCode = responseCode;
    this.maxAge = maxAge;
  }
}

/** Seconds after which a client may ask again where others could not be asked. */
const tryAgain = 30;

interface Channel {
  readonly keys: ApplicationKeys;
  readonly aKid: string;
}

/** Who sent a request: the UE that the AAnF vouches for. */
interface Ue {
  readonly aKid: string;
  readonly key: ApplicationKey;
}

/**
 * Registration of MSGin5G clients (TS 33.501, Annex Y.2; TS 24.538, 6.3): `POST /msgin5g` over a channel that K_AF protects.
 *
 * Who the UE is, the AAnF says; which UE service IDs it may register, the configuration management server says. A client asks with no access token.
 */
export class Msgin5gRegistration implements SealService {
  readonly scopes: ScopeTable = {};
  readonly public: readonly string[];
  readonly #options: Msgin5gRegistrationOptions;
  readonly #path: string;
  readonly #env: Env;
  /** By UE service ID. */
  readonly #registrations: ExpiringMap<Registration>;
  #closed = false;

  constructor(options: Msgin5gRegistrationOptions) {
    this.#options = options;
    this.#path = options.path ?? '/msgin5g';
    this.public = [this.#path];
    this.#env = options.env ?? systemEnv;
    this.#registrations = new ExpiringMap(this.#env);
  }

  mount(host: Pick<SealHost, 'resource'>): void {
    this.serveOn(host);
    const { dtls } = this.#options;
    // Once the profiles of the server have their own, which take the identities of AKMA for broken ones of theirs.
    dtls?.sessions.authenticate(akmaAuthenticator(dtls.keys, dtls.identityPrefix));
  }

  /** Be there on a host whose sessions ask for a K_AF by themselves: an endpoint over `akmaTlsServer`. */
  serveOn(host: Pick<SealHost, 'resource'>): void {
    const resource: Resource = { post: (request) => this.#post(request), accepts: messageFormats, attributes: { rt: 'msgin5g' } };
    host.resource(this.#path, resource);
  }

  /** Who is registered under a UE service ID now. */
  registrationOf(ueServiceId: string): Registration | undefined {
    return this.#registrations.get(ueServiceId);
  }

  stats(): Readonly<Record<string, number>> {
    return { registrations: this.#registrations.size };
  }

  /** Forget all registrations and their keys. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#registrations.close();
    for (const keys of this.#options.keys) keys.close();
    await this.#options.associations.close?.();
  }

  async #post(request: ResourceRequest): Promise<Answer> {
    const channel = this.#channelOf(request);
    const aKid = channel?.aKid;
    let message: RegistrationRequest | undefined;
    try {
      if (channel === undefined) throw new Refusal('no-akma', Code.Unauthorized, 'expected a channel that an AKMA application key protects');
      const ue = { aKid: channel.aKid, key: await keyOf(channel) };
      message = readMessage(request);
      const answer = await this.#serve(message, ue);
      const contentFormat = request.contentFormat!;
      return { code: Code.Changed, payload: encodeMessage(answer, contentFormat), contentFormat };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#emit({ type: 'registration-refused', reason: error.reason }, aKid, message);
      return {
        ...problem(error.responseCode, { title: 'MSGin5G registration', detail: error.message }),
        ...(error.maxAge === undefined ? {} : { maxAge: error.maxAge }),
      };
    }
  }

  /** Whose K_AF protects a request; `undefined`: none does. */
  #channelOf({ association }: ResourceRequest): Channel | undefined {
    for (const keys of this.#options.keys) {
      const aKid = aKidOf(association, keys);
      if (aKid !== undefined) return { keys, aKid };
    }
    return undefined;
  }

  async #serve(message: RegistrationRequest, ue: Ue): Promise<RegistrationResponse> {
    const { messageType, credentialInformation } = message;
    if (credentialInformation !== undefined && credentialInformation !== ue.aKid) {
      throw new Refusal('other-credential', Code.Forbidden, 'expected the credential that protects the channel, got another');
    }
    if (messageType === 'REG') return this.#register(message, ue);
    if (messageType === 'DEREG') return this.#deregister(message, ue);
    throw new Refusal('message-type', Code.NotImplemented, `expected REG or DEREG, got ${messageType}`);
  }

  async #register(message: RegistrationRequest, { aKid, key }: Ue): Promise<RegistrationResponse> {
    const { ueServiceId, clientProfile } = message;
    const ueId = ueIdOf(key);
    const associated = await this.#associated(ueId);
    if (associated.length === 0) throw new Refusal('no-association', Code.Forbidden, 'no UE service ID is associated with this UE');
    if (!associated.includes(ueServiceId)) throw new Refusal('other-service-id', Code.Forbidden, 'the UE service ID is not associated with this UE');
    if (this.#closed) throw new Refusal('closing', Code.ServiceUnavailable, 'the server is closing', tryAgain);
    const { limit = 10_000, lifetime = 86_400 } = this.#options;
    if (this.#registrations.size >= limit && this.#registrations.get(ueServiceId) === undefined) {
      throw new Refusal('full', Code.ServiceUnavailable, 'too many clients are registered', tryAgain);
    }
    const now = this.#env.epoch();
    const expiresAt = Math.min(now + lifetime, key.expiresAt);
    this.#registrations.set(ueServiceId, { ueServiceId, ueId, aKid, expiresAt, ...(clientProfile === undefined ? {} : { clientProfile }) }, expiresAt);
    this.#emit({ type: 'registered' }, aKid, message);
    return { messageType: 'REG', ueServiceId, expiresIn: Math.max(0, Math.floor(expiresAt - now)) };
  }

  async #associated(ueId: string): Promise<readonly string[]> {
    try {
      return await this.#options.associations.serviceIdsOf(ueId);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new Refusal('configuration', Code.ServiceUnavailable, 'the configuration management server does not answer', tryAgain);
    }
  }

  #deregister(message: RegistrationRequest, { aKid, key }: Ue): RegistrationResponse {
    const { ueServiceId } = message;
    const registration = this.#registrations.get(ueServiceId);
    // Of a registration of another UE it hears no more than of one that is not there.
    if (registration === undefined || registration.ueId !== ueIdOf(key)) {
      throw new Refusal('not-registered', Code.NotFound, 'the UE service ID is not registered by this UE');
    }
    this.#registrations.delete(ueServiceId);
    this.#emit({ type: 'deregistered' }, aKid, message);
    return { messageType: 'DEREG', ueServiceId };
  }

  #emit(event: Pick<Msgin5gEvent, 'type' | 'reason'>, aKid: string | undefined, message: RegistrationRequest | undefined): void {
    const { ueServiceId } = message ?? {};
    this.#options.emit?.({ ...event, ...(aKid === undefined ? {} : { aKid }), ...(ueServiceId === undefined ? {} : { ueServiceId }) });
  }
}

/** A channel may outlive its key: then the AAnF is asked again, and what it does not know any more ends. */
async function keyOf({ keys, aKid }: Channel): Promise<ApplicationKey> {
  let key: ApplicationKey | undefined;
  try {
    key = await keys.get(aKid);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal('aanf', Code.ServiceUnavailable, 'the AKMA anchor function does not answer', tryAgain);
  }
  if (key === undefined) throw new Refusal('no-key', Code.Unauthorized, 'the application key has ended');
  return key;
}

/** The SUPI, or what an AF outside the operator's domain hears in its place. */
function ueIdOf({ supi, gpsi }: ApplicationKey): string {
  const ueId = supi ?? gpsi;
  if (ueId === undefined) throw new Refusal('no-ue-id', Code.Forbidden, 'the AKMA anchor function does not say who the UE is');
  return ueId;
}

function readMessage(request: ResourceRequest): RegistrationRequest {
  const { contentFormat } = request;
  if (contentFormat === undefined)
    throw new Refusal('message', Code.UnsupportedContentFormat, 'expected application/json or application/cbor, got no Content-Format');
  if (request.payload.length > longestMessage)
    throw new Refusal('message', Code.RequestEntityTooLarge, `expected at most ${longestMessage} bytes, got ${request.payload.length}`);
  try {
    // What is registered outlives the request.
    return decodeRequest(request.payload.slice(), contentFormat);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal('message', Code.BadRequest, error.message);
  }
}
