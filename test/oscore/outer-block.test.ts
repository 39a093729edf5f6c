import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  codeClass,
  type Endpoint,
  findOption,
  type Layer,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  openRelay,
  type ProxyOptions,
  pathOptions,
  type Response,
  sortOptions,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { equalBytes, toHex, utf8 } from '../../src/core/bytes.ts';
import { ContextTable, encodeOscoreOption, oscore } from '../../src/oscore/index.ts';
import { SeededRandom } from '../support/random.ts';
import { clientAddress, has, isProtected, Net, opaque, proxyAddress, serverAddress } from './net.ts';
import { FakeStore, parameters } from './support.ts';

/** Blocks of 64 bytes of everything that is longer, also of what OSCORE protects. */
const fragmenting = { szx: 2, outerThreshold: 64 };

const block = (number: number, num: number, more: boolean, szx: number): Option => uintOption(number, num * 16 + (more ? 8 : 0) + szx);

const random = (length: number, seed = 'body'): Uint8Array => new SeededRandom(seed).bytes(length);

for (const via of ['forward', 'reverse'] as const) {
  describe(`RFC 8613 4.1.3.4.2: a ${via} proxy that fragments`, () => {
    const proxying: ProxyOptions = via === 'forward' ? { forward: { allow: openRelay } } : { reverse: [{ target: `coap://${serverAddress}` }] };

    test('the body of a request and of its response are put together, verified and delivered once', async () => {
      const net = new Net({ proxying, proxy: { blockwise: fragmenting } });
      net.body = random(900, 'response');
      const response = await net.ask(Method.POST, random(950), via);
      assert.deepEqual(response.payload, net.body);
      assert.equal(response.association, net.context);
      assert.equal(net.asked.length, 1);
      assert.deepEqual(net.asked[0]!.payload, random(950));
      // One message from the client; blocks with the whole OSCORE option on the next hop; and blocks on both hops of the way back.
      assert.equal(net.sent(clientAddress, proxyAddress).filter(has(OptionNumber.Block1)).length, 0);
      const blocks = net.sent(proxyAddress, serverAddress).filter(has(OptionNumber.Block1));
      assert.equal(blocks.length, Math.ceil((950 + 1 + 6 + 1 + 8) / 64));
      assert.ok(blocks.every(isProtected));
      assert.equal(new Set(blocks.map(({ options }) => toHex(findOption(options, OptionNumber.Oscore)!.value))).size, 1);
      for (const [from, to] of [[serverAddress, proxyAddress] as const, [proxyAddress, clientAddress] as const]) {
        const back = net.sent(from, to).filter(has(OptionNumber.Block2));
        assert.equal(back.length, Math.ceil((900 + 1 + 1 + 8) / 64));
        assert.ok(back.every((message) => isProtected(message) && message.payload.length <= 64));
      }
      await net.close();
    });

    test('an observation: every notification arrives whole, and one that cannot be put together does not end it', async () => {
      const net = new Net({ proxying, proxy: { blockwise: fragmenting } });
      const peer = net.sim.peer(via === 'reverse' ? proxyAddress : serverAddress, 5683);
      const target = via === 'reverse' ? peer : await net.client.resolve(serverAddress, 5683, { proxy: `coap://${proxyAddress}` });
      net.body = random(700, '0');
      const stream = net.client.observe({ peer: target, options: pathOptions(['large']), association: net.context });
      const next = async (): Promise<Uint8Array> => (await net.sim.finish(stream.next(), 1_000_000)).value!.payload;
      assert.deepEqual(await next(), net.body);
      for (let i = 1; i <= 5; i++) {
        net.body = random(700 + i, `${i}`);
        net.changed();
        assert.deepEqual(await next(), net.body);
      }
      // Two states in a hurry: the blocks of the first one are gone when they are asked for.
      net.body = random(800, 'lost');
      net.changed();
      net.body = random(800, 'last');
      net.changed();
      let got = await next();
      if (!equalBytes(got, net.body)) got = await next();
      assert.deepEqual(got, net.body);
      net.body = random(60, 'small');
      net.changed();
      assert.deepEqual(await next(), net.body);
      await net.sim.finish(stream.return!());
      await net.close();
    });

    test('with 15 % of datagrams lost, duplicated and reordered: whole, once', async () => {
      const network = { seed: 4, loss: 0.15, duplication: 0.15, reorder: 0.15 };
      const net = new Net({ proxying, proxy: { blockwise: fragmenting }, network });
      net.body = random(500, 'response');
      for (let i = 0; i < 10; i++) assert.deepEqual((await net.ask(Method.POST, random(400 + i), via)).payload, net.body);
      assert.deepEqual(
        net.asked.map(({ payload }) => payload.length),
        Array.from({ length: 10 }, (_, i) => 400 + i),
      );
      await net.close();
    });
  });
}

