import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type NodeCoapEvent, type NodeCoapListener, nodeCoapListener, registerFormat, registerOption } from '../../src/adapters/node-coap/index.ts';
import { findAll, findOption, OptionNumber, opaqueOption, type Reply, sortOptions, stringOption, uintOption } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { CoapClient, type CoapRequestInit, request, serve } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';
import { repeat, scale } from '../support/scale.ts';
import { pause, until } from '../support/wait.ts';

const peer = { key: '192.0.2.1:5683', address: '192.0.2.1', port: 5683 };

interface Running {
  readonly events: NodeCoapEvent[];
  readonly url: string;
  ask(path: string, init?: CoapRequestInit): ReturnType<typeof request>;
  stats(): Readonly<Record<string, number>>;
}

async function running(t: TestContext, listener: NodeCoapListener): Promise<Running> {
  const events: NodeCoapEvent[] = [];
  const server = await serve({ listen: 'coap://127.0.0.1:0', handler: nodeCoapListener(listener, { emit: (event) => events.push(event) }), drain: 100 });
  t.after(() => server.close());
  return { events, url: server.url, ask: (path, init) => request(`${server.url}${path}`, { timeout: 5000, ...init }), stats: () => server.stats() };
}

test('node-coap request: code, method, URL, payload, source, options and headers', async (t) => {
  let seen: unknown;
  const { ask } = await running(t, (req, res) => {
    const { code, method, url, payload, rsinfo, options, headers } = req as typeof req & { options: readonly { name: string; value: unknown }[] };
    seen = {
      code,
      method,
      url,
      payload: payload.toString(),
      rsinfo: [rsinfo.address, rsinfo.family],
      options: options.map(({ name, value }) => [name, value]),
      headers,
    };
    res.end();
  });
  await ask('/a/b%20c?x=1&y=%26', {
    method: 'FETCH',
    payload: 'body',
    accept: 60,
    etag: Buffer.from('v1'),
    ifMatch: fromHex('ff'),
    options: [uintOption(OptionNumber.Size2, 0), opaqueOption(2058, fromHex('0102'))],
  });
  assert.deepEqual(seen, {
    code: '0.05',
    method: 'FETCH',
    url: '/a/b c?x=1&y=%26',
    payload: 'body',
    rsinfo: ['127.0.0.1', 'IPv4'],
    options: [
      ['If-Match', Buffer.from([0xff])],
      ['ETag', 'v1'],
      ['Uri-Path', Buffer.from('a')],
      ['Uri-Path', Buffer.from('b c')],
      ['Content-Format', 'text/plain'],
      ['Uri-Query', Buffer.from('x=1')],
      ['Uri-Query', Buffer.from('y=&')],
      ['Accept', 'application/cbor'],
      ['Size2', 0],
      ['2058', Buffer.from([1, 2])],
    ],
    headers: { ETag: 'v1', 'Content-Format': 'text/plain', 'Content-Type': 'text/plain', Accept: 'application/cbor', Size2: 0 },
  });
});

test('node-coap request: what is inside a segment is no structure of the URL; what is no text is answered with 4.00', async (t) => {
  const urls: string[] = [];
  const { ask, url } = await running(t, (req, res) => {
    urls.push(req.url);
    res.end();
  });
  for (const path of ['', '/', '/a%2Fb', '/a%3Fb', '/%23', '/%C3%A4', '/a//b', '?']) await ask(path);
  assert.deepEqual(urls, ['/', '/', '/a%2Fb', '/a%3Fb', '/%23', '/ä', '/a//b', '/?']);
  for (const number of [OptionNumber.UriPath, OptionNumber.UriQuery]) {
    assert.equal((await request(url, { options: [opaqueOption(number, fromHex('ff'))] })).codeText, '4.00');
  }
});

test('node-coap response: codes in each of their spellings', async (t) => {
  const codes: readonly (readonly [string | number | undefined, string | number | undefined, string])[] = [
    [undefined, undefined, '2.05'],
    ['4.04', undefined, '4.04'],
    [undefined, '2.04', '2.04'],
    [undefined, 404, '4.04'],
    ['503', undefined, '5.03'],
    ['2.03', '4.00', '2.03'],
    ['', '2.02', '2.02'],
  ];
  let turn = 0;
  const { ask, events } = await running(t, (_req, res) => {
    const [code, statusCode] = codes[turn++]!;
    if (code !== undefined) res.code = code as string;
    if (statusCode !== undefined) res.statusCode = statusCode as string;
    res.end();
  });
  for (const [, , expected] of codes) assert.equal((await ask('/')).codeText, expected);
  assert.deepEqual(events, []);
});

