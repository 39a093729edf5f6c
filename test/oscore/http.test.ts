import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  ContentFormat,
  composeUri,
  emptyOption,
  findOption,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  type Peer,
  parseUri,
  sortOptions,
  stringOption,
  uintOption,
  uriOptions,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import {
  composeHostingUri,
  decodeOscoreHeader,
  encodeOscoreHeader,
  type HttpRequest,
  type HttpResponse,
  OscoreError,
  parseHostingUri,
  protectRequest,
  requestFromHttp,
  requestToHttp,
  responseFromHttp,
  responseToHttp,
} from '../../src/oscore/index.ts';
import { SeededRandom } from '../support/random.ts';
import { pair, request } from './support.ts';

const server: Peer = { key: 'udp server.url:5683', address: 'server.url', port: 5683 };
const oscoreOption = (hex: string): Option => opaqueOption(OptionNumber.Oscore, fromHex(hex));
const headers = (oscore: string) => ({ 'content-type': 'application/oscore', oscore });
const isMappingError =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof OscoreError && error.code === code;

describe('RFC 8613 11.1: the HTTP OSCORE header field', () => {
  test('11.2, 11.3: AA for the empty option, else base64url without padding', () => {
    for (const [hex, text] of [
      ['', 'AA'],
      ['0925', 'CSU'],
      ['0914', 'CRQ'],
      ['091400', 'CRQA'],
      ['19140837cbf3210017a2d3', 'GRQIN8vzIQAXotM'],
      ['fbff', '-_8'],
    ] as const) {
      assert.equal(encodeOscoreHeader(fromHex(hex)), text);
      assert.deepEqual(decodeOscoreHeader(text), fromHex(hex));
    }
  });

  test('every value of 0 to 255 bytes comes back, and is at least two characters of the alphabet', () => {
    const random = new SeededRandom('header');
    for (let length = 0; length <= 255; length++) {
      const value = random.bytes(length);
      if (length === 1 && value[0] === 0) continue;
      const text = encodeOscoreHeader(value);
      assert.match(text, /^[A-Za-z0-9_-]{2,}$/);
      assert.deepEqual(decodeOscoreHeader(text), value);
    }
  });

  test('what is no value is refused: too short, padded, other alphabets, spare bits, two fields, too long', () => {
    const long = 'A'.repeat(344);
    for (const text of ['', 'A', 'AA==', 'CSU=', 'C+U', 'C/U', 'AB', 'CSV', 'AAAAA', 'CSU, CSU', 'C SU', 'ÄÄ', long])
      assert.throws(() => decodeOscoreHeader(text), isMappingError('ERR_OSCORE_HTTP'), text);
  });
});

describe('RFC 8613 11.5: HTTP client and CoAP server', () => {
  const template = 'http://proxy.url/hc/?target_uri={+tu}';
  const body = fromHex('0907011361f70fd297b1');
  const answer = fromHex('0031d1fcf670fb0c1dd5');

  test('HTTP request, HTTP client to proxy', () => {
    const options = [stringOption(OptionNumber.UriHost, 'server.url'), oscoreOption('0925')];
    const target = composeHostingUri(template, composeUri(options, server));
    assert.deepEqual(requestToHttp({ options, payload: body }, target), {
      method: 'POST',
      target: 'http://proxy.url/hc/?target_uri=coap://server.url/',
      headers: headers('CSU'),
      body,
    });
  });

  test('CoAP request, proxy to CoAP server', () => {
    const target = parseHostingUri(template, 'http://proxy.url/hc/?target_uri=coap://server.url/');
    assert.equal(target, 'coap://server.url/');
    const message = requestFromHttp({ method: 'POST', headers: headers('CSU'), body }, server, uriOptions(parseUri(target), server));
    assert.deepEqual(message, {
      code: Method.POST,
      options: [stringOption(OptionNumber.UriHost, 'server.url'), oscoreOption('0925')],
      payload: body,
      peer: server,
    });
  });

  test('HTTP response, proxy to HTTP client', () => {
    assert.deepEqual(responseToHttp({ code: Code.Changed, options: [emptyOption(OptionNumber.Oscore)], payload: answer }), {
      status: 200,
      headers: headers('AA'),
      body: answer,
    });
  });

  test('what the client hands to OSCORE is the response of the CoAP server', () => {
    assert.deepEqual(responseFromHttp({ status: 200, headers: headers('AA'), body: answer }), {
      code: Code.Changed,
      options: [emptyOption(OptionNumber.Oscore)],
      payload: answer,
    });
  });

  test('RFC 8613 4.1.3.3: before and after object security processing, the path is inside', () => {
    const { client } = pair();
    const options = uriOptions(parseUri('coap://server.url/orders'), server);
    const { message } = protectRequest({ ...request(client, Method.GET, options), peer: server }, client, 0x25);
    const http = requestToHttp(message, composeHostingUri(template, composeUri(message.options, server)));
    assert.equal(http.target, 'http://proxy.url/hc/?target_uri=coap://server.url/');
    assert.equal(JSON.stringify(http.headers).includes('orders'), false);
  });
});