describe('RFC 8613 4.1.3.4.2: MAX_UNFRAGMENTED_SIZE, who sends', () => {
  test('a body that would make a longer message travels in Inner blocks, both ways; a shorter one travels whole', async () => {
    const blockwise = { threshold: 5000, maxUnfragmented: 2000 };
    const net = new Net({ client: { blockwise } });
    for (const [length, whole] of [
      [1900, true],
      [2100, false],
    ] as const) {
      net.sim.wire.length = 0;
      assert.equal((await net.ask(Method.POST, random(length))).code, Code.Content);
      assert.deepEqual(net.asked.at(-1)!.payload, random(length));
      const sent = net.sent(clientAddress, serverAddress);
      assert.equal(sent.length, whole ? 1 : 3);
      for (const message of sent) {
        assert.ok(message.payload.length <= 2000);
        assert.equal(has(OptionNumber.Block1)(message), false, 'no Outer block');
      }
    }
    await net.close();
  });

  test('a response likewise, and blocks become smaller where even one would be too long', async () => {
    const net = new Net({ server: { blockwise: { threshold: 5000, maxUnfragmented: 300 } } });
    for (const [length, messages] of [
      [250, 1],
      [1000, 4],
    ] as const) {
      net.sim.wire.length = 0;
      net.body = random(length);
      assert.deepEqual((await net.ask(Method.GET)).payload, net.body);
      const sent = net.sent(serverAddress, clientAddress);
      assert.equal(sent.length, messages);
      assert.ok(sent.every((message) => message.payload.length <= 300 && !has(OptionNumber.Block2)(message)));
    }
    await net.close();
  });

  test('what nothing protects is not concerned', async () => {
    const net = new Net({ client: { blockwise: { threshold: 5000, maxUnfragmented: 300 } } });
    const peer = net.sim.peer(serverAddress, 5683);
    const response = await net.sim.finish(net.client.request({ code: Method.POST, peer, payload: random(1200) }));
    assert.equal(response.code, Code.Content);
    assert.equal(net.sim.wire.length, 2);
    await net.close();
  });

  test('Outer blocks where they are configured: client and server without a proxy', async () => {
    const blockwise = { threshold: 4000, outerThreshold: 1024 };
    const net = new Net({ client: { blockwise }, server: { blockwise } });
    net.body = random(2500, 'response');
    assert.deepEqual((await net.ask(Method.POST, random(3000))).payload, net.body);
    assert.deepEqual(net.asked[0]!.payload, random(3000));
    const sent = net.sent(clientAddress, serverAddress);
    assert.deepEqual(
      sent.map((message) => [has(OptionNumber.Block1)(message), isProtected(message), message.payload.length]),
      [
        [true, true, 1024],
        [true, true, 1024],
        [true, true, 3000 + 16 - 2048],
        [false, true, 0],
        [false, true, 0],
      ],
    );
    assert.ok(
      sent.every((message) => !has(OptionNumber.RequestTag)(message)),
      'RFC 9175 3.4: a Partial IV tells the operations apart',
    );
    const back = net.sent(serverAddress, clientAddress);
    assert.ok(back.every(({ payload }) => payload.length <= 1024));
    await net.close();
  });

  test('a message that is longer than the bound and cannot be cut inside is not sent', async () => {
    const blockwise = { outerThreshold: 64, maxUnfragmented: 256 };
    const net = new Net({ client: { blockwise } });
    const options = pathOptions(['x'.repeat(250)]);
    await assert.rejects(net.ask(Method.POST, random(10), undefined, options), { code: 'ERR_COAP_BODY_SIZE' });
    assert.equal(net.sim.wire.length, 0);
    await net.close();
  });
});

