import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AuthorizationServerError, type ClientRegistration, type ResourceServerRegistration } from '../../../src/as/index.ts';
import {
  clientMap,
  decodeClientRecord,
  decodePolicyRecord,
  decodeResourceServerRecord,
  encodeClientRecord,
  encodePolicyRecord,
  encodeResourceServerRecord,
  readClient,
} from '../../../src/as/registry/registration-codec.ts';
import { decode, encode } from '../../../src/core/cbor.ts';
import { rawKey } from '../../profiles/dtls/parties.ts';
import { clients, encryptKey, macKey, rs1 } from '../support.ts';

const revision = new Uint8Array(8).fill(1);
const client: ClientRegistration = {
  ...clients[0]!,
  profiles: [2, 1],
  grants: [
    { audience: 'rs1', scope: 'r_temp w_led', default: 'r_temp' },
    { audience: 'rs2', scope: Uint8Array.of(0x80) },
  ],
  admin: ['client', 'policy'],
  rawPublicKeys: [rawKey(1)],
};
const server: ResourceServerRegistration = {
  ...rs1,
  scopes: ['r_temp'],
  tokenKeys: [encryptKey(1), macKey(2)],
  tokenLifetime: 60,
  exi: true,
  iss: false,
  rawPublicKey: rawKey(2),
  derivationKey: new Uint8Array(16).fill(5),
};

test('a registration comes out of its record as it went in', () => {
  assert.deepEqual(decodeClientRecord(encodeClientRecord({ revision, registration: client })), { revision, registration: client });
  const all: ClientRegistration = { ...client, admin: 'all' };
  assert.deepEqual(decodeClientRecord(encodeClientRecord({ revision, registration: all })).registration, all);
  const rpk: ClientRegistration = { id: 'c', credentials: { rawPublicKey: rawKey(3) }, grants: [] };
  assert.deepEqual(decodeClientRecord(encodeClientRecord({ revision, registration: rpk })).registration, rpk);
  assert.deepEqual(decodeResourceServerRecord(encodeResourceServerRecord({ revision, registration: server })), { revision, registration: server });
  const policy = { audience: 'rs1', scope: 'a b', default: 'a' };
  assert.deepEqual(decodePolicyRecord(encodePolicyRecord(policy)), policy);
});

test('an AIF stands in a record as bytes', () => {
  const grants = [{ audience: 'rs1', scope: [['temp', 1]] as const }];
  assert.deepEqual(decodeClientRecord(encodeClientRecord({ revision, registration: { ...client, grants } })).registration.grants, [
    { audience: 'rs1', scope: encode([['temp', 1]]) },
  ]);
});

test('a record of a later version is refused, and says so', () => {
  const later = encode([2, revision, clientMap(client)]);
  assert.throws(() => decodeClientRecord(later), { code: 'ERR_AS_RECORD', message: /version 1, got version 2/ });
  assert.throws(() => decodeResourceServerRecord(later), { code: 'ERR_AS_RECORD' });
  assert.throws(() => decodePolicyRecord(encode([2, new Map()])), { code: 'ERR_AS_RECORD' });
});

test('what is no registration is refused by field, without its secrets', () => {
  const map = new Map(clientMap(client));
  const refused = (label: number, value: Parameters<typeof encode>[0], words: RegExp): void => {
    assert.throws(() => readClient(new Map(map).set(label, value)), { code: 'ERR_AS_CONFIG', message: words });
  };
  refused(1, 5, /key 1 \(id\): expected text/);
  refused(3, Uint8Array.of(1, 2), /credentials.*byte string of 2 bytes/);
  refused(4, ['2'], /"c1": profiles: expected numbers/);
  refused(5, [new Map([[1, 'rs1']])], /grants\[0\].*scope/);
  refused(6, 'some', /"c1": admin: expected all or a list, got "some"/);
  refused(99, 1, /expected keys that are known, got 99/);
});

test('whatever stands in the store, it is read or refused with a code of this library', () => {
  const records = [encodeClientRecord({ revision, registration: client }), encodeResourceServerRecord({ revision, registration: server })];
  const damaged = fc.tuple(fc.constantFrom(...records), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 })).map(([record, changes]) => {
    const bytes = record.slice();
    for (const [place, value] of changes) bytes[place % bytes.length] = value;
    return bytes;
  });
  fc.assert(
    fc.property(damaged, (bytes) => {
      for (const read of [decodeClientRecord, decodeResourceServerRecord]) {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof AuthorizationServerError, String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(decode(records[0]!) !== undefined);
});
