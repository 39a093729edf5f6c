import type { Env } from '../../../src/core/env.ts';
import { KeyManagementError } from './error.ts';
import { ErrorCode, errorCodeMeaning, formatErrorCode } from './error-code.ts';
import type { Identity } from './key-records.ts';
import { identityKinds, type KmRequest, type KmResponse, kmFields, kmVersion } from './message.ts';

/** Which keys are asked for, whatever carries the question. */
export interface KeyQuestion {
  /** The URI of the SKM-S, as it goes by in the request. */
  readonly sKmsUri: string;
  /** VAL service ID. */
  readonly serviceId: string;
  /** Whose key material within the service. Absent: that of the service as a whole. */
  readonly identity?: Identity;
  /** Seconds by which the Date/Time of the response may differ from the clock; 5. */
  readonly window?: number;
}

/** Key material that an SKM-S gave. */
export interface KeyMaterial {
  readonly serviceId: string;
  readonly userUri: string;
  readonly sKmsUri: string;
  readonly sKmsId?: string;
  readonly identity?: Identity;
  /** Seconds since 1970. */
  readonly dateTime: number;
  /** What the operator of the VAL service provisioned. */
  readonly payload: Uint8Array;
}

/** A KM Response, and what its transport says beside it. */
export interface KmReply {
  readonly message: KmResponse;
  /** The code of the response, for people. */
  readonly said: string;
  readonly isSuccess: boolean;
  /** Whether the code is one for an ErrorCode. */
  fits(errorCode: number): boolean;
}

const defaultWindow = 5;

/** Of a text that a server sends, in an error. */
const longestShown = 200;

/** The first request, and those with a later Date/Time where an exchange took longer than the window. */
const mostAttempts = 4;

/**
 * Ask until the Date/Time of a request is still of now when its response comes, and check that.
 *
 * @throws {KeyManagementError} `ERR_KM_REFUSED` with the ErrorCode, `ERR_KM_RESPONSE`; what `ask` throws
 */
export async function keyMaterialOf(
  ask: (request: KmRequest) => Promise<KmReply>,
  { sKmsUri, serviceId, identity, window = defaultWindow }: KeyQuestion,
  env: Pick<Env, 'epoch'>,
): Promise<KeyMaterial> {
  for (let attempt = 1; ; attempt++) {
    const askedAt = env.epoch();
    const dateTime = Math.floor(askedAt);
    const request: KmRequest = { version: kmVersion, sKmsUri, serviceId, dateTime, ...(identity === undefined ? {} : { [identity.kind]: identity.id }) };
    const reply = await ask(request);
    try {
      return readReply(reply, request, window, env.epoch());
    } catch (error) {
      if (!(error instanceof KeyManagementError)) throw error;
      // A message that was lost and sent again, or a token that had to be had first, may have made Date/Time old on its way.
      const mayBeLate = error.errorCode === ErrorCode.UnableToValidate || error.code === 'ERR_KM_RESPONSE';
      if (!mayBeLate || attempt === mostAttempts || env.epoch() - askedAt < window - 1) throw error;
    }
  }
}

/** The key material in a response, once everything about it is right. */
function readReply({ message, said, isSuccess, fits }: KmReply, request: KmRequest, window: number, epoch: number): KeyMaterial {
  checkEcho(message, request);
  const difference = message.dateTime - Math.floor(epoch);
  if (Math.abs(difference) > window) throw unfit(`Date/Time within ${window} s`, `${difference} s from now`);
  const { errorCode, payload, userUri, sKmsId, sKmsUri, serviceId, dateTime } = message;
  if (errorCode !== undefined) {
    if (!fits(errorCode)) throw unfit(`a response code for ErrorCode ${formatErrorCode(errorCode)}`, said);
    const other = sKmsUri === request.sKmsUri ? '' : `; it goes by ${JSON.stringify(sKmsUri.slice(0, longestShown))}`;
    throw refused(errorCode, `the SKM-S answers ${formatErrorCode(errorCode)} (${said}): ${errorCodeMeaning(errorCode)}${other}`);
  }
  if (!isSuccess) throw unfit('a success with a Payload', said);
  const kind = identityKinds.find((one) => request[one] !== undefined);
  return {
    serviceId,
    userUri,
    sKmsUri,
    ...(sKmsId === undefined ? {} : { sKmsId }),
    ...(kind === undefined ? {} : { identity: { kind, id: request[kind]! } }),
    dateTime,
    payload: payload!,
  };
}

/** TS 33.434, Table 5.3.3-1: what the request names, the response repeats; and keys come from the SKM-S that was asked. Another one says who it is with an error. */
function checkEcho(message: KmResponse, request: KmRequest): void {
  for (const name of ['sKmsUri', 'serviceId', ...identityKinds] as const) {
    if (message[name] === request[name]) continue;
    if (name === 'sKmsUri' && message.errorCode !== undefined) continue;
    const said = message[name] === undefined ? 'none' : 'another';
    throw unfit(request[name] === undefined ? `no ${kmFields[name].name}` : `the ${kmFields[name].name} of the request`, said);
  }
}

export function refused(errorCode: number, message: string): KeyManagementError {
  return new KeyManagementError('ERR_KM_REFUSED', message, { errorCode });
}

export function unfit(expected: string, got: string): KeyManagementError {
  return new KeyManagementError('ERR_KM_RESPONSE', `KM response: expected ${expected}, got ${got}`);
}
