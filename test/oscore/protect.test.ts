import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Code,
  findOption,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  pathOptions,
  type Request,
  type Response,
  stringOption,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import {
  decodeOscoreOption,
  decodePartialIv,
  encodePartialIv,
  protectRequest,
  protectResponse,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { pair, peer, request } from './support.ts';

function header(message: Request | Response): Uint8Array {
  return findOption(message.options, OptionNumber.Oscore)!.value;
}

function receive(message: Request, context: SecurityContext) {
  return unprotectRequest(message, decodeOscoreOption(header(message)), context);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice();
  changed[bit >>> 3] = changed[bit >>> 3]! ^ (1 << (bit & 7));
  return changed;
}

function withHeader<M extends Request | Response>(message: M, value: Uint8Array): M {
  return { ...message, options: message.options.map((option) => (option.number === OptionNumber.Oscore ? { number: option.number, value } : option)) };
}

test('RFC 8613 4.2 and 4.1.3.5: Outer Codes and the Observe option of requests and responses', () => {
  const { client, server } = pair();
  const plain = protectRequest(request(client, Method.PUT, [], 'on'), client, 0);
  assert.equal(plain.message.code, Method.POST);
  for (const value of [0, 1]) {
    const observe = uintOption(OptionNumber.Observe, value);
    const { message } = protectRequest(request(client, Method.GET, [observe]), client, 1);
    assert.equal(message.code, Method.FETCH);
    assert.deepEqual(findOption(message.options, OptionNumber.Observe), observe);
    assert.deepEqual(receive(message, server).request.options, [observe]);
  }
  const { binding } = receive(plain.message, server);
  assert.equal(protectResponse({ code: Code.NotFound, options: [], payload: emptyBytes }, server, binding).code, Code.Changed);
  const notification = protectResponse({ code: Code.Content, options: [uintOption(OptionNumber.Observe, 7)], payload: utf8('21') }, server, binding, 5);
  assert.equal(notification.code, Code.Content);
  assert.deepEqual(findOption(notification.options, OptionNumber.Observe), uintOption(OptionNumber.Observe, 7));
  const { response, sequence } = unprotectResponse(notification, client, plain.binding);
  assert.equal(sequence, 5);
  assert.deepEqual(response.options, [uintOption(OptionNumber.Observe, 0)], 'the Inner one is empty');
});

test('RFC 8613 4.1.3.5.1: an Outer Observe that somebody else changed is not believed', () => {
  const { client, server } = pair();
  const observed = (inner: number | undefined, outer: number | undefined): number | undefined => {
    const options = inner === undefined ? [] : [uintOption(OptionNumber.Observe, inner)];
    const { message } = protectRequest(request(client, Method.GET, options), client, 0);
    const rest = message.options.filter(({ number }) => number !== OptionNumber.Observe);
    const changed = { ...message, options: outer === undefined ? rest : [uintOption(OptionNumber.Observe, outer), ...rest] };
    const option = findOption(receive(changed, server).request.options, OptionNumber.Observe);
    return option === undefined ? undefined : option.value.length;
  };
  assert.equal(observed(0, 0), 0);
  assert.equal(observed(undefined, 0), undefined, 'no registration from outside');
  assert.equal(observed(undefined, 1), undefined);
  assert.equal(observed(0, undefined), undefined, 'the way back carries one response only');
  assert.equal(observed(0, 1), undefined);
  assert.equal(observed(1, undefined), 1, 'a cancellation is one');
});

test('RFC 8613 4.1.3.3: Proxy-Uri is taken apart', () => {
  const { client, server } = pair();
  const proxied = (uri: string) => protectRequest(request(client, Method.GET, [stringOption(OptionNumber.ProxyUri, uri)]), client, 0).message;
  const message = proxied('coap://example.com/resource?q=1');
  assert.deepEqual(findOption(message.options, OptionNumber.ProxyUri), stringOption(OptionNumber.ProxyUri, 'coap://example.com'));
  const original = receive(message, server).request.options;
  assert.deepEqual(original, [
    stringOption(OptionNumber.UriPath, 'resource'),
    stringOption(OptionNumber.UriQuery, 'q=1'),
    stringOption(OptionNumber.ProxyUri, 'coap://example.com'),
  ]);
  const inner = (uri: string): Option[] => receive(proxied(uri), server).request.options.filter(({ number }) => number !== OptionNumber.ProxyUri);
  assert.deepEqual(inner('coap://[2001:db8::1]:61616/'), []);
  assert.deepEqual(inner('coap://example.com'), []);
  assert.deepEqual(inner('coap://example.com/a%2Fb//c?d&e%26'), [
    ...pathOptions(['a/b', '', 'c']),
    stringOption(OptionNumber.UriQuery, 'd'),
    stringOption(OptionNumber.UriQuery, 'e&'),
  ]);
  // RFC 7252 §6.4 and §6.5: lower case, no default port, no dot segments; of HTTP likewise.
  const outer = (uri: string): string => fromUtf8(findOption(proxied(uri).options, OptionNumber.ProxyUri)!.value);
  assert.deepEqual(inner('COAP://EXAMPLE.com:5683/a/./b/../c'), pathOptions(['a', 'c']));
  assert.equal(outer('COAP://EXAMPLE.com:5683/a/./b/../c'), 'coap://example.com');
  assert.equal(outer('coaps://example.com:5683/'), 'coaps://example.com:5683');
  assert.equal(outer('coap+tcp://[2001:DB8::1]:61616/x'), 'coap+tcp://[2001:db8::1]:61616');
  assert.equal(outer('coap://caf%C3%A9.example/x'), 'coap://caf%C3%A9.example');
  assert.equal(outer('http://example.com:80/orders'), 'http://example.com');
  assert.equal(outer('https://example.com:8443/orders'), 'https://example.com:8443');
  assert.deepEqual(inner('https://example.com/orders?all'), [...pathOptions(['orders']), stringOption(OptionNumber.UriQuery, 'all')]);
  for (const uri of ['/resource', 'coap:resource', 'coap://h/%ff', 'coap://h/a#b', 'coap://user@h/a', 'http://user@h/a', 'coap://', 'ftp://h/a', ''])
    assert.throws(() => proxied(uri), { code: 'ERR_OSCORE_PROXY_URI' }, uri);
});

test('RFC 7252 5.10.2, RFC 8613 4.1.3.3: nothing else names a target beside Proxy-Uri', () => {
  const { client } = pair();
  const proxyUri = stringOption(OptionNumber.ProxyUri, 'coap://example.com/resource');
  const { UriHost, UriPort, UriPath, UriQuery } = OptionNumber;
  for (const number of [UriHost, UriPort, UriPath, UriQuery])
    assert.throws(() => protectRequest(request(client, Method.GET, [stringOption(number, 'a'), proxyUri]), client, 0), { code: 'ERR_OSCORE_PROXY_URI' });
});

test('RFC 8613 4.1.3.7: OSCORE is not nested', () => {
  const { client, server } = pair();
  const inside = [opaqueOption(OptionNumber.Oscore, emptyBytes)];
  assert.throws(() => protectRequest(request(client, Method.GET, inside), client, 0), { code: 'ERR_OSCORE_NESTED' });
  const { binding } = protectRequest(request(client), client, 0);
  assert.throws(() => protectResponse({ code: Code.Content, options: inside, payload: emptyBytes }, server, binding), { code: 'ERR_OSCORE_NESTED' });
});

test('RFC 8613 5: Partial IVs are shortest', () => {
  for (const [sequence, hex] of [
    [0, '00'],
    [1, '01'],
    [255, 'ff'],
    [256, '0100'],
    [2 ** 31, '80000000'],
    [2 ** 32 - 1, 'ffffffff'],
    [2 ** 32, '0100000000'],
    [2 ** 40 - 1, 'ffffffffff'],
  ] as const) {
    assert.equal(toHex(encodePartialIv(sequence)), hex);
    assert.equal(decodePartialIv(fromHex(hex)), sequence);
  }
  for (const sequence of [2 ** 40, -1, 0.5, Number.NaN]) assert.throws(() => encodePartialIv(sequence), { code: 'ERR_OSCORE_SEQUENCE' });
});

test('RFC 8613 8: request and response come back, with every AEAD, both hashes and numbers of all lengths', () => {
  for (const aead of [1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33]) {
    for (const hkdf of [5, 7]) {
      const { client, server } = pair({ aead, hkdf });
      for (const sequence of [0, 256, 2 ** 16, 2 ** 31, 2 ** 32 + 1, 2 ** 40 - 1]) {
        const sent = protectRequest(request(client, Method.POST, pathOptions(['a']), 'question'), client, sequence);
        const received = receive(sent.message, server);
        assert.equal(received.sequence, sequence);
        assert.equal(received.request.code, Method.POST);
        assert.deepEqual(received.request.payload, utf8('question'));
        for (const own of [undefined, sequence]) {
          const answer = protectResponse({ code: Code.Content, options: [], payload: utf8('answer') }, server, received.binding, own);
          const { response, sequence: got } = unprotectResponse({ ...answer, peer }, client, sent.binding);
          assert.equal(got, own);
          assert.equal(response.code, Code.Content);
          assert.equal(response.peer, peer);
          assert.deepEqual(response.payload, utf8('answer'));
        }
      }
    }
  }
});

test('RFC 8613 5.1: kid context goes with requests of a context that has an ID Context', () => {
  const idContext = fromHex('37cbf3210017a2d3');
  const { client } = pair({ idContext });
  assert.deepEqual(decodeOscoreOption(header(protectRequest(request(client), client, 0).message)).kidContext, idContext);
  assert.equal(decodeOscoreOption(header(protectRequest(request(pair().client), pair().client, 0).message)).kidContext, undefined);
});

test('RFC 8613 12.6: a request with any bit of option or ciphertext changed does not verify', () => {
  const { client, server } = pair();
  const { message } = protectRequest(request(client, Method.PUT, pathOptions(['led']), 'on'), client, 300);
  const value = header(message);
  for (let bit = 0; bit < message.payload.length * 8; bit++)
    assert.throws(() => receive({ ...message, payload: flipped(message.payload, bit) }, server), {
      code: 'ERR_OSCORE_DECRYPT',
      message: 'expected a message that verifies, got one that does not',
    });
  for (let bit = 0; bit < value.length * 8; bit++) {
    const changed = withHeader(message, flipped(value, bit));
    let kid: Uint8Array | undefined;
    try {
      kid = decodeOscoreOption(header(changed)).kid;
    } catch {
      continue;
    }
    if (kid === undefined || toHex(kid) !== toHex(server.recipientId)) continue;
    assert.throws(() => receive(changed, server), /that verifies/, `bit ${bit}`);
  }
  for (let length = 1; length < message.payload.length; length++)
    assert.throws(() => receive({ ...message, payload: message.payload.subarray(0, length) }, server), { code: 'ERR_OSCORE_DECRYPT' });
  assert.throws(() => receive({ ...message, payload: emptyBytes }, server), { code: 'ERR_OSCORE_DECODE' });
  assert.equal(receive(message, server).sequence, 300);
});

test('RFC 8613 12.6: a response with any bit of option or ciphertext changed does not verify', () => {
  const { client, server } = pair();
  const { message, binding } = protectRequest(request(client), client, 20);
  for (const own of [undefined, 7]) {
    const answer = protectResponse({ code: Code.Content, options: [], payload: utf8('21 C') }, server, receive(message, server).binding, own);
    for (let bit = 0; bit < answer.payload.length * 8; bit++)
      assert.throws(() => unprotectResponse({ ...answer, payload: flipped(answer.payload, bit) }, client, binding), { code: 'ERR_OSCORE_DECRYPT' });
    const value = header(answer);
    for (let bit = 0; bit < value.length * 8; bit++)
      assert.throws(() => unprotectResponse(withHeader(answer, flipped(value, bit)), client, binding), /ERR_OSCORE|verifies|expected/, `bit ${bit}`);
    assert.throws(() => unprotectResponse({ ...answer, payload: emptyBytes }, client, binding), { code: 'ERR_OSCORE_DECODE' });
    assert.throws(() => unprotectResponse({ ...answer, options: [] }, client, binding), { code: 'ERR_OSCORE_DECODE' });
  }
});

test('RFC 8613 7.1: a response verifies for its own request only', () => {
  const { client, server } = pair();
  const first = protectRequest(request(client), client, 1);
  const second = protectRequest(request(client), client, 2);
  const answer = (own?: number) =>
    protectResponse({ code: Code.Content, options: [], payload: utf8('1') }, server, receive(first.message, server).binding, own);
  for (const own of [undefined, 9]) {
    assert.throws(() => unprotectResponse(answer(own), client, second.binding), { code: 'ERR_OSCORE_DECRYPT' });
    assert.equal(unprotectResponse(answer(own), client, first.binding).sequence, own);
  }
});

test('RFC 8613 4.2: the code inside is one of the direction', () => {
  const { client, server } = pair();
  const odd = protectRequest(request(client, Code.Content), client, 0);
  assert.throws(() => receive(odd.message, server), { code: 'ERR_OSCORE_PLAINTEXT' });
  const { message, binding } = protectRequest(request(client), client, 1);
  const answer = protectResponse({ code: Method.GET, options: [], payload: emptyBytes }, server, receive(message, server).binding);
  assert.throws(() => unprotectResponse(answer, client, binding), { code: 'ERR_OSCORE_PLAINTEXT' });
});

test('RFC 8613 5.3: a plaintext that is no CoAP message is refused, though it verifies', () => {
  const { client, server } = pair();
  const { message, binding } = protectRequest(request(client), client, 0);
  for (const plaintext of ['', '01ff', '01f0', '0171', '01d0']) {
    const payload = client.sender.aead.seal(binding.nonce, binding.aad, fromHex(plaintext));
    assert.throws(() => receive({ ...message, payload }, server), { code: 'ERR_OSCORE_PLAINTEXT' }, plaintext);
  }
});

test('inputs are borrowed: nothing that is received is written to, nothing that is kept is a view of it', () => {
  const { client, server } = pair();
  const { message } = protectRequest(request(client), client, 77);
  const value = header(message).slice();
  const payload = message.payload.slice();
  const received = receive(withHeader({ ...message, payload }, value), server);
  const before = [toHex(received.binding.aad), toHex(received.binding.nonce)];
  assert.equal(toHex(payload), toHex(message.payload));
  value.fill(0);
  payload.fill(0);
  assert.deepEqual([toHex(received.binding.aad), toHex(received.binding.nonce)], before);
});
