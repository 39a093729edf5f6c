import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acceptOfField, contentOfFormat, formatOfContent, HttpMappingError, looseMediaTypes } from '../../../src/coap/index.ts';

const strict = (contentType: string, contentEncoding?: string): number | undefined =>
  formatOfContent({ contentType, ...(contentEncoding === undefined ? {} : { contentEncoding }) });

describe('RFC 8075 6: media types', () => {
  const exact: readonly (readonly [mediaType: string, number: number | undefined])[] = [
    ['text/plain;charset=utf-8', 0],
    ['text/plain', 0],
    ['Text/Plain ; Charset="UTF-8"', 0],
    ['text/plain; charset=us-ascii', 0],
    ['text/plain; charset=iso-8859-1', undefined],
    ['application/json; charset=utf-8', 50],
    ['application/json; charset=utf-16', undefined],
    ['application/link-format', 40],
    ['application/xml', 41],
    ['application/octet-stream', 42],
    ['application/exi', 47],
    ['application/cbor', 60],
    ['application/cose; cose-type="cose-encrypt0"', 16],
    ['application/cose; cose-type=cose-sign1', 18],
    ['application/coap-group+json', 256],
    ['application/senml+json', 110],
    ['unknown/media-type', undefined],
    ['application/json; profile=x', undefined],
    ['application/cbor; a', undefined],
    ['application', undefined],
    ['application/', undefined],
    ['application /json', undefined],
    ['', undefined],
  ];
  for (const [mediaType, number] of exact) test(`6.4: "${mediaType}" is ${number}`, () => assert.equal(strict(mediaType), number));

  test('6.1: the content coding is a part of a Content-Format', () => {
    assert.equal(strict('application/json', 'deflate'), 11050);
    assert.equal(strict('application/cbor', 'Deflate'), 11060);
    assert.equal(strict('application/cbor', 'identity'), 60);
    assert.equal(strict('application/cbor', 'gzip'), undefined);
    assert.deepEqual(contentOfFormat(11060), { contentType: 'application/cbor', contentEncoding: 'deflate' });
  });

  const generalized: readonly (readonly [mediaType: string, number: number | undefined])[] = [
    ['application/soap+xml', 41],
    ['text/xml', 41],
    ['application/somesubtype+json', 50],
    ['application/somesubtype+cbor', 60],
    ['application/senml+cbor', 112],
    ['text/html', 0],
    ['text/html; charset=iso-8859-1', undefined],
    ['application/x-www-form-urlencoded', 42],
    ['application/+json', 42],
    [' nonsense', undefined],
  ];
  for (const [mediaType, number] of generalized) {
    test(`6.3, Table 1: "${mediaType}" is ${number} where the mapping is loose`, () =>
      assert.equal(formatOfContent({ contentType: mediaType }, { loose: looseMediaTypes }), number));
  }

  test('6.2: a Content-Format that is not known is application/coap-payload, which comes back only where that is permitted', () => {
    assert.deepEqual(contentOfFormat(65000), { contentType: 'application/coap-payload;cf=65000' });
    assert.equal(strict('application/coap-payload;cf=65000'), undefined);
    const taken = (contentType: string): number | undefined => formatOfContent({ contentType }, { coapPayload: true, loose: looseMediaTypes });
    assert.equal(taken('application/coap-payload; cf=65000'), 65000);
    assert.equal(taken('application/coap-payload; cf=65536'), undefined);
    assert.equal(taken('application/coap-payload'), undefined);
  });

  test('every Content-Format comes back from its media type', () => {
    for (let number = 0; number < 0x1_0000; number++) assert.equal(formatOfContent(contentOfFormat(number), { coapPayload: true }), number);
  });
});

describe('RFC 8075 6.1, RFC 7252 10.2.2: Accept', () => {
  const cases: readonly (readonly [field: string, number: number | undefined])[] = [
    ['*/*', undefined],
    ['', undefined],
    ['application/cbor', 60],
    ['application/cbor;q=0.5, application/json', 50],
    ['application/json, application/cbor', 50],
    ['application/json;q=0, application/cbor;q=0.1', 60],
    ['text/html, application/xml;q=0.9', 41],
    ['text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8', undefined],
    ['application/json, */*;q=0', 50],
    ['text/*', undefined],
    ['image/*, application/cbor;q=0.2', 60],
    ['application/cose; cose-type="cose-sign1"; q=0.7', 18],
    ['application/vnd.unknown', undefined],
  ];
  for (const [field, number] of cases) test(`"${field}" is ${number}`, () => assert.equal(acceptOfField(field), number));

  test('6.2: application/coap-payload is refused where it is not permitted', () => {
    assert.throws(() => acceptOfField('application/coap-payload;cf=60000'), { code: 'ERR_COAP_HTTP', status: 406 });
    assert.equal(acceptOfField('application/coap-payload;cf=60000', { coapPayload: true }), 60000);
  });

  test('a field that is as long as a hostile client can make it costs no more than its length', () => {
    const length = 0x1_0000;
    const started = performance.now();
    assert.equal(acceptOfField(`a/b${' '.repeat(length)}c`), undefined);
    assert.throws(() => acceptOfField(`"${'\\"'.repeat(length / 2)}`), { status: 400 });
    assert.ok(performance.now() - started < 1000, `${performance.now() - started} ms`);
  });

  test('what is no list of media ranges is a bad request', () => {
    for (const field of ['json', 'application/json; q=2, x', ';', '"a', 'a/b, ,/'])
      assert.throws(
        () => acceptOfField(field),
        (error) => error instanceof HttpMappingError && error.status === 400,
        field,
      );
  });
});
