import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  ContentFormat,
  encodeProblemDetails,
  formatCode,
  locationOptions,
  type Option,
  OptionNumber,
  opaqueOption,
  type Response,
  toHttpResponse,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../../src/core/bytes.ts';

const response = (code: number, options: readonly Option[] = [], payload = ''): Response => ({ code, options, payload: utf8(payload) });
const got = (code: number, options: readonly Option[] = [], payload = '') => toHttpResponse(response(code, options, payload), { method: 'GET' });
const maxAge = (seconds: number): Option => uintOption(OptionNumber.MaxAge, seconds);
const format = (number: number): Option => uintOption(OptionNumber.ContentFormat, number);

describe('RFC 8075 7, Table 2: response codes', () => {
  const rows: readonly (readonly [code: number, status: number, withPayload?: number])[] = [
    [Code.Created, 201],
    [Code.Deleted, 204, 200],
    [Code.Valid, 304],
    [Code.Changed, 204, 200],
    [Code.Content, 200],
    [Code.Continue, 502],
    [Code.BadRequest, 400],
    [Code.Unauthorized, 403],
    [Code.BadOption, 500],
    [Code.Forbidden, 403],
    [Code.NotFound, 404],
    [Code.MethodNotAllowed, 400],
    [Code.NotAcceptable, 406],
    [Code.RequestEntityIncomplete, 502],
    [Code.Conflict, 409],
    [Code.PreconditionFailed, 412],
    [Code.RequestEntityTooLarge, 413],
    [Code.UnsupportedContentFormat, 415],
    [Code.UnprocessableEntity, 422],
    [Code.TooManyRequests, 429],
    [Code.InternalServerError, 500],
    [Code.NotImplemented, 501],
    [Code.BadGateway, 502],
    [Code.ServiceUnavailable, 503],
    [Code.GatewayTimeout, 504],
    [Code.ProxyingNotSupported, 502],
    [Code.HopLimitReached, 508],
    // RFC 7252 5.9: of classes only.
    [0x5e, 204, 200],
    [0x9a, 400],
    [0xbf, 500],
  ];
  for (const [code, status, withPayload = status] of rows) {
    test(`${formatCode(code)} is ${status}${withPayload === status ? '' : `, with a payload ${withPayload}`}`, () => {
      assert.equal(got(code).status, status);
      assert.equal(got(code, [], 'x').status, withPayload);
    });
  }
  test('the table has every code', () => {
    for (const code of Object.values(Code))
      assert.ok(
        rows.some(([row]) => row === code),
        formatCode(code),
      );
  });

  test('Note 1: a payload of 2.01 is returned, and Location is what the Location options say', () => {
    const created = got(Code.Created, locationOptions('/log/a%20b?v=1'), 'made');
    assert.deepEqual([created.headers['location'], fromUtf8(created.body)], ['/log/a%20b?v=1', 'made']);
    assert.equal(got(Code.Created).headers['location'], undefined);
    const elsewhere = toHttpResponse(response(Code.Created, locationOptions('/log/7')), { method: 'POST', location: (path) => `/hc/coap://s${path}` });
    assert.equal(elsewhere.headers['location'], '/hc/coap://s/log/7');
    assert.equal(got(Code.Created, [{ number: 8, value: utf8('..') }]).status, 502, 'a location that is none');
  });

  test('Note 3: 304 has the fields that a 200 would have, and no body', () => {
    const valid = got(Code.Valid, [opaqueOption(OptionNumber.ETag, Uint8Array.of(0xa, 0xff)), maxAge(7)], 'x');
    assert.deepEqual([valid.headers['etag'], valid.headers['cache-control'], valid.headers['vary'], valid.body.length], ['"0aff"', 'max-age=7', 'accept', 0]);
  });

  test('Note 6: 4.02 is a 400 only where the server names an option that was a header field', () => {
    const bad = (...unprocessedCoapOption: readonly number[]) => {
      const payload = encodeProblemDetails({ title: 'no', unprocessedCoapOption });
      return toHttpResponse({ code: Code.BadOption, options: [format(ContentFormat.ConciseProblemDetails)], payload }, { method: 'GET' }).status;
    };
    assert.deepEqual(
      [bad(OptionNumber.Accept), bad(OptionNumber.IfMatch, OptionNumber.IfNoneMatch), bad(OptionNumber.Accept, OptionNumber.Block1)],
      [400, 400, 500],
    );
  });

  test('Note 7: 4.05 says so in its reason phrase', () => assert.match(got(Code.MethodNotAllowed).reason ?? '', /^CoAP server returned 4\.05/));

  test('Note 8: Retry-After is Max-Age, if there is one', () => {
    assert.equal(got(Code.ServiceUnavailable, [maxAge(9)]).headers['retry-after'], '9');
    assert.equal(got(Code.ServiceUnavailable).headers['retry-after'], undefined);
    assert.equal(got(Code.TooManyRequests, [maxAge(3)]).headers['retry-after'], '3');
    assert.equal(got(Code.NotFound, [maxAge(3)]).headers['retry-after'], undefined);
  });
});

