import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoapError, CoapFormatError, encodeFrame, FrameReader, type Framing, type Message, type Option, OptionNumber } from '../../../src/coap/index.ts';
import { concat, emptyBytes, fromHex, toHex } from '../../../src/core/bytes.ts';
import { SeededRandom } from '../../support/random.ts';
import { repeat } from '../../support/scale.ts';

interface Parts {
  readonly code: number;
  readonly token: Uint8Array;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

const frame = (framing: Framing, { code, token, options, payload }: Parts): Uint8Array => encodeFrame(framing, code, token, options, payload);

/** All messages in these pieces. */
function read(framing: Framing, pieces: readonly Uint8Array[], most = 100_000): Message[] {
  const reader = new FrameReader(framing, most);
  const messages: Message[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  }
  return messages;
}

const plain = ({ code, token, options, payload }: Parts): unknown => ({
  code,
  token: toHex(token),
  options: options.map(({ number, value }) => [number, toHex(value)]),
  payload: toHex(payload),
});

const message = (length: number): Parts => ({ code: 69, token: fromHex('0102'), options: [], payload: new Uint8Array(length).fill(7) });

test('RFC 8323 3.2: the message of Figure 5', () => {
  const bytes = encodeFrame('length', 0x43, fromHex('7f'), [], emptyBytes);
  assert.equal(toHex(bytes), '01437f');
  assert.deepEqual(read('length', [bytes]).map(plain), [{ code: 0x43, token: '7f', options: [], payload: '' }]);
});

// A payload of n bytes with its marker is n + 1 long.
for (const [length, head] of [
  [12, 'c0'],
  [13, 'd000'],
  [268, 'd0ff'],
  [269, 'e00000'],
  [65_804, 'e0ffff'],
  [65_805, 'f000000000'],
  [65_806, 'f000000001'],
] as const) {
  test(`RFC 8323 3.2: Len of ${length} bytes of options and payload`, () => {
    const bytes = encodeFrame('length', 69, emptyBytes, [], new Uint8Array(length - 1));
    assert.equal(toHex(bytes.subarray(0, head.length / 2)), head);
    assert.equal(bytes.length, head.length / 2 + 1 + length);
    const [only] = read('length', [bytes]);
    assert.equal(only!.payload.length, length - 1);
  });
}

test('RFC 8323 3.2: an option alone, without payload', () => {
  const options = [{ number: OptionNumber.UriPath, value: fromHex('61') }];
  const bytes = encodeFrame('length', 1, emptyBytes, options, emptyBytes);
  assert.equal(toHex(bytes), '2001b161');
  assert.deepEqual(read('length', [bytes]).map(plain), [{ code: 1, token: '', options: [[11, '61']], payload: '' }]);
});

test('RFC 8323 4.2: in a WebSocket frame Len is zero, and each frame is a message', () => {
  const bytes = frame('frame', message(300));
  assert.equal(toHex(bytes.subarray(0, 4)), '02450102');
  assert.equal(bytes.length, 4 + 301);
  assert.deepEqual(read('frame', [bytes, bytes]).map(plain), [plain(message(300)), plain(message(300))]);
  assert.throws(() => read('frame', [fromHex('1045ff')]), CoapFormatError);
  for (const short of ['', '00', '0245', '024501']) assert.throws(() => read('frame', [fromHex(short)]), CoapFormatError, short);
});

test('RFC 8323 5.3.1: the size that counts is that of the whole message', () => {
  for (const framing of ['length', 'frame'] as const) {
    const bytes = frame(framing, message(100));
    assert.equal(read(framing, [bytes], bytes.length).length, 1);
    assert.throws(
      () => read(framing, [bytes], bytes.length - 1),
      (error) => error instanceof CoapError && error.code === 'ERR_COAP_MESSAGE_SIZE',
    );
    assert.throws(
      () => encodeFrame(framing, 69, fromHex('0102'), [], new Uint8Array(100), bytes.length - 1),
      (error) => error instanceof CoapError && error.code === 'ERR_COAP_MESSAGE_SIZE',
    );
  }
});

for (const head of ['f0ffffffff', 'f0ffff0000', 'f000000000', 'e0ffff', 'e00400']) {
  test(`RFC 8323 3.2: a length of ${head} is refused before anything is held`, () => {
    const reader = new FrameReader('length', 1152);
    reader.push(fromHex(head));
    assert.throws(
      () => reader.next(),
      (error) => error instanceof CoapError && error.code === 'ERR_COAP_MESSAGE_SIZE',
    );
    assert.equal(reader.held, 0);
  });
}

test('RFC 8323 3.2: token lengths 9 to 15 are message format errors, as soon as they are seen', () => {
  for (let length = 9; length <= 15; length++) {
    const reader = new FrameReader('length', 1152);
    reader.push(Uint8Array.of(length));
    assert.throws(() => reader.next(), CoapFormatError);
  }
});

test('RFC 7252 12.1: codes of classes 1, 3 and 6 are message format errors', () => {
  for (const code of [0x20, 0x3f, 0x60, 0x7f, 0xc0, 0xdf]) assert.throws(() => read('length', [Uint8Array.of(0, code)]), CoapFormatError);
  for (const code of [0x01, 0x1f, 0x40, 0x80, 0xa0, 0xe1, 0xff]) assert.equal(read('length', [Uint8Array.of(0, code)])[0]!.code, code);
});

test('RFC 8323 5.4: what stands in an Empty message is not looked at', () => {
  assert.deepEqual(read('length', [fromHex('22000102ffff')]).map(plain), [{ code: 0, token: '', options: [], payload: '' }]);
});

test('a message that dribbles in takes no more room than what came', () => {
  const reader = new FrameReader('length', 1_000_000);
  const bytes = frame('length', message(500_000));
  for (let i = 0; i < 1000; i++) {
    reader.push(bytes.slice(i, i + 1));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.held, i + 1);
  }
});