describe('RFC 8613 4.1.3.4.2 and 8.2.1: Outer blocks of an attacker', () => {
  const blockwise = { maxUnfragmented: 1024, maxTransfersPerPeer: 4, maxTransfers: 16, maxBytes: 8192 };
  const option = (number: number): Option =>
    opaqueOption(OptionNumber.Oscore, encodeOscoreOption({ kid: parameters.senderId, partialIv: Uint8Array.of(number) }));

  /** Somebody who has no keys and sends what they like. */
  class Attacker {
    readonly endpoint: Endpoint;
    readonly #net: Net;

    constructor(net: Net, address: string) {
      this.#net = net;
      this.endpoint = net.endpoint(address, { layers: [opaque] });
    }

    send(options: readonly Option[], payload: Uint8Array, to: string = serverAddress): Promise<Response> {
      const peer = this.#net.sim.peer(to, 5683);
      return this.#net.sim.finish(this.endpoint.request({ code: Method.POST, peer, options: sortOptions(options), payload }), 1_000_000);
    }
  }

  test('blocks without an end: 4.13 once they are more than the bound, and nothing of them is kept', async () => {
    const net = new Net({ server: { blockwise } });
    const attacker = new Attacker(net, '10.0.0.66');
    for (let i = 0; i < 16; i++) {
      const { code } = await attacker.send([option(1), block(OptionNumber.Block1, i, true, 2)], random(64));
      assert.equal(code, Code.Continue);
    }
    assert.equal(net.server.stats()['outerBlockwise.uploads'], 1);
    const refused = await attacker.send([option(1), block(OptionNumber.Block1, 16, true, 2)], random(64));
    assert.equal(refused.code, Code.RequestEntityTooLarge);
    assert.equal(uintOf(refused.options, OptionNumber.Size1), 1024);
    assert.equal(net.server.stats()['outerBlockwise.uploads'], 0);
    // Announced at once, or sent whole.
    const announced = await attacker.send([option(2), block(OptionNumber.Block1, 0, true, 2), uintOption(OptionNumber.Size1, 2000)], random(64));
    assert.equal(announced.code, Code.RequestEntityTooLarge);
    assert.equal((await attacker.send([option(3)], random(1100))).code, Code.RequestEntityTooLarge);
    assert.equal(net.asked.length, 0);
    // The real one is served all the same.
    assert.equal((await net.ask(Method.POST, random(100))).code, Code.Content);
    await attacker.endpoint.close();
    await net.close();
  });

  test('unfinished transfers are bounded for one peer, in number and in bytes, and end with their lifetime', async () => {
    const net = new Net({ server: { blockwise } });
    const attackers = Array.from({ length: 6 }, (_, i) => new Attacker(net, `10.0.1.${i}`));
    for (const [n, attacker] of attackers.entries()) {
      for (let i = 0; i < 10; i++) await attacker.send([option(10 * n + i), block(OptionNumber.Block1, 0, true, 5)], random(512));
      assert.ok(net.server.stats()['outerBlockwise.uploads']! <= Math.min(4 * (n + 1), 16));
      assert.ok(net.server.stats()['outerBlockwise.uploadBytes']! <= 8192);
    }
    assert.ok(net.server.stats()['outerBlockwise.uploads']! > 0);
    assert.equal((await net.ask(Method.POST, random(100))).code, Code.Content);
    for (const { endpoint } of attackers) await endpoint.close();
    await net.close();
  });

  test('what is put together and does not verify: 4.00, as without blocks', async () => {
    const net = new Net({ server: { blockwise } });
    const attacker = new Attacker(net, '10.0.0.66');
    await attacker.send([option(1), block(OptionNumber.Block1, 0, true, 2)], random(64));
    const response = await attacker.send([option(1), block(OptionNumber.Block1, 1, false, 2)], random(20));
    assert.equal(response.code, Code.BadRequest);
    assert.equal(findOption(response.options, OptionNumber.Oscore), undefined);
    assert.deepEqual(
      net.events.map((event) => event.type === 'discarded' && event.reason),
      ['decrypt'],
    );
    await attacker.endpoint.close();
    await net.close();
  });

  test('blocks under the same OSCORE option from another address do not mix with those of the client', async () => {
    const net = new Net({ client: { blockwise: { threshold: 4000, outerThreshold: 64 } } });
    const attacker = new Attacker(net, '10.0.0.66');
    const asking = net.client.request({
      code: Method.POST,
      peer: net.sim.peer(serverAddress, 5683),
      options: pathOptions(['large']),
      payload: random(400),
      association: net.context,
    });
    // Each block of the client is followed by one of the attacker with the same number.
    for (let i = 0; i < 6; i++) await attacker.send([option(0), block(OptionNumber.Block1, i, true, 2)], random(64, 'evil'));
    assert.equal((await net.sim.finish(asking)).code, Code.Content);
    assert.deepEqual(net.asked[0]!.payload, random(400));
    await attacker.endpoint.close();
    await net.close();
  });

  test('RFC 9175 3.5.2: behind one proxy Request-Tags keep them apart', async () => {
    const net = new Net({ proxy: { blockwise: fragmenting } });
    const attacker = new Attacker(net, '10.0.0.66');
    const proxied = sortOptions([uintOption(OptionNumber.UriPort, 5683), opaqueOption(OptionNumber.UriHost, utf8(serverAddress))]);
    const asking = net.client.request(
      { code: Method.POST, peer: net.sim.peer(serverAddress, 5683), options: pathOptions(['large']), payload: random(600), association: net.context },
      { proxy: `coap://${proxyAddress}` },
    );
    const forged = attacker.endpoint.request({
      code: Method.POST,
      peer: net.sim.peer(proxyAddress, 5683),
      options: sortOptions([...proxied, opaqueOption(OptionNumber.ProxyScheme, utf8('coap')), option(0)]),
      payload: random(620, 'evil'),
    });
    const [answer, refusal] = await net.sim.finish(Promise.all([asking, forged]), 1_000_000);
    assert.equal(answer.code, Code.Content);
    assert.deepEqual(net.asked[0]!.payload, random(600));
    assert.equal(net.asked.length, 1);
    assert.equal(codeClass(refusal.code), 4);
    const tags = net.sent(proxyAddress, serverAddress).filter(has(OptionNumber.Block1));
    const values = new Set(tags.map(({ options }) => findOption(options, OptionNumber.RequestTag)?.value.length));
    assert.deepEqual(values, new Set([undefined, 0]), 'the absent one and the empty one');
    await attacker.endpoint.close();
    await net.close();
  });

  test('options that nobody sent for a good reason: each is answered by the rule of RFC 7959, and the process lives', async () => {
    const net = new Net({ server: { blockwise } });
    const attacker = new Attacker(net, '10.0.0.66');
    const { Block1, Block2, QBlock1, QBlock2 } = OptionNumber;
    const cases: readonly (readonly [name: string, options: readonly Option[], length: number, code: number])[] = [
      ['the reserved size', [block(Block1, 0, true, 7)], 64, Code.BadRequest],
      ['the reserved size, Block2', [block(Block2, 0, false, 7)], 64, Code.BadRequest],
      ['a block in the middle', [block(Block1, 3, true, 2)], 64, Code.RequestEntityIncomplete],
      ['a last block alone', [block(Block1, 3, false, 2)], 10, Code.RequestEntityIncomplete],
      ['a block that is too short', [block(Block1, 0, true, 2)], 63, Code.BadRequest],
      ['a later block of no response', [block(Block2, 3, false, 2)], 64, Code.RequestEntityIncomplete],
      ['the last number', [block(Block1, 0xf_ffff, true, 6)], 1024, Code.RequestEntityTooLarge],
      ['RFC 9177 4.1: Q-Block1', [block(QBlock1, 0, true, 2)], 64, Code.BadOption],
      ['RFC 9177 4.1: Q-Block2', [block(QBlock2, 0, true, 2)], 64, Code.BadOption],
    ];
    for (const [name, options, length, code] of cases) assert.equal((await attacker.send([option(9), ...options], random(length))).code, code, name);
    assert.equal(net.asked.length, 0);
    await attacker.endpoint.close();
    await net.close();
  });

  test('an Outer block option that is put to a message on its way: it verifies, or it is an error of that request alone', async () => {
    const { Block1, Block2, RequestTag } = OptionNumber;
    const outcome = async (...put: Option[]): Promise<string> => {
      const net = new Net();
      net.body = random(200);
      const meddler: Layer = {
        name: 'meddler',
        outbound: (next) => (request, listener) => {
          const added = put.filter(({ number }) => findOption(request.options, number) === undefined);
          return next({ ...request, options: sortOptions([...request.options, ...added]) }, listener);
        },
        inbound: (next) => next,
      };
      const contexts = new ContextTable();
      contexts.add(net.context);
      const client = net.endpoint('10.0.0.2', { layers: [oscore({ contexts, store: new FakeStore(), env: net.sim.env('2') }), meddler] });
      const ask = (): Promise<string> =>
        net.sim.finish(client.request({ peer: net.sim.peer(serverAddress, 5683), options: pathOptions(['large']), association: net.context }), 1_000_000).then(
          ({ code, association, payload }) => `${code} ${association === undefined ? 'open' : 'protected'} ${payload.length}`,
          (error: { code: string }) => error.code,
        );
      const result = await ask();
      put = [];
      assert.equal(await ask(), '69 protected 200');
      await client.close();
      await net.close();
      return result;
    };
    assert.equal(await outcome(block(Block1, 0, false, 6)), '69 protected 200', 'the one block of a body');
    assert.equal(await outcome(opaqueOption(RequestTag, utf8('x'))), '69 protected 200');
    assert.equal(await outcome(block(Block2, 0, false, 2)), '69 protected 200', 'smaller blocks, all of which are fetched');
    assert.equal(await outcome(block(Block1, 0, true, 0)), `${Code.BadRequest} open 0`);
    assert.equal(await outcome(block(Block1, 1, false, 0)), `${Code.RequestEntityIncomplete} open 0`);
  });
});
