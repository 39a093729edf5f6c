import {
  decodeKmResponse,
  encodeKmRequest,
  encodeValClaims,
  errorCodeMeaning,
  formatErrorCode,
  type KmRequest,
  kmScope,
  requestKeys,
} from '../../../../profiles/seal/index.ts';
import { AceError } from '../../../ace/index.ts';
import type { AceRequestInit } from '../../../client/index.ts';
import { ContentFormat, Endpoint, Method, OptionNumber, parseUri, pathOptions, uintOption } from '../../../coap/index.ts';
import { equalBytes, toBase64Url, toHex } from '../../../core/bytes.ts';
import { type CborValue, encode } from '../../../core/cbor.ts';
import { type ClaimsSet, protectCwt } from '../../../core/cwt.ts';
import { systemEnv } from '../../../core/env.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { udp } from '../../../transport/index.ts';
import { type RecordedExchange, Recorder } from '../recorder.ts';
import { result, type StepResult } from '../step-result.ts';
import { capifSteps } from './capif.ts';
import { httpsKeysSteps } from './https-keys.ts';
import { httpsLoginSteps } from './https-login.ts';
import { msgin5gSteps } from './msgin5g.ts';
import { type Device, issuer, type SealParties, shortLife, spatialAudience, statusScope, valSystem } from './parties.ts';
import { t8Steps } from './t8.ts';

const service = 'v2x';
const anna = 'anna@val.example';
const bert = 'bert@val.example';
const anchorsPath = '/su-san/v1/anchors';
const anchorScope = 'spatial-anchor:create spatial-anchor:read spatial-anchor:update spatial-anchor:delete spatial-anchor:discover';

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A representation: plain objects are maps with keys of text. */
function cbor(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(cbor);
  if (typeof value !== 'object' || value === null) return value as CborValue;
  return new Map(Object.entries(value).map(([name, item]) => [name, cbor(item)]));
}

const body = (value: unknown): Pick<AceRequestInit, 'payload' | 'contentFormat'> => ({ payload: encode(cbor(value)), contentFormat: ContentFormat.Cbor });

function anchor(allowedEntities: readonly unknown[]): Pick<AceRequestInit, 'payload' | 'contentFormat'> {
  return body({ valServiceId: service, location: { lat: 48.8606, lon: 2.3376 }, tags: ['crossing'], allowedEntities });
}

/** What came of a request that a device sent since `mark`. */
function since({ recorder }: Device, mark: number, stage = 'request'): RecordedExchange | undefined {
  return recorder.exchanges(stage, mark).at(-1);
}

/** What has no message of its own. */
function done(step: string, detail: string, ok = true): StepResult {
  return { step, code: null, requestBytes: 0, responseBytes: 0, ok, detail };
}

