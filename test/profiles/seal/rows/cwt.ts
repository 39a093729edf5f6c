import assert from 'node:assert/strict';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import {
  AceErrorCode,
  decodeError,
  decodeTokenResponse,
  encodeTokenRequest,
  GrantType,
  type TokenRequest,
  type TokenResponse,
} from '../../../../src/ace/index.ts';
import { AuthorizationServer } from '../../../../src/as/index.ts';
import { ContentFormat, formatCode, Method, OptionNumber, type Response, uintOf } from '../../../../src/coap/index.ts';
import { fromHex, utf8 } from '../../../../src/core/bytes.ts';
import { decode, encode, Tagged } from '../../../../src/core/cbor.ts';
import { Curve, KeyType, mac0, sign1 } from '../../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../../src/core/crypto/index.ts';
import { type ClaimsSet, encodeClaims, openCwt, protectCwt, symmetricKey, type TokenKey } from '../../../../src/core/cwt.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { fixture } from '../../../support/fixtures.ts';
import { audience, inLab, type Lab, type LabOptions, type Rows, tokenKey } from './lab.ts';

const macKey = symmetricKey('HMAC 256/256', new Uint8Array(32).fill(5));
const signKey: TokenKey = { use: 'sign1', algorithm: -7, key: { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(3)) } };
const random = (length: number): Uint8Array => new Uint8Array(length).fill(6);

/** A SEAL server that knows the SIM-S by these keys. */
const knowing = (...tokenKeys: readonly TokenKey[]): LabOptions => ({
  server: { simS: { uri: 'coap://10.0.0.1/token', issuer: 'coap://10.0.0.1/token', tokenKeys } },
});

/** What the lab's SIM-S would say, protected in another way. */
function tokenAs(lab: Lab, key: TokenKey | readonly [TokenKey, TokenKey]): Uint8Array {
  return protectCwt(openCwt(lab.token(), [tokenKey]).claims, key, random);
}

/** POST to the token endpoint what no SIM-C would send, under the protection that there is between it and the SIM-S. */
function post(lab: Lab, payload: Uint8Array, contentFormat: number = ContentFormat.AceCbor): Promise<Response> {
  return lab.finish(lab.simC.ask({ name: 'token', code: Method.POST, contentFormat, payload }));
}

const usual: TokenRequest = { grantType: GrantType.client_credentials, audience, scope: 'note:read' };

/** The error of a token request: 4.00 in application/ace+cbor. */
async function refusalOf(lab: Lab, request: TokenRequest): Promise<number | undefined> {
  const { code, options, payload } = await post(lab, encodeTokenRequest(request));
  const contentFormat = uintOf(options, OptionNumber.ContentFormat);
  assert.deepEqual([formatCode(code), contentFormat], ['4.00', ContentFormat.AceCbor]);
  return decodeError(contentFormat, payload)?.error;
}

/** A lab whose grants are seen. */
async function withGrants(options: LabOptions, check: (lab: Lab, granted: readonly TokenResponse[]) => Promise<void>): Promise<void> {
  const granted: TokenResponse[] = [];
  await inLab({ ...options, simC: { checkGrant: (response) => void granted.push(response as TokenResponse) } }, (lab) => check(lab, granted));
}

async function protections(): Promise<void> {
  await inLab(knowing(tokenKey, macKey, signKey), async (lab) => {
    for (const key of [tokenKey, [signKey, tokenKey], [macKey, tokenKey]] as const) assert.equal(await lab.upload(tokenAs(lab, key)), '2.01');
    // RFC 9203, Section 3.2: a token that is not encrypted shows its secret to all.
    const payload = encodeClaims(openCwt(lab.token(), [tokenKey]).claims);
    for (const key of [signKey, macKey]) {
      const object = (key === signKey ? sign1 : mac0)({ key: key.key, algorithm: key.algorithm, payload });
      assert.equal(await lab.upload(encode(new Tagged(61, object))), '4.00');
    }
    assert.equal((await lab.fetch('/note')).codeText, '2.05');
  });
}

