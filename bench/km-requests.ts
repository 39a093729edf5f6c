import { contextParameters } from '../profiles/oscore/params.ts';
import { encodeKmRequest, encodeValClaims, kmScope } from '../profiles/seal/index.ts';
import { tokenParameters } from '../src/ace/index.ts';
import { Code, ContentFormat, Endpoint, encodeMessage, MessageType, Method, pathOptions, uintOption } from '../src/coap/index.ts';
import { emptyBytes } from '../src/core/bytes.ts';
import { decode, encode } from '../src/core/cbor.ts';
import { type Confirmation, protectCwt, symmetricKey, type TokenKey } from '../src/core/cwt.ts';
import { systemEnv } from '../src/core/env.ts';
import { readKnownMap, writeKnownMap } from '../src/core/known-map.ts';
import type { ClientPsk } from '../src/dtls/index.ts';
import { udp } from '../src/transport/index.ts';
import { expectCode, expectProtected, type Inner, ProtectedClient } from './requests.ts';

/** The SIM-S that stands behind the tokens, and the key management server of the bench. */
export const simSUri = 'coap://127.0.0.1:5783/token';
export const sKmsUri = 'coap://127.0.0.1:5683/km';
export const skmsAudience = 'skms';
export const valSystem = 'val.example';
export const skmsTokenKey: TokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0x55));

/** Bytes of the key material of each device. */
export const keyMaterial: Uint8Array = new Uint8Array(64).fill(0x4b);
export const deviceOf = (index: number): string => `ue${String(index).padStart(3, '0')}`;

const longestAnswer = 300;

function token(index: number, cnf: Confirmation): Uint8Array {
  const claims = {
    iss: simSUri,
    aud: skmsAudience,
    exp: Math.floor(systemEnv.epoch()) + 3600,
    scope: kmScope,
    cnf,
    sub: deviceOf(index),
    unknown: encodeValClaims({ valSystemId: valSystem, valUeId: deviceOf(index), valServiceIds: ['v2x'] }),
  };
  return protectCwt(claims, skmsTokenKey, systemEnv.random);
}

/** The request of a device for its keys, with the Date/Time of now. */
function requestOf(index: number): Inner {
  const dateTime = Math.floor(systemEnv.epoch());
  return {
    code: Method.FETCH,
    options: [...pathOptions(['km']), uintOption(12, ContentFormat.Cbor)],
    payload: encodeKmRequest({ version: '1.0.0', sKmsUri, serviceId: 'v2x', deviceId: deviceOf(index), dateTime }),
  };
}

/** Upload a token for each device, and derive the context that it leads to. */
export async function introduceDevices(port: number, count: number): Promise<readonly ProtectedClient[]> {
  const endpoint = new Endpoint({ transport: await udp() });
  try {
    const peer = await endpoint.resolve('127.0.0.1', port);
    const clients: ProtectedClient[] = [];
    for (let index = 0; index < count; index++) {
      const material = { id: Uint8Array.of(index), ms: systemEnv.random(16), salt: emptyBytes };
      const osc = new Map([
        [0, material.id],
        [2, material.ms],
        [5, material.salt],
      ]);
      const nonce1 = systemEnv.random(8);
      const recipientId = Uint8Array.of(1, index);
      const upload = { accessToken: token(index, { osc }), nonce1, aceClientRecipientId: recipientId };
      const payload = encode(writeKnownMap(tokenParameters, upload));
      const options = [...pathOptions(['authz-info']), uintOption(12, ContentFormat.AceCbor)];
      const response = await endpoint.request({ code: Method.POST, options, payload, peer });
      if (response.code !== Code.Created) throw new Error(`expected 2.01 for a token, got code ${response.code}`);
      const { nonce2, aceServerRecipientId } = readKnownMap('response', tokenParameters, decode(response.payload)).known;
      const keys = contextParameters(material, { nonce1, nonce2: nonce2!, senderId: aceServerRecipientId!, recipientId });
      clients.push(new ProtectedClient(keys, requestOf(index)));
    }
    return clients;
  } finally {
    await endpoint.close();
  }
}

/** An answer with key material in it is longer than any error. */
export function expectKeys(reply: Uint8Array): string | undefined {
  return expectProtected(reply) ?? lengthFault(reply);
}

export function expectPlainKeys(reply: Uint8Array): string | undefined {
  return expectCode(Code.Content)(reply) ?? lengthFault(reply);
}

function lengthFault({ length }: Uint8Array): string | undefined {
  return length > 2 * keyMaterial.length && length < longestAnswer ? undefined : 'a KM Response with key material';
}

/** A session of the first device goes by its token, which stands in the psk_identity. */
export function deviceSession(): ClientPsk {
  const k = systemEnv.random(16);
  return { identity: token(0, { coseKey: { kty: 4, kid: systemEnv.random(8), k } }), key: k };
}

/** Requests of the first device, for a session. */
export function deviceRequests(count: number): Uint8Array[] {
  const request = requestOf(0);
  return Array.from({ length: count }, (_, id) =>
    encodeMessage({ type: MessageType.CON, ...request, id, token: Uint8Array.of(0x5a, id >>> 16, id >>> 8, id) }),
  );
}
