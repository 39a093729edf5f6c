import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Request } from '../../../src/coap/layer.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { ContentFormat } from '../../../src/coap/message/content-format.ts';
import { OptionNumber, opaqueOption, stringOption, uintOption } from '../../../src/coap/message/option.ts';
import type { Answer } from '../../../src/coap/resource/answer-fields.ts';
import type { Resource, ResourceRequest, RouterEvent } from '../../../src/coap/resource/entry.ts';
import { decodeLinkFormat } from '../../../src/coap/resource/link-format.ts';
import { Router } from '../../../src/coap/resource/router.ts';
import { fromHex, utf8 } from '../../../src/core/bytes.ts';
import { ask, association, brief, option, request, type response, TestReply, text } from '../harness.ts';

const none = new Uint8Array(0);
const etag = (hex: string) => opaqueOption(OptionNumber.ETag, fromHex(hex));
const ifMatch = (hex: string) => opaqueOption(OptionNumber.IfMatch, fromHex(hex));
const ifNoneMatch = opaqueOption(OptionNumber.IfNoneMatch, none);
const accept = (format: number) => uintOption(OptionNumber.Accept, format);
const contentFormat = (format: number) => uintOption(OptionNumber.ContentFormat, format);
const register = uintOption(OptionNumber.Observe, 0);

function router(resources: Record<string, Resource>) {
  const events: RouterEvent[] = [];
  const made = new Router({ emit: (event) => events.push(event) });
  for (const [path, resource] of Object.entries(resources)) made.resource(path, resource);
  return { router: made, events, ask: (message: Request) => ask(made.handler, message).last };
}

