import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeKmRequest,
  decodeKmResponse,
  encodeKmRequest,
  encodeKmResponse,
  formatErrorCode,
  type KmResponse,
  longestKmRequest,
} from '../../../../profiles/seal/index.ts';
import { fitsResponseCode } from '../../../../profiles/seal/key-management/error-code.ts';
import { readableIdentities } from '../../../../profiles/seal/key-management/message.ts';
import { userUriOf } from '../../../../profiles/seal/key-management/user-uri.ts';
import { fromHex, toHex } from '../../../../src/core/bytes.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { isKmError } from '../rows/km-fakes.ts';

const request = { version: '1.0.0', sKmsUri: 'coap://s/km', serviceId: 'v2x', dateTime: 1_700_000_000 };
const response: KmResponse = { userUri: 'acct:a@s', sKmsUri: 'coap://s/km', serviceId: 'v2x', dateTime: 1_700_000_000, payload: Uint8Array.of(1, 2) };

const text = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const optional = (name: string): fc.Arbitrary<object> =>
  fc.oneof(
    fc.constant({}),
    text.map((value) => ({ [name]: value })),
  );
const identities = fc.tuple(optional('clientId'), optional('deviceId'), optional('userId')).map((all) => Object.assign({}, ...all) as object);

test('TS 33.434 T5.3.2-1: a request comes back as it was, in one encoding only', () => {
  fc.assert(
    fc.property(fc.record({ version: text, sKmsUri: text, serviceId: text, dateTime: fc.maxSafeNat() }), identities, (fields, named) => {
      const bytes = encodeKmRequest({ ...fields, ...named });
      assert.deepEqual(decodeKmRequest(bytes), { ...fields, ...named });
      assert.deepEqual(toHex(encodeKmRequest(decodeKmRequest(bytes))), toHex(bytes));
      assert.deepEqual(readableIdentities(bytes), { serviceId: fields.serviceId, ...named });
    }),
  );
});

test('TS 33.434 T5.3.3-1: a response comes back as it was', () => {
  const outcome = fc.oneof(
    fc.uint8Array({ maxLength: 50 }).map((payload) => ({ payload })),
    fc.integer({ min: 1, max: 255 }).map((errorCode) => ({ errorCode })),
  );
  fc.assert(
    fc.property(
      fc.record({ userUri: text, sKmsUri: text, serviceId: text, dateTime: fc.maxSafeNat() }),
      identities,
      optional('sKmsId'),
      outcome,
      (...parts) => {
        const whole = Object.assign({}, ...parts) as KmResponse;
        assert.deepEqual(decodeKmResponse(encodeKmResponse(whole)), whole);
      },
    ),
  );
});

test('KM messages: golden encodings', () => {
  const named = { ...request, userId: 'anna' };
  assert.equal(toHex(encodeKmRequest(named)), 'a50165312e302e30026b636f61703a2f2f732f6b6d03637632780664616e6e61071a6553f100');
  assert.equal(toHex(encodeKmResponse(response)), 'a5026b636f61703a2f2f732f6b6d0363763278071a6553f1000868616363743a6140730b420102');
  const { payload: _, ...rest } = response;
  assert.equal(toHex(encodeKmResponse({ ...rest, errorCode: 2 })), 'a5026b636f61703a2f2f732f6b6d0363763278071a6553f1000868616363743a6140730a02');
});

test('KM messages: what is not exactly a message is refused, with the field by name', () => {
  const bytes = encodeKmRequest(request);
  const map = (changes: readonly (readonly [number, unknown])[]): Uint8Array =>
    encode(new Map([[1, '1.0.0'], [2, 'coap://s/km'], [3, 'v2x'], [7, 1], ...changes] as [number, never][]));
  for (const [input, says] of [
    [new Uint8Array(0), /./],
    [bytes.subarray(0, -1), /./],
    [Uint8Array.of(...bytes, 0), /./],
    [encode([1]), /expected map/],
    [map([[3, 1]]), /ServiceID.*expected text, got number 1/],
    [map([[7, -1]]), /Date\/Time.*expected unsigned integer/],
    [map([[7, '1']]), /Date\/Time/],
    [map([[7, 1.5]]), /Date\/Time/],
    [map([[12, 1]]), /no other keys/],
    [map([[5, '']]), /DeviceID: expected text, got an empty one/],
    // A length of two bytes, and a float of a whole number.
    [fromHex('a4016531 2e302e30 026b636f61703a2f2f732f6b6d 0378037632 78 0701'.replaceAll(' ', '')), /./],
    [fromHex('a40165312e302e30026b636f61703a2f2f732f6b6d036376327807f93c00'), /deterministic/],
  ] as const) {
    assert.throws(() => decodeKmRequest(input), isKmError('ERR_KM_FORMAT'), toHex(input));
    assert.throws(() => decodeKmRequest(input), says);
  }
  assert.throws(
    () => decodeKmResponse(encode(new Map([[11, 'secret']] as [number, string][]))),
    (error) => !String(error).includes('secret'),
  );
});

test('readableIdentities: from a message that is too long, or none, nothing is repeated', () => {
  assert.deepEqual(readableIdentities(encodeKmRequest({ ...request, deviceId: 'x'.repeat(longestKmRequest) })), {});
  assert.deepEqual(readableIdentities(Uint8Array.of(0xff)), {});
  assert.deepEqual(
    readableIdentities(
      encode(
        new Map<number, unknown>([
          [3, 7],
          [5, 'ue1'],
        ]) as ReadonlyMap<number, string>,
      ),
    ),
    { deviceId: 'ue1' },
  );
});

test('TS 33.434 T5.3.3-2: ErrorCodes as two hexadecimal digits, and the response codes that they may come with', () => {
  assert.deepEqual([1, 10, 255].map(formatErrorCode), ['01', '0A', 'FF']);
  assert.equal(fitsResponseCode(4, 0x83), true);
  assert.equal(fitsResponseCode(4, 0x84), false);
  assert.equal(fitsResponseCode(2, 0x45), false);
  assert.equal(fitsResponseCode(77, 0xa3), true);
  assert.equal(fitsResponseCode(77, 0x45), false);
});

test('RFC 7565 7: the UserUri of who has no URI is an account at the VAL system', () => {
  const caller = { valServiceIds: [], scope: 'km', expiresAt: 0 };
  for (const [who, uri] of [
    [{ valUserId: 'sip:anna@val.example', subject: 's' }, 'sip:anna@val.example'],
    [{ valUserId: 'anna@val.example' }, 'acct:anna%40val.example@host'],
    [{ subject: "o'neil (ü)" }, 'acct:o%27neil%20%28%C3%BC%29@host'],
    [{ valUeId: 'ue1' }, 'acct:ue1@host'],
    [{}, 'about:blank'],
  ] as const)
    assert.equal(userUriOf({ ...caller, ...who }, 'host'), uri);
  assert.equal(userUriOf(undefined, 'host'), 'about:blank');
});