describe('RFC 8613 11.6: CoAP client and HTTP server', () => {
  const body = fromHex('0907011361f70fd297b1');

  test('HTTP request, proxy to HTTP server; Proxy-Uri was taken apart by the client', () => {
    const { client } = pair();
    const proxyUri = stringOption(OptionNumber.ProxyUri, 'http://server.url/orders');
    const { message } = protectRequest(request(client, Method.GET, [proxyUri]), client, 0);
    assert.deepEqual(findOption(message.options, OptionNumber.ProxyUri), stringOption(OptionNumber.ProxyUri, 'http://server.url'));
    for (const uri of ['http://server.url', 'http://server.url/']) {
      const options = sortOptions([stringOption(OptionNumber.ProxyUri, uri), oscoreOption('0925')]);
      assert.deepEqual(requestToHttp({ options, payload: body }), { method: 'POST', target: 'http://server.url/', headers: headers('CSU'), body });
    }
  });

  test('CoAP response, proxy to CoAP client: 200 is 2.04', () => {
    const { code } = responseFromHttp({ status: 200, headers: headers('AA'), body });
    assert.equal(code, Code.Changed);
  });

  test('RFC 7252 10.1: the target by Proxy-Scheme, Uri-Host and Uri-Port', () => {
    const target = (scheme: string, host: string, port?: number): string => {
      const options = [stringOption(OptionNumber.ProxyScheme, scheme), stringOption(OptionNumber.UriHost, host), oscoreOption('0925')];
      if (port !== undefined) options.push(uintOption(OptionNumber.UriPort, port));
      return requestToHttp({ options: sortOptions(options), payload: body }).target;
    };
    assert.equal(target('http', 'server.url'), 'http://server.url/');
    assert.equal(target('HTTP', 'server.url', 80), 'http://server.url/');
    assert.equal(target('https', 'server.url', 8443), 'https://server.url:8443/');
    assert.equal(target('https', '[2001:db8::1]', 443), 'https://[2001:db8::1]/');
    for (const [scheme, host] of [
      ['coap', 'server.url'],
      ['http', 'server.url/x'],
      ['http', 'user@server.url'],
    ] as const)
      assert.throws(() => target(scheme, host), isMappingError('ERR_OSCORE_HTTP'), `${scheme} ${host}`);
    for (const uri of ['coap://server.url/', 'http://user@server.url/', 'http://server.url/orders', 'http://server.url/?q'])
      assert.throws(
        () => requestToHttp({ options: sortOptions([stringOption(OptionNumber.ProxyUri, uri), oscoreOption('0925')]), payload: body }),
        isMappingError('ERR_OSCORE_HTTP'),
        uri,
      );
    assert.throws(() => requestToHttp({ options: [oscoreOption('0925')], payload: body }), isMappingError('ERR_OSCORE_HTTP'));
  });
});

