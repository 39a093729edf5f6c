import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AceError,
  decodeHints,
  decodeIntrospectionRequest,
  decodeIntrospectionResponse,
  decodeTokenRequest,
  decodeTokenResponse,
  encodeHints,
  encodeIntrospectionRequest,
  encodeIntrospectionResponse,
  encodeTokenRequest,
  encodeTokenResponse,
  tokenParameters,
} from '../../src/ace/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import { decodeClaims, encodeClaims } from '../../src/core/cwt.ts';
import { readKnownMap } from '../../src/core/known-map.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { fixture } from '../support/fixtures.ts';

interface Example {
  readonly section: string;
  readonly figure: string;
  readonly message: string;
  readonly diagnostic: string;
  readonly hex: string;
  readonly printed?: string;
}

interface Document {
  readonly examples: readonly Example[];
}

/** Decode and encode again, by the kind of message. */
const roundTrips: Readonly<Record<string, (payload: Uint8Array) => Uint8Array>> = {
  hints: (payload) => encodeHints(decodeHints(payload)),
  'token request': (payload) => encodeTokenRequest(decodeTokenRequest(payload)),
  'token response': (payload) => encodeTokenResponse(decodeTokenResponse(payload)),
  'introspection request': (payload) => encodeIntrospectionRequest(decodeIntrospectionRequest(payload)),
  'introspection response': (payload) => encodeIntrospectionResponse(decodeIntrospectionResponse(payload)),
  claims: (payload) => encodeClaims(decodeClaims(payload)),
  'authz-info request': (payload) => knownOnly(payload),
  'authz-info response': (payload) => knownOnly(payload),
};

function knownOnly(payload: Uint8Array): Uint8Array {
  const value = decode(payload);
  assert.equal(readKnownMap('authz-info', tokenParameters, value).unknown.size, 0);
  return encode(value);
}

for (const rfc of ['9200', '9201', '9203']) {
  for (const example of fixture<Document>(`ace/rfc${rfc}.json`).examples) {
    test(`RFC ${rfc} ${example.section}: Figure ${example.figure}, ${example.message}`, () => {
      assert.equal(toHex(encode(parseDiagnostic(example.diagnostic))), example.hex, 'diagnostic notation');
      const roundTrip = roundTrips[example.message];
      assert.ok(roundTrip, example.message);
      assert.equal(toHex(roundTrip(fromHex(example.hex))), example.hex, 'round trip');
      if (example.printed !== undefined) assert.equal(toHex(roundTrip(fromHex(example.printed))), example.hex, 'as printed');
    });
  }
}

const find = (rfc: string, figure: string): Uint8Array => {
  const example = fixture<Document>(`ace/rfc${rfc}.json`).examples.find((candidate) => candidate.figure === figure);
  assert.ok(example, figure);
  return fromHex(example.hex);
};

test('RFC 9200 5.3: Figure 3, fields', () => {
  assert.deepEqual(decodeHints(find('9200', '2 and 3')), {
    as: 'coaps://as.example.com/token',
    audience: 'coaps://rs.example.com',
    scope: 'rTempC',
    cnonce: fromHex('e0a156bb3f'),
  });
});

test('RFC 9200 5.8.1: Figure 6, fields', () => {
  assert.deepEqual(decodeTokenRequest(find('9200', '6')), {
    clientId: 'myclient',
    audience: 'valve424',
    scope: 'read',
    reqCnf: { kid: fromHex('ea483475724cd775') },
  });
});

test('RFC 9200 5.8.2: Figure 7 as printed, with ace_profile as text, is refused (erratum 8232)', () => {
  const response = new Map([...(decode(find('9200', '7')) as ReadonlyMap<number, never>), [38, 'coap_dtls']] as const);
  assert.throws(
    () => decodeTokenResponse(encode(response)),
    (error: unknown) => error instanceof AceError && /38 \(ace_profile\)/.test(error.message),
  );
});

test('RFC 9203 3.2: Figure 4, fields', () => {
  const response = decodeTokenResponse(find('9203', '4'));
  assert.equal(response.aceProfile, 2);
  assert.equal(response.expiresIn, 3600);
  assert.deepEqual(
    response.cnf?.osc,
    new Map([
      [0, fromHex('01')],
      [2, fromHex('f9af838368e353e78888e1426bd94e6f')],
    ]),
  );
});