interface Example {
  readonly name: string;
  readonly hex: string;
}

const examples = fixture<{ readonly items: readonly Example[] }>('cwt/rfc8392-appendix-a.json').items;

/** RFC 8392, A.5, and the tags around a token. */
async function tokenFormat(): Promise<void> {
  const example = (name: string): Uint8Array => fromHex(examples.find((item) => item.name === name)!.hex);
  const key = symmetricKey('AES-CCM-16-64-128', (decode(example('exampleKeysSymmetric128')) as Map<number, Uint8Array>).get(-1)!);
  const { sub, cti }: ClaimsSet = openCwt(example('exampleEncrypted'), [key]).claims;
  assert.deepEqual([sub, cti], ['erikw', fromHex('0b71')]);
  await inLab({}, async (lab) => {
    const { tag, value } = decode(lab.token()) as Tagged;
    assert.deepEqual([tag, (value as Tagged).tag], [61, 16]);
    assert.equal(await lab.upload(lab.token()), '2.01');
    assert.equal(await lab.upload(encode(value)), '2.01', 'without tag 61');
    for (const wrong of [17, 18, 96])
      assert.equal(await lab.upload(encode(new Tagged(61, new Tagged(wrong, (value as Tagged).value)))), '4.00', `tag ${wrong}`);
    assert.equal(await lab.upload(encode((value as Tagged).value)), '4.00', 'without any tag');
  });
}

async function scopeOfToken(): Promise<void> {
  await inLab({ clients: [{ id: 'ue1', valUeId: 'ue1', valServiceIds: ['v2x'], scope: 'note:read' }] }, async (lab) => {
    for (const asked of ['note:read', 'note:read note:write']) {
      const { scope, accessToken } = await lab.finish(lab.simC.token({ audience, scope: asked }));
      assert.equal(openCwt(accessToken, [tokenKey]).claims.scope, 'note:read');
      assert.equal(scope ?? asked, 'note:read', 'less than was asked for is told');
    }
    assert.equal(await refusalOf(lab, { ...usual, scope: 'note:write' }), AceErrorCode.invalid_scope);
  });
}

async function tokenRequests(): Promise<void> {
  await inLab({}, async (lab) => {
    const request = encodeTokenRequest(usual);
    assert.equal(formatCode((await post(lab, request)).code), '2.01');
    for (const format of [ContentFormat.Cbor, ContentFormat.Json]) assert.equal(formatCode((await post(lab, request, format)).code), '4.15');
    for (const payload of [encode([1, 2]), encode('text'), Uint8Array.of(0xff), utf8('{"scope":"note:read"}'), new Uint8Array(0)]) {
      assert.equal(formatCode((await post(lab, payload)).code), '4.00');
    }
  });
}

/** A nonce of the SEAL server goes by the SIM-C and the SIM-S into the token, and counts once. */
async function clientNonces(): Promise<void> {
  await withGrants({ server: { cnonce: true } }, async (lab, granted) => {
    assert.equal(await lab.upload(lab.token()), '4.01', 'a token without a nonce');
    assert.equal(await lab.upload(lab.token({ cnonce: random(8) })), '4.01', 'a nonce that is none of the server');
    assert.equal((await lab.fetch('/note')).codeText, '2.05');
    const { cnonce } = openCwt(granted[0]!.accessToken, [tokenKey]).claims;
    assert.ok(cnonce !== undefined && lab.wireHas(cnonce), 'the nonce of the hints');
  });
}