describe('RFC 8613 11.1 to 11.3: what the header field may stand in', () => {
  const good: HttpRequest = { method: 'POST', target: 'http://h/', headers: headers('CSU'), body: utf8('x') };
  const cases: readonly (readonly [name: string, change: Partial<HttpRequest>, code: string])[] = [
    ['no POST', { method: 'GET' }, 'ERR_OSCORE_HTTP'],
    ['PUT', { method: 'PUT' }, 'ERR_OSCORE_HTTP'],
    ['no header field', { headers: { 'content-type': 'application/oscore' } }, 'ERR_OSCORE_HTTP'],
    ['a malformed one', { headers: headers('C=') }, 'ERR_OSCORE_HTTP'],
    ['two', { headers: { 'content-type': 'application/oscore', oscore: ['CSU', 'CSU'] } }, 'ERR_OSCORE_HTTP'],
    ['no body', { body: emptyBytes }, 'ERR_OSCORE_HTTP'],
    ['no Content-Type', { headers: { oscore: 'CSU' } }, 'ERR_OSCORE_HTTP_TYPE'],
    ['another Content-Type', { headers: { oscore: 'CSU', 'content-type': 'application/octet-stream' } }, 'ERR_OSCORE_HTTP_TYPE'],
    ['a compressed body', { headers: { ...headers('CSU'), 'content-encoding': 'gzip' } }, 'ERR_OSCORE_HTTP_TYPE'],
  ];
  for (const [name, change, code] of cases)
    test(`a request with ${name} is refused`, () => {
      assert.equal(requestFromHttp(good, server).code, Method.POST);
      assert.throws(() => requestFromHttp({ ...good, ...change }, server), isMappingError(code));
    });

  test('11.3: no Content-Format in CoAP; white space and case of HTTP do not count', () => {
    const { options } = requestFromHttp(
      { ...good, headers: { oscore: ' CSU ', 'content-type': 'Application/OSCORE; x=y', 'content-encoding': 'Identity' } },
      server,
    );
    assert.deepEqual(options, [oscoreOption('0925')]);
  });

  test('a response with the header field is a 200 with a body of this type, and nothing else', () => {
    const answer: HttpResponse = { status: 200, headers: headers('AA'), body: utf8('x') };
    for (const status of [201, 204, 304, 400, 500]) assert.throws(() => responseFromHttp({ ...answer, status }), isMappingError('ERR_OSCORE_HTTP'));
    assert.throws(() => responseFromHttp({ ...answer, body: emptyBytes }), isMappingError('ERR_OSCORE_HTTP'));
    assert.throws(() => responseFromHttp({ ...answer, headers: { oscore: 'AA', 'content-type': 'text/html' } }), isMappingError('ERR_OSCORE_HTTP_TYPE'));
  });

  test('a CoAP message that is none of OSCORE, or part of one, has no counterpart', () => {
    const payload = utf8('x');
    const bad: readonly (readonly Option[])[] = [
      [],
      [uintOption(OptionNumber.Block1, 8), oscoreOption('0925')],
      [uintOption(OptionNumber.Block2, 8), oscoreOption('0925')],
      [uintOption(OptionNumber.QBlock1, 8), oscoreOption('0925')],
    ];
    for (const options of bad) assert.throws(() => requestToHttp({ options: sortOptions(options), payload }, 'http://h/'), isMappingError('ERR_OSCORE_HTTP'));
    assert.throws(() => requestToHttp({ options: [oscoreOption('0925')], payload: emptyBytes }, 'http://h/'), isMappingError('ERR_OSCORE_HTTP'));
    const oscore = [emptyOption(OptionNumber.Oscore)];
    assert.throws(() => responseToHttp({ code: Code.Changed, options: oscore, payload: emptyBytes }), isMappingError('ERR_OSCORE_HTTP'));
    assert.throws(() => responseToHttp({ code: Code.BadRequest, options: oscore, payload }), isMappingError('ERR_OSCORE_HTTP'));
    const block = sortOptions([...oscore, uintOption(OptionNumber.Block2, 8)]);
    assert.throws(() => responseToHttp({ code: Code.Changed, options: block, payload }), isMappingError('ERR_OSCORE_HTTP'));
  });

  test('RFC 8613 4.1.3.5: a registration is one POST and a notification one 200; the Outer Code may be dropped', () => {
    const { client } = pair();
    const { message } = protectRequest(request(client, Method.GET, [uintOption(OptionNumber.Observe, 0)]), client, 0);
    assert.equal(message.code, Method.FETCH);
    assert.equal(requestToHttp(message, 'http://h/').method, 'POST');
    const notification = { code: Code.Content, options: [uintOption(OptionNumber.Observe, 4), oscoreOption('0101')], payload: utf8('x') };
    assert.deepEqual(responseToHttp(notification), { status: 200, headers: headers('AQE'), body: utf8('x') });
  });
});