test('node-coap response: options by name and value; names in any case, aliases, what HTTP programs set', async (t) => {
  const { ask } = await running(t, (_req, res) => {
    res.writeHead(201 as never, { 'content-type': 'application/json; charset=utf-8' } as never);
    res.setHeader('Cache-Control' as never, 'no-cache');
    res.setOption('etag', 'v1');
    res.setOption('Max-Age', 300);
    res.setOption('Location-Path', ['a', Buffer.from('b')] as never);
    res.setOption('2556', [Buffer.from('xy'), Buffer.from('z')]);
    res.setOption('Block2', Buffer.of(6));
    res.setOption('Observe', 7);
    res.setOption('Size2', '3');
    res.setOption('Size2', 4);
    res.end('{}');
  });
  const response = await ask('/', { method: 'PUT' });
  assert.deepEqual([response.codeText, response.contentFormat, response.maxAge, response.location, response.text()], ['2.01', 50, 300, '/a/b', '{}']);
  assert.equal(Buffer.from(response.etag!).toString(), 'v1');
  assert.deepEqual(
    findAll(response.options, 2556).map(({ value }) => toHex(value)),
    ['7879', '7a'],
  );
  assert.equal(findOption(response.options, OptionNumber.Block2), undefined);
  assert.equal(findOption(response.options, OptionNumber.Observe), undefined);
  assert.deepEqual(
    findAll(response.options, OptionNumber.Size2).map(({ value }) => toHex(value)),
    ['04'],
  );
});

test('node-coap response: options and formats of the program, as registerOption and registerFormat say', async (t) => {
  registerOption(
    '2500',
    (value) => Buffer.from(String(value).toUpperCase()),
    (value) => value.toString().toLowerCase(),
  );
  registerFormat('application/x-test', 65_123);
  let seen: unknown;
  const { ask } = await running(t, (req, res) => {
    seen = [req.headers['2500' as never], req.headers['Content-Format']];
    res.setOption('2500', 'answer');
    res.setOption('Content-Format', 'application/x-test');
    res.end('x');
  });
  const response = await ask('/', { method: 'POST', payload: 'x', contentFormat: 65_123, options: [stringOption(2500, 'ASK')] });
  assert.deepEqual(seen, ['ask', 'application/x-test']);
  assert.equal(response.contentFormat, 65_123);
  assert.equal(Buffer.from(findOption(response.options, 2500)!.value).toString(), 'ANSWER');
});

const faults: Readonly<Record<string, NodeCoapListener>> = {
  'it throws': () => {
    throw new Error('broken');
  },
  'it rejects': async () => {
    throw new Error('broken');
  },
  'its code is none': (_req, res) => {
    res.code = '9.99';
    res.end('x');
  },
  'its code is a request': (_req, res) => {
    res.statusCode = '0.01';
    res.end('x');
  },
  'it sets an option that nobody knows': (_req, res) => void res.setOption('No-Such-Option', 'x'),
  'it sets a text where bytes belong': (_req, res) => void res.setOption('If-Match', 'x'),
  'it sets a media type that nobody knows': (_req, res) => void res.setOption('Content-Format', 'no/such'),
  'it sets a number that is none': (_req, res) => void res.setOption('Max-Age', 'soon'),
  'it destroys its response': (_req, res) => void res.destroy(),
  'it destroys its response with an error': (_req, res) => void res.destroy(new Error('broken')),
  'it writes what is no text and no bytes': (_req, res) => void res.end(17 as never),
};
for (const [what, listener] of Object.entries(faults)) {
  test(`node-coap response: ${what}: 5.00, one report, and the program lives on`, async (t) => {
    let fails = true;
    const { ask, events, stats } = await running(t, (req, res) => (fails ? listener(req, res as never) : res.end('well')));
    const response = await ask('/a?b', { method: 'PUT' });
    assert.deepEqual([response.codeText, response.payload.length], ['5.00', 0]);
    assert.deepEqual(
      events.map(({ type, method, url }) => [type, method, url]),
      [['failed', 'PUT', '/a?b']],
    );
    fails = false;
    assert.equal((await ask('/')).text(), 'well');
    assert.equal(stats()['running'], 0);
  });
}

test('node-coap response: writes after the end go nowhere; reset refuses with 4.00', async (t) => {
  const { ask, events } = await running(t, (req, res) => {
    if (req.url === '/reset') res.reset();
    res.end('first');
    res.end('second');
    res.write('third');
  });
  assert.equal((await ask('/')).text(), 'first');
  assert.equal((await ask('/reset')).codeText, '4.00');
  await pause(20);
  assert.deepEqual(events, []);
});

test('node-coap response: whoever waits for the end is told, also when nobody waits for the response any more', async () => {
  let cancel = (): void => assert.fail();
  const reply: Reply = { respond: () => {}, notify: () => {}, onCancel: (task) => (cancel = task) };
  let ended: Promise<unknown> | undefined;
  nodeCoapListener((_req, res) => {
    cancel();
    ended = Promise.all([new Promise<void>((told) => res.write('a', () => told())), new Promise<void>((told) => res.end('b', () => told()))]);
  })({ code: 1, options: [], payload: new Uint8Array(0), peer }, reply);
  await Promise.race([ended, pause(1000).then(() => assert.fail('nobody was told'))]);
});

