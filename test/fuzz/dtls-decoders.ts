import assert from 'node:assert/strict';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { decodeAlert, encodeAlert } from '../../src/dtls/alert.ts';
import { decodeCertificate } from '../../src/dtls/certificate.ts';
import { readPeerCredential } from '../../src/dtls/credentials.ts';
import { CertificateType, decodeRecordSizeLimit, decodeU8s, decodeU16s } from '../../src/dtls/extensions.ts';
import { decodeFragments, encodeHandshake, HandshakeType } from '../../src/dtls/handshake.ts';
import { decodeSession, encodeSession, importConnection } from '../../src/dtls/index.ts';
import {
  decodeCertificateRequest,
  decodeCertificates,
  decodeCertificateVerify,
  decodeClientHello,
  decodeClientKeyExchange,
  decodeHelloVerifyRequest,
  decodeRawPublicKey,
  decodeServerHello,
  decodeServerKeyExchange,
  encodeCertificateRequest,
  encodeCertificates,
  encodeCertificateVerify,
  encodeClientHello,
  encodeClientKeyExchange,
  encodeHelloVerifyRequest,
  encodeRawPublicKey,
  encodeServerHello,
  encodeServerKeyExchange,
} from '../../src/dtls/messages.ts';
import { decodePoint, groupsOf } from '../../src/dtls/named-groups.ts';
import { readOffer } from '../../src/dtls/offer.ts';
import { decodeSpki, encodeSpki } from '../../src/dtls/raw-public-key.ts';
import { decodeRecords } from '../../src/dtls/record.ts';
import { decodeConnection, encodeConnection } from '../../src/dtls/saved-connection.ts';
import { decodeServerName, encodeServerName } from '../../src/dtls/server-name.ts';
import { decodeEcdsaSignature, encodeEcdsaSignature } from '../../src/dtls/signature.ts';
import { decodeKept, encodeKept } from '../../src/transport/kept-session.ts';
import { clientAddress, configsOf, parties, serverAddress, serverKey } from '../dtls/parties.ts';
import { fixture } from '../support/fixtures.ts';
import { Simulator } from '../support/simulator.ts';
import { datagramsOf, suites } from './dtls.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';
import { sealed, takenBy } from './trials.ts';

interface Codec {
  decode(body: Uint8Array): unknown;
  encode(decoded: unknown): Uint8Array;
}

function codec<T>(decode: (body: Uint8Array) => T, encode: (decoded: T) => Uint8Array): Codec {
  return { decode, encode: encode as (decoded: unknown) => Uint8Array };
}

const keyExchanges = ['PSK', 'ECDHE_PSK', 'ECDHE_ECDSA'] as const;

/** By the type of the message; what a body is depends on the suite as well. */
const codecs: Readonly<Record<number, readonly Codec[]>> = {
  [HandshakeType.client_hello]: [codec(decodeClientHello, encodeClientHello)],
  [HandshakeType.server_hello]: [codec(decodeServerHello, encodeServerHello)],
  [HandshakeType.hello_verify_request]: [codec(decodeHelloVerifyRequest, encodeHelloVerifyRequest)],
  [HandshakeType.certificate]: [codec(decodeRawPublicKey, encodeRawPublicKey), codec(decodeCertificates, encodeCertificates)],
  [HandshakeType.server_key_exchange]: keyExchanges.map((way) =>
    codec(
      (body) => decodeServerKeyExchange(way, body),
      (message) => encodeServerKeyExchange(way, message),
    ),
  ),
  [HandshakeType.client_key_exchange]: keyExchanges.map((way) =>
    codec(
      (body) => decodeClientKeyExchange(way, body),
      (message) => encodeClientKeyExchange(way, message),
    ),
  ),
  [HandshakeType.certificate_request]: [codec(decodeCertificateRequest, encodeCertificateRequest)],
  [HandshakeType.certificate_verify]: [codec(decodeCertificateVerify, encodeCertificateVerify)],
};

const certificates = Object.values(fixture<Record<string, { readonly certificate: string }>>('x509/certificates.json')).map(({ certificate }) =>
  fromHex(certificate),
);
const root = decodeCertificate(certificates[0]!);
const rules = { roots: [root], of: 'server', epoch: 1_700_000_000 } as const;
const spki = encodeSpki(serverKey)!;

/** Parts of messages, each read by what reads it in a handshake. */
const parts: readonly ((part: Uint8Array) => unknown)[] = [
  decodeAlert,
  decodeU16s,
  decodeU8s,
  decodeRecordSizeLimit,
  decodeServerName,
  (part) => groupsOf().map((group) => decodePoint(group, part)),
];

const exporting = new Simulator({ seed: 3, record: false });
const both = parties(exporting, suites[0]!, { connectionIdLength: 2 }, { connectionIdLength: 2, maxSessions: 4 });
both.client.connection.start();
await exporting.run(() => both.client.connection.isConnected, 10_000);
const savedSession = encodeSession(both.client.connection.session!);
const savedConnection = both.client.connection.export();