/** A message of chance. */
function anyMessage(random: SeededRandom): Parts {
  const bytes = (most: number): Uint8Array => Uint8Array.from({ length: random.uint32() % (most + 1) }, () => random.uint32());
  const codes = [1, 2, 31, 65, 69, 132, 160, 0xe1, 0xe2, 0xe5];
  const options = Array.from({ length: random.uint32() % 4 }, () => ({ number: random.uint32() % 3000, value: bytes(300) })).sort(
    (a, b) => a.number - b.number,
  );
  const longest = [0, 5, 20, 400, 70_000][random.uint32() % 5]!;
  return { code: codes[random.uint32() % codes.length]!, token: bytes(8), options, payload: bytes(longest) };
}

test('whatever the bytes are cut into, the messages are the same, and every prefix waits', async () => {
  await repeat('stream-framing', { quick: 50, full: 20_000 }, (seed) => {
    const random = new SeededRandom(seed);
    const messages = Array.from({ length: 1 + (random.uint32() % 5) }, () => anyMessage(random));
    const whole = concat(...messages.map((one) => frame('length', one)));
    const pieces: Uint8Array[] = [];
    const longest = [1, 3, 50, 5000, 100_000][random.uint32() % 5]!;
    for (let at = 0; at < whole.length; ) {
      const length = 1 + (random.uint32() % longest);
      pieces.push(whole.slice(at, at + length));
      at += length;
    }
    assert.deepEqual(read('length', pieces).map(plain), messages.map(plain));
    const cut = random.uint32() % whole.length;
    const before = read('length', [whole.slice(0, cut)]).map(plain);
    assert.deepEqual(before, messages.map(plain).slice(0, before.length));
    assert.ok(before.length < messages.length);
    return { messages: messages.length };
  });
});

test('bytes of chance are read, wait, or are refused with a typed error', async () => {
  await repeat('stream-framing-chance', { quick: 3000, full: 500_000 }, (seed) => {
    const random = new SeededRandom(seed);
    const bytes = Uint8Array.from({ length: random.uint32() % 64 }, () => random.uint32());
    for (const framing of ['length', 'frame'] as const) {
      try {
        read(framing, [bytes], 1152);
      } catch (error) {
        assert.ok(error instanceof CoapError, String(error));
      }
    }
    return {};
  });
});
