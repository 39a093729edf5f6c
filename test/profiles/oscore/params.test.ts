import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCredentials } from '../../../profiles/oscore/credentials.ts';
import { OscoreProfileError } from '../../../profiles/oscore/index.ts';
import {
  contextParameters,
  decodeInputMaterial,
  encodeInputMaterial,
  type InputMaterial,
  inputMaterialParameters,
  masterSalt,
} from '../../../profiles/oscore/params.ts';
import { AceError } from '../../../src/ace/index.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { fixture } from '../../support/fixtures.ts';

interface Document {
  readonly masterSalt: { readonly nonce1: string; readonly nonce2: string; readonly salt: string; readonly masterSalt: string };
}

const { masterSalt: figure } = fixture<Document>('ace/rfc9203.json');
const nonce1 = fromHex(figure.nonce1);
const nonce2 = fromHex(figure.nonce2);
const ms = fromHex('f9af838368e353e78888e1426bd94e6f');
const id = fromHex('01');
const exchanged = { nonce1, nonce2, senderId: fromHex('0000'), recipientId: fromHex('1645') };

test('RFC 9203 4.3: Figure 13, Master Salt', () => {
  assert.equal(toHex(masterSalt(fromHex(figure.salt), nonce1, nonce2)), figure.masterSalt);
});

test('RFC 9203 4.3: an absent salt is the empty byte string, and is encoded like one', () => {
  assert.equal(toHex(masterSalt(undefined, nonce1, nonce2)), `4048${figure.nonce1}48${figure.nonce2}`);
  assert.deepEqual(masterSalt(fromHex(''), nonce1, nonce2), masterSalt(undefined, nonce1, nonce2));
});

test('RFC 9203 3.2.1: every parameter of an OSCORE_Input_Material goes there and back', () => {
  const material: InputMaterial = { id, version: 1, ms, hkdf: 5, alg: 10, salt: fromHex(''), contextId: fromHex('37cbf3210017a2d3') };
  assert.deepEqual(decodeInputMaterial(decode(encode(encodeInputMaterial(material)))), material);
  assert.deepEqual(decodeInputMaterial(encodeInputMaterial({ id, ms })), { id, ms });
  assert.deepEqual(
    Object.values(inputMaterialParameters).map((field) => field.label),
    [0, 1, 2, 3, 4, 5, 6],
  );
});

const refused = (error: unknown): boolean => error instanceof AceError && error.code === 'ERR_OSCORE_PROFILE_MATERIAL' && error.responseCode === 128;

test('RFC 9203 4.2: a missing or unrecognised parameter is 4.00', () => {
  const osc = (...entries: [CborKey, CborValue][]): ReadonlyMap<CborKey, CborValue> => new Map(entries);
  const cases: CborValue[] = [
    osc([0, id]),
    osc([2, ms]),
    osc([0, id], [2, ms], [7, 1]),
    osc([0, id], [2, ms], ['x', 1]),
    osc([0, 1], [2, ms]),
    osc([0, id], [2, 'ms']),
    osc([0, id], [2, ms], [1, 2]),
    osc([0, id], [2, ms], [5, '']),
    [],
    null,
  ];
  for (const value of cases) assert.throws(() => decodeInputMaterial(value), refused);
});

test('RFC 9203 4.3: parameters of the derived context, seen from the client', () => {
  assert.deepEqual(contextParameters({ id, ms, salt: fromHex('') }, exchanged), {
    masterSecret: ms,
    masterSalt: masterSalt(fromHex(''), nonce1, nonce2),
    senderId: fromHex('0000'),
    recipientId: fromHex('1645'),
    aead: 10,
    hkdf: 5,
  });
  assert.deepEqual(contextParameters({ id, ms, contextId: fromHex('aa') }, exchanged).idContext, fromHex('aa'));
});

test('RFC 9203 3.2.1: alg and hkdf as numbers and as names', () => {
  const algorithms = (material: Partial<InputMaterial>): [number | undefined, number | undefined] => {
    const parameters = contextParameters({ id, ms, ...material }, exchanged);
    return [parameters.aead, parameters.hkdf];
  };
  assert.deepEqual(algorithms({ alg: 'AES-CCM-16-64-128', hkdf: 'HMAC 256/256' }), [10, 5]);
  assert.deepEqual(algorithms({ alg: 30, hkdf: 7 }), [30, 7]);
  assert.deepEqual(algorithms({ hkdf: -10 }), [10, 5]);
  for (const material of [{ alg: 'AES' }, { alg: 4711 }, { hkdf: 'SHA-1' }, { hkdf: 6 }]) {
    assert.throws(() => contextParameters({ id, ms, ...material }, exchanged), refused);
  }
});

test('RFC 8613 3.3: an identifier that the nonce has no room for is 4.00', () => {
  assert.throws(() => contextParameters({ id, ms }, { ...exchanged, senderId: fromHex('0011223344556677') }), refused);
  assert.throws(() => contextParameters({ id, ms, alg: 12 }, { ...exchanged, recipientId: fromHex('0011') }), refused);
});

test('credentials of a wrong shape are refused by the name of the field, never by its value', () => {
  const good = { masterSecret: ms, senderId: id, recipientId: fromHex('02') };
  assert.deepEqual(readCredentials({ ...good, aead: 10, masterSalt: id }), { ...good, aead: 10, masterSalt: id });
  for (const [name, value] of [
    ['masterSecret', 'f9af'],
    ['masterSecret', fromHex('f9af')],
    ['masterSecret', undefined],
    ['senderId', 1],
    ['recipientId', null],
    ['idContext', 'x'],
    ['aead', '10'],
    ['hkdf', 1.5],
  ] as const) {
    assert.throws(
      () => readCredentials({ ...good, [name]: value }),
      (error: unknown) =>
        error instanceof OscoreProfileError &&
        error.code === 'ERR_OSCORE_PROFILE_CREDENTIALS' &&
        error.message.startsWith(`${name}:`) &&
        !/f9af/.test(error.message),
      name,
    );
  }
  assert.throws(() => readCredentials(undefined), OscoreProfileError);
});

test('credentials are copied', () => {
  const masterSecret = ms.slice();
  const read = readCredentials({ masterSecret, senderId: id, recipientId: fromHex('02') });
  masterSecret.fill(0);
  assert.deepEqual(read.masterSecret, ms);
});
