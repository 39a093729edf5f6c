import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  Code,
  composeUri,
  HttpMappingError,
  type HttpRequest,
  Method,
  type Option,
  OptionNumber,
  toCoapRequest,
  toHttpResponse,
} from '../../../src/coap/index.ts';
import { fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { holds } from '../../support/property.ts';

function http(method: string, headers: HttpRequest['headers'] = {}, body = '', url = '/light?on'): HttpRequest {
  return { method, url, headers, body: utf8(body) };
}

const bare = [
  [OptionNumber.UriPath, 'light'],
  [OptionNumber.UriQuery, 'on'],
];

function shown(options: readonly Option[]): (readonly [number, string])[] {
  const texts: readonly number[] = [OptionNumber.UriPath, OptionNumber.UriQuery];
  return options.map(({ number, value }) => [number, texts.includes(number) ? fromUtf8(value) : toHex(value)]);
}

const refused = (request: HttpRequest, status: number, message?: string): void =>
  assert.throws(
    () => toCoapRequest(request),
    (error) => error instanceof HttpMappingError && error.code === 'ERR_COAP_HTTP' && error.status === status,
    message,
  );

describe('RFC 7252 10.2: an HTTP request as a CoAP request', () => {
  const methods: readonly (readonly [section: string, method: string, code: number])[] = [
    ['10.2.2', 'GET', Method.GET],
    ['10.2.3', 'HEAD', Method.GET],
    ['10.2.4', 'POST', Method.POST],
    ['10.2.5', 'PUT', Method.PUT],
    ['10.2.6', 'DELETE', Method.DELETE],
    ['RFC 8132', 'PATCH', Method.PATCH],
    ['RFC 8132', 'iPATCH', Method.iPATCH],
  ];
  for (const [section, method, code] of methods) {
    test(`${section}: ${method}`, () => {
      const request = toCoapRequest(http(method));
      assert.equal(request.code, code);
      assert.deepEqual(shown(request.options), bare);
    });
  }

  test('RFC 8132 2.3.1: FETCH, and QUERY, which is its name in HTTP, with a Content-Format', () => {
    for (const method of ['FETCH', 'QUERY']) {
      const request = toCoapRequest(http(method, { 'content-type': 'application/json' }, '[]'));
      assert.equal(request.code, Method.FETCH);
      assert.deepEqual(shown(request.options).slice(1), [[OptionNumber.ContentFormat, '32'], bare[1]]);
      refused(http(method), 415);
    }
  });

  for (const method of ['OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'BREW', '']) test(`10.2.1, 10.2.7: "${method}" is a 501`, () => refused(http(method), 501));

  test('10.2.2: conditions and Accept become options, in their order', () => {
    const get = toCoapRequest(http('GET', { accept: 'application/cbor', 'if-none-match': '"0a0b", W/"0c", "not-ours", "0A"', 'if-match': '"ff"' }));
    assert.deepEqual(shown(get.options), [
      [OptionNumber.IfMatch, 'ff'],
      [OptionNumber.ETag, '0a0b'],
      [OptionNumber.ETag, '0c'],
      ...bare,
      [OptionNumber.Accept, '3c'],
    ]);
    const put = toCoapRequest(http('PUT', { 'if-none-match': '*', 'content-type': 'text/plain' }, 'x'));
    assert.deepEqual(shown(put.options), [[OptionNumber.IfNoneMatch, ''], bare[0], [OptionNumber.ContentFormat, ''], bare[1]]);
    assert.deepEqual(shown(toCoapRequest(http('PUT', { 'if-match': ' * ' })).options)[0], [OptionNumber.IfMatch, '']);
    assert.deepEqual(shown(toCoapRequest(http('GET', { 'if-none-match': '*' })).options), bare, 'GET of CoAP has no such condition');
  });

  test('RFC 9110 13.1.1, 8.8.3.2: If-Match compares strongly, and a tag that CoAP cannot have is that of no resource', () => {
    for (const field of ['W/"0a"', '"etag"', '"00112233445566778899"', '""']) refused(http('PUT', { 'if-match': field }), 412, field);
    for (const field of ['0a', '"0a', '"a"b"', '*, "0a"']) refused(http('PUT', { 'if-match': field }), 400, field);
    refused(http('PUT', { 'if-none-match': '"0a"' }), 400);
    refused(http('GET', { 'if-none-match': Array(9).fill('"0a"').join() }), 400);
    assert.deepEqual(shown(toCoapRequest(http('PUT', { 'if-match': ['"0a"', '"0b"'] })).options).slice(0, 2), [
      [1, '0a'],
      [1, '0b'],
    ]);
  });

  test('10.2.2: conditions on dates, and all else that CoAP has no word for, are left away', () => {
    const others = {
      'if-modified-since': 'Sat, 29 Oct 1994 19:43:31 GMT',
      range: 'bytes=0-3',
      cookie: 'a=b',
      te: 'trailers',
      connection: 'close',
      via: '1.1 x',
      'x-forwarded-for': '10.0.0.1',
    };
    assert.deepEqual(shown(toCoapRequest(http('GET', others)).options), bare);
  });

  test('RFC 8075 6.1: a body whose type has no Content-Format is a 415', () => {
    refused(http('POST', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=b'), 415);
    refused(http('POST', { 'content-type': 'application/cbor', 'content-encoding': 'gzip' }, 'x'), 415);
    refused(http('POST', { 'content-encoding': 'gzip' }, 'x'), 415);
    const form = http('POST', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=b');
    assert.throws(() => toCoapRequest(form), /got "application\/x-www-form-urlencoded"$/, 'curl -d says so of itself: whoever typed it is told');
    const packed = http('POST', { 'content-type': 'application/cbor', 'content-encoding': 'gzip' }, 'x');
    assert.throws(() => toCoapRequest(packed), /got "application\/cbor" with "gzip"$/);
    assert.throws(() => toCoapRequest(http('FETCH')), /got none$/);
    assert.throws(
      () => toCoapRequest(http('POST', { 'content-type': `a/${'b'.repeat(500)}` }, 'x')),
      ({ message }: Error) => message.length < 250,
    );
    assert.deepEqual(shown(toCoapRequest(http('POST', {}, 'x')).options), bare, 'without a type it goes on without a Content-Format');
    assert.deepEqual(shown(toCoapRequest(http('POST', { 'content-type': 'a/b' })).options), bare, 'without a body there is no type');
  });

  test('bodies of 1 byte and of 64 KiB; one more is a 413; GET and DELETE have none', () => {
    assert.equal(toCoapRequest(http('PUT', {}, 'x')).payload.length, 1);
    assert.equal(toCoapRequest(http('PUT', {}, 'x'.repeat(65_536))).payload.length, 65_536);
    refused(http('PUT', {}, 'x'.repeat(65_537)), 413);
    for (const method of ['GET', 'HEAD', 'DELETE']) refused(http(method, {}, 'x'), 400);
  });

  test('RFC 7252 6.4: path and query of the request target', () => {
    const optionsOf = (url: string): unknown => shown(toCoapRequest(http('GET', {}, '', url)).options);
    assert.deepEqual(optionsOf('/'), []);
    assert.deepEqual(optionsOf('http://gateway.example/light?on'), bare);
    assert.deepEqual(optionsOf('/a%2Fb//%C3%BC?x=%26&y'), [
      [11, 'a/b'],
      [11, ''],
      [11, 'ü'],
      [15, 'x=&'],
      [15, 'y'],
    ]);
    assert.deepEqual(optionsOf('/a/../light/.'), [
      [11, 'light'],
      [11, ''],
    ]);
    for (const url of ['light', '*', '/%', '/%zz', '/%ff', '/#f', '']) if (url !== '') refused(http('GET', {}, '', url), 400, url);
    refused(http('GET', {}, '', `/${'x'.repeat(256)}`), 414);
    assert.equal(optionsOf(`/${'x'.repeat(255)}`) !== undefined, true);
  });

  test('any request gives a CoAP request or a status of 4xx or 501', async () => {
    const field = fc.oneof(fc.string(), fc.constantFrom('*', '"0a"', 'text/plain', 'application/json;q=0.5, */*;q=0', 'W/"", "'));
    const headers = fc.record(
      { accept: field, 'content-type': field, 'content-encoding': field, 'if-match': field, 'if-none-match': field },
      { requiredKeys: [] },
    );
    const method = fc.oneof(fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'QUERY'), fc.string());
    await holds(
      'http-request',
      { quick: 100, full: 20_000 },
      fc.property(method, fc.oneof(fc.webPath(), fc.string()), headers, fc.string(), (name, url, fields, body) => {
        try {
          const { options, code } = toCoapRequest(http(name, fields, body, url));
          assert.ok(code >= Method.GET && code <= Method.iPATCH);
          for (const [index, { number, value }] of options.entries()) assert.ok(value.length <= 255 && number >= (options[index - 1]?.number ?? 0));
          assert.ok(
            composeUri(
              options.filter(({ number }) => number === 11 || number === 15),
              { key: '', address: '::1', port: 1 },
            ).startsWith('coap://[::1]:1/'),
          );
        } catch (error) {
          assert.ok(error instanceof HttpMappingError, String(error));
          assert.ok((error.status >= 400 && error.status < 500) || error.status === 501);
        }
      }),
    );
  });

  test('any response gives an HTTP response whose header fields are of one line', async () => {
    const option = fc.record({ number: fc.constantFrom(4, 8, 12, 14, 20, 128, 2000), value: fc.uint8Array({ maxLength: 9 }) });
    const code = fc.oneof(fc.constantFrom(...Object.values(Code)), fc.integer({ min: 64, max: 191 }));
    await holds(
      'http-response',
      { quick: 100, full: 20_000 },
      fc.property(code, fc.array(option, { maxLength: 4 }), fc.uint8Array(), (number, options, payload) => {
        const sorted = [...options].sort((a, b) => a.number - b.number);
        const { status, headers, reason = '' } = toHttpResponse({ code: number, options: sorted, payload }, { method: 'GET' });
        assert.ok(status >= 200 && status < 600);
        for (const value of [...Object.values(headers), reason]) assert.match(value, /^[ -~]*$/);
      }),
    );
  });
});