describe('RFC 8075 7: what nothing protects', () => {
  const plain = (code: number, text = '', options: readonly Option[] = []) => responseToHttp({ code, options, payload: utf8(text) });

  test('Table 2: response codes to status codes', () => {
    const table: readonly (readonly [code: number, status: number])[] = [
      [Code.Created, 201],
      [Code.Valid, 304],
      [Code.Content, 200],
      [Code.BadRequest, 400],
      [Code.Unauthorized, 403],
      [Code.BadOption, 500],
      [Code.Forbidden, 403],
      [Code.NotFound, 404],
      [Code.MethodNotAllowed, 400],
      [Code.NotAcceptable, 406],
      [Code.PreconditionFailed, 412],
      [Code.RequestEntityTooLarge, 413],
      [Code.UnsupportedContentFormat, 415],
      [Code.InternalServerError, 500],
      [Code.NotImplemented, 501],
      [Code.BadGateway, 502],
      [Code.ServiceUnavailable, 503],
      [Code.GatewayTimeout, 504],
      [Code.ProxyingNotSupported, 502],
      // RFC 8132, RFC 8516, RFC 8768 5; RFC 7252 5.9 for what is not known.
      [Code.Conflict, 409],
      [Code.UnprocessableEntity, 422],
      [Code.TooManyRequests, 429],
      [Code.HopLimitReached, 508],
      [0x9e, 400],
      [0xbe, 500],
    ];
    for (const [code, status] of table) assert.equal(plain(code).status, status, `${code}`);
  });

  test('note 2: 200 with a payload, 204 without', () => {
    for (const code of [Code.Deleted, Code.Changed]) {
      assert.equal(plain(code).status, 204);
      assert.equal(plain(code, 'done').status, 200);
    }
  });

  test('note 7: the reason phrase of 4.05', () => {
    assert.equal(plain(Code.MethodNotAllowed).reason, 'CoAP server returned 4.05');
  });

  test('note 8: Retry-After is Max-Age, both ways', () => {
    for (const code of [Code.ServiceUnavailable, Code.TooManyRequests]) {
      const http = plain(code, '', [uintOption(OptionNumber.MaxAge, 30)]);
      assert.equal(http.headers['retry-after'], '30');
      assert.deepEqual(responseFromHttp(http).options, [uintOption(OptionNumber.MaxAge, 30)]);
      assert.equal(plain(code).headers['retry-after'], undefined);
    }
    assert.equal(plain(Code.NotFound, '', [uintOption(OptionNumber.MaxAge, 30)]).headers['retry-after'], undefined);
  });

  test('note 10: 2.31 and 4.08 are never translated, and neither is what is no response', () => {
    for (const code of [Code.Continue, Code.RequestEntityIncomplete, Method.GET, 0, 0xe1]) assert.throws(() => plain(code), isMappingError('ERR_OSCORE_HTTP'));
  });

  test('6.6: the errors of RFC 8613 8.2 keep their text', () => {
    for (const [code, text] of [
      [Code.Unauthorized, 'Security context not found'],
      [Code.Unauthorized, 'Replay detected'],
      [Code.BadRequest, 'Decryption failed'],
      [Code.BadOption, 'Failed to decode COSE'],
    ] as const) {
      const http = plain(code, text, [uintOption(OptionNumber.MaxAge, 0)]);
      assert.deepEqual(http.headers, { 'content-type': 'text/plain;charset=utf-8' });
      const back = responseFromHttp(http);
      assert.deepEqual([back.payload, back.options], [utf8(text), []]);
      assert.equal(back.code >>> 5, http.status === 500 ? 5 : 4);
    }
  });

  test('6.2: Content-Format and Content-Type', () => {
    const format = (value: number) => plain(Code.BadRequest, 'x', [uintOption(OptionNumber.ContentFormat, value)]);
    assert.equal(format(ContentFormat.ConciseProblemDetails).headers['content-type'], 'application/concise-problem-details+cbor');
    assert.deepEqual(responseFromHttp(format(ContentFormat.ConciseProblemDetails)).options, [
      uintOption(OptionNumber.ContentFormat, ContentFormat.ConciseProblemDetails),
    ]);
    assert.equal(format(4711).headers['content-type'], 'application/coap-payload;cf=4711');
    const page = responseFromHttp({ status: 502, headers: { 'content-type': 'text/html' }, body: utf8('<h1>Bad Gateway</h1>') });
    assert.deepEqual(page, { code: Code.BadGateway, options: [], payload: emptyBytes });
  });

  test('options of a form that CoAP does not allow are ignored or refused, never thrown about', () => {
    assert.equal(
      plain(Code.BadRequest, 'x', [opaqueOption(OptionNumber.ContentFormat, new Uint8Array(9))]).headers['content-type'],
      'text/plain;charset=utf-8',
    );
    assert.throws(() => plain(Code.BadRequest, 'x', [opaqueOption(2049, new Uint8Array(9))]), isMappingError('ERR_OSCORE_HTTP'));
  });

  test('status codes to response codes; a redirection is followed by who asks, or is 5.02', () => {
    const back = (status: number): number => responseFromHttp({ status, headers: {}, body: emptyBytes }).code;
    for (const status of [400, 404, 406, 409, 412, 413, 415, 422, 429, 500, 501, 502, 503, 504, 508]) assert.equal(plain(back(status)).status, status);
    assert.deepEqual([401, 403, 405, 418, 599, 201, 204].map(back), [
      Code.Unauthorized,
      Code.Forbidden,
      Code.MethodNotAllowed,
      Code.BadRequest,
      Code.InternalServerError,
      Code.Created,
      Code.Changed,
    ]);
    for (const status of [0, 100, 301, 302, 304, 307, 308, 600, Number.NaN]) assert.throws(() => back(status), isMappingError('ERR_OSCORE_HTTP'));
  });
});