describe('methods and their answers', () => {
  const all: Resource = {
    get: () => 'got',
    post: () => undefined,
    put: ({ payload }) => payload,
    delete: () => undefined,
    fetch: () => 'fetched',
    patch: () => ({ code: Code.Created }),
    ipatch: () => ({ payload: 'p' }),
  };

  test('RFC 7252 5.8, RFC 8132: each method has its code and Content-Format', () => {
    const { ask } = router({ '/a': all });
    const outcome = (code: number) => {
      const answer = ask(request(code, 'a', { payload: utf8('x') }));
      return [brief(answer), text(answer), option(answer, OptionNumber.ContentFormat)];
    };
    assert.deepEqual(outcome(Method.GET), ['2.05', 'got', '']);
    assert.deepEqual(outcome(Method.POST), ['2.04', '', undefined]);
    assert.deepEqual(outcome(Method.PUT), ['2.04', 'x', undefined]);
    assert.deepEqual(outcome(Method.DELETE), ['2.02', '', undefined]);
    assert.deepEqual(outcome(Method.FETCH), ['2.05', 'fetched', '']);
    assert.deepEqual(outcome(Method.PATCH), ['2.01', '', undefined]);
    assert.deepEqual(outcome(Method.iPATCH), ['2.04', 'p', '']);
  });

  test('an answer with all fields has its options in order', () => {
    const location = stringOption(OptionNumber.LocationPath, 'b');
    const { ask } = router({ '/a': { get: () => ({ payload: fromHex('a0'), contentFormat: 60, maxAge: 5, etag: fromHex('01'), options: [location] }) } });
    const answer = ask(request(Method.GET, 'a'));
    assert.deepEqual(
      answer.options.map(({ number }) => number),
      [OptionNumber.ETag, OptionNumber.LocationPath, OptionNumber.ContentFormat, OptionNumber.MaxAge],
    );
  });

  test('text is UTF-8, short or long', () => {
    for (const answer of ['', 'a', 'grün', '€'.repeat(70), 'x'.repeat(500)]) {
      const { ask } = router({ '/a': { get: () => answer } });
      assert.equal(text(ask(request(Method.GET, 'a'))), answer);
    }
  });

  test('5.5.2: a diagnostic payload has no Content-Format', () => {
    const { ask } = router({ '/a': { get: () => ({ code: Code.BadRequest, payload: 'why' }), attributes: { ct: 60 } } });
    const answer = ask(request(Method.GET, 'a'));
    assert.deepEqual([brief(answer), text(answer), answer.options.length], ['4.00', 'why', 0]);
  });

  test('bytes in answer to GET have the Content-Format of the resource, if it is one', () => {
    const get = () => fromHex('a0');
    const { ask } = router({ '/one': { get, attributes: { ct: 60 } }, '/two': { get, attributes: { ct: [60, 50] } } });
    assert.equal(option(ask(request(Method.GET, 'one')), OptionNumber.ContentFormat), '3c');
    assert.equal(option(ask(request(Method.GET, 'two')), OptionNumber.ContentFormat), undefined);
  });

  test('4.04 and 4.05', () => {
    const { ask } = router({ '/a': { get: () => 'x' } });
    assert.equal(brief(ask(request(Method.GET, 'b'))), '4.04');
    assert.equal(brief(ask(request(Method.GET, 'a/b'))), '4.04');
    assert.equal(brief(ask(request(Method.PUT, 'a'))), '4.05');
    assert.equal(brief(ask(request(31, 'a'))), '4.05');
  });

  test('a resource function sees the request', () => {
    let seen: ResourceRequest | undefined;
    const { ask } = router({
      '/a/b': {
        post: (message) => {
          seen = message;
          return undefined;
        },
      },
    });
    const owner = association('x');
    const options = [contentFormat(60), accept(50), stringOption(OptionNumber.UriQuery, 'k=v'), stringOption(OptionNumber.UriQuery, 'w')];
    ask(request(Method.POST, 'a/b', { options, payload: utf8('hello'), association: owner }));
    assert.deepEqual(
      [seen!.method, seen!.path, seen!.query, seen!.contentFormat, seen!.accept, seen!.association, seen!.peer.port, seen!.text()],
      [Method.POST, '/a/b', ['k=v', 'w'], 60, 50, owner, 5683, 'hello'],
    );
  });

  test('an asynchronous function answers later', async () => {
    let give: (answer: Answer) => void = () => {};
    const { router: made } = router({ '/a': { get: () => new Promise<Answer>((resolve) => (give = resolve)) } });
    const reply = ask(made.handler, request(Method.GET, 'a'));
    assert.equal(reply.sent.length, 0);
    give('late');
    await Promise.resolve();
    assert.equal(text(reply.last), 'late');
  });

  test('a function that throws or rejects, or answers nonsense: 5.00 without a word, and an event', async () => {
    const secret = new Error('the key is 1234');
    const { router: made, events } = router({
      '/a': {
        get: () => {
          throw secret;
        },
        post: () => Promise.reject(secret),
        put: () => ({ code: 1 }),
        delete: () => ({ etag: new Uint8Array(9) }),
        patch: () => ({ payload: 5 as unknown as string }),
        fetch: () => 21.5 as unknown as string,
        ipatch: () => null as unknown as string,
      },
    });
    const replies = [Method.GET, Method.POST, Method.PUT, Method.DELETE, Method.PATCH, Method.FETCH, Method.iPATCH].map((code) =>
      ask(made.handler, request(code, 'a')),
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      replies.map(({ last }) => [brief(last), last.payload.length, last.options.length]),
      replies.map(() => ['5.00', 0, 0]),
    );
    assert.equal(events.length, 7);
    assert.deepEqual(events[0], { type: 'failed', method: Method.GET, path: '/a', error: secret });
  });

  test('bytes that are no text are the fault of the client: 4.00, no event', () => {
    const { ask, events } = router({ '/a': { put: (message) => ({ payload: message.text() }), get: (message) => message.query.join() } });
    assert.equal(brief(ask(request(Method.PUT, 'a', { payload: fromHex('ff') }))), '4.00');
    assert.equal(brief(ask(request(Method.GET, 'a', { options: [opaqueOption(OptionNumber.UriQuery, fromHex('ff'))] }))), '4.00');
    assert.equal(events.length, 0);
  });
});

