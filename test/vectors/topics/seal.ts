import { deriveAnchor, deriveApplicationKey, encodeAfId, makeAKid, pskIdentity, uaStarTls12, uaStarTls13 } from '../../../profiles/seal/akma/index.ts';
import {
  ErrorCode,
  encodeKmRequest,
  encodeKmResponse,
  errorCodeMeaning,
  type KmRequest,
  type KmResponse,
} from '../../../profiles/seal/key-management/index.ts';
import { fromHex } from '../../../src/core/bytes.ts';
import type { Notation, Part, Vector } from '../format.ts';
import { map } from '../notation.ts';
import { Recipe } from '../recipe.ts';
import type { Topic } from '../topic.ts';

const request: KmRequest = { version: '1.0.0', sKmsUri: 'coap://skm.example/km', serviceId: 'mcptt', dateTime: 1_790_000_000 };
const response: KmResponse = { userUri: 'acct:anna@val.example', sKmsUri: 'coap://skm.example/km', serviceId: 'mcptt', dateTime: 1_790_000_001 };

function kmVectors(seed: string): Vector[] {
  const asked = (id: string, proves: string, fields: Partial<KmRequest>): Vector => {
    const recipe = new Recipe(seed, { id: `km-request-${id}`, standard: 'TS 33.434', section: '5.3.2', proves, action: 'decode-km-request' });
    recipe.cbor('payload', encodeKmRequest({ ...request, ...fields }));
    return recipe.accept('payload');
  };
  const told = (id: string, proves: string, fields: (recipe: Recipe) => Partial<KmResponse>): Vector => {
    const recipe = new Recipe(seed, { id: `km-response-${id}`, standard: 'TS 33.434', section: '5.3.3', proves, action: 'decode-km-response' });
    recipe.cbor('payload', encodeKmResponse({ ...response, ...fields(recipe) }));
    return recipe.accept('payload');
  };
  const wrong = (kind: 'request' | 'response', id: string, proves: string, reason: string, ...entries: readonly (readonly [Notation, Notation])[]): Vector => {
    const section = kind === 'request' ? '5.3.2' : '5.3.3';
    const recipe = new Recipe(seed, { id: `km-${kind}-reject-${id}`, standard: 'TS 33.434', section, proves, action: `decode-km-${kind}` });
    recipe.step('payload', 'cbor', { value: map(...entries) });
    return recipe.reject(reason, 'ERR_KM_FORMAT', 'payload');
  };
  const uri = [2, 'coap://skm.example/km'] as const;
  const answer = [uri, [3, 'mcptt'], [7, 1_790_000_001], [8, 'acct:anna@val.example']] as const;
  return [
    asked('service', 'the least: version, SKmsUri, ServiceID and Date/Time', {}),
    asked('client', 'for a VAL client', { clientId: 'client-7', serviceId: 'mcdata' }),
    asked('device', 'for a VAL UE', { deviceId: 'urn:dev:mac:0024befffe804ff1', dateTime: 1_790_000_060 }),
    asked('user', 'for a VAL user', { userId: 'anna@val.example', dateTime: 1_790_086_400 }),
    told('payload', 'key material for a VAL user', (recipe) => ({ userId: 'anna@val.example', payload: recipe.chance('keyMaterial', 48) })),
    told('server', 'SKmsID names the server', (recipe) => ({ sKmsId: 'skm-1', clientId: 'client-7', payload: recipe.chance('keyMaterial', 32) })),
    ...Object.values(ErrorCode).map((errorCode) =>
      told(`error-0${errorCode}`, `ErrorCode 0${errorCode}: ${errorCodeMeaning(errorCode)}, without a payload`, () => ({ deviceId: 'ue-3', errorCode })),
    ),
    told('error-reserved', 'a reserved ErrorCode is read as an unknown failure', () => ({ errorCode: 0xff })),
    wrong('request', 'no-version', 'Version is there', 'it is not', uri, [3, 'mcptt'], [7, 1_790_000_000]),
    wrong('request', 'empty-service', 'ServiceID is not empty', 'it is an empty text', [1, '1.0.0'], uri, [3, ''], [7, 1_790_000_000]),
    wrong('request', 'other-key', 'a request has the fields of the table and no others', 'key 99 is there', [1, '1.0.0'], uri, [3, 's'], [7, 1], [99, 1]),
    wrong('request', 'date-text', 'Date/Time is a number', 'it is a text', [1, '1.0.0'], uri, [3, 's'], [7, '2026-09-21T00:00:00Z']),
    wrong('response', 'neither', 'a response has a payload or an error code', 'it has neither', ...answer),
    wrong('response', 'both', 'an error comes without a payload', 'it has both', ...answer, [10, 2], [11, { hex: '00' }]),
    wrong('response', 'error-zero', 'an ErrorCode is 01 to FF', 'it is 00', ...answer, [10, 0]),
    wrong('response', 'error-large', 'an ErrorCode is 01 to FF', 'it is 100', ...answer, [10, 256]),
  ];
}

/** A parameter of the key derivation function with its length behind it (TS 33.220, B.2). */
const withLength = (part: Part, length: number): Part[] => [part, { hex: length.toString(16).padStart(4, '0') }];

