import type { AceClient, AceRequestInit, AceResponse } from '../../../src/client/index.ts';
import { ContentFormat, codeClass, OptionNumber, uintOf } from '../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { KeyManagementError } from './error.ts';
import { ErrorCode, errorCodeMeaning, fitsResponseCode, formatErrorCode } from './error-code.ts';
import type { Identity } from './key-records.ts';
import { decodeKmResponse, encodeKmRequest, identityKinds, type KmRequest, type KmResponse, kmFields, kmVersion } from './message.ts';
import { kmScope } from './request-check.ts';

/** Which keys are asked for, and from whom. */
export interface KeyRequestInit extends Pick<AceRequestInit, 'audience' | 'as' | 'grant' | 'signal' | 'timeout'> {
  /** The URI of the SKM-S, as it goes by in the request. */
  readonly sKmsUri: string;
  /** Where it is reached; `sKmsUri` when absent. */
  readonly uri?: string;
  /** VAL service ID. */
  readonly serviceId: string;
  /** Whose key material within the service. Absent: that of the service as a whole. */
  readonly identity?: Identity;
  /** FETCH when absent. */
  readonly method?: 'FETCH' | 'POST';
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

const defaultWindow = 5;

/** Of a text that a server sends, in an error. */
const longestShown = 200;

/** The first request, and those with a later Date/Time where an exchange took longer than the window. */
const mostAttempts = 4;

/**
 * Ask a key management server for key material, with all that it takes: a token of scope `km`, its upload, and the checks of what comes back.
 *
 * ```ts
 * const { payload } = await requestKeys(client, { sKmsUri: 'coap://skms.example/km', serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } });
 * ```
 *
 * @param client - a client whose authorization server is the SIM-S
 * @throws {KeyManagementError} `ERR_KM_REFUSED` with the ErrorCode, `ERR_KM_RESPONSE`, `ERR_KM_FORMAT`; as `AceClient.fetch`
 * @see https://www.3gpp.org/dynareport/33434.htm Section 5.3
 */
export async function requestKeys(client: Pick<AceClient, 'fetch'>, init: KeyRequestInit, env: Pick<Env, 'epoch'> = systemEnv): Promise<KeyMaterial> {
  const { sKmsUri, uri = sKmsUri, serviceId, identity, method = 'FETCH', window = defaultWindow, ...how } = init;
  for (let attempt = 1; ; attempt++) {
    const askedAt = env.epoch();
    const dateTime = Math.floor(askedAt);
    const request: KmRequest = { version: kmVersion, sKmsUri, serviceId, dateTime, ...(identity === undefined ? {} : { [identity.kind]: identity.id }) };
    // A refusal of this token says so in a KM Response; more rights than `km` would not help.
    const response = await client.fetch(uri, {
      ...how,
      method,
      payload: encodeKmRequest(request),
      contentFormat: ContentFormat.Cbor,
      accept: ContentFormat.Cbor,
      scope: kmScope,
      upgrade: false,
      // Keys are only read.
      idempotent: true,
    });
    try {
      return readResponse(response, request, window, env.epoch());
    } catch (error) {
      if (!(error instanceof KeyManagementError)) throw error;
      // A message that was lost and sent again, or a token that had to be had first, may have made Date/Time old on its way.
      const mayBeLate = error.errorCode === ErrorCode.UnableToValidate || error.code === 'ERR_KM_RESPONSE';
      if (!mayBeLate || attempt === mostAttempts || env.epoch() - askedAt < window - 1) throw error;
    }
  }
}

/** The key material in a response, once everything about it is right. */
function readResponse(response: AceResponse, request: KmRequest, window: number, epoch: number): KeyMaterial {
  const { code, codeText, payload: body } = response;
  if (uintOf(response.options, OptionNumber.ContentFormat) !== ContentFormat.Cbor) throw withoutMessage(response);
  if (!response.protected) throw unfit('protected', 'without protection');
  const message = decodeKmResponse(body);
  checkEcho(message, request);
  const difference = message.dateTime - Math.floor(epoch);
  if (Math.abs(difference) > window) throw unfit(`Date/Time within ${window} s`, `${difference} s from now`);
  const { errorCode, payload, userUri, sKmsId, sKmsUri, serviceId, dateTime } = message;
  if (errorCode !== undefined) {
    if (!fitsResponseCode(errorCode, code)) throw unfit(`a response code for ErrorCode ${formatErrorCode(errorCode)}`, codeText);
    const other = sKmsUri === request.sKmsUri ? '' : `; it goes by ${JSON.stringify(sKmsUri.slice(0, longestShown))}`;
    throw refused(errorCode, `the SKM-S answers ${formatErrorCode(errorCode)} (${codeText}): ${errorCodeMeaning(errorCode)}${other}`);
  }
  if (codeClass(code) !== 2) throw unfit('a success with a Payload', codeText);
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

/** An answer of the resource server itself. Its 4.01 is what an ErrorCode of 03 means: without a valid token there is nothing that could protect a KM Response. */
function withoutMessage({ code, codeText }: AceResponse): KeyManagementError {
  if (codeText === '4.01') return refused(ErrorCode.Rejected, `the SKM-S answers ${codeText}: ${errorCodeMeaning(ErrorCode.Rejected)}`);
  if (codeClass(code) === 2) return unfit('a KM response of application/cbor', 'another format');
  return new KeyManagementError('ERR_KM_REFUSED', `expected a KM response, got ${codeText} without one`);
}

function refused(errorCode: number, message: string): KeyManagementError {
  return new KeyManagementError('ERR_KM_REFUSED', message, { errorCode });
}

function unfit(expected: string, got: string): KeyManagementError {
  return new KeyManagementError('ERR_KM_RESPONSE', `KM response: expected ${expected}, got ${got}`);
}
