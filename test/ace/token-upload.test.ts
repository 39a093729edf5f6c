import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AccessInformation,
  aceUpload,
  decodeAccessInformation,
  decodeTokenRequest,
  encodeTokenRequest,
  encodeTokenResponse,
  relayedAnswerOf,
  tokenHash,
  tokenHashOf,
  uploadedInformation,
  uploadWishOf,
  uploadWishParameters,
  WantedToken,
} from '../../src/ace/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { decode, encode, Tagged } from '../../src/core/cbor.ts';

const token = fromHex('d83dd08343a1010aa05820');
const toRs = fromHex('a2182848018a278f7faab55a182b421645');

test('ace-workflow-and-params-08 3.3.3: token_upload and to_rs of the example, as they stand in a request', () => {
  const payload = encodeTokenRequest({
    audience: 'tempSensor4711',
    scope: 'read',
    ...uploadWishParameters({ wanted: WantedToken.none, toRs: { payload: toRs } }),
  });
  assert.deepEqual(
    decode(payload),
    new Map<number, unknown>([
      [5, 'tempSensor4711'],
      [9, 'read'],
      [49, 0],
      [51, toRs],
    ]),
  );
  assert.deepEqual(uploadWishOf(decodeTokenRequest(payload)), { wanted: 0, toRs: { payload: toRs } });
  assert.equal(toHex(aceUpload(token, toRs)!), `a3014b${toHex(token)}182848018a278f7faab55a182b421645`);
});

test('ace-workflow-and-params-08 3.3.1: another Content-Format is told by the tag of RFC 9277, Appendix B', () => {
  const wish = { wanted: WantedToken.token, toRs: { contentFormat: 19, payload: toRs } };
  const payload = encodeTokenRequest(uploadWishParameters(wish));
  assert.deepEqual((decode(payload) as Map<number, unknown>).get(51), new Tagged(1668546836, toRs));
  assert.deepEqual(uploadWishOf(decodeTokenRequest(payload)), wish);
});

test('ace-workflow-and-params-08 3.1.1: no token_upload, or another value than 0, 1 and 2: no upload', () => {
  assert.equal(uploadWishOf({}), undefined);
  assert.equal(uploadWishOf({ unknown: new Map([[49, 3]]) }), undefined);
  assert.equal(uploadWishOf({ unknown: new Map([[51, toRs]]) }), undefined);
});

test('ace-workflow-and-params-08 3.1.1, 3.3.1: values of other types are refused with invalid_request', () => {
  for (const unknown of [new Map([[49, '1']]), new Map([[49, -1]])] as const)
    assert.throws(() => uploadWishOf({ unknown }), { code: 'ERR_ACE_FORMAT', responseCode: 128, error: 1 });
  for (const wrong of ['text', new Tagged(1668546836, 'text'), new Tagged(24, toRs), new Tagged(1668546817 + 65_025, toRs), new Map()])
    assert.throws(
      () =>
        uploadWishOf({
          unknown: new Map<number, never>([
            [49, 1 as never],
            [51, wrong as never],
          ]),
        }),
      { code: 'ERR_ACE_FORMAT', responseCode: 128, error: 1 },
    );
});

test('ace-workflow-and-params-08 3.1.2, 3.2, 3.3.2: what the client is told of each outcome, by what it wanted', () => {
  const fromRs = { contentFormat: 19, payload: fromHex('a2182a4825a8991cd700ac01182c420000') };
  const rows: readonly [wanted: WantedToken, uploaded: boolean, has: readonly string[]][] = [
    [WantedToken.none, true, ['fromRs']],
    [WantedToken.hash, true, ['fromRs', 'tokenHash']],
    [WantedToken.token, true, ['fromRs', 'accessToken']],
    [WantedToken.none, false, ['accessToken']],
    [WantedToken.hash, false, ['accessToken']],
    [WantedToken.token, false, ['accessToken']],
  ];
  for (const [wanted, uploaded, has] of rows) {
    const outcome = uploaded ? { uploaded, fromRs } : { uploaded: false as const };
    const bytes = encodeTokenResponse(uploadedInformation({ accessToken: token, expiresIn: 60 }, wanted, outcome as never));
    const map = decode(bytes) as Map<number, unknown>;
    const what = `${wanted} ${uploaded}`;
    assert.equal(map.get(49), uploaded ? 0 : 1, what);
    assert.equal(map.has(1), has.includes('accessToken'), what);
    assert.deepEqual(map.get(50), has.includes('tokenHash') ? tokenHash(token) : undefined, what);
    assert.deepEqual(map.get(52), has.includes('fromRs') ? new Tagged(1668546836, fromRs.payload) : undefined, what);
    const read = decodeAccessInformation(bytes);
    assert.deepEqual(relayedAnswerOf(read), uploaded ? fromRs : undefined, what);
    assert.deepEqual(tokenHashOf(read), has.includes('accessToken') || has.includes('tokenHash') ? tokenHash(token) : undefined, what);
  }
});

test('ace-workflow-and-params-08 3.3.2: an answer without payload is the empty byte string; one without a tag has the Content-Format of the profile', () => {
  const empty = uploadedInformation({ accessToken: token }, WantedToken.none, { uploaded: true, fromRs: { payload: new Uint8Array() } });
  assert.deepEqual(empty.unknown?.get(52), new Uint8Array());
  const untagged: AccessInformation = {
    unknown: new Map<number, never>([
      [49, 0 as never],
      [52, toRs as never],
    ]),
  };
  assert.deepEqual(relayedAnswerOf(untagged), { payload: toRs });
  assert.throws(
    () =>
      relayedAnswerOf({
        unknown: new Map<number, never>([
          [49, 0 as never],
          [52, 'x' as never],
        ]),
      }),
    { code: 'ERR_ACE_FORMAT' },
  );
});

test('a to_rs that a token cannot be put to is none for an upload', () => {
  for (const bad of ['', 'ff', '80', toHex(encode(new Map([[1, token]])))]) assert.equal(aceUpload(token, fromHex(bad)), undefined, bad);
});