describe('paths', () => {
  const named = (name: string): Resource => ({ get: ({ path }) => `${name} ${path}` });
  const at = (made: Router, ...segments: (string | Uint8Array)[]) => {
    const options = segments.map((segment) => opaqueOption(OptionNumber.UriPath, typeof segment === 'string' ? utf8(segment) : segment));
    const answer = ask(made.handler, { ...request(Method.GET, 'x'), options }).last;
    return answer.code === Code.Content ? text(answer) : brief(answer);
  };

  test('exact, below a star, the nearest star first', () => {
    const { router: made } = router({ '/': named('root'), '/f/*': named('f'), '/f/g/*': named('g'), '/f/g': named('exact') });
    assert.equal(at(made), 'root /');
    assert.equal(at(made, 'f'), '4.04');
    assert.equal(at(made, 'f', 'x'), 'f /f/x');
    assert.equal(at(made, 'f', 'x', 'y'), 'f /f/x/y');
    assert.equal(at(made, 'f', 'g'), 'exact /f/g');
    assert.equal(at(made, 'f', 'g', 'h'), 'g /f/g/h');
    assert.equal(at(made, 'f', ''), 'f /f/');
    assert.equal(at(made, 'other'), '4.04');
  });

  test('a slash inside a segment makes no two segments of it', () => {
    const { router: made } = router({ '/a/b': named('two'), '/a%2Fb': named('one'), '/100%25': named('percent') });
    assert.equal(at(made, 'a', 'b'), 'two /a/b');
    assert.equal(at(made, 'a/b'), 'one /a%2Fb');
    assert.equal(at(made, 'a%2Fb'), '4.04');
    assert.equal(at(made, '100%'), 'percent /100%25');
  });

  test('UTF-8, and what is none: 4.02', () => {
    const { router: made } = router({ '/gr%C3%BCn': named('green'), '/a b': named('space') });
    assert.equal(at(made, 'grün'), 'green /grün');
    assert.equal(at(made, 'a b'), 'space /a b');
    assert.equal(at(made, fromHex('ff')), '4.02');
  });

  test('wrong use: a path that is none, or taken', () => {
    const { router: made } = router({ '/a': named('a') });
    for (const path of ['a', '', '/a/*/b', '/%ff', '/a', '/%61']) {
      assert.throws(() => made.resource(path, {}), { code: 'ERR_COAP_RESOURCE' }, path);
    }
  });

  test('wrong use: a resource that answers no method', () => {
    const { router: made } = router({});
    const others = [{}, { GET: () => 'a' }, () => 'a', undefined, { get: 'a' }] as unknown as readonly Resource[];
    for (const resource of others) assert.throws(() => made.resource('/a', resource), { code: 'ERR_COAP_RESOURCE' });
    made.resource('/a', named('a'));
  });

  test('a removed resource is gone, and its path is free', () => {
    const made = new Router();
    const handle = made.resource('/a', named('old'));
    made.resource('/b/*', named('b'));
    assert.equal(made.stats().resources, 2);
    handle.remove();
    assert.equal(at(made, 'a'), '4.04');
    made.resource('/a', named('new'));
    handle.remove();
    assert.equal(at(made, 'a'), 'new /a');
  });
});

describe('RFC 7252 5.10.3, 5.10.4: formats', () => {
  test('4.15 for a Content-Format that is not accepted; none is left to the resource', () => {
    const { ask } = router({ '/a': { post: () => undefined, accepts: [19, 60] } });
    const post = (options: ReturnType<typeof contentFormat>[], payload = utf8('x')) => brief(ask(request(Method.POST, 'a', { options, payload })));
    assert.equal(post([contentFormat(60)]), '2.04');
    assert.equal(post([contentFormat(50)]), '4.15');
    assert.equal(post([]), '2.04');
    assert.equal(post([contentFormat(50)], none), '2.04');
  });

  test('4.06 for an Accept that the resource does not give: by its ct before it runs, else by its answer', () => {
    let runs = 0;
    const get = () => {
      runs++;
      return { payload: 'x', contentFormat: 50 };
    };
    const { ask } = router({ '/known': { get, attributes: { ct: [50, 60] } }, '/unknown': { get } });
    const outcome = (path: string, format: number) => brief(ask(request(Method.GET, path, { options: [accept(format)] })));
    assert.equal(outcome('known', 0), '4.06');
    assert.equal(runs, 0);
    assert.equal(outcome('known', 50), '2.05');
    assert.equal(outcome('known', 60), '4.06');
    assert.equal(outcome('unknown', 50), '2.05');
    assert.equal(outcome('unknown', 0), '4.06');
  });
});

