import assert from 'node:assert/strict';
import { readOwnKey, readPeerCredentials, readServerCredentials } from '../../profiles/dtls/credentials.ts';
import { decodePskIdentity, encodePskIdentity } from '../../profiles/dtls/params.ts';
import { readCredentials } from '../../profiles/oscore/credentials.ts';
import { decodeSavedContext, encodeSavedContext } from '../../profiles/oscore/saved-context.ts';
import { decodeBoundKey, encodeBoundKey } from '../../src/ace/bound-key.ts';
import { decodeExiCti, encodeExiCti } from '../../src/ace/exi.ts';
import { decodeAccessInformation, decodeTrlResponse, encodeTokenResponse, encodeTrlResponse } from '../../src/ace/index.ts';
import { decodeAdminAnswer, decodeAdminCommand, encodeAdminCommand } from '../../src/as/admin/admin-command.ts';
import { decodeCode } from '../../src/as/grants/codes.ts';
import { parseSlowHash } from '../../src/as/grants/slow-hash.ts';
import {
  clientMap,
  decodeClientRecord,
  decodePolicyRecord,
  decodeResourceServerRecord,
  encodeClientRecord,
  encodePolicyRecord,
  encodeResourceServerRecord,
  grantMap,
  readClient,
  readGrant,
  readResourceServer,
  readTokenKey,
  resourceServerMap,
  tokenKeyMap,
} from '../../src/as/registry/registration-codec.ts';
import { decodePeerName, encodePeerName } from '../../src/as/registry/registration-store.ts';
import { decodeRecord, encodeRecord } from '../../src/as/token/token-records.ts';
import { readTrlQuery } from '../../src/as/trl/trl-query.ts';
import { decodeSession, encodeSession } from '../../src/client/session.ts';
import { toHex } from '../../src/core/bytes.ts';
import { type CborValue, decode, encode } from '../../src/core/cbor.ts';
import { decodeConfirmation, encodeConfirmation } from '../../src/core/cwt.ts';
import { decodeCounter, encodeCounter } from '../../src/store/encoding.ts';
import { parseStorePlace } from '../../src/store/place.ts';
import { clients, rs1 } from '../as/support.ts';
import { serverKey } from '../dtls/parties.ts';
import { mutateBytes, nearlyCbor } from './mutate.ts';
import type { Target } from './target.ts';
import { ofText, plain, takenBy } from './trials.ts';

const bytes = new Uint8Array(16).fill(1);
const key = { kty: 4, k: bytes };
const ownKey = { kty: 2, ...serverKey };
const grant = { audience: 'rs1', scope: 'r w', default: 'r' };
const client = { ...clients[0]!, secret: `scrypt$16$1$1$AAAAAAAAAAA$${'A'.repeat(43)}`, grantTypes: ['client_credentials', 'password'] as const };
const response = { accessToken: bytes, expiresIn: 60, scope: 'r', aceProfile: 2, cnf: { coseKey: key } };
const held = { response, expiresAt: 1_700_000_060 };
const session = { profile: 2, as: 'coap://as/token', audience: 'rs1', base: held, update: held, cnonce: true };
const context = { masterSecret: bytes, senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2), masterSalt: bytes, idContext: bytes, aead: 10, hkdf: 5 };

const admin = (command: Parameters<typeof encodeAdminCommand>[0]): Uint8Array => encodeAdminCommand(command);
const updates = { count: 9, kept: Array.from({ length: 4 }, () => ({ removed: [], added: [bytes] })) };

/** What is taken and written again is read as the same. */
function readAgain<T>(input: Uint8Array, read: (bytes: Uint8Array) => T | undefined, write: (value: T) => Uint8Array): void {
  const value = read(input);
  if (value === undefined) return;
  const again = write(value);
  const second = read(again);
  assert.ok(second !== undefined);
  assert.equal(toHex(write(second)), toHex(again));
}

