import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  applyCsm,
  CoapError,
  CoapFormatError,
  Code,
  encodeCsm,
  encodeFrame,
  FrameReader,
  type Framing,
  Method,
  readUint,
  SignalingCode,
  SignalingOption,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { assertAborted, Bench, nobody } from './bench.ts';

const extended = { extendedTokens: true } as const;
const token = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
const frame = (framing: Framing, length: number): Uint8Array => encodeFrame(framing, 1, token(length), [], utf8('p'), undefined, extended);

/** All messages in these bytes, cut into pieces of a length. */
function read(framing: Framing, bytes: Uint8Array, piece = bytes.length, most = 100_000) {
  const reader = new FrameReader(framing, most, extended);
  const messages = [];
  for (let at = 0; at < bytes.length; at += piece) {
    reader.push(bytes.slice(at, at + piece));
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  }
  return messages;
}

describe('RFC 8974 A.2 and A.3: the TKL field on connections', () => {
  for (const framing of ['length', 'frame'] as const) {
    test(`${framing}: a token of any length survives, however the bytes are cut`, () => {
      for (const length of [0, 8, 9, 12, 13, 14, 268, 269, 270, 1000, 65_804]) {
        const bytes = frame(framing, length);
        assert.equal(bytes.length, 2 + (length < 13 ? 0 : length < 269 ? 1 : 2) + length + 2);
        for (const piece of framing === 'length' ? [bytes.length, 1, 7] : [bytes.length]) {
          const [message, more] = read(framing, bytes, piece);
          assert.deepEqual([message!.token, toHex(message!.payload), more], [token(length), '70', undefined]);
        }
      }
      assert.throws(() => frame(framing, 65_805), { code: 'ERR_COAP_TOKEN' });
    });
  }

  test('the extended length stands behind the code, after the Extended Length of the message', () => {
    assert.equal(toHex(frame('length', 12)).slice(0, 6), '2c0100');
    assert.equal(toHex(frame('length', 13)).slice(0, 8), '2d010000');
    assert.equal(toHex(frame('length', 268)).slice(0, 8), '2d01ff00');
    assert.equal(toHex(frame('length', 269)).slice(0, 10), '2e01000000');
    assert.equal(toHex(frame('frame', 269)).slice(0, 10), '0e01000000');
    assert.equal(toHex(encodeFrame('length', 1, token(13), [], new Uint8Array(12), undefined, extended)).slice(0, 10), 'dd00010000');
  });

  test('15 is a format error, and a length over the end of a frame too', () => {
    for (const hex of ['0f01', '0d01', '0d0100', '0d01ff0001', '0e01', '0e0100', '0e010000', '0e01ffff00', '0c0100'])
      assert.throws(() => read('frame', fromHex(hex)), CoapFormatError, hex);
    assert.throws(() => read('length', fromHex('0f01')), CoapFormatError);
  });

  test('a token that makes the message larger than is taken is refused before it is held', () => {
    // Beside the token, 4 bytes: 1148 fit.
    const fitting = new FrameReader('length', 1152, extended);
    fitting.push(fromHex('0e01036f'));
    assert.equal(fitting.next(), undefined);
    for (const hex of ['0e010370', '0e01ffff', 'eeffff01', 'fdffffffff01']) {
      const reader = new FrameReader('length', 1152, extended);
      reader.push(fromHex(hex));
      assert.throws(() => reader.next(), { code: 'ERR_COAP_MESSAGE_SIZE' }, hex);
      assert.equal(reader.held, 0);
    }
    assert.throws(() => read('frame', frame('frame', 1200), undefined, 1152), { code: 'ERR_COAP_MESSAGE_SIZE' });
  });

  test('without the extension 9 to 15 are format errors', () => {
    for (let tkl = 9; tkl <= 15; tkl++) {
      const reader = new FrameReader('length', 1152);
      reader.push(Uint8Array.of(tkl, 1, ...new Uint8Array(20)));
      assert.throws(() => reader.next(), CoapFormatError);
    }
    assert.throws(() => encodeFrame('length', 1, token(9), [], emptyBytes), { code: 'ERR_COAP_TOKEN' });
  });
});