describe('RFC 7252 5.10.6, 5.10.8: ETag, If-Match, If-None-Match', () => {
  function document(current: Uint8Array | undefined) {
    let puts = 0;
    const { ask } = router({
      '/d': {
        get: () => (current === undefined ? { code: Code.NotFound } : { payload: 'v1', etag: current, maxAge: 7 }),
        put: () => {
          puts++;
          return undefined;
        },
      },
    });
    const put = (...options: ReturnType<typeof etag>[]) => [brief(ask(request(Method.PUT, 'd', { options }))), puts];
    return { ask, put };
  }

  test('2.03 for an ETag that the client has, with a new freshness and no payload', () => {
    const { ask } = document(fromHex('0102'));
    const valid = ask(request(Method.GET, 'd', { options: [etag('09'), etag('0102')] }));
    assert.deepEqual([brief(valid), valid.payload.length, option(valid, OptionNumber.ETag), option(valid, OptionNumber.MaxAge)], ['2.03', 0, '0102', '07']);
    assert.equal(option(valid, OptionNumber.ContentFormat), undefined);
    assert.equal(brief(ask(request(Method.GET, 'd', { options: [etag('09')] }))), '2.05');
  });

  test('If-Match', () => {
    assert.deepEqual(document(fromHex('0102')).put(ifMatch('0102')), ['2.04', 1]);
    assert.deepEqual(document(fromHex('0102')).put(ifMatch('09'), ifMatch('0102')), ['2.04', 1]);
    assert.deepEqual(document(fromHex('0102')).put(ifMatch('09')), ['4.12', 0]);
    assert.deepEqual(document(fromHex('0102')).put(ifMatch('')), ['2.04', 1]);
    assert.deepEqual(document(undefined).put(ifMatch('')), ['4.12', 0]);
    assert.deepEqual(document(undefined).put(ifMatch('0102')), ['4.12', 0]);
  });

  test('If-None-Match', () => {
    assert.deepEqual(document(fromHex('0102')).put(ifNoneMatch), ['4.12', 0]);
    assert.deepEqual(document(undefined).put(ifNoneMatch), ['2.04', 1]);
    assert.deepEqual(document(fromHex('0102')).put(ifMatch('0102'), ifNoneMatch), ['4.12', 0]);
  });

  test('on a GET', () => {
    const { ask } = document(fromHex('0102'));
    assert.equal(brief(ask(request(Method.GET, 'd', { options: [ifMatch('0102')] }))), '2.05');
    assert.equal(brief(ask(request(Method.GET, 'd', { options: [ifMatch('03')] }))), '4.12');
  });

  test('a condition that cannot be shown to hold does not hold', () => {
    let puts = 0;
    const put = () => {
      puts++;
      return undefined;
    };
    const { ask } = router({
      '/plain': { put },
      '/silent': { put, get: () => 'no ETag' },
      '/broken': { put, get: () => ({ code: Code.InternalServerError }) },
      '/sub/*': { put },
    });
    const outcome = (path: string, condition: ReturnType<typeof etag>) => brief(ask(request(Method.PUT, path, { options: [condition] })));
    for (const path of ['plain', 'silent', 'broken', 'sub/x']) {
      assert.equal(outcome(path, ifMatch('01')), '4.12', path);
      assert.equal(outcome(path, ifNoneMatch), '4.12', path);
    }
    assert.equal(outcome('broken', ifMatch('')), '4.12');
    assert.equal(outcome('sub/x', ifMatch('')), '4.12');
    assert.equal(puts, 0);
    assert.equal(outcome('plain', ifMatch('')), '2.04');
    assert.equal(outcome('silent', ifMatch('')), '2.04');
  });

  test('an asynchronous GET decides too', async () => {
    const { router: made } = router({ '/d': { get: async () => ({ payload: 'v', etag: fromHex('01') }), put: async () => undefined } });
    const held = ask(made.handler, request(Method.PUT, 'd', { options: [ifMatch('01')] }));
    const failed = ask(made.handler, request(Method.PUT, 'd', { options: [ifMatch('02')] }));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([brief(held.last), brief(failed.last)], ['2.04', '4.12']);
  });
});

