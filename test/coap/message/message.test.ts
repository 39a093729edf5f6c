import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CoapError,
  CoapFormatError,
  decodeBody,
  decodeMessage,
  decodeOptions,
  encodeBody,
  encodeMessage,
  encodeOptions,
  type Message,
  MessageType,
  type Option,
} from '../../../src/coap/index.ts';
import { concat, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';

const none = new Uint8Array(0);

function refused(hex: string, header: { type: number; id: number } | undefined): void {
  assert.throws(
    () => decodeMessage(fromHex(hex)),
    (error) => error instanceof CoapFormatError && error.code === 'ERR_COAP_FORMAT' && error.type === header?.type && error.id === header?.id,
    hex,
  );
}

test('RFC 7252 Appendix A, Figure 16: Confirmable request, piggybacked response', () => {
  const request = fromHex('41 01 7d34 20 bb 74656d7065726174757265');
  assert.deepEqual(decodeMessage(request), {
    type: MessageType.CON,
    code: 1,
    id: 0x7d34,
    token: fromHex('20'),
    options: [{ number: 11, value: utf8('temperature') }],
    payload: none,
  });
  const response: Message = { type: MessageType.ACK, code: 69, id: 0x7d34, token: fromHex('20'), options: [], payload: utf8('22.3 C') };
  assert.equal(toHex(encodeMessage(response)), '61457d3420ff32322e332043');
});

test('RFC 7252 3.1: deltas and lengths of every extension', () => {
  const options: Option[] = [
    { number: 12, value: new Uint8Array(12) },
    { number: 25, value: new Uint8Array(13) },
    { number: 293, value: new Uint8Array(268) },
    { number: 562, value: new Uint8Array(269) },
    { number: 65_535, value: new Uint8Array(1000) },
  ];
  const bytes = encodeOptions(options);
  assert.equal(toHex(bytes.subarray(0, 1)), 'cc');
  assert.equal(toHex(bytes.subarray(13, 16)), 'dd0000');
  assert.equal(toHex(bytes.subarray(29, 32)), 'ddffff');
  assert.equal(toHex(bytes.subarray(300, 305)), 'ee00000000');
  assert.deepEqual(decodeOptions(bytes), { options, end: bytes.length });
});

test('RFC 7252 3: a message survives encoding and decoding', () => {
  const option = fc.record({ number: fc.integer({ min: 0, max: 65_535 }), value: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true });
  const message = fc.record(
    {
      type: fc.constantFrom(0, 1, 2, 3),
      code: fc.constantFrom(1, 5, 31, 64, 69, 95, 128, 160, 191),
      id: fc.integer({ min: 0, max: 65_535 }),
      token: fc.uint8Array({ maxLength: 8 }),
      options: fc.array(option, { maxLength: 6 }).map((options) => options.sort((a, b) => a.number - b.number)),
      payload: fc.uint8Array({ maxLength: 100 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(message, (given) => {
      const original = given as Message;
      assert.deepEqual(decodeMessage(encodeMessage(original)), original);
      const { code, options, payload } = original;
      assert.deepEqual(decodeBody(encodeBody({ code, options, payload })), { code, options, payload });
    }),
    { numRuns: 200 },
  );
});

test('RFC 7252 3: any bytes decode, or are refused with a format error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, shaped) => {
      if (shaped && bytes.length > 1) {
        bytes[0] = 0x40 | (bytes[0]! & 0x38);
        bytes[1] = 69;
      }
      try {
        const message = decodeMessage(bytes);
        if (message.code !== 0) assert.deepEqual(decodeMessage(encodeMessage(message)), message);
      } catch (error) {
        assert.ok(error instanceof CoapFormatError);
      }
    }),
    { numRuns: 500 },
  );
});

test('RFC 7252 3: too short or of another version: nothing to answer to', () => {
  refused('', undefined);
  refused('40 01 00', undefined);
  refused('00 01 00 05', undefined);
  refused('80 01 00 05', undefined);
  refused('c0 01 00 05', undefined);
});