test('node-coap observation: each write is a notification with the code and the options of its time', async (t) => {
  // Each is written once the one before was seen.
  const writes: (() => void)[] = [];
  const { url } = await running(t, (req, res) => {
    assert.equal(req.headers.Observe, 0);
    res.setOption('Max-Age', 5);
    res.write('one');
    writes.push(
      () => {
        res.setOption('Max-Age', 6);
        res.write('two');
      },
      () => {
        res.statusCode = '4.04';
        res.write('gone');
        res.write('never');
      },
    );
  });
  const client = new CoapClient();
  const seen: unknown[] = [];
  for await (const response of client.observe(url)) {
    seen.push([response.codeText, response.maxAge, response.text()]);
    writes.shift()?.();
  }
  assert.deepEqual(seen, [
    ['2.05', 5, 'one'],
    ['2.05', 6, 'two'],
    ['4.04', 6, 'gone'],
  ]);
  await client.close();
});

test('node-coap observation: ended by the program, the last state comes again without Observe; ended unwritten, it is a plain answer', async (t) => {
  const { url, stats } = await running(t, (req, res) => {
    if (req.url === '/never') res.end();
    else if (req.url === '/reset') {
      res.write('one');
      setTimeout(() => res.reset(), 30);
    } else {
      res.write('one');
      setTimeout(() => res.end('two'), 30);
    }
  });
  const client = new CoapClient();
  const seen = async (path: string): Promise<unknown> => {
    const all: unknown[] = [];
    for await (const response of client.observe(`${url}${path}`)) {
      all.push([response.codeText, response.text(), findOption(response.options, OptionNumber.Observe) !== undefined]);
    }
    return all;
  };
  const whole = (await seen('/')) as unknown[];
  assert.deepEqual(
    [whole[0], whole.at(-1)],
    [
      ['2.05', 'one', true],
      ['2.05', 'two', false],
    ],
  );
  assert.deepEqual(await seen('/never'), [['2.05', '', false]]);
  assert.deepEqual(await seen('/reset'), [
    ['2.05', 'one', true],
    ['4.00', '', false],
  ]);
  assert.deepEqual([stats()['observations'], stats()['endpoint.observe.observers']], [0, 0]);
  await client.close();
});

test('node-coap observation: a program that writes on after its observer left does no harm, and holds nothing', async (t) => {
  let timer: NodeJS.Timeout | undefined;
  let finished = 0;
  let writes = 0;
  const { url, events, stats } = await running(t, (req, res) => {
    // A deregistration is a plain request.
    if (req.headers.Observe !== 0) {
      res.end();
      return;
    }
    res.write('0');
    res.on('finish', () => finished++);
    timer = setInterval(() => res.write(String(++writes)), 5);
  });
  const client = new CoapClient();
  for await (const response of client.observe(url)) if (response.text() !== '0') break;
  await until(() => finished === 1);
  const at = writes;
  await until(() => writes > at + 5);
  clearInterval(timer);
  assert.deepEqual([events, stats()['observations'], finished], [[], 0, 1]);
  await client.close();
});

test('node-coap observation: a registration with another method is a plain request', async (t) => {
  const { ask } = await running(t, (_req, res) => {
    res.write('a');
    res.end('b');
  });
  assert.equal((await ask('/', { method: 'PUT', options: [uintOption(OptionNumber.Observe, 0)] })).text(), 'ab');
});

test('fuzz: whatever options a request has, it is answered once, and nothing is thrown', async () => {
  const handler = nodeCoapListener((req, res) => {
    const { options } = req as unknown as { readonly options: readonly { readonly name: string; readonly value: string }[] };
    for (const { name, value } of options) if (name !== 'Uri-Query') res.setOption(name, value);
    res.end(req.url);
  });
  const numbers = Object.values(OptionNumber);
  const { answers } = await repeat('node-coap-requests', { quick: 2000, full: 200_000 }, async (seed) => {
    const random = new SeededRandom(seed);
    const options = Array.from({ length: random.below(12) }, () => {
      const number = random.below(4) === 0 ? random.below(0x1_0000) : random.pick(numbers);
      return opaqueOption(number, random.bytes(random.below(10)));
    });
    const answered = new Promise<number>((resolve) => {
      let count = 0;
      const reply = { respond: () => resolve(++count), notify: () => resolve(++count), onCancel: () => {} };
      handler({ code: random.below(32), options: sortOptions(options), payload: random.bytes(random.below(20)), peer }, reply);
    });
    return { answers: await answered };
  });
  assert.equal(answers, scale === 'full' ? 200_000 : 2000);
});
