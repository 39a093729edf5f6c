import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CoapError,
  Code,
  ContentFormat,
  decodeProblemDetails,
  Endpoint,
  encodeProblemDetails,
  Method,
  OptionNumber,
  type ProblemDetails,
  pathOptions,
  problem,
  problemText,
  Router,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { type CborValue, encode, Tagged } from '../../../src/core/cbor.ts';
import { annotatePayload } from '../../../src/inspect/index.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, request, text } from '../harness.ts';

const refused = (bytes: Uint8Array): void =>
  assert.throws(
    () => decodeProblemDetails(bytes),
    (error) => error instanceof CoapError && error.code === 'ERR_COAP_PROBLEM_DETAILS',
    toHex(bytes),
  );

describe('RFC 9290 2: the map', () => {
  test('standard entries have negative keys', () => {
    const details: ProblemDetails = {
      title: 't',
      detail: { text: 'd', lang: 'en' },
      instance: '/p/1',
      responseCode: Code.NotFound,
      baseUri: 'coap://h/',
      baseLang: 'de-AT',
      baseRtl: null,
      unprocessedCoapOption: [2049, 2051],
    };
    const bytes = encodeProblemDetails(details);
    const map = new Map<number, CborValue>([
      [-1, 't'],
      [-2, new Tagged(38, ['en', 'd'])],
      [-3, '/p/1'],
      [-4, 132],
      [-5, 'coap://h/'],
      [-6, 'de-AT'],
      [-7, null],
      [-8, [2049, 2051]],
    ]);
    assert.equal(toHex(bytes), toHex(encode(map)));
    assert.deepEqual(decodeProblemDetails(bytes), details);
  });

  test('3.1.1: one option number stands alone, two or more in a list', () => {
    assert.equal(toHex(encodeProblemDetails({ unprocessedCoapOption: [11] })), 'a1270b');
    assert.deepEqual(decodeProblemDetails(fromHex('a1270b')), { unprocessedCoapOption: [11] });
    refused(fromHex('a127810b'));
    refused(fromHex('a1271a00010000'));
    assert.throws(() => encodeProblemDetails({ unprocessedCoapOption: [] }), { code: 'ERR_COAP_PROBLEM_DETAILS' });
  });

  test('3.2: custom entries are kept, under registered numbers and under absolute URIs; unknown standard ones too', () => {
    const entries = new Map<number | string, CborValue>([
      [1, new Map([[0, 2]])],
      [7807, new Map<number | string, CborValue>([[0, 'about:blank']])],
      ['tag:example.org,2026:bucket', new Map([['level', 3]])],
      [-77, 'unknown'],
    ]);
    assert.deepEqual(decodeProblemDetails(encodeProblemDetails({ title: 't', entries })), { title: 't', entries });
    for (const [key, value] of [
      [1, 5],
      [1, new Map()],
      ['relative', new Map([[0, 1]])],
      ['x', 1],
    ] as const) {
      refused(encode(new Map<number | string, CborValue>([[key, value as CborValue]])));
      assert.throws(() => encodeProblemDetails({ entries: new Map<number | string, CborValue>([[key, value as CborValue]]) }), {
        code: 'ERR_COAP_PROBLEM_DETAILS',
      });
    }
    assert.throws(() => encodeProblemDetails({ entries: new Map([[-1, 'title']]) }), { code: 'ERR_COAP_PROBLEM_DETAILS' });
  });

  test('it is not empty, and is a map', () => {
    assert.throws(() => encodeProblemDetails({}), { code: 'ERR_COAP_PROBLEM_DETAILS' });
    for (const hex of [
      'a0',
      '80',
      '',
      'a1',
      'a12061',
      'ff',
      'a120f4',
      'a12003',
      'a122d826826265',
      'a1237828',
      'a123191000',
      'a126f7',
      'a125656e',
      'a12561ff',
      'a1256321',
      'a14101a10000',
    ])
      refused(fromHex(hex));
  });

  test('what is not encoded deterministically is read too', () => {
    assert.deepEqual(decodeProblemDetails(fromHex('bf216164206174ff')), { detail: 'd', title: 't' });
  });

  test('hostile bytes end in one error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeProblemDetails(bytes);
        } catch (error) {
          assert.ok(error instanceof CoapError && error.code === 'ERR_COAP_PROBLEM_DETAILS', String(error));
        }
      }),
      { seed: 9 },
    );
  });
});

