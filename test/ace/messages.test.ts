import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AceError,
  AceErrorCode,
  aceErrorName,
  decodeAccessInformation,
  decodeError,
  decodeHints,
  decodeIntrospectionRequest,
  decodeIntrospectionResponse,
  decodeTokenRequest,
  decodeTokenResponse,
  encodeError,
  encodeHints,
  encodeIntrospectionRequest,
  encodeIntrospectionResponse,
  encodeTokenRequest,
  encodeTokenResponse,
  errorResponse,
  hintParameters,
  type IntrospectionResponse,
  introspectionParameters,
  type TokenRequest,
  type TokenResponse,
  tokenParameters,
} from '../../src/ace/index.ts';
import { Code, OptionNumber, uintOf } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CborValue, encode } from '../../src/core/cbor.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const map = (...entries: [number | string, CborValue][]): Uint8Array => encode(new Map(entries));

test('RFC 9200 Table 5: every parameter of a token request goes there and back', () => {
  const request: TokenRequest = {
    grantType: 2,
    audience: 'rs1',
    scope: 'r_temp w_led',
    reqCnf: { kid: bytes(1) },
    aceProfile: null,
    cnonce: bytes(9, 9),
    clientId: 'c1',
    clientSecret: bytes(1, 2),
    code: bytes(3),
    redirectUri: 'coap://c/cb',
    refreshToken: bytes(4),
    username: 'u',
    password: 'p',
  };
  assert.deepEqual(decodeTokenRequest(encodeTokenRequest(request)), request);
  assert.deepEqual(decodeTokenRequest(encodeTokenRequest({ scope: bytes(0x80), aceProfile: 2 })), { scope: bytes(0x80), aceProfile: 2 });
  assert.deepEqual(decodeTokenRequest(fromHex('a0')), {});
});

test('RFC 9200 Table 5: every parameter of a token response goes there and back', () => {
  const response: TokenResponse = {
    accessToken: bytes(1, 2, 3),
    expiresIn: 3600,
    scope: bytes(0x80),
    cnf: { osc: new Map<number, CborValue>([[0, bytes(1)]]) },
    rsCnf: { kid: bytes(7) },
    tokenType: 2,
    aceProfile: 2,
    refreshToken: bytes(4),
    state: 's',
  };
  assert.deepEqual(decodeTokenResponse(encodeTokenResponse(response)), response);
});

test('RFC 9200 Table 6: every parameter of an introspection response goes there and back', () => {
  const response: IntrospectionResponse = {
    active: true,
    iss: 'as',
    sub: 's',
    aud: 'rs1',
    exp: 1_700_000_000,
    nbf: 1.5,
    iat: 1,
    cti: bytes(1),
    cnf: { kid: bytes(1) },
    scope: 'read',
    clientId: 'c1',
    tokenType: 2,
    username: 'u',
    aceProfile: 2,
    cnonce: bytes(3),
    exi: 10,
  };
  assert.deepEqual(decodeIntrospectionResponse(encodeIntrospectionResponse(response)), response);
  assert.deepEqual(decodeIntrospectionResponse(encodeIntrospectionResponse({ active: false })), { active: false });
  assert.deepEqual(decodeIntrospectionResponse(encodeIntrospectionResponse({ active: true, aud: ['a', 'b'] })), { active: true, aud: ['a', 'b'] });
});

test('RFC 9200 5.9.1: token_type_hint is read as the integer of Figure 9 and as the text of Table 6', () => {
  for (const tokenTypeHint of [2, 'pop']) {
    const request = { token: bytes(1), tokenTypeHint };
    assert.deepEqual(decodeIntrospectionRequest(encodeIntrospectionRequest(request)), request);
  }
});

test('RFC 9200 Table 1: every hint goes there and back', () => {
  const hints = { as: 'coap://as/token', kid: bytes(1), audience: 'rs1', scope: 'r', cnonce: bytes(2) };
  assert.deepEqual(decodeHints(encodeHints(hints)), hints);
  assert.equal(toHex(encodeHints({ kid: bytes(1) })), 'a1024101');
});

