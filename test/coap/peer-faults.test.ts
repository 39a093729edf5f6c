import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CoapFormatError,
  Code,
  decodeLinkFormat,
  decodeMessage,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  encodeMessage,
  filterLinks,
  type Handler,
  type MessageType,
  OptionNumber,
  pathOptions,
  queryOptions,
  Router,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { scale } from '../support/scale.ts';
import { Simulator } from '../support/simulator.ts';
import { block1, block2, body } from './harness.ts';

const ok: Handler = (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: utf8('ok') });

/** An endpoint on 10.0.0.1 and a raw peer that speaks to it; `calls` counts what reaches the handler. */
function endpointOf(options: Partial<EndpointOptions> = {}) {
  const sim = new Simulator({ seed: 3 });
  const events: EndpointEvent[] = [];
  const seen = { calls: 0 };
  const handler: Handler = (request, reply) => {
    seen.calls++;
    (options.handler ?? ok)(request, reply);
  };
  const endpoint = new Endpoint({
    transport: sim.transport('10.0.0.1', 5683),
    env: sim.env('endpoint'),
    emit: (event) => events.push(event),
    ...options,
    handler,
  });
  const raw = new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683));
  const isEmpty = async (): Promise<void> => {
    await sim.run();
    assert.deepEqual(
      Object.entries(endpoint.stats()).filter(([, count]) => count !== 0),
      [],
    );
    assert.equal(sim.pending, 0);
  };
  return { sim, endpoint, events, seen, raw, isEmpty };
}

/** Far more than any table here may hold. */
const many = scale === 'full' ? 20_000 : 3000;

function refused(hex: string, format = {}): void {
  assert.throws(() => decodeMessage(fromHex(hex), format), CoapFormatError, hex);
}