describe('header fields of a response', () => {
  test('RFC 7252 10.2.2: Content-Type, Content-Encoding, ETag and max-age', () => {
    const content = got(Code.Content, [opaqueOption(OptionNumber.ETag, Uint8Array.of(1)), format(11060), maxAge(0)], 'x').headers;
    assert.deepEqual(content, {
      'x-content-type-options': 'nosniff',
      'content-type': 'application/cbor',
      'content-encoding': 'deflate',
      etag: '"01"',
      'cache-control': 'max-age=0',
      vary: 'accept',
    });
    assert.equal(got(Code.Content, [], 'x').headers['content-type'], 'application/octet-stream');
    assert.equal(got(Code.Content, [], 'x').headers['cache-control'], 'max-age=60');
    assert.equal(got(Code.Content).headers['content-type'], undefined);
    const own = toHttpResponse(response(Code.Content), { method: 'GET', isPrivate: true });
    assert.equal(own.headers['cache-control'], 'private, max-age=60');
    assert.equal(toHttpResponse(response(Code.Content), { method: 'QUERY' }).headers['cache-control'], 'no-store');
  });

  test('RFC 8075 6.2: a Content-Format that is not known', () => {
    assert.equal(got(Code.Content, [format(65001)], 'x').headers['content-type'], 'application/coap-payload;cf=65001');
  });

  test('RFC 7252 5.5.2: a diagnostic payload is text, unless it is none', () => {
    assert.equal(got(Code.NotFound, [], 'gone').headers['content-type'], 'text/plain; charset=utf-8');
    const bytes = toHttpResponse({ code: Code.NotFound, options: [], payload: Uint8Array.of(0xff) }, { method: 'GET' });
    assert.equal(bytes.headers['content-type'], 'application/octet-stream');
  });

  test('RFC 9290, RFC 9457: problem details', () => {
    const payload = encodeProblemDetails({
      title: { text: 'Kein Platz', lang: 'de' },
      detail: 'full',
      instance: '/log/1',
      entries: new Map([[7, new Map([[0, 1]])]]),
    });
    const { status, headers, body } = toHttpResponse(
      { code: Code.Conflict, options: [format(ContentFormat.ConciseProblemDetails)], payload },
      { method: 'PUT' },
    );
    assert.equal(headers['content-type'], 'application/problem+json');
    assert.deepEqual([status, JSON.parse(fromUtf8(body))], [409, { title: 'Kein Platz', status: 409, detail: 'full', instance: '/log/1' }]);
    const broken = toHttpResponse(
      { code: Code.Conflict, options: [format(ContentFormat.ConciseProblemDetails)], payload: Uint8Array.of(0xff) },
      { method: 'PUT' },
    );
    assert.equal(broken.status, 502);
  });

  test('an Echo, a Size2 or an Observe of the server stays inside', () => {
    const options = [uintOption(OptionNumber.Observe, 1), uintOption(OptionNumber.Size2, 1), opaqueOption(OptionNumber.Echo, Uint8Array.of(1))];
    assert.deepEqual(Object.keys(toHttpResponse({ code: Code.Content, options, payload: emptyBytes }, { method: 'GET' }).headers), [
      'x-content-type-options',
      'cache-control',
      'vary',
    ]);
  });
});