function akmaVectors(seed: string): Vector[] {
  const make = (id: string, proves: string, supi: string, routingIndicator: string, fqdn: string, protocol: Uint8Array): Vector => {
    const recipe = new Recipe(seed, { id: `akma-${id}`, standard: 'TS 33.535', section: 'A', proves, action: 'derive-akma' });
    const kAusf = recipe.chance('kAusf', 32);
    const supiBytes = recipe.text('supi', supi);
    recipe.text('routingIndicator', routingIndicator);
    const homeNetwork = '5gc.mnc001.mcc001.3gppnetwork.org';
    recipe.text('homeNetwork', homeNetwork);
    const fqdnBytes = recipe.text('fqdn', fqdn);
    recipe.input('protocol', protocol);
    const anchor = deriveAnchor({ kAusf, supi, routingIndicator, homeNetwork });
    recipe.step('sAkma', 'concat', { parts: [{ hex: '80' }, ...withLength({ text: 'AKMA' }, 4), ...withLength('supi', supiBytes.length)] });
    recipe.step('kAkma', 'hmac', { hash: 'sha256', key: 'kAusf', data: 'sAkma', length: 32 }, anchor.kAkma);
    recipe.step('sATid', 'concat', { parts: [{ hex: '81' }, ...withLength({ text: 'A-TID' }, 5), ...withLength('supi', supiBytes.length)] });
    const aTid = recipe.step('aTid', 'hmac', { hash: 'sha256', key: 'kAusf', data: 'sATid', length: 32 });
    recipe.step('aTidText', 'base64url', { data: 'aTid' });
    const parts: Part[] = [{ text: 'rid' }, 'routingIndicator', { text: '.atid' }, 'aTidText', { text: '@' }, 'homeNetwork'];
    recipe.step('aKid', 'concat', { parts });
    const afId = { fqdn, protocol };
    recipe.step('afId', 'concat', { parts: ['fqdn', 'protocol'] }, encodeAfId(afId));
    recipe.step('sAf', 'concat', { parts: [{ hex: '82' }, ...withLength('afId', fqdnBytes.length + protocol.length)] });
    recipe.step('kAf', 'hmac', { hash: 'sha256', key: 'kAkma', data: 'sAf', length: 32 }, deriveApplicationKey(anchor.kAkma, afId));
    recipe.step('pskIdentity', 'concat', { parts: [{ text: '3GPP-AKMA;' }, 'aKid'] }, pskIdentity(makeAKid({ routingIndicator, aTid, homeNetwork })));
    return recipe.accept('kAkma', 'aTid', 'aKid', 'kAf', 'pskIdentity');
  };
  const wrong = (
    id: string,
    proves: string,
    reason: string,
    error: string,
    change: { kAusf?: number; supi?: string; fqdn?: string; protocol?: string },
  ): Vector => {
    const recipe = new Recipe(seed, { id: `akma-reject-${id}`, standard: 'TS 33.535', section: 'A', proves, action: 'derive-akma' });
    recipe.chance('kAusf', change.kAusf ?? 32);
    recipe.text('supi', change.supi ?? '001010000000001');
    recipe.text('routingIndicator', '0');
    recipe.text('homeNetwork', '5gc.mnc001.mcc001.3gppnetwork.org');
    recipe.text('fqdn', change.fqdn ?? 'af.example');
    recipe.input('protocol', fromHex(change.protocol ?? '0100000007'));
    return recipe.reject(reason, error);
  };
  const aKid = (id: string, proves: string, reason: string, text: string): Vector => {
    const recipe = new Recipe(seed, { id: `a-kid-reject-${id}`, standard: 'TS 33.535', section: '6.1', proves, action: 'decode-a-kid' });
    recipe.text('aKid', text);
    return recipe.reject(reason, 'ERR_AKMA_A_KID', 'aKid');
  };
  return [
    make('imsi', 'K_AKMA, A-TID, A-KID and K_AF of an IMSI, for TLS 1.3', '001010000000001', '0', 'msgin5g.example.com', uaStarTls13),
    make('nai', 'a SUPI that is a network specific identifier', 'user17@private.example', '678', 'seal.example', uaStarTls13),
    make(
      'dtls',
      'a protocol identifier of TLS 1.2 names the cipher suite: here PSK with AES-128-CCM-8',
      '99970123456789',
      '12',
      'skm.val.example',
      uaStarTls12(0xc0a8),
    ),
    wrong('short-key', 'K_AUSF has 32 bytes', 'it has 16', 'ERR_AKMA_KEY', { kAusf: 16 }),
    wrong('supi', 'a SUPI is digits or has a realm', 'it is a name alone', 'ERR_AKMA_SUPI', { supi: 'anna' }),
    wrong('fqdn', 'an AF_ID has a domain name', 'it has a path', 'ERR_AKMA_AF_ID', { fqdn: 'af.example/x' }),
    wrong('protocol', 'a protocol identifier has 5 bytes', 'it has 4', 'ERR_AKMA_AF_ID', { protocol: '01000000' }),
    aKid('no-realm', 'an A-KID has a realm', 'there is none', 'rid0.atidAAAA'),
    aKid('no-username', 'an A-KID has a username', 'there is none', '@5gc.mnc001.mcc001.3gppnetwork.org'),
    aKid('space', 'an A-KID is a network access identifier', 'a space is in it', 'rid0. atid@5gc.mnc001.mcc001.3gppnetwork.org'),
    aKid('long', 'an A-KID has at most 253 bytes', 'it has more', `${'a'.repeat(230)}@5gc.mnc001.mcc001.3gppnetwork.org`),
  ];
}

export const sealKm: Topic = { name: 'seal-km', title: 'SEAL KM Requests and Responses in the CBOR of this project', vectors: kmVectors };
export const akma: Topic = { name: 'akma', title: 'AKMA keys and identifiers', vectors: akmaVectors };
