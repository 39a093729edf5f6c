import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CoapError,
  composeUri,
  OptionNumber,
  opaqueOption,
  type Peer,
  parseUri,
  pathOf,
  queryOf,
  stringOption,
  uintOption,
  uriOptions,
} from '../../../src/coap/index.ts';

function peer(address: string, port = 5683): Peer {
  return { key: `${address}:${port}`, address, port };
}

const listed = (uri: string, at: Peer): (readonly [number, string])[] =>
  uriOptions(parseUri(uri), at).map(({ number, value }) => [number, String.fromCharCode(...value)] as const);

test('RFC 7252 6.4: a URI becomes options', () => {
  assert.deepEqual(parseUri('coap://Example.NET:5684/.well-known/core?rt=a&if=b'), {
    scheme: 'coap',
    host: 'example.net',
    port: 5684,
    path: ['.well-known', 'core'],
    query: ['rt=a', 'if=b'],
  });
  assert.deepEqual(listed('coap://example.net/.well-known/core', peer('198.51.100.1')), [
    [3, 'example.net'],
    [11, '.well-known'],
    [11, 'core'],
  ]);
});

test('RFC 7252 6.4, step 5: no Uri-Host for a numeric address', () => {
  assert.deepEqual(listed('coap://198.51.100.1:61616//%2F//?%2F%2F&?%26', peer('198.51.100.1', 61_616)), [
    [11, ''],
    [11, '/'],
    [11, ''],
    [11, ''],
    [15, '//'],
    [15, '?&'],
  ]);
  assert.deepEqual(listed('coap://[2001:db8::2:1]/', peer('2001:db8::2:1')), []);
});

test('RFC 7252 6.4, step 7: Uri-Port when the peer has another port', () => {
  assert.deepEqual(uriOptions(parseUri('coap://198.51.100.1:5684'), peer('198.51.100.1')), [uintOption(OptionNumber.UriPort, 5684)]);
  assert.equal(parseUri('coaps://h').port, 5684);
  assert.equal(parseUri('coap://h:').port, 5683);
});

test('RFC 7252 6.4, step 8: an empty path and a single slash are no Uri-Path', () => {
  for (const uri of ['coap://h', 'coap://h/', 'coap://h/.', 'coap://h/..']) assert.deepEqual(parseUri(uri).path, [], uri);
  assert.deepEqual(parseUri('coap://h/a/').path, ['a', '']);
  assert.deepEqual(parseUri('coap://h/a/./b/../c').path, ['a', 'c']);
  assert.deepEqual(parseUri('coap://h/a/..').path, []);
  assert.deepEqual(parseUri('coap://h?').query, ['']);
});

test('RFC 7252 6.4: percent-encoding is resolved to UTF-8', () => {
  assert.deepEqual(parseUri('coap://h/%E3%81%93?%C3%BC').path, ['こ']);
  assert.deepEqual(parseUri('coap://h/ü').path, ['ü']);
  assert.deepEqual(parseUri('coap://xn--18j4d.example/').host, 'xn--18j4d.example');
});

test('RFC 7252 6.4: what is no CoAP URI', () => {
  for (const uri of [
    '',
    'h/a',
    '/a',
    'coap:/a',
    'http://h/',
    'coap+sctp://h/',
    'coap://h/#f',
    'coap://',
    'coap:///a',
    'coap://h:0/',
    'coap://h:65536/',
    'coap://h:x/',
    'coap://user@h/',
    'coap://[::1/',
    'coap://h/%zz',
    'coap://h/%e',
    'coap://h/%ff',
  ]) {
    assert.throws(() => parseUri(uri), CoapError, uri);
  }
  assert.throws(() => uriOptions(parseUri(`coap://h/${'a'.repeat(256)}`), peer('10.0.0.1')), CoapError);
});