describe('faults that other CoAP implementations had', () => {
  test('option delta or length wraps around', async () => {
    for (const hex of [
      '40011234eefffffffe',
      '40011234e0ffffe0ffff',
      '40011234e1ffff00e1ffff00',
      '400112340eff',
      '400112340effff',
      '40011234eeffffffff',
      '400112340d',
      '40011234d0',
      '40011234e000',
    ]) {
      refused(hex);
      const { raw, seen } = endpointOf();
      assert.deepEqual(await raw.exchange(hex), ['70001234'], hex);
      assert.equal(seen.calls, 0);
    }
    // The highest number there is, and not one more.
    assert.equal(decodeMessage(fromHex('40011234e0fef2')).options[0]!.number, 65_535);
    refused('40011234e0fef3');
  });

  test('extended token length not checked against the packet', async () => {
    for (const hex of [
      '4d011234',
      '4d01123400',
      `4d011234ff${'00'.repeat(267)}`,
      '4e011234',
      '4e01123400',
      `4e0112340000${'00'.repeat(268)}`,
      '4e011234ffff00',
    ]) {
      refused(hex, { extendedTokens: true });
      const { raw, seen } = endpointOf({ extendedTokens: { accept: 65_804 } });
      assert.deepEqual(await raw.exchange(hex), ['70001234'], hex);
      assert.equal(seen.calls, 0);
    }
  });

  test('token length 9 to 12 or 15 accepted', async () => {
    for (const tkl of ['9', 'a', 'b', 'c', 'f']) {
      const hex = `4${tkl}011234${'00'.repeat(40)}`;
      refused(hex);
      const { raw, seen } = endpointOf();
      assert.deepEqual(await raw.exchange(hex), ['70001234']);
      assert.equal(seen.calls, 0);
    }
    refused(`4f011234${'00'.repeat(40)}`, { extendedTokens: true });
  });

  test('token length 13 and 14 accepted where extended tokens are off; checked against the datagram where they are on', async () => {
    for (const [hex, length] of [
      [`4d01123400${'11'.repeat(13)}`, 13],
      [`4e0112340000${'11'.repeat(269)}`, 269],
    ] as const) {
      refused(hex);
      refused(hex.slice(0, -2), { extendedTokens: true });
      assert.equal(decodeMessage(fromHex(hex), { extendedTokens: true }).token.length, length);
      const { raw, seen } = endpointOf();
      assert.deepEqual(await raw.exchange(hex), ['70001234']);
      assert.equal(seen.calls, 0);
    }
  });

  test('payload marker without payload', async () => {
    for (const hex of ['40011234ff', '41011234aaff', '40011234b161ff']) {
      refused(hex);
      const { raw, seen } = endpointOf();
      assert.deepEqual(await raw.exchange(hex), ['70001234']);
      assert.equal(seen.calls, 0);
    }
  });

  test('empty CON reaches the handler', async () => {
    const { raw, seen, isEmpty } = endpointOf();
    assert.deepEqual(await raw.exchange('40001234'), ['70001234']);
    assert.deepEqual(await raw.exchange('50001235'), []);
    assert.equal(seen.calls, 0);
    await isEmpty();
  });

  test('unknown critical option reaches the handler', async () => {
    const { raw, seen } = endpointOf();
    // Option 2049, critical; 9 (OSCORE), for which no layer is there; a second Uri-Host.
    for (const hex of ['40011234e006f4', '40011235 90', '40011236 3161 0162']) {
      const [reply] = await raw.exchange(hex);
      assert.equal(decodeMessage(fromHex(reply!)).code, Code.BadOption, hex);
      assert.deepEqual(await raw.exchange(hex.replace('4001', '5001').replace('123', '223')), [], 'a Non-confirmable one is rejected in silence');
    }
    assert.equal(seen.calls, 0);
  });

  test('reply accepted from another endpoint', async () => {
    const { sim, endpoint, raw } = endpointOf();
    const strangers = [new RawPeer(sim, '10.0.0.3', sim.peer('10.0.0.1', 5683)), new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683), 5684)];
    let response: string | undefined;
    endpoint.request({ peer: raw.peer }).then(({ payload }) => {
      response = fromUtf8(payload);
    });
    await sim.sleep(50);
    const { id, token } = decodeMessage(fromHex(raw.received[0]!));
    const reply = (type: MessageType, text: string): string => toHex(encodeMessage({ type, code: Code.Content, id, token, options: [], payload: utf8(text) }));
    for (const stranger of strangers) for (const type of [0, 1, 2] as const) stranger.send(reply(type, 'forged'));
    for (const stranger of strangers) stranger.send(`7000${id.toString(16).padStart(4, '0')}`);
    await sim.sleep(100);
    assert.equal(response, undefined);
    raw.send(reply(2, 'good'));
    await sim.sleep(100);
    assert.equal(response, 'good');
  });

  // The socket's side: test/fuzz/source-port.test.ts.
  test('source port 0', async () => {
    const { sim, seen, isEmpty, events } = endpointOf();
    for (const hex of ['40001234', '40011234', '40011235e006f4', '40011236ff', '4f011237', '60001234', '70001234', '40451238'])
      sim.inject(fromHex(hex), '10.0.0.2:0', '10.0.0.1:5683');
    await sim.sleep(1000);
    assert.equal(seen.calls, 0);
    assert.equal(events.length, 8);
    assert.ok(
      sim.wire.every(({ to }) => to === '10.0.0.1:5683'),
      'nothing was sent',
    );
    await isEmpty();
  });

  test('unfinished uploads without a cap', async () => {
    const { sim, endpoint, seen, isEmpty } = endpointOf({ blockwise: { maxTransfers: 50, maxBytes: 20_000 } });
    const block = (id: number): Uint8Array =>
      encodeMessage({ type: 1, code: 3, id, token: emptyBytes, options: [...pathOptions(['u']), block1(0, 1, 1024)], payload: body(1024) });
    for (let i = 0; i < many; i++) sim.inject(block(i & 0xffff), `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:5683`, '10.0.0.1:5683');
    await sim.sleep(100);
    const { 'blockwise.uploads': uploads, 'blockwise.uploadBytes': bytes } = endpoint.stats();
    assert.ok(uploads! > 0 && uploads! <= 50 && bytes! <= 20_000, `${uploads} uploads of ${bytes} bytes`);
    assert.equal(seen.calls, 0);
    await isEmpty();
  });

  test('block number 2^20-1 allocates a gigabyte', async () => {
    const { raw, sim, seen } = endpointOf();
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    for (const [i, option] of [block1(0xfffff, 1, 1024), block1(0xfffff, 0, 1024), block2(0xfffff, 0, 1024)].entries()) {
      const request = encodeMessage({
        type: 0,
        code: option.number === OptionNumber.Block1 ? 3 : 1,
        id: i,
        token: emptyBytes,
        options: [option],
        payload: emptyBytes,
      });
      raw.send(toHex(option.number === OptionNumber.Block1 ? encodeMessage({ ...decodeMessage(request), payload: body(1024) }) : request));
    }
    await sim.sleep(100);
    assert.deepEqual(
      raw.received.map((hex) => decodeMessage(fromHex(hex)).code),
      [Code.RequestEntityTooLarge, Code.RequestEntityTooLarge, Code.BadRequest],
    );
    assert.ok(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
    assert.ok(seen.calls <= 1);
  });

  test('changed ETag between blocks concatenated', async () => {
    const { sim, endpoint, raw } = endpointOf();
    let version = 1;
    const served: string[] = [];
    raw.onDatagram = (hex) => {
      const { id, token, options } = decodeMessage(fromHex(hex));
      const asked = options.find(({ number }) => number === OptionNumber.Block2);
      const num = asked === undefined ? 0 : (asked.value[0] ?? 0) >>> 4;
      served.push(`${version}/${num}`);
      const reply = [{ number: OptionNumber.ETag, value: Uint8Array.of(version) }, block2(num, num < 2 ? 1 : 0, 16)];
      raw.send(toHex(encodeMessage({ type: 2, code: Code.Content, id, token, options: reply, payload: utf8(`${version}`.repeat(num < 2 ? 16 : 3)) })));
      // It changes once, after the second block of the first.
      if (num === 1 && version === 1) version = 2;
    };
    const { payload } = await sim.finish(endpoint.request({ peer: raw.peer, options: pathOptions(['large']) }));
    assert.equal(fromUtf8(payload), '2'.repeat(35));
    assert.ok(served.includes('1/1') && served.includes('2/2'), served.join());
  });

  test('.well-known/core buffer', async () => {
    const router = new Router();
    for (let i = 0; i < 2000; i++) router.resource(`/sensors/${i}`, { get: () => 'x', attributes: { rt: `type-${i % 7}`, title: `"quoted" \\ ${i}` } });
    // The raw peer shows no address, and asks for large blocks.
    const server = endpointOf({ handler: router.handler, blockwise: { maxBody: 1 << 20 }, amplification: 'unlimited' });
    const client = new Endpoint({ transport: server.sim.transport('10.0.0.9', 5683), env: server.sim.env('client'), blockwise: { maxBody: 1 << 20 } });
    const ask = async (query: string[]) =>
      (
        await server.sim.finish(
          client.request({ peer: server.sim.peer('10.0.0.1', 5683), options: [...pathOptions(['.well-known', 'core']), ...queryOptions(query)] }),
        )
      ).payload;
    const all = decodeLinkFormat(fromUtf8(await ask([])));
    assert.equal(all.length, 2000);
    assert.equal(decodeLinkFormat(fromUtf8(await ask(['rt=type-3']))).length, filterLinks(all, ['rt=type-3']).length);
    // Any size of block, and queries as long and as many as a datagram holds.
    const { raw } = server;
    for (const size of [16, 32, 1024]) {
      const options = [...pathOptions(['.well-known', 'core']), block2(1, 0, size)];
      const [reply] = await raw.exchange(toHex(encodeMessage({ type: 0, code: 1, id: size, token: emptyBytes, options, payload: emptyBytes })));
      assert.equal(decodeMessage(fromHex(reply!)).payload.length, size);
    }
    const queries = queryOptions(['x'.repeat(255), ...Array.from({ length: 300 }, () => '*'), '=', '=*', '', 'rt=', `rt=${'*'.repeat(200)}`]);
    const [reply] = await raw.exchange(
      toHex(encodeMessage({ type: 0, code: 1, id: 1, token: emptyBytes, options: [...pathOptions(['.well-known', 'core']), ...queries], payload: emptyBytes })),
    );
    assert.equal(decodeMessage(fromHex(reply!)).code, Code.Content);
  });

  test('link parser loop', () => {
    for (const text of [
      '<',
      '<a',
      '<a>;',
      '<a>,',
      '<a>;=',
      '<a>;b=',
      '<a>;b="',
      '<a>;b="\\',
      '<a>;b=",',
      ',',
      ';',
      '<a>,,',
      '<a>;;',
      '<a> <b>',
      '<a>;b=c"d',
      '<a>;"',
      '\u0000',
    ])
      assert.throws(() => decodeLinkFormat(text), { code: 'ERR_COAP_LINK_FORMAT' }, JSON.stringify(text));
    // A link to itself is data, and is not followed.
    assert.equal(decodeLinkFormat('</.well-known/core>;rel=self;anchor="/.well-known/core"').length, 1);
    for (const text of ['<', '<a>,', '<a>;', '<a>;b="\\"', '<a>;b="', '\\', ' ', '<a>;b=c,'])
      for (const count of [10_000, 20_000]) {
        try {
          decodeLinkFormat(text.repeat(count));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_COAP_LINK_FORMAT');
        }
      }
  });
});

