import assert from 'node:assert/strict';
import { decodeRequest, encodeMessage } from '../../profiles/seal/akma/msgin5g-message.ts';
import { decodeKmRequest, decodeKmResponse, encodeKmRequest, encodeKmResponse } from '../../profiles/seal/index.ts';
import { readableIdentities } from '../../profiles/seal/key-management/message.ts';
import { ContentFormat } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { mutateBytes, nearlyCbor } from './mutate.ts';
import type { Target } from './target.ts';

const asked = { version: '1.0.0', sKmsUri: 'coap://s.example/km', serviceId: 'v2x', dateTime: 1_700_000_000 };
const { version: _, ...echoed } = asked;
const answered = { userUri: 'acct:anna@s.example', sKmsId: 'skms1', ...echoed };

const registration = { messageType: 'REG', ueServiceId: 'meter', credentialInformation: 'ue@realm.example', clientProfile: 7 } as const;

/** Decoders of messages of SEAL. */
export const sealDecoders: readonly Target[] = [
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