async function boundKeys(): Promise<void> {
  await inLab({ profile: 'dtls' }, async (lab) => {
    const { crv, x, y } = publicKeyFrom(Curve.P256, new Uint8Array(32).fill(9));
    const coseKey = { kty: KeyType.EC2, crv, x, ...(y === undefined ? {} : { y }) };
    assert.equal(await refusalOf(lab, { ...usual, reqCnf: { coseKey } }), AceErrorCode.unsupported_pop_key, 'a key that the SIM-S does not know');
  });
  await withGrants({}, async (lab, granted) => {
    await lab.fetch('/note');
    await lab.fetch('/note', { method: 'PUT', payload: 'x' });
    const [first, second] = granted.map(({ accessToken }) => openCwt(accessToken, [tokenKey]).claims.cnf);
    assert.deepEqual(second?.kid, first?.osc?.get(0), 'the second token is bound to the key of the first, by its kid');
    assert.ok(second?.osc === undefined);
  });
}

async function errors(): Promise<void> {
  await inLab({}, async (lab) => {
    for (const [request, error] of [
      [{ ...usual, scope: 'unknown' }, AceErrorCode.invalid_scope],
      [{ ...usual, audience: 'unknown' }, AceErrorCode.invalid_request],
      [{ ...usual, grantType: 99 }, AceErrorCode.unsupported_grant_type],
      [{ ...usual, grantType: GrantType.password, username: 'anna', password: 'x' }, AceErrorCode.unsupported_grant_type],
      [{ ...usual, aceProfile: 1 }, AceErrorCode.incompatible_ace_profiles],
      [{ ...usual, reqCnf: { kid: random(4) } }, AceErrorCode.invalid_request],
    ] as const)
      assert.equal(await refusalOf(lab, request), error, JSON.stringify(request));
    assert.ok(!lab.simSEvents.some(({ type }) => type === 'token-issued'));
  });
}

async function newKeys(): Promise<void> {
  for (const profile of ['oscore', 'dtls'] as const) {
    await withGrants({ profile }, async (lab, granted) => {
      await lab.fetch('/note');
      assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'x' })).codeText, '2.04');
      const [first, second] = granted;
      assert.ok((first!.cnf?.osc ?? first!.cnf?.coseKey?.k) !== undefined, 'the key comes with the first token');
      assert.equal(second!.cnf, undefined, 'the client knows it already');
      assert.deepEqual([granted.length, lab.server.stats()['tokens']], [2, 1]);
    });
  }
}

/** The token response, checked as it stands on the wire. */
async function responseShape(): Promise<void> {
  await inLab({}, async (lab) => {
    const { code, payload } = await post(lab, encodeTokenRequest(usual));
    assert.equal(formatCode(code), '2.01');
    const { accessToken, expiresIn, aceProfile } = decodeTokenResponse(payload);
    assert.ok(accessToken.length > 0 && Number.isInteger(expiresIn) && expiresIn! > 0);
    assert.equal(aceProfile, 2);
    assert.equal((decode(payload) as Map<number, unknown>).get(38), 2);
    // An authorization server that leaves out what RFC 9200 lets it.
    await lab.finish(lab.simS.close());
    const other = new AuthorizationServer({
      store: memoryStore(),
      profiles: [oscoreProfile],
      env: lab.simulator.env('no SIM-S'),
      clients: [{ id: 'ue1', credentials: lab.channelOf(0, 'SIM-S'), grants: [{ audience, scope: 'note:read' }] }],
      resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey] }],
    });
    await other.listen(lab.simulator.transport('10.0.0.1', 5683));
    await assert.rejects(lab.finish(lab.simC.token({ audience, scope: 'note:read' })), { code: 'ERR_SEAL_GRANT' });
    await other.close();
  });
}

/** Access tokens and the messages that bring them (TS 33.434, B.3.6 and B.3.7). */
export const rows: Rows = {
  'R-206': protections,
  'R-222': tokenFormat,
  'R-225': scopeOfToken,
  'R-227': tokenRequests,
  'R-229': clientNonces,
  'R-230': boundKeys,
  'R-231': errors,
  'R-232': responseShape,
  'R-233': newKeys,
};