/** A POST that nothing protects, and its answer. */
async function plainly(step: string, expected: string, uri: string, payload: Uint8Array, detail: string): Promise<StepResult> {
  const { host, port, path } = parseUri(uri);
  const recorder = new Recorder();
  const endpoint = new Endpoint({ transport: recorder.wrap(await udp({ address: '127.0.0.1' })) });
  try {
    const options = [...pathOptions(path), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
    await endpoint.request({ code: Method.POST, options, payload, peer: await endpoint.resolve(host, port) });
    return result(step, expected, recorder.exchanges('start').at(-1), detail);
  } finally {
    await endpoint.close();
  }
}

/** A request that the SIM-S has to refuse. */
async function refusedByTheSimS(step: string, device: Device, request: () => Promise<unknown>): Promise<StepResult> {
  const { mark } = device.recorder;
  let said = 'there was a token';
  try {
    await request();
  } catch (error) {
    if (!(error instanceof AceError)) throw error;
    said = error.message;
  }
  return result(step, '4.00', since(device, mark, 'token-request'), said);
}

/** Nobody gets a token who is not known; then the operator provisions a VAL user with a VAL UE, another of each, and keys. */
async function* provision(parties: SealParties, car: Device): AsyncGenerator<StepResult> {
  const { simS, simSUri, skmsUri, records } = parties;
  const payload = encode(new Map([[9, kmScope]]));
  yield await plainly('token request without protection', '4.01', simSUri, payload, 'SIM-C and SIM-S authenticate each other first');
  const fetch = (): Promise<unknown> => car.simC.fetch(skmsUri, { scope: kmScope });
  yield await refusedByTheSimS('token for a VAL UE that is not known', car, fetch);
  await simS.identities.put({ kind: 'user', id: anna, valServiceIds: [service, 'empty'] });
  await simS.identities.put({ kind: 'user', id: bert, valServiceIds: [service] });
  await simS.identities.put({ kind: 'ue', id: 'ue1', valUserIds: [anna], valServiceIds: [service, 'empty'] });
  await simS.identities.put({ kind: 'ue', id: 'ue2', valUserIds: [bert], valServiceIds: [service] });
  await simS.identities.put({ kind: 'ue', id: 'ue3', valServiceIds: [service] });
  yield done('users and devices provisioned', `ue1 of ${anna} and ue2 of ${bert}, for the service ${service}`);
  const keys = { service: systemEnv.random(32), ue1: systemEnv.random(32) };
  await records.put({ serviceId: service }, keys.service);
  await records.put({ serviceId: service, identity: { kind: 'deviceId', id: 'ue1' } }, keys.ue1);
  yield done('key records provisioned', 'one for the whole service, one for ue1; sealed where they are kept');
  yield* throughTheProxy(parties, car, keys.ue1);
  yield* overDtls(parties, car, keys.service);
  yield* httpsLoginSteps(await parties.https.login(anna));
  yield* httpsKeysSteps(await parties.https.keys({ serviceId: service, ueId: 'ue1', keys: keys.ue1, otherScope: statusScope }));
  yield* t8Steps();
  yield* capifSteps();
  yield* msgin5gSteps();
}

/** First contact, keys and anchors, through a proxy that sees no more than who speaks to whom. */
async function* throughTheProxy({ skmsUri, spatialUri, proxyLog }: SealParties, car: Device, key: Uint8Array): AsyncGenerator<StepResult> {
  const { simC, recorder } = car;
  const given = await requestKeys(simC, { sKmsUri: skmsUri, serviceId: service, identity: { kind: 'deviceId', id: 'ue1' } });
  yield result('token through the proxy', '2.01', since(car, 0, 'token-request'), 'over OSCORE from end to end');
  yield result('upload through the proxy', '2.01', since(car, 0, 'upload'), 'the token as the ciphertext that it is');
  yield result('keys of ue1 through the proxy', '2.05', since(car, 0), `${given.payload.length} bytes for ${given.userUri}`, equalBytes(given.payload, key));
  let { mark } = recorder;
  const made = await simC.fetch(spatialUri + anchorsPath, { method: 'POST', scope: anchorScope, ...anchor([{ valUserId: bert }]) });
  yield result('anchor made through the proxy', '2.01', since(car, mark), made.location ?? 'at no place', made.location !== undefined);
  mark = recorder.mark;
  const found = await simC.fetch(`${spatialUri}${anchorsPath}?tag=crossing`, { scope: anchorScope });
  yield result('anchors discovered through the proxy', '2.05', since(car, mark), `${found.payload.length} bytes`, found.protected);
  const secrets = [given.payload, ...recorder.exchanges('upload').map(({ request }) => request.slice(-64))].flatMap((bytes) => [
    toHex(bytes),
    toBase64Url(bytes),
  ]);
  const told = [...secrets, '/km', 'anchors', '/token', anna].filter((text) => proxyLog.some((line) => line.includes(text)));
  yield done('what the proxy has logged', `${proxyLog.length} lines, and in them no token, no key and no path`, proxyLog.length > 0 && told.length === 0);
}

/** Another device goes there by itself, in DTLS sessions whose keys its tokens brought. */
async function* overDtls(parties: SealParties, car: Device, key: Uint8Array): AsyncGenerator<StepResult> {
  const { skmsUri, spatialUri } = parties;
  const phone = await parties.direct('ue2');
  const { simC, recorder } = phone;
  const given = await requestKeys(simC, { sKmsUri: skmsUri, serviceId: service });
  const inSession = (exchange: RecordedExchange | undefined): boolean => exchange?.peer.association !== undefined;
  const asked = since(phone, 0);
  yield result('keys of the service over DTLS', '2.05', asked, `${given.payload.length} bytes`, equalBytes(given.payload, key) && inSession(asked));
  const scope = 'spatial-anchor:read spatial-anchor:discover';
  const location = await anchorOf(car, spatialUri, [{ valUserId: bert }]);
  const { mark } = recorder;
  const read = await simC.fetch(spatialUri + location, { scope });
  yield result('anchor read over DTLS', '2.05', since(phone, mark), `${anna} shares it with ${bert}`, read.protected && inSession(since(phone, mark)));
  yield* refusedByTheSpatialServer(parties, car, phone, location, scope);
  yield* refusedByTheSkms(parties, car);
  yield* refusedTokens(parties);
  await parties.simS.identities.remove('ue', 'ue2');
  yield await refusedByTheSimS('token after the removal of ue2', phone, () => simC.token({ audience: spatialAudience, scope }));
}

async function anchorOf({ simC }: Device, spatialUri: string, allowedEntities: readonly unknown[]): Promise<string> {
  const { location, codeText } = await simC.fetch(spatialUri + anchorsPath, { method: 'POST', scope: anchorScope, ...anchor(allowedEntities) });
  if (location === undefined) throw new ProtocolError('ERR_CLI_DEMO', `expected an anchor to be made, got ${codeText}`);
  return location;
}

async function* refusedByTheSpatialServer(
  { spatialUri }: SealParties,
  car: Device,
  phone: Device,
  location: string,
  scope: string,
): AsyncGenerator<StepResult> {
  const { simC, recorder } = phone;
  let { mark } = recorder;
  await simC.fetch(spatialUri + location, { method: 'DELETE', scope, upgrade: false });
  yield result('DELETE by who may only read', '4.05', since(phone, mark), 'each operation has a scope of its own');
  const secluded = await anchorOf(car, spatialUri, [{ valUserId: anna }]);
  mark = recorder.mark;
  await simC.fetch(spatialUri + secluded, { scope });
  yield result('anchor that is not shared', '4.03', since(phone, mark), `${bert} is none of its allowed entities`);
}

/** Every check of TS 33.434, 5.3.2, and the ErrorCode that tells of it. */
async function* refusedByTheSkms({ skmsUri }: SealParties, car: Device): AsyncGenerator<StepResult> {
  const ask = async (step: string, code: string, fields: Partial<KmRequest>, scope: string = kmScope): Promise<StepResult> => {
    const { mark } = car.recorder;
    const dateTime = Math.floor(systemEnv.epoch());
    const request = { version: '1.0.0', sKmsUri: skmsUri, serviceId: service, dateTime, ...fields };
    const how = { method: 'FETCH', payload: encodeKmRequest(request), contentFormat: ContentFormat.Cbor, scope, upgrade: false } as const;
    const { payload } = await car.simC.fetch(skmsUri, how);
    const { errorCode } = decodeKmResponse(payload);
    const said = errorCode === undefined ? 'no ErrorCode' : `ErrorCode ${formatErrorCode(errorCode)}: ${errorCodeMeaning(errorCode)}`;
    return result(step, code, since(car, mark), said, errorCode !== undefined);
  };
  const now = Math.floor(systemEnv.epoch());
  yield await ask('KM request that is 6 s old', '4.00', { dateTime: now - 6 });
  yield await ask('KM request from the future', '4.00', { dateTime: now + 31 });
  yield await ask('KM request for another SKM-S', '4.00', { sKmsUri: 'coap://skms.example/km' });
  yield await ask('KM request of another version', '4.00', { version: '2.0.0' });
  yield await ask('KM request with two identities', '4.00', { deviceId: 'ue1', userId: anna });
  yield await ask("KM request for another's keys", '4.03', { deviceId: 'ue2' });
  yield await ask('KM request with no record', '4.04', { serviceId: 'empty' });
  yield await ask('KM request with a token for other things', '4.03', {}, statusScope);
}

/** Tokens that a SEAL server does not take, and one that ends while it is in use. */
async function* refusedTokens(parties: SealParties): AsyncGenerator<StepResult> {
  const { spatialUri, spatialTokenKey } = parties;
  const upload = (step: string, code: string, detail: string, changes: Partial<ClaimsSet>): Promise<StepResult> => {
    const osc = new Map<number, Uint8Array>([
      [0, Uint8Array.of(1)],
      [2, systemEnv.random(16)],
    ]);
    const claims: ClaimsSet = {
      iss: issuer,
      sub: anna,
      aud: spatialAudience,
      exp: Math.floor(systemEnv.epoch()) + 60,
      scope: 'spatial-anchor:read',
      cnf: { osc },
      unknown: encodeValClaims({ valUserId: anna, valServiceIds: [service], valSystemId: valSystem }),
      ...changes,
    };
    const token = protectCwt(Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)), spatialTokenKey, systemEnv.random);
    const payload = encode(
      new Map([
        [1, token],
        [40, systemEnv.random(8)],
        [43, Uint8Array.of(0xaa)],
      ]),
    );
    return plainly(step, code, `${spatialUri}/authz-info`, payload, detail);
  };
  const foreign = encodeValClaims({ valUserId: anna, valServiceIds: [service], valSystemId: 'other.example' });
  yield await upload('token of another VAL system', '4.01', 'a VAL client deals with its own VAL system', { unknown: foreign });
  yield await upload('token for another SEAL server', '4.03', 'a token for each service', { aud: 'skms' });
  yield await upload('token without cnf', '4.00', 'exp, scope and cnf are required', { cnf: undefined as never });
  // A clock that stands still: this device does not know that its token has ended.
  const started = systemEnv.epoch();
  const late = await parties.direct('ue3', { ...systemEnv, epoch: () => started });
  const scope = 'spatial-anchor:discover';
  const discover = `${spatialUri}${anchorsPath}`;
  await late.simC.fetch(discover, { scope });
  yield result(`anchors with a token of ${shortLife} s`, '2.05', since(late, 0), 'while it lasts');
  await pause(1000 * shortLife + 500);
  const { mark } = late.recorder;
  await late.simC.fetch(discover, { scope });
  yield result('the same after its expiry', '4.01', late.recorder.exchanges('request', mark)[0], 'what it authorized ended with the token');
}

/** All that the demo of SEAL shows, in order. */
export async function* sealSteps(parties: SealParties): AsyncGenerator<StepResult> {
  yield* provision(parties, await parties.behindProxy('ue1'));
}