describe('RFC 6690 4: /.well-known/core', () => {
  const resources: Record<string, Resource> = {
    '/sensors/temp': { get: () => 't', observable: true, attributes: { rt: 'temperature-c', if: 'sensor', ct: 0 } },
    '/sensors/light': { get: () => 'l', attributes: { rt: ['light-lux', 'core.sen-light'], if: 'sensor', title: 'The "Light"', sz: 7 } },
    '/sp ace>': { get: () => 's' },
    '/files/*': { get: () => 'f' },
    '/hidden': { get: () => 'h', discoverable: false },
  };
  const discover = (made: (message: Request) => ReturnType<typeof response>, ...query: string[]) =>
    made(request(Method.GET, '.well-known/core', { options: query.map((argument) => stringOption(OptionNumber.UriQuery, argument)) }));

  test('lists what is there, in link format', () => {
    const { ask } = router(resources);
    const answer = discover(ask);
    assert.equal(brief(answer), '2.05');
    assert.equal(option(answer, OptionNumber.ContentFormat), ContentFormat.LinkFormat.toString(16));
    assert.equal(
      text(answer),
      '</sensors/temp>;rt="temperature-c";if="sensor";ct=0;obs,</sensors/light>;rt="light-lux core.sen-light";if="sensor";title="The \\"Light\\"";sz=7,</sp%20ace%3E>',
    );
    assert.equal(decodeLinkFormat(text(answer)).length, 3);
  });

  test('4.1: filters by a query', () => {
    const { ask } = router(resources);
    const found = (...query: string[]) => decodeLinkFormat(text(discover(ask, ...query))).map(({ target }) => target);
    assert.deepEqual(found('rt=light-lux'), ['/sensors/light']);
    assert.deepEqual(found('rt=core.sen-light'), ['/sensors/light']);
    assert.deepEqual(found('if=sens*'), ['/sensors/temp', '/sensors/light']);
    assert.deepEqual(found('href=/sensors*'), ['/sensors/temp', '/sensors/light']);
    assert.deepEqual(found('obs=*'), ['/sensors/temp']);
    assert.deepEqual(found('rt=x'), []);
    assert.deepEqual([brief(discover(ask, 'rt=x')), discover(ask, 'rt=x').payload.length], ['2.05', 0]);
  });

  test('changes with the resources; only GET; 4.06 for another format', () => {
    const { router: made, ask } = router({});
    assert.equal(discover(ask).payload.length, 0);
    const handle = made.resource('/a', { get: () => 'a' });
    assert.equal(text(discover(ask)), '</a>');
    handle.remove();
    assert.equal(discover(ask).payload.length, 0);
    assert.equal(brief(ask(request(Method.POST, '.well-known/core'))), '4.05');
    assert.equal(brief(ask(request(Method.GET, '.well-known/core', { options: [accept(60)] }))), '4.06');
  });

  test('may be replaced by one of the application, once', () => {
    const { router: made, ask } = router({});
    made.resource('/.well-known/core', { get: () => '</own>' });
    assert.equal(text(discover(ask)), '</own>');
    assert.throws(() => made.resource('/.well-known/core', {}), { code: 'ERR_COAP_RESOURCE' });
  });
});

