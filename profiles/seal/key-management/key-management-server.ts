import { Code } from '../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import type { Caller } from '../caller.ts';
import { KeyManagementError } from './error.ts';
import { ErrorCode, formatErrorCode } from './error-code.ts';
import { findKeyMaterial, type Identity, type KeyRecords, type RecordName } from './key-records.ts';
import { type KmRepresentation, type KmRequest, type KmResponse, kmCbor, type ReadableIdentities } from './message.ts';
import { checkRequest, checkRights, checkToken, checkValServer, type KmRefusal, type KmRefusalReason, recordNameOf, refusal } from './request-check.ts';
import { userUriOf } from './user-uri.ts';

/** What the key management server tells its operator. No event holds key material. */
export type KeyManagementEvent =
  | { readonly type: 'key-material-given'; readonly serviceId: string; readonly identity?: string; readonly userUri: string; readonly bytes: number }
  | {
      readonly type: 'key-request-refused';
      readonly reason: KmRefusalReason;
      readonly errorCode: string;
      readonly detail: string;
      readonly userUri: string;
    };

/** Who this key management server is, and where its records are. */
export interface KeyManagementOptions {
  /** The URI of this SKM-S, as requests have to name it. */
  readonly sKmsUri: string;
  /** The SKmsID of its responses. Absent: they have none. */
  readonly sKmsId?: string;
  readonly records: KeyRecords;
  /** Seconds by which the Date/Time of a request may differ from the clock; 5. */
  readonly window?: number;
  /** Where the accounts of users are, for UserUri. Absent: the host of `sKmsUri`. */
  readonly userHost?: string;
  readonly env?: Env;
  /** Hears of each request that was answered or refused; never of keys. */
  readonly emit?: (event: KeyManagementEvent) => void;
}

/** A KM Response, and the response code of CoAP that it goes with. */
export interface KmAnswer {
  readonly code: number;
  readonly response: KmResponse;
}

/** Key material for a VAL server. */
export interface KeyInfo {
  /** Whose it is. */
  readonly userUri: string;
  readonly serviceId: string;
  readonly sKmsId?: string;
  readonly payload: Uint8Array;
}

/** Where a request came in. */
export interface KmFace {
  /** The URI that the SKM-S goes by here. Absent: that of its options. */
  readonly sKmsUri?: string;
  /** What requests are written in. CBOR when absent. */
  readonly representation?: KmRepresentation;
}

/** Seconds. */
const defaultWindow = 5;
const widestWindow = 300;

/**
 * The key management server (SKM-S) of TS 33.434, Section 5.3, whatever transport brings its requests.
 *
 * Every request is answered by a KM Response; one with an ErrorCode has no Payload.
 */
export class KeyManagementServer {
  readonly sKmsUri: string;
  readonly #options: KeyManagementOptions;
  readonly #env: Env;
  readonly #window: number;
  readonly #userHost: string;

