import assert from 'node:assert/strict';
import { makeAKid, parseAKid } from '../../profiles/seal/akma/a-kid.ts';
import { formatAfId, parseAfId, uaStarTls13 } from '../../profiles/seal/akma/af-id.ts';
import { readDateTime, writeDateTime } from '../../profiles/seal/akma/date-time.ts';
import { decodeRequest, decodeResponse, encodeMessage } from '../../profiles/seal/akma/msgin5g-message.ts';
import { decodeIdentity, encodeIdentity } from '../../profiles/seal/identities/identity.ts';
import { readValServicesConfig } from '../../profiles/seal/identities/val-services-config.ts';
import {
  decodeKmRequest,
  decodeKmRequestJson,
  decodeKmResponse,
  decodeKmResponseJson,
  encodeKmRequest,
  encodeKmRequestJson,
  encodeKmResponse,
  encodeKmResponseJson,
  kmJson,
} from '../../profiles/seal/index.ts';
import { readableIdentities } from '../../profiles/seal/key-management/message.ts';
import { readTargetQuery } from '../../profiles/seal/val-target-ue.ts';
import { ContentFormat } from '../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { mutateBytes, nearlyCbor } from './mutate.ts';
import type { Target } from './target.ts';
import { ofText } from './trials.ts';

const asked = { version: '1.0.0', sKmsUri: 'coap://s.example/km', serviceId: 'v2x', dateTime: 1_700_000_000 };
const { version: _, ...echoed } = asked;
const answered = { userUri: 'acct:anna@s.example', sKmsId: 'skms1', ...echoed };

const registration = { messageType: 'REG', ueServiceId: 'meter', credentialInformation: 'ue@realm.example', clientProfile: 7 } as const;

const response = { messageType: 'REG', ueServiceId: 'meter', expiresIn: 60 } as const;
const valServices = { valServerId: 'val1', valSvcConf: [{ valServiceId: 'v2x', idList: [{ valUserId: 'anna' }, { valUeId: 'ue1' }] }] };
const aKid = makeAKid({ routingIndicator: '012', aTid: new Uint8Array(32).fill(7), homeNetwork: '5gc.mnc001.mcc001.3gppnetwork.org' });

/** Decoders of messages of SEAL and AKMA, and of what a SIM-S keeps. */
export const sealDecoders: readonly Target[] = [
  ofText('A-KID', [aKid], parseAKid),
  ofText('AF_ID', [formatAfId({ fqdn: 'msgin5g.example.com', protocol: uaStarTls13 })], (text) => {
    assert.equal(formatAfId(parseAfId(text)), text.toLowerCase());
  }),
  ofText('date-time', ['2026-11-26T11:00:00Z', '2024-02-29T23:59:59.5+01:00', '0000-01-01T00:00:00z'], (text) => {
    const seconds = readDateTime(text);
    if (seconds !== undefined && seconds >= 0) assert.equal(readDateTime(writeDateTime(seconds)), Math.floor(seconds));
  }),
  ofText('VALServicesConfig', [JSON.stringify(valServices)], (text) => {
    try {
      JSON.parse(text);
    } catch {
      return;
    }
    readValServicesConfig(JSON.parse(text));
  }),
  ofText('val-tgt-ue', ['anna', '{"valUeId":"a"}', '{"valUserId":"b"}'], (text) => readTargetQuery(text)({ kind: 'valUeId', id: 'a' })),
  {
    name: 'identity, stored',
    seeds: [encodeIdentity({ kind: 'ue', id: 'ue1', client: 'c1', valServiceIds: ['v2x'], valUserIds: ['anna'] })],
    mutate: nearlyCbor,
    run: (input) => {
      const again = encodeIdentity(decodeIdentity('ue', 'ue1', input));
      assert.equal(toHex(encodeIdentity(decodeIdentity('ue', 'ue1', again))), toHex(again));
    },
  },
  {
    name: 'MSGin5G answer',
    seeds: [encodeMessage(response, ContentFormat.Cbor)],
    mutate: nearlyCbor,
    run: (input) => void decodeResponse(input, ContentFormat.Cbor),
  },
  ofText(
    'SEAL KM Request in JSON',
    [asked, { ...asked, deviceId: 'ue1' }].map((fields) => fromUtf8(encodeKmRequestJson(fields))),
    (text) => {
      kmJson.readableIdentities(utf8(text));
      const request = decodeKmRequestJson(utf8(text));
      assert.deepEqual(decodeKmRequestJson(encodeKmRequestJson(request)), request);
    },
  ),
  ofText(
    'SEAL KM Response in JSON',
    [
      { ...answered, errorCode: 2 },
      { ...answered, payload: Uint8Array.of(1, 2) },
    ].map((fields) => fromUtf8(encodeKmResponseJson(fields))),
    (text) => {
      const response = decodeKmResponseJson(utf8(text));
      assert.deepEqual(decodeKmResponseJson(encodeKmResponseJson(response)), response);
    },
  ),
  {
    name: 'SEAL KM Request',
    seeds: [asked, { ...asked, deviceId: 'ue1' }, { ...asked, clientId: 'c', userId: 'anna' }].map(encodeKmRequest),
    mutate: nearlyCbor,
    run: (input) => {
      readableIdentities(input);
      assert.equal(toHex(encodeKmRequest(decodeKmRequest(input))), toHex(input));
    },
  },
  {
    name: 'SEAL KM Response',
    seeds: [
      { ...answered, payload: new Uint8Array(40) },
      { ...answered, deviceId: 'ue1', errorCode: 4 },
    ].map(encodeKmResponse),
    mutate: nearlyCbor,
    run: (input) => assert.equal(toHex(encodeKmResponse(decodeKmResponse(input))), toHex(input)),
  },
  {
    name: 'MSGin5G registration, CBOR',
    seeds: [encodeMessage(registration, ContentFormat.Cbor), encodeMessage({ messageType: 'DEREG', ueServiceId: 'meter' }, ContentFormat.Cbor)],
    mutate: nearlyCbor,
    run: (input) => {
      const message = decodeRequest(input, ContentFormat.Cbor);
      assert.deepEqual(decodeRequest(encodeMessage(message, ContentFormat.Cbor), ContentFormat.Cbor), message);
    },
  },
  {
    name: 'MSGin5G registration, JSON',
    seeds: [encodeMessage(registration, ContentFormat.Json)],
    mutate: mutateBytes,
    run: (input) => {
      decodeRequest(input, ContentFormat.Json);
    },
  },
];
