import type { AceClient, AceRequestInit, AceResponse } from '../../../src/client/index.ts';
import { ContentFormat, codeClass, OptionNumber, uintOf } from '../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { KeyManagementError } from './error.ts';
import { ErrorCode, errorCodeMeaning, fitsResponseCode } from './error-code.ts';
import { type KeyMaterial, type KeyQuestion, type KmReply, keyMaterialOf, refused, unfit } from './key-material.ts';
import { decodeKmResponse, encodeKmRequest, type KmRequest } from './message.ts';
import { kmScope } from './request-check.ts';

/** Which keys are asked for, and from whom. */
export interface KeyRequestInit extends KeyQuestion, Pick<AceRequestInit, 'audience' | 'as' | 'grant' | 'signal' | 'timeout'> {
  /** Where it is reached; `sKmsUri` when absent. */
  readonly uri?: string;
  /** FETCH when absent. */
  readonly method?: 'FETCH' | 'POST';
}

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
export function requestKeys(client: Pick<AceClient, 'fetch'>, init: KeyRequestInit, env: Pick<Env, 'epoch'> = systemEnv): Promise<KeyMaterial> {
  const { sKmsUri, uri = sKmsUri, serviceId, identity, window, method = 'FETCH', ...how } = init;
  const ask = async (request: KmRequest): Promise<KmReply> => {
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
    return replyOf(response);
  };
  return keyMaterialOf(ask, init, env);
}

function replyOf(response: AceResponse): KmReply {
  const { code, codeText, payload: body } = response;
  if (uintOf(response.options, OptionNumber.ContentFormat) !== ContentFormat.Cbor) throw withoutMessage(response);
  if (!response.protected) throw unfit('protected', 'without protection');
  const isSuccess = codeClass(code) === 2;
  return { message: decodeKmResponse(body), said: codeText, isSuccess, fits: (errorCode) => fitsResponseCode(errorCode, code) };
}

/** An answer of the resource server itself. Its 4.01 is what an ErrorCode of 03 means: without a valid token there is nothing that could protect a KM Response. */
function withoutMessage({ code, codeText }: AceResponse): KeyManagementError {
  if (codeText === '4.01') return refused(ErrorCode.Rejected, `the SKM-S answers ${codeText}: ${errorCodeMeaning(ErrorCode.Rejected)}`);
  if (codeClass(code) === 2) return unfit('a KM response of application/cbor', 'another format');
  return new KeyManagementError('ERR_KM_REFUSED', `expected a KM response, got ${codeText} without one`);
}