const flights = (await Promise.all(suites.flatMap((suite) => [clientAddress, serverAddress].map((from) => datagramsOf(suite, from))))).flat();
const messages = flights.flatMap((datagram) =>
  decodeRecords(datagram).records.flatMap(({ type, epoch, fragment }) => (type === 22 && epoch === 0 ? [fragment] : [])),
);

/** Decoders of DTLS, below the state machine. */
export const dtlsDecoders: readonly Target[] = [
  {
    name: 'DTLS records',
    seeds: flights,
    mutate: mutateBytes,
    run: (input) => {
      for (const length of [0, 4]) {
        const { records, malformed } = decodeRecords(input, length);
        const read = records.reduce((sum, { cid, fragment }) => sum + 13 + cid.length + fragment.length, 0);
        assert.equal(read + malformed, input.length);
        for (const { fragment } of records) decodeFragments(fragment);
      }
    },
  },
  {
    name: 'DTLS handshake messages',
    seeds: [...messages, encodeHandshake({ type: HandshakeType.certificate, sequence: 2, body: encodeCertificates(certificates.slice(0, 2)) })],
    mutate: mutateBytes,
    run: (input) => {
      for (const { type, bytes: body } of decodeFragments(input) ?? [])
        takenBy(codecs[type] ?? [], ({ decode, encode }) => {
          const message = decode(body);
          assert.deepEqual(decode(encode(message)), message);
          if (type === HandshakeType.client_hello) readOffer(decodeClientHello(body));
        });
    },
  },
  {
    name: 'DTLS parts of messages',
    seeds: [encodeAlert(2, 40), fromHex('00040017001d'), fromHex('020200'), fromHex('0400'), encodeServerName('s.example'), spki.subarray(26)],
    mutate: mutateBytes,
    run: (input) => takenBy(parts, (read) => read(input)),
  },
  {
    name: 'ECDSA signature in DER',
    seeds: [32, 48].map((half) => encodeEcdsaSignature(Uint8Array.from({ length: 2 * half }, (_, i) => 255 - i))),
    mutate: mutateBytes,
    run: (input) => {
      for (const half of [32, 48]) {
        const raw = decodeEcdsaSignature(input, half);
        if (raw !== undefined) assert.equal(toHex(encodeEcdsaSignature(raw)), toHex(input));
      }
    },
  },
  {
    name: 'SubjectPublicKeyInfo',
    seeds: [spki],
    mutate: mutateBytes,
    run: (input) => {
      const key = decodeSpki(input);
      if (key !== undefined) assert.equal(toHex(encodeSpki(key)!), toHex(input));
    },
  },
  { name: 'X.509 certificate', seeds: certificates, mutate: mutateBytes, run: (input) => void decodeCertificate(input) },
  {
    name: 'DTLS credential of a peer',
    seeds: [encodeRawPublicKey(spki), ...certificates.map((der) => encodeCertificates([der]))],
    mutate: mutateBytes,
    run: (input) => takenBy(Object.values(CertificateType), (type) => readPeerCredential(type, input, rules)),
  },
  sealed({
    name: 'DTLS session, saved',
    seeds: [savedSession],
    run: (input) => {
      const again = encodeSession(decodeSession(input));
      assert.equal(toHex(encodeSession(decodeSession(again))), toHex(again));
    },
  }),
  sealed({
    name: 'DTLS connection, imported',
    seeds: [savedConnection],
    run: (input) => {
      const port = { send: () => {}, emit: () => {} };
      const connection = importConnection(input, { ...configsOf(suites[0]!).client, connectionIdLength: 2 }, new Simulator().env(), port);
      // What was taken can be read when it is needed.
      assert.doesNotThrow(() => decodeConnection(input));
      connection.close();
    },
  }),
  {
    name: 'DTLS session, handed over',
    seeds: [
      encodeKept({ resumption: savedSession }),
      encodeKept({ address: '192.0.2.1', port: 40_000, local: 5684, credential: 'coap_dtls:as1:AQ', connection: savedConnection }),
      encodeKept({ address: 'fe80::1%eth0', port: 1, local: 65_535, credential: undefined, connection: savedConnection }),
    ],
    mutate: mutateBytes,
    run: (input) => {
      const again = encodeKept(decodeKept(input));
      assert.equal(toHex(encodeKept(decodeKept(again))), toHex(again));
    },
  },
  sealed({
    name: 'DTLS connection, saved',
    seeds: [savedConnection],
    run: (input) => {
      const saved = decodeConnection(input);
      assert.deepEqual(decodeConnection(encodeConnection(saved)), saved);
      const connection = importConnection(input, { ...configsOf(suites[0]!).client, connectionIdLength: 2 }, new Simulator().env(), {
        send: () => {},
        emit: () => {},
      });
      assert.deepEqual(connection.agreement, saved.session.agreement(saved.isResumed));
      connection.receive(flights[0]!);
      connection.send(utf8('x'));
      connection.close();
    },
  }),
];