describe('RFC 7641: observable resources', () => {
  function observed(resource: Resource) {
    const made = new Router();
    const handle = made.resource('/t', resource);
    const observe = (fields: Partial<Request> = {}) =>
      ask(made.handler, request(Method.GET, 't', { ...fields, options: [register, ...(fields.options ?? [])] }));
    return { made, handle, observe };
  }

  test('changed() runs get for each observer with its own request', () => {
    let n = 0;
    const { handle, observe, made } = observed({ observable: true, get: ({ query }) => `${query} ${n}` });
    const replies = ['a', 'b'].map((query) => observe({ options: [stringOption(OptionNumber.UriQuery, query)] }));
    n = 1;
    handle.changed();
    assert.deepEqual(
      replies.map(({ sent, finals }) => [sent.map(text), finals]),
      [
        [
          ['a 0', 'a 1'],
          [false, false],
        ],
        [
          ['b 0', 'b 1'],
          [false, false],
        ],
      ],
    );
    assert.deepEqual([handle.observers, made.stats().observers], [2, 2]);
    for (const reply of replies) reply.cancel();
    handle.changed();
    assert.deepEqual([handle.observers, replies[0]!.sent.length], [0, 2]);
  });

  test('the request that is kept holds no bytes of the datagram', () => {
    const { handle, observe } = observed({ observable: true, get: ({ query }) => query.join() });
    const argument = utf8('abc');
    const reply = observe({ options: [opaqueOption(OptionNumber.UriQuery, argument)] });
    argument.fill(0x78);
    handle.changed();
    assert.deepEqual(reply.sent.map(text), ['abc', 'abc']);
  });

  test('changes that come while get runs lead to one more run', async () => {
    const waiting: ((answer: Answer) => void)[] = [];
    const { handle, observe } = observed({ observable: true, get: () => new Promise<Answer>((resolve) => waiting.push(resolve)) });
    const reply = observe();
    for (let i = 0; i < 5; i++) handle.changed();
    assert.equal(waiting.length, 1);
    waiting[0]!('first');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(waiting.length, 2);
    waiting[1]!('latest');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([reply.sent.map(text), waiting.length], [['first', 'latest'], 2]);
  });

  test('4.2: an error ends the observation', () => {
    let gone = false;
    const { handle, observe } = observed({ observable: true, get: () => (gone ? { code: Code.NotFound } : 'here') });
    const reply = observe();
    gone = true;
    handle.changed();
    assert.deepEqual([reply.sent.map(brief), reply.finals, handle.observers], [['2.05', '4.04'], [false, true], 0]);
  });

  test('4.2: another Content-Format than at first is 4.06, the end', () => {
    let format = 0;
    const { handle, observe } = observed({ observable: true, get: () => ({ payload: 'x', contentFormat: format }) });
    const reply = observe();
    format = 60;
    handle.changed();
    assert.deepEqual([reply.sent.map(brief), handle.observers], [['2.05', '4.06'], 0]);
  });

  test('3.3.2: 2.03 for a state that the client has', () => {
    let version = '01';
    const { handle, observe } = observed({ observable: true, get: () => ({ payload: version, etag: fromHex(version) }) });
    const reply = observe({ options: [etag('02')] });
    version = '02';
    handle.changed();
    version = '03';
    handle.changed();
    assert.deepEqual(reply.sent.map(brief), ['2.05', '2.03', '2.05']);
  });

  test('a removed resource says 4.04 to its observers', () => {
    const { handle, observe } = observed({ observable: true, get: () => 'x' });
    const reply = observe();
    handle.remove();
    assert.deepEqual([reply.sent.map(brief), reply.over], [['2.05', '4.04'], true]);
  });

  test('a resource that is not observable, and Observe 1, are plain requests', () => {
    const plain = observed({ get: () => 'x' });
    assert.deepEqual(plain.observe().finals, [true]);
    const { made, handle } = observed({ observable: true, get: () => 'x' });
    const reply = ask(made.handler, request(Method.GET, 't', { options: [uintOption(OptionNumber.Observe, 1)] }));
    assert.deepEqual([reply.finals, handle.observers], [[true], 0]);
  });

  test('RFC 8132 2.4: FETCH observes with its body', () => {
    let n = 0;
    const { made, handle } = observed({ observable: true, fetch: (message) => `${message.text()} ${n}` });
    const reply = new TestReply();
    made.handler(request(Method.FETCH, 't', { options: [register], payload: utf8('q') }), reply);
    n = 1;
    handle.changed();
    assert.deepEqual(reply.sent.map(text), ['q 0', 'q 1']);
  });
});