test('registries are not merged: one key means different things', () => {
  assert.equal(tokenParameters.nonce1.label, introspectionParameters.exi.label);
  assert.equal(tokenParameters.accessToken.label, introspectionParameters.iss.label);
  assert.equal(hintParameters.kid.label, tokenParameters.expiresIn.label);
  for (const table of [tokenParameters, introspectionParameters, hintParameters]) {
    const labels = Object.values(table).map((field) => field.label);
    assert.equal(new Set(labels).size, labels.length);
  }
});

const badFormat =
  (words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof AceError, String(error));
    assert.equal(error.code, 'ERR_ACE_FORMAT');
    assert.equal(error.responseCode, Code.BadRequest);
    assert.equal(error.error, AceErrorCode.invalid_request);
    assert.match(error.message, words);
    return true;
  };

test('a wrong type is refused by key and name', () => {
  assert.throws(() => decodeTokenRequest(map([5, 7])), badFormat(/5 \(audience\)/));
  assert.throws(() => decodeTokenRequest(map([33, 'client_credentials'])), badFormat(/33 \(grant_type\)/));
  assert.throws(() => decodeTokenRequest(map([33, -1])), badFormat(/33 \(grant_type\)/));
  assert.throws(() => decodeTokenRequest(map([38, 'coap_oscore'])), badFormat(/38 \(ace_profile\)/));
  assert.throws(() => decodeTokenRequest(map([4, bytes(1)])), badFormat(/4 \(req_cnf\)/));
  assert.throws(() => decodeTokenRequest(map([9, 1])), badFormat(/9 \(scope\)/));
  assert.throws(() => decodeTokenResponse(map([1, bytes(1)], [2, '3600'])), badFormat(/2 \(expires_in\)/));
  assert.throws(() => decodeTokenResponse(map([1, bytes(1)], [38, null])), badFormat(/38 \(ace_profile\)/));
  assert.throws(() => decodeTokenResponse(map([2, 3600])), badFormat(/1 \(access_token\)/));
  assert.throws(() => decodeIntrospectionRequest(map([33, 2])), badFormat(/11 \(token\)/));
  assert.throws(() => decodeIntrospectionResponse(map([3, 'x'])), badFormat(/10 \(active\)/));
  assert.throws(() => decodeIntrospectionResponse(map([10, 1])), badFormat(/10 \(active\)/));
  assert.throws(() => decodeIntrospectionResponse(map([10, true], [3, [1]])), badFormat(/3 \(aud\)/));
  for (const exi of [-1, 1.5, '60']) assert.throws(() => decodeIntrospectionResponse(map([10, true], [40, exi])), badFormat(/40 \(exi\)/));
  assert.throws(() => decodeHints(map([1, bytes(1)])), badFormat(/1 \(AS\)/));
});

test('RFC 9200 Table 6: a time that is no finite number is refused, as in a CWT', () => {
  for (const label of [4, 5, 6]) {
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      assert.throws(() => decodeIntrospectionResponse(map([10, true], [label, time])), badFormat(/exp|nbf|iat/), `${label}: ${time}`);
    }
  }
});

test('an error never prints the bytes that were sent', () => {
  assert.throws(
    () => decodeTokenRequest(map([5, fromHex('deadbeef')])),
    (error: unknown) => error instanceof AceError && !/dead|222/.test(error.message),
  );
});

test('RFC 9200 5.8.5: text keys are refused', () => {
  assert.throws(() => decodeTokenRequest(map(['audience', 'rs1'])), badFormat(/integer keys/));
  assert.throws(() => decodeIntrospectionRequest(map(['token', bytes(1)])), badFormat(/integer keys/));
  assert.throws(() => decodeTokenResponse(map([1, bytes(1)], ['scope', 'r_temp'])), badFormat(/integer keys/));
  assert.throws(() => decodeAccessInformation(map(['scope', 'r_temp'])), badFormat(/integer keys/));
  assert.throws(() => decodeIntrospectionResponse(map([10, true], ['exp', 1])), badFormat(/integer keys/));
  assert.throws(() => decodeHints(map(['AS', 'coap://as.example/token'])), badFormat(/integer keys/));
});