describe('RFC 9290 Appendix A: language tags', () => {
  test('tag 38 with a language, a text and a direction', () => {
    const hello = fromHex('a120d8268262656e6548656c6c6f');
    assert.deepEqual(decodeProblemDetails(hello), { title: { text: 'Hello', lang: 'en' } });
    assert.equal(toHex(encodeProblemDetails({ title: { text: 'Hello', lang: 'en' } })), toHex(hello));
    for (const rtl of [true, false, null])
      assert.deepEqual(decodeProblemDetails(encodeProblemDetails({ title: { text: 'x', lang: 'ar', rtl } })).title, { text: 'x', lang: 'ar', rtl });
  });

  test('what is no language, no text or no direction', () => {
    for (const value of [['e n', 'x'], ['en'], ['en', 'x', 1], ['en', 'x', true, 1], [1, 'x'], ['', 'x'], ['en', 5]])
      refused(encode(new Map([[-1, new Tagged(38, value)]])));
    refused(encode(new Map([[-1, new Tagged(37, ['en', 'x'])]])));
    // An instance has no tag.
    refused(encode(new Map([[-3, new Tagged(38, ['en', 'x'])]])));
    assert.throws(() => encodeProblemDetails({ title: { text: 'x', lang: 'not a tag' } }), { code: 'ERR_COAP_PROBLEM_DETAILS' });
  });
});

describe('RFC 9290: answers of a router', () => {
  const router = new Router();
  router.resource('/full', { get: () => problem(Code.ServiceUnavailable, { title: 'full', detail: 'of water' }) });

  test('content format 257, and a response code that is the one of the message', () => {
    const { last } = ask(router.handler, request(Method.GET, 'full'));
    assert.equal(last.code, Code.ServiceUnavailable);
    assert.equal(uintOf(last.options, OptionNumber.ContentFormat), ContentFormat.ConciseProblemDetails);
    assert.deepEqual(decodeProblemDetails(last.payload), { title: 'full', detail: 'of water', responseCode: Code.ServiceUnavailable });
    assert.throws(() => problem(Code.Content, { title: 't' }), RangeError);
  });

  test('for a client that asks for another format the texts are a diagnostic payload', () => {
    const accept = (format: number) => ask(router.handler, request(Method.GET, 'full', { options: [uintOption(OptionNumber.Accept, format)] })).last;
    assert.deepEqual(accept(0).options, []);
    assert.equal(text(accept(0)), 'full: of water');
    assert.equal(uintOf(accept(257).options, OptionNumber.ContentFormat), 257);
    assert.equal(problemText({}), '');
    assert.equal(problemText({ detail: { text: 'x', lang: 'en' } }), 'x');
  });

  test('3.1.1: 4.02 names the option that was not processed', async () => {
    const sim = new Simulator();
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('s'), handler: router.handler });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('c') });
    const options = [...pathOptions(['full']), uintOption(OptionNumber.Accept, 257), { number: 2049, value: utf8('x') }];
    const response = await sim.finish(client.request({ peer: sim.peer('10.0.0.1', 5683), options }));
    assert.equal(response.code, Code.BadOption);
    assert.deepEqual(decodeProblemDetails(response.payload).unprocessedCoapOption, [2049]);
    const plain = await sim.finish(
      client.request({ peer: sim.peer('10.0.0.1', 5683), options: options.filter(({ number }) => number !== OptionNumber.Accept) }),
    );
    assert.equal(fromUtf8(plain.payload), 'not understood: option 2049');
    await Promise.all([server.close(), client.close()]);
  });
});

test('RFC 9290: the command line shows problem details in words, and no control characters', () => {
  const entries = new Map([[1, new Map([[0, 2]])]]);
  const payload = encodeProblemDetails({
    title: 'no\u001b[2J',
    detail: { text: 'weil', lang: 'de' },
    responseCode: Code.NotFound,
    unprocessedCoapOption: [11, 2049],
    entries,
  });
  const lines = annotatePayload({ code: Code.BadGateway, options: [uintOption(OptionNumber.ContentFormat, 257)], payload });
  assert.deepEqual(lines.slice(0, 5), [
    `payload (${payload.length} bytes):`,
    '  title: "no\\u001b[2J"',
    '  detail: "weil" (de)',
    '  code at the origin: 4.04 Not Found',
    '  not processed: Uri-Path (11), option 2049 (2049)',
  ]);
  assert.match(lines.slice(5).join(' '), /1: \{0: 2\}|1: *\{ *0: 2 *\}/);
  assert.ok(annotatePayload({ code: Code.NotFound, options: [uintOption(OptionNumber.ContentFormat, 257)], payload: fromHex('a0') }).length > 0);
});