/** Decoders of what authorization servers, resource servers and clients send each other, and of what they keep. */
export const aceDecoders: readonly Target[] = [
  {
    name: 'confirmation',
    seeds: [{ coseKey: key }, { kid: bytes }, { coseKey: { kty: 4, kid: bytes } }].map((cnf) => encode(encodeConfirmation(cnf))),
    mutate: nearlyCbor,
    run: (input) =>
      readAgain(
        input,
        (item) => decodeConfirmation(decode(item)),
        (cnf) => encode(encodeConfirmation(cnf)),
      ),
  },
  {
    name: 'psk_identity',
    seeds: [encodePskIdentity(bytes), bytes],
    mutate: nearlyCbor,
    run: (input) => {
      const identity = decodePskIdentity(input);
      if (identity !== undefined && 'kid' in identity) assert.deepEqual(decodePskIdentity(encodePskIdentity(identity.kid)), identity);
    },
  },
  {
    name: 'Access Information',
    seeds: [encodeTokenResponse(response)],
    mutate: nearlyCbor,
    run: (input) => readAgain(input, decodeAccessInformation, encodeTokenResponse),
  },
  {
    name: 'token revocation list, answer',
    seeds: [{ fullSet: [bytes] }, { fullSet: [], cursor: 3 }, { diffSet: [{ removed: [bytes], added: [] }], cursor: null, more: true }].map(encodeTrlResponse),
    mutate: nearlyCbor,
    run: (input) => readAgain(input, decodeTrlResponse, encodeTrlResponse),
  },
  ofText('token revocation list, query', ['diff=3&cursor=7', 'diff=0', 'cursor=1&x=2'], (text) => {
    readTrlQuery(text.split('&'), updates, { batch: 5, maxIndex: 20 });
  }),
  {
    name: 'administration, command',
    seeds: [
      admin({ act: 'list', object: 'token', of: 'c1', after: 'x', limit: 3 }),
      admin({ act: 'add', object: 'client', value: clientMap(client) }),
      admin({ act: 'add', object: 'policy', of: 'c1', value: grantMap(grant) }),
      admin({ act: 'add', object: 'key', of: 'rs1', value: tokenKeyMap(rs1.tokenKeys[0]!) }),
      admin({ act: 'add', object: 'rs', value: resourceServerMap(rs1) }),
    ],
    mutate: nearlyCbor,
    run: (input) => readAgain(input, decodeAdminCommand, encodeAdminCommand),
  },
  {
    name: 'administration, answer',
    seeds: [
      encode(
        new Map<string, CborValue>([
          ['entries', [new Map([['id', 'c1']])]],
          ['next', 'x'],
        ]),
      ),
    ],
    mutate: nearlyCbor,
    run: (input) => void decodeAdminAnswer(input),
  },
  {
    name: 'registrations',
    seeds: [clientMap(client), resourceServerMap(rs1), grantMap(grant), tokenKeyMap(rs1.tokenKeys[0]!)].map((map) => encode(map)),
    mutate: nearlyCbor,
    run: (input) => {
      const value = decode(input);
      takenBy([readClient, readResourceServer, (map: CborValue) => readGrant('grant', map), (map: CborValue) => readTokenKey('key', map)], (read) =>
        read(value),
      );
    },
  },
  {
    name: 'records of an AS',
    seeds: [
      encodeClientRecord({ revision: bytes, registration: client }),
      encodeResourceServerRecord({ revision: bytes, registration: rs1 }),
      encodePolicyRecord(grant),
      encodePeerName({ kind: 'rs', id: 'rs1' }),
      encodeRecord({ client: 'c1', resourceServer: 'rs1', expiresAt: 5, revoked: true }),
      encodeBoundKey({ client: 'c1', audience: 'rs1', expiresAt: 5 }),
      encode([1, 'c1', 'rs1', 'r', null, 5, null]),
      encodeCounter(5),
    ],
    mutate: nearlyCbor,
    run: (input) =>
      takenBy<(record: Uint8Array) => unknown>(
        [
          decodeClientRecord,
          decodeResourceServerRecord,
          decodePolicyRecord,
          (record) => readAgain(record, decodePeerName, encodePeerName),
          (record) => readAgain(record, decodeRecord, encodeRecord),
          (record) => readAgain(record, decodeBoundKey, encodeBoundKey),
          decodeCode,
          (record) => decodeCounter('counter', record),
        ],
        (read) => read(input),
      ),
  },
  {
    name: 'session of a client',
    seeds: [encodeSession(session, bytes), encodeSession({ ...session, audience: undefined, update: undefined }, bytes)],
    mutate: nearlyCbor,
    run: (input) => readAgain(input, decodeSession, ({ state, association }) => encodeSession(state, association)),
  },
  {
    name: 'security context, saved',
    seeds: [encodeSavedContext(context)],
    mutate: nearlyCbor,
    run: (input) => readAgain(input, decodeSavedContext, encodeSavedContext),
  },
  {
    name: 'credentials',
    seeds: [context, { psk: { identity: bytes, key: bytes } }, { rawPublicKey: ownKey }, { rawPublicKey: { server: ownKey, own: ownKey } }, ownKey].map(
      (fields) => encode(plain.toCbor(fields)),
    ),
    mutate: nearlyCbor,
    run: (input) => {
      const value = plain.fromCbor(decode(input));
      takenBy([readCredentials, readPeerCredentials, readServerCredentials, (fields: unknown) => readOwnKey('key', fields)], (read) => read(value));
    },
  },
  {
    name: 'cti of a token with exi',
    seeds: [encodeExiCti('rs1', 7)],
    mutate: mutateBytes,
    run: (input) => {
      const read = decodeExiCti(input);
      if (read !== undefined) assert.equal(read.resourceServer.length + 4, input.length);
    },
  },
  ofText('scrypt hash', [client.secret], (text) => parseSlowHash('secret', text)),
  ofText('place of a store', ['lmdb:/a', 'folder', 'postgres://user@127.0.0.1/db?x=1', 'memory:'], parseStorePlace),
];