test('RFC 9200 5.8.1: what is no CBOR map is refused', () => {
  for (const hex of ['', '80', '40', '01', 'f6', 'a1', 'a10561', 'a2056161056162', 'a105616100', 'bf056161ff', 'c1a0', 'a1056180']) {
    assert.throws(() => decodeTokenRequest(fromHex(hex)), badFormat(/./), hex);
  }
});

test('RFC 6749 3.2: unknown parameters are kept apart and ignored', () => {
  const decoded = decodeTokenRequest(map([5, 'rs1'], [99, 1], [-70000, 'x'], [1, 5]));
  assert.equal(decoded.audience, 'rs1');
  assert.deepEqual(
    decoded.unknown,
    new Map<number, CborValue>([
      [1, 5],
      [99, 1],
      [-70000, 'x'],
    ]),
  );
  assert.deepEqual(decodeTokenRequest(encodeTokenRequest(decoded)), decoded);
});

test('RFC 9200 5.8.3: an error payload goes there and back', () => {
  const { contentFormat, payload } = encodeError({ error: AceErrorCode.invalid_scope, description: 'no', uri: 'coap://x' });
  assert.equal(contentFormat, 19);
  assert.equal(toHex(payload), 'a3181e06181f626e6f182068636f61703a2f2f78');
  assert.deepEqual(decodeError(contentFormat, payload), { error: 6, description: 'no', uri: 'coap://x' });
  assert.deepEqual(decodeError(19, fromHex('a1181e05')), { error: 5 });
});

test('RFC 9200 5.8.3: what is no error payload is none', () => {
  assert.equal(decodeError(undefined, fromHex('a1181e05')), undefined);
  assert.equal(decodeError(0, fromHex('a1181e05')), undefined);
  assert.equal(decodeError(19, fromHex('')), undefined);
  assert.equal(decodeError(19, fromHex('a0')), undefined);
  assert.equal(decodeError(19, fromHex('ff')), undefined);
});

test('RFC 9200 Table 3: names of error codes', () => {
  assert.deepEqual(Object.values(AceErrorCode), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(aceErrorName(8), 'incompatible_ace_profiles');
  assert.equal(aceErrorName(77), 'error 77');
});

test('an AceError makes its response', () => {
  const refused = errorResponse(new AceError('ERR_X', 'why', { responseCode: Code.BadRequest, error: AceErrorCode.invalid_scope }));
  assert.equal(refused.code, Code.BadRequest);
  assert.deepEqual(decodeError(uintOf(refused.options, OptionNumber.ContentFormat), refused.payload), { error: 6, description: 'why' });
  const later = errorResponse(new AceError('ERR_X', 'why', { responseCode: Code.TooManyRequests, retryAfter: 60 }));
  assert.equal(later.code, Code.TooManyRequests);
  assert.equal(later.payload.length, 0);
  assert.equal(uintOf(later.options, OptionNumber.MaxAge), 60);
});

test('RFC 6749 5.2: an error_description has printable ASCII only, without quotes and backslashes', () => {
  const described = (message: string): string | undefined => {
    const { payload } = errorResponse(new AceError('ERR_X', message, { responseCode: Code.BadRequest, error: AceErrorCode.invalid_request }));
    return decodeError(19, payload)?.description;
  };
  assert.equal(described('plain (words), 1 < 2 [~]!'), 'plain (words), 1 < 2 [~]!');
  assert.equal(described('got text "a\\n"'), "got text 'a'n'");
  assert.equal(described('caf\u00e9 \u{1f600}\n\u007f'), 'caf? ???');
  assert.throws(
    () => decodeTokenRequest(map([33, 'sch\u00f6n "\\"'])),
    (error: unknown) => error instanceof AceError && /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(decodeError(19, errorResponse(error).payload)?.description ?? ''),
  );
});