describe('lifetime faults that other implementations had', () => {
  test('peers that never return keep memory for ever', async () => {
    const router = new Router();
    router.resource('/t', { get: () => 'x'.repeat(3000), put: () => undefined, observable: true });
    const { sim, endpoint, isEmpty } = endpointOf({ handler: router.handler, extendedTokens: {} });
    // Each peer leaves something of every kind: a duplicate to remember, an upload, a download, a registration, a long token, a response that nobody acknowledges.
    for (let i = 0; i < 500; i++) {
      const from = `10.9.${i >> 8}.${i & 255}:5683`;
      const send = (
        id: number,
        type: MessageType,
        code: number,
        options: Parameters<typeof encodeMessage>[0]['options'],
        payload = emptyBytes,
        token = Uint8Array.of(id),
      ): void =>
        sim.inject(
          encodeMessage({ type, code, id, token, options: [...options].sort((a, b) => a.number - b.number), payload }, { extendedTokens: true }),
          from,
          '10.0.0.1:5683',
        );
      send(1, 0, 1, pathOptions(['t']));
      send(2, 0, 3, [...pathOptions(['t']), block1(0, 1, 64)], body(64));
      send(3, 0, 1, [...pathOptions(['t']), block2(0, 0, 16)]);
      send(4, 0, 1, [...pathOptions(['t']), uintOption(OptionNumber.Observe, 0)]);
      send(5, 1, 1, pathOptions(['t']), emptyBytes, new Uint8Array(100));
    }
    await sim.sleep(1000);
    assert.ok(endpoint.stats()['peers']! === 500);
    // A client that never gets an answer either.
    for (let i = 0; i < 50; i++) endpoint.request({ peer: sim.peer(`10.8.0.${i}`, 5683) }).catch(() => {});
    await sim.sleep(2 * 86_400_000);
    await isEmpty();
  });

  test('caches bounded by payload bytes only', async () => {
    // Replies of a few bytes: what is kept of each is more than its payload, so entries are counted too.
    const { sim, endpoint } = endpointOf({ limits: { duplicates: { entries: 1000, bytes: 1 << 30 } } });
    for (let i = 0; i < many; i++)
      sim.inject(
        encodeMessage({ type: 0, code: 1, id: i, token: emptyBytes, options: [], payload: emptyBytes }),
        `10.7.0.${i & 255}:${1000 + (i >> 8)}`,
        '10.0.0.1:5683',
      );
    await sim.sleep(1000);
    assert.equal(endpoint.stats()['duplicates'], 1000);
    const bytes = endpointOf({ limits: { duplicates: { entries: 1 << 30, bytes: 50_000 } } });
    for (let i = 0; i < many; i++)
      bytes.sim.inject(
        encodeMessage({ type: 0, code: 1, id: i, token: emptyBytes, options: [], payload: emptyBytes }),
        `10.7.0.${i & 255}:${1000 + (i >> 8)}`,
        '10.0.0.1:5683',
      );
    await bytes.sim.sleep(1000);
    assert.ok(bytes.endpoint.stats()['duplicateBytes']! <= 50_000);
    assert.ok(bytes.endpoint.stats()['duplicates']! < 320, 'an entry without payload is counted in bytes as well');
    // Downloads that are kept for later blocks, uploads, observers: each table has a count beside its bytes.
    const names = Object.keys(endpoint.stats());
    for (const name of ['peers', 'duplicates', 'duplicateBytes', 'requests', 'replies', 'observers']) assert.ok(names.includes(name), name);
    await sim.run();
    await bytes.sim.run();
  });
});