  /** @throws {KeyManagementError} `ERR_KM_CONFIG` */
  constructor(options: KeyManagementOptions) {
    this.#options = options;
    this.sKmsUri = options.sKmsUri;
    this.#env = options.env ?? systemEnv;
    this.#window = options.window ?? defaultWindow;
    if (!Number.isInteger(this.#window) || this.#window < 1 || this.#window > widestWindow) {
      throw new KeyManagementError('ERR_KM_CONFIG', `window: expected 1 to ${widestWindow} seconds, got ${this.#window}`);
    }
    this.#userHost = options.userHost ?? hostOf(options.sKmsUri);
  }

  /**
   * Answer a request.
   *
   * @param payload - the KM Request, borrowed until the answer is there
   * @param callerOf - who asks; asked again when the key material is at hand, since a token may end or be replaced in between
   */
  async answer(payload: Uint8Array, callerOf: () => Caller | undefined, { sKmsUri = this.sKmsUri, representation = kmCbor }: KmFace = {}): Promise<KmAnswer> {
    const caller = callerOf();
    const request = this.#check(payload, caller, representation, sKmsUri);
    if ('errorCode' in request) return this.#refuse(request, caller, sKmsUri, representation.readableIdentities(payload));
    const found = await this.#find(recordNameOf(request));
    if (!(found instanceof Uint8Array)) return this.#refuse(found, caller, sKmsUri, request);
    const now = callerOf();
    const ended = checkToken(now) ?? checkRights(recordNameOf(request), now);
    return ended === undefined ? this.#give(found, now, request) : this.#refuse(ended, caller, sKmsUri, request);
  }

  /** The KM Response of whoever refuses a request before it gets here. */
  refusal(errorCode: ErrorCode, payload: Uint8Array, { sKmsUri = this.sKmsUri, representation = kmCbor }: KmFace = {}): KmResponse {
    return { ...this.#response(undefined, sKmsUri, representation.readableIdentities(payload)), errorCode };
  }

  /**
   * Key material for a VAL server, which asks for any VAL user or VAL UE of its services (TS 29.549, SS_KeyInfoRetrieval).
   *
   * @param callerOf - as for `answer`
   */
  async retrieve(name: RecordName, callerOf: () => Caller | undefined): Promise<KeyInfo | KmRefusal> {
    const unfit = checkValServer(name, callerOf());
    const found = unfit ?? (await this.#find(name));
    const ended = found instanceof Uint8Array ? checkValServer(name, callerOf()) : found;
    if (!(found instanceof Uint8Array) || ended !== undefined) {
      const { reason, errorCode, detail } = ended!;
      this.#emit({ type: 'key-request-refused', reason, errorCode: formatErrorCode(errorCode), detail, userUri: userUriOf(callerOf(), this.#userHost) });
      return ended!;
    }
    const { serviceId, identity } = name;
    const userUri = userUriOf(identity === undefined ? callerOf() : targetOf(identity), this.#userHost);
    this.#given(name, userUri, found);
    const { sKmsId } = this.#options;
    return { userUri, serviceId, ...(sKmsId === undefined ? {} : { sKmsId }), payload: found };
  }

  /** Throws where no record can be had. */
  async check(): Promise<void> {
    await this.#options.records.check?.();
  }

  /** TS 33.434, Section 5.3.2: the token first, then what the request says, then whether it is for this token to ask. */
  #check(payload: Uint8Array, caller: Caller | undefined, { longestRequest, decodeRequest }: KmRepresentation, sKmsUri: string): KmRequest | KmRefusal {
    const unfit = checkToken(caller);
    if (unfit !== undefined) return unfit;
    if (payload.length > longestRequest) {
      const detail = `expected a request of at most ${longestRequest} bytes, got ${payload.length}`;
      return refusal(ErrorCode.UnableToValidate, 'size', detail, Code.RequestEntityTooLarge);
    }
    try {
      const request = decodeRequest(payload);
      const checks = { sKmsUri, window: this.#window };
      return checkRequest(request, checks, this.#env.epoch()) ?? checkRights(recordNameOf(request), caller) ?? request;
    } catch (error) {
      if (!(error instanceof KeyManagementError)) throw error;
      return refusal(ErrorCode.UnableToValidate, 'format', error.message);
    }
  }

  async #find(name: RecordName): Promise<Uint8Array | KmRefusal> {
    try {
      const material = await findKeyMaterial(this.#options.records, name);
      return material ?? refusal(ErrorCode.NoKeyInformation, 'no-record', 'expected a service and an identity that have key material, got others');
    } catch (error) {
      // The peer hears no more than that something failed.
      const detail = error instanceof ProtocolError ? `${error.code}: ${error.message}` : String(error);
      return refusal(ErrorCode.Unspecified, 'fault', detail);
    }
  }

  #give(payload: Uint8Array, caller: Caller | undefined, request: KmRequest): KmAnswer {
    const response: KmResponse = { ...this.#response(caller, request.sKmsUri, request), payload };
    this.#given(recordNameOf(request), response.userUri, payload);
    return { code: Code.Content, response };
  }

  #given({ identity, serviceId }: RecordName, userUri: string, payload: Uint8Array): void {
    this.#emit({ type: 'key-material-given', serviceId, ...(identity === undefined ? {} : { identity: identity.id }), userUri, bytes: payload.length });
  }

  #refuse({ errorCode, code, reason, detail }: KmRefusal, caller: Caller | undefined, sKmsUri: string, asked: ReadableIdentities): KmAnswer {
    const response: KmResponse = { ...this.#response(caller, sKmsUri, asked), errorCode };
    this.#emit({ type: 'key-request-refused', reason, errorCode: formatErrorCode(errorCode), detail, userUri: response.userUri });
    return { code, response };
  }

  /** What every response says; a ServiceID that could not be read is empty. */
  #response(caller: Caller | undefined, sKmsUri: string, { serviceId = '', clientId, deviceId, userId }: ReadableIdentities): KmResponse {
    const { sKmsId } = this.#options;
    return {
      userUri: userUriOf(caller, this.#userHost),
      sKmsUri,
      serviceId,
      ...(sKmsId === undefined ? {} : { sKmsId }),
      ...(clientId === undefined ? {} : { clientId }),
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(userId === undefined ? {} : { userId }),
      dateTime: Math.floor(this.#env.epoch()),
    };
  }

  #emit(event: KeyManagementEvent): void {
    this.#options.emit?.(event);
  }
}

function hostOf(uri: string): string {
  const host = URL.canParse(uri) ? new URL(uri).hostname : '';
  if (host === '') throw new KeyManagementError('ERR_KM_CONFIG', `sKmsUri: expected an absolute URI with a host, got ${JSON.stringify(uri)}`);
  return host;
}

/** Whom an identity means, in the words of a token. */
function targetOf({ kind, id }: Identity): Partial<Caller> {
  return { [({ clientId: 'subject', deviceId: 'valUeId', userId: 'valUserId' } as const)[kind]]: id };
}