test('RFC 7252 6.5: options become a URI', () => {
  assert.equal(composeUri([], peer('2001:db8::2:1')), 'coap://[2001:db8::2:1]/');
  assert.equal(composeUri([stringOption(OptionNumber.UriHost, 'example.net')], peer('2001:db8::2:1')), 'coap://example.net/');
  assert.equal(
    composeUri(
      [stringOption(OptionNumber.UriHost, 'example.net'), stringOption(OptionNumber.UriPath, '.well-known'), stringOption(OptionNumber.UriPath, 'core')],
      peer('2001:db8::2:1'),
    ),
    'coap://example.net/.well-known/core',
  );
  assert.equal(
    composeUri([stringOption(OptionNumber.UriHost, 'xn--18j4d.example'), stringOption(OptionNumber.UriPath, 'こんにちは')], peer('2001:db8::2:1')),
    'coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF',
  );
  const path = ['', '/', '', ''].map((segment) => stringOption(OptionNumber.UriPath, segment));
  const query = ['//', '?&'].map((argument) => stringOption(OptionNumber.UriQuery, argument));
  assert.equal(composeUri([...path, ...query], peer('198.51.100.1', 61_616)), 'coap://198.51.100.1:61616//%2F//?//&?%26');
});

test('RFC 7252 6.5, step 2: a Uri-Host that is no host', () => {
  assert.throws(() => composeUri([stringOption(OptionNumber.UriHost, 'a/b')], peer('10.0.0.1')), CoapError);
  assert.throws(() => composeUri([opaqueOption(OptionNumber.UriHost, Uint8Array.of(0xff))], peer('10.0.0.1')), { code: 'ERR_BYTES_UTF8' });
});

test('RFC 7252 6.4 and 6.5: options survive the way through a URI', () => {
  // Dot segments are the exception: a URI cannot hold them.
  const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((segment) => segment !== '.' && segment !== '..');
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), fc.array(text, { maxLength: 3 }), (path, query) => {
      // One empty segment is the path "/", which means no segment.
      fc.pre(!(path.length === 1 && path[0] === ''));
      const at = peer('10.0.0.1', 5700);
      const options = [...path.map((s) => stringOption(OptionNumber.UriPath, s)), ...query.map((a) => stringOption(OptionNumber.UriQuery, a))];
      const again = uriOptions(parseUri(composeUri(options, at)), at);
      assert.deepEqual(pathOf(again), path);
      assert.deepEqual(queryOf(again), query);
    }),
    { numRuns: 200 },
  );
});

for (const [scheme, port] of [
  ['coap+tcp', 5683],
  ['coaps+tcp', 5684],
  ['coap+ws', 80],
  ['coaps+ws', 443],
] as const) {
  test(`RFC 8323 8: ${scheme} URIs and their default port ${port}`, () => {
    const at = { ...peer('10.0.0.1'), port, scheme };
    for (const text of [`${scheme}://h/sensors/temperature?u=Cel`, `${scheme.toUpperCase()}://h:/sensors/temperature?u=Cel`]) {
      const uri = parseUri(text);
      assert.deepEqual({ scheme: uri.scheme, host: uri.host, port: uri.port }, { scheme, host: 'h', port });
      assert.equal(composeUri(uriOptions(uri, at), at), `${scheme}://h/sensors/temperature?u=Cel`);
    }
    const other = parseUri(`${scheme}://[2001:db8::1]:1234/a`);
    const there = { key: 'k', address: '2001:db8::1', port: 1234, scheme };
    assert.deepEqual(
      uriOptions(other, there).map(({ number }) => number),
      [OptionNumber.UriPath],
    );
    assert.equal(composeUri(uriOptions(other, there), there), `${scheme}://[2001:db8::1]:1234/a`);
    // Behind a peer of another port, Uri-Port tells it (Section 8.6, step 7).
    assert.deepEqual(
      uriOptions(other, at).map(({ number }) => number),
      [OptionNumber.UriPort, OptionNumber.UriPath],
    );
  });
}

test('RFC 8323 8.5: without Uri-Host, the host is the name that the connection goes by', () => {
  const at = { key: 'k', address: '10.0.0.1', port: 443, scheme: 'coaps+ws', host: 'h.example' } as const;
  assert.equal(composeUri([], at), 'coaps+ws://h.example/');
});
