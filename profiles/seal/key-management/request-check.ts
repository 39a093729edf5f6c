import { Code } from '../../../src/coap/index.ts';
import { type Caller, hasScope } from '../caller.ts';
import { ErrorCode, responseCodeOf } from './error-code.ts';
import type { RecordName } from './key-records.ts';
import { identityKinds, type KmRequest, kmFields, kmVersion } from './message.ts';

/** The scope of a token for key management. */
export const kmScope = 'km';

/** Why a KM Request is refused: stable names, for logs and tests. */
export type KmRefusalReason =
  | 'token'
  | 'scope'
  | 'size'
  | 'format'
  | 'skms-uri'
  | 'date-time'
  | 'version'
  | 'identities'
  | 'service'
  | 'identity'
  | 'val-server'
  | 'no-record'
  | 'fault';

export interface KmRefusal {
  readonly errorCode: ErrorCode;
  /** The response code of CoAP. */
  readonly code: number;
  readonly reason: KmRefusalReason;
  /** For people. */
  readonly detail: string;
}

export function refusal(errorCode: ErrorCode, reason: KmRefusalReason, detail: string, code: number = responseCodeOf(errorCode)): KmRefusal {
  return { errorCode, code, reason, detail };
}

function invalid(reason: KmRefusalReason, detail: string): KmRefusal {
  return refusal(ErrorCode.UnableToValidate, reason, detail);
}

/** For who is known and may not have this. */
function forbidden(reason: KmRefusalReason, detail: string): KmRefusal {
  return refusal(ErrorCode.UnableToValidate, reason, detail, Code.Forbidden);
}

export interface KmChecks {
  /** The URI of this SKM-S. */
  readonly sKmsUri: string;
  /** Seconds by which Date/Time and the clock of this SKM-S may differ. */
  readonly window: number;
}

/**
 * Whether a token is good for key management: it is there, and has the scope for it. Its signature was verified when it was uploaded, as that of every token of a
 * SEAL server; this is what TS 33.434 can mean by the signature of a request, which has none of its own.
 */
export function checkToken(caller: Caller | undefined): KmRefusal | undefined {
  if (caller === undefined) return refusal(ErrorCode.Rejected, 'token', 'expected a valid token, got none');
  if (hasScope(caller, kmScope)) return undefined;
  return forbidden('scope', `expected a token of scope ${kmScope}, got one of another scope`);
}

/** What a request has to say, in the order of TS 33.434, Section 5.3.2. @param epoch - seconds since 1970 */
export function checkRequest(request: KmRequest, { sKmsUri, window }: KmChecks, epoch: number): KmRefusal | undefined {
  if (request.sKmsUri !== sKmsUri) return invalid('skms-uri', `expected SKmsUri ${sKmsUri}, got another`);
  // Date/Time counts whole seconds.
  const difference = request.dateTime - Math.floor(epoch);
  if (Math.abs(difference) > window) return invalid('date-time', `expected a Date/Time within ${window} s, got one ${difference} s from now`);
  if (request.version !== kmVersion) return invalid('version', `expected Version ${kmVersion}, got another`);
  const named = identityKinds.filter((kind) => request[kind] !== undefined);
  if (named.length > 1) return invalid('identities', `expected one of ClientID, DeviceID and UserID at most, got ${named.length}`);
  return undefined;
}

/** What a checked request asks for. */
export function recordNameOf(request: KmRequest): RecordName {
  const { serviceId } = request;
  const kind = identityKinds.find((one) => request[one] !== undefined);
  return kind === undefined ? { serviceId } : { serviceId, identity: { kind, id: request[kind]! } };
}

/**
 * Whether the token is for this service and this identity: the VAL UE and the VAL user that it names, or the client that it was issued to.
 *
 * It is asked before the records are, so that nobody learns what there is for others.
 */
export function checkRights({ serviceId, identity }: RecordName, caller: Caller | undefined): KmRefusal | undefined {
  if (!caller?.valServiceIds.includes(serviceId)) return forbidden('service', 'expected a service that the token is for, got another');
  if (identity === undefined) return undefined;
  const { kind, id } = identity;
  const own = { clientId: caller.subject, deviceId: caller.valUeId, userId: caller.valUserId }[kind];
  return own === id ? undefined : forbidden('identity', `expected the ${kmFields[kind].name} that the token is for, got another`);
}

/** Whether the token is that of a VAL server, for key management and for this service: those of VAL users and VAL UEs are for their own keys. */
export function checkValServer({ serviceId }: RecordName, caller: Caller | undefined): KmRefusal | undefined {
  const unfit = checkToken(caller) ?? checkRights({ serviceId }, caller);
  if (unfit !== undefined) return unfit;
  const isValServer = caller?.valUserId === undefined && caller?.valUeId === undefined;
  return isValServer ? undefined : forbidden('val-server', 'expected the token of a VAL server, got one of a VAL user or a VAL UE');
}
