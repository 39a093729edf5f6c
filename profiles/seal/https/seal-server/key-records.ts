import { toBase64Url, utf8 } from '../../../../src/core/bytes.ts';
import { ProtocolError } from '../../../../src/core/errors.ts';
import { readJson } from '../../../../src/core/json.ts';
import { hasScope } from '../../caller.ts';
import { type KeyInfo, type KeyManagementServer, type KmRefusal, kmScope } from '../../key-management/index.ts';
import { readValTargetUe, type ValTargetUe } from '../../val-target-ue.ts';
import type { HttpsCaller } from '../guard/guard.ts';
import { checkAccept } from './body.ts';
import type { HttpsEndpoint, RequestGuard } from './endpoint.ts';
import { type HttpAnswer, HttpRefused, notStored } from './http-answer.ts';
import { challengeFor, kmStatusOf } from './key-management.ts';

/** The face of VAL servers. */
export interface KeyRecordsEndpointOptions {
  readonly server: KeyManagementServer;
  /** Asks for certificate and token both (TS 33.434, 5.1.1.4 and 5.1.1.8). */
  readonly guard: RequestGuard;
}

/** `{apiRoot}/ss-kir/v1/key-records`, with the root of the server as apiRoot. */
export const keyRecordsPath = '/ss-kir/v1/key-records';

const kinds = { valUserId: 'userId', valUeId: 'deviceId' } as const;

/**
 * KM-S, the face of VAL servers: SS_KeyInfoRetrieval of TS 29.549.
 *
 * `GET /ss-kir/v1/key-records?val-service-id=v2x&val-tgt-ue={"valUeId":"ue1"}` gives ValKeyInfo, whose `keyInfo` is the key material in base64url.
 */
export function keyRecordsEndpoint({ server, guard }: KeyRecordsEndpointOptions): HttpsEndpoint {
  return {
    path: keyRecordsPath,
    methods: ['GET'],
    largest: 0,
    guard,
    answer: async (request) => {
      checkAccept(request);
      const { serviceId, target } = readQuery(request.query);
      const identity = target && { kind: kinds[target.kind], id: target.id };
      const found = await server.retrieve({ serviceId, ...(identity && { identity }) }, request.callerOf);
      if ('errorCode' in found) throw refused(found, request.callerOf());
      return valKeyInfo(found, target);
    },
  };
}

interface Asked {
  readonly serviceId: string;
  readonly target: ValTargetUe | undefined;
}

/** Arguments beside these are let be. @throws {HttpRefused} 400 */
function readQuery(query: string): Asked {
  const serviceId = argumentOf(query, 'val-service-id');
  if (serviceId === undefined || serviceId === '') throw unfit('val-service-id: expected a VAL service, got none');
  const target = argumentOf(query, 'val-tgt-ue');
  return { serviceId, target: target === undefined ? undefined : readTarget(target) };
}

/** An argument that stands there once at most (RFC 6570, as OpenAPI has it). */
function argumentOf(query: string, name: string): string | undefined {
  const found = query.split('&').filter((argument) => argument.split('=', 1)[0] === name);
  if (found.length > 1) throw unfit(`${name}: expected it once, got it ${found.length} times`);
  const written = found[0]?.slice(name.length + 1);
  try {
    return written === undefined ? undefined : decodeURIComponent(written.replaceAll('+', ' '));
  } catch {
    throw unfit(`${name}: expected percent-encoded UTF-8, got something else`);
  }
}

function readTarget(text: string): ValTargetUe {
  try {
    return readValTargetUe(readJson(utf8(text)), 'val-tgt-ue');
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw unfit('val-tgt-ue: expected JSON with one of valUserId and valUeId, got something else');
  }
}

function unfit(detail: string): HttpRefused {
  return new HttpRefused({ status: 400, reason: 'query', detail });
}

function refused({ code, reason, detail }: KmRefusal, caller: HttpsCaller | undefined): HttpRefused {
  const status = kmStatusOf(code);
  const isScope = caller === undefined || !hasScope(caller, kmScope);
  return new HttpRefused({ status, reason, detail: status === 500 ? 'the server has failed' : detail, ...(isScope ? { headers: challengeFor(caller) } : {}) });
}

/** ValKeyInfo of TS 29.549, with the members of its OpenAPI file. */
function valKeyInfo({ userUri, serviceId, sKmsId, payload }: KeyInfo, target: ValTargetUe | undefined): HttpAnswer {
  const info = {
    userUri,
    ...(sKmsId === undefined ? {} : { skmsId: sKmsId }),
    valService: serviceId,
    ...(target === undefined ? {} : { valTgtUe: { [target.kind]: target.id } }),
    keyInfo: toBase64Url(payload),
  };
  return { status: 200, headers: { ...notStored, 'content-type': 'application/json' }, body: utf8(JSON.stringify(info)) };
}