/** A message layer that takes tokens of 40 bytes. */
const taking40 = (): Bench => new Bench({}, { format: extended, longestToken: 40 });
const announces = (length: number) => [uintOption(SignalingOption.ExtendedTokenLength, length)];

describe('RFC 8974 2.2.1: the Extended-Token-Length Capability Option', () => {
  test('is in the CSM of who takes more than 8 bytes, and in no other', () => {
    const announced = (bench: Bench): unknown[] => {
      const [csm] = bench.accept().take();
      return csm!.options.filter(({ number }) => number === SignalingOption.ExtendedTokenLength).map(({ value }) => readUint(value));
    };
    assert.deepEqual(announced(taking40()), [40]);
    assert.deepEqual(announced(new Bench()), []);
  });

  test('the base value is 8; below 8 it is ignored, above 65804 it is 65804, and the last one counts', () => {
    const capabilities = { maxMessageSize: 1152, blockwise: false, extendedTokenLength: 8 };
    const after = (length: number): number => {
      applyCsm(announces(length), capabilities);
      return capabilities.extendedTokenLength;
    };
    assert.deepEqual(
      [after(7), after(100), after(0), after(7), after(8), after(65_804), after(65_805), after(0xff_ffff)],
      [8, 100, 100, 100, 8, 65_804, 65_804, 65_804],
    );
    applyCsm([{ number: SignalingOption.ExtendedTokenLength, value: new Uint8Array(4) }], capabilities);
    assert.equal(capabilities.extendedTokenLength, 65_804, 'one of 4 bytes is no such option, and elective');
    assert.deepEqual(
      encodeCsm({ ...capabilities, extendedTokenLength: 8 }).options.map(({ number }) => number),
      [SignalingOption.MaxMessageSize],
    );
  });

  test('a request with a token up to it is answered with its token, whatever its sender takes itself; a longer one is a format error', () => {
    const bench = taking40();
    const wire = bench.ready();
    wire.say(Method.GET, [], token(40));
    bench.answer(0, 'here');
    const [answer] = wire.take();
    assert.deepEqual([answer!.code, answer!.token], [Code.Content, token(40)]);
    wire.say(Method.GET, [], token(41));
    assert.equal(bench.requests.length, 1);
    assertAborted(bench, wire, 'ERR_COAP_FORMAT');
  });

  test('without the extension a token of 9 bytes ends the connection, as before', () => {
    const bench = new Bench();
    const wire = bench.ready();
    wire.say(Method.GET, [], token(9));
    assertAborted(bench, wire, 'ERR_COAP_FORMAT');
  });

  test('a Ping with a token over it is a format error; the option says nothing of responses', () => {
    const bench = taking40();
    const wire = bench.ready();
    wire.say(Code.Content, [], token(300));
    assert.equal(bench.responses.length, 1);
    wire.say(SignalingCode.Ping, [], token(40));
    assert.deepEqual(wire.take()[0]!.token, token(40));
    wire.say(SignalingCode.Ping, [], token(41));
    assertAborted(bench, wire, 'ERR_COAP_FORMAT');
  });

  test('requests have tokens of at most what the peer announced, and of 8 bytes before and without that', async () => {
    const bench = taking40();
    const peer = bench.peer();
    const errors: string[] = [];
    const send = (length: number): void => {
      bench.messaging.transmit(peer, true, token(length), { code: Method.GET, options: [], payload: emptyBytes }, 0, {
        ...nobody,
        failed: ({ code }) => errors.push(code),
      });
    };
    for (const length of [8, 9, 100, 101]) send(length);
    const [wire] = bench.dialled;
    wire!.listener!.opened();
    wire!.say(SignalingCode.CSM, announces(100));
    assert.deepEqual(
      wire!.take().map(({ token: sent }) => sent.length),
      [0, 8, 9, 100],
    );
    assert.deepEqual(errors, ['ERR_COAP_TOKEN']);
    assert.equal(peer.capabilities.extendedTokenLength, 100);
    assert.throws(() => send(101), CoapError);
    wire!.say(SignalingCode.CSM, announces(8));
    assert.throws(() => send(9), { code: 'ERR_COAP_TOKEN' });
    send(8);
    assert.equal(wire!.take().length, 1);
  });
});