describe('RFC 8075 5: Hosting HTTP URIs', () => {
  test('5.3, 5.4.1.1: the examples of the default mapping and of the simple form', () => {
    for (const [template, target, hosting] of [
      ['https://p.example.com/hc/{+tu}', 'coap://s.example.com/light', 'https://p.example.com/hc/coap://s.example.com/light'],
      ['https://p.example.com/hc/{+tu}', 'coap://[2001:db8::1]/light?on', 'https://p.example.com/hc/coap://%5B2001:db8::1%5D/light?on'],
      ['https://p.example.com/hc/?target_uri={+tu}', 'coap://s.example.com/light', 'https://p.example.com/hc/?target_uri=coap://s.example.com/light'],
      ['https://p.example.com/hc/?target_uri={+tu}', 'coaps://s.example.com/light', 'https://p.example.com/hc/?target_uri=coaps://s.example.com/light'],
      ['https://p.example.com/hc/forward/{+tu}', 'coap://s.example.com/light', 'https://p.example.com/hc/forward/coap://s.example.com/light'],
    ] as const) {
      assert.equal(composeHostingUri(template, target), hosting);
      assert.equal(parseHostingUri(template, hosting), target);
    }
  });

  test('5.3.1: a target without a scheme is neither sent nor taken; templates and URIs that are none', () => {
    const template = 'https://p.example.com/hc/{+tu}';
    for (const target of ['s.example.com/light', 'http://s.example.com/']) {
      assert.throws(() => composeHostingUri(template, target), { code: 'ERR_COAP_URI' });
      assert.throws(() => parseHostingUri(template, `https://p.example.com/hc/${target}`), { code: 'ERR_COAP_URI' });
    }
    for (const target of ['', 'coap://s.example.com/#x']) {
      assert.throws(() => composeHostingUri(template, target), { code: 'ERR_COAP_URI' });
      assert.throws(() => parseHostingUri(template, `https://p.example.com/hc/${target}`), isMappingError('ERR_OSCORE_HTTP'));
    }
    for (const uri of ['https://p.example.com/', 'https://q.example.com/hc/coap://h/', '/hc/coap://h/'])
      assert.throws(() => parseHostingUri(template, uri), isMappingError('ERR_OSCORE_HTTP'));
    for (const bad of ['https://p.example.com/hc/', '{+tu}', 'https://p/{+tu}{+tu}', 'https://p/{+s}/{+hp}{+p}{+qq}', 'coap://p/{+tu}', 'https://{+tu}'])
      assert.throws(() => composeHostingUri(bad, 'coap://h/'), isMappingError('ERR_OSCORE_HTTP'), bad);
  });
});