test('RFC 7252 3: token lengths 9 to 15 are reserved', () => {
  for (let length = 9; length <= 15; length++) refused(`4${length.toString(16)} 01 0005 ${'00'.repeat(15)}`, { type: 0, id: 5 });
  refused('48 01 0005 00000000000000', { type: 0, id: 5 });
});

test('RFC 7252 3: payload marker without payload', () => {
  refused('50 01 0005 ff', { type: 1, id: 5 });
  refused('40 45 0005 b1 61 ff', { type: 0, id: 5 });
});

test('RFC 7252 3.1: option delta or length 15', () => {
  refused('40 01 0005 f0', { type: 0, id: 5 });
  refused('40 01 0005 f1 00', { type: 0, id: 5 });
  refused(`40 01 0005 1f ${'00'.repeat(15)}`, { type: 0, id: 5 });
});

test('RFC 7252 3.1: an option beyond the end', () => {
  refused('40 01 0005 b2 61', { type: 0, id: 5 });
  refused('40 01 0005 d0', { type: 0, id: 5 });
  refused('40 01 0005 e0 00', { type: 0, id: 5 });
  refused('40 01 0005 0d', { type: 0, id: 5 });
  refused('40 01 0005 0e 00', { type: 0, id: 5 });
  refused('40 01 0005 1e ff ff 00', { type: 0, id: 5 });
});

test('RFC 7252 3.1: option numbers do not wrap around 65535', () => {
  refused('40 01 0005 e0 fe f2 10', { type: 0, id: 5 });
  assert.deepEqual(decodeMessage(fromHex('40 01 0005 e0 fe f2')).options, [{ number: 65_535, value: none }]);
});

test('RFC 7252 4.1: an Empty message with content', () => {
  refused('41 00 0005 00', { type: 0, id: 5 });
  refused('40 00 0005 ff 00', { type: 0, id: 5 });
  refused('70 00 0005 00', { type: 3, id: 5 });
  assert.equal(decodeMessage(fromHex('40 00 0005')).code, 0);
});

test('RFC 7252 4.2: reserved code classes 1, 3, 6 and 7', () => {
  for (const code of ['20', '3f', '60', '7f', 'c0', 'e1', 'ff']) refused(`40 ${code} 0005`, { type: 0, id: 5 });
});

test('RFC 8613 5.3: the plaintext is code, options, marker and payload', () => {
  assert.equal(toHex(encodeBody({ code: 1, options: [{ number: 11, value: utf8('tv1') }], payload: none })), '01b3747631');
  assert.equal(toHex(encodeBody({ code: 69, options: [], payload: utf8('Hello World!') })), '45ff48656c6c6f20576f726c6421');
  assert.throws(() => decodeBody(none), CoapFormatError);
  assert.throws(() => decodeBody(fromHex('45 ff')), CoapFormatError);
});

test('encoding refuses what the format cannot hold', () => {
  const message: Message = { type: 0, code: 1, id: 1, token: none, options: [], payload: none };
  assert.throws(() => encodeMessage({ ...message, token: new Uint8Array(9) }), { code: 'ERR_COAP_TOKEN' });
  const unsorted = [
    { number: 12, value: none },
    { number: 11, value: none },
  ];
  assert.throws(() => encodeMessage({ ...message, options: unsorted }), CoapError);
  assert.throws(() => encodeMessage({ ...message, options: [{ number: 65_536, value: none }] }), CoapError);
  assert.throws(() => encodeMessage({ ...message, options: [{ number: 1, value: new Uint8Array(269 + 65_536) }] }), CoapError);
});

test('decoded fields are views of the datagram', () => {
  const datagram = concat(fromHex('41 01 0005 aa b1 61 ff'), utf8('x'));
  const message = decodeMessage(datagram);
  for (const view of [message.token, message.options[0]!.value, message.payload]) assert.equal(view.buffer, datagram.buffer);
});
