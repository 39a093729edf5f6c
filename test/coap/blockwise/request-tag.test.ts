import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blockwise } from '../../../src/coap/blockwise/layer.ts';
import { RequestTags, requestTagOption } from '../../../src/coap/blockwise/request-tag.ts';
import { decodeMessage, Endpoint, type Handler } from '../../../src/coap/index.ts';
import type { Request } from '../../../src/coap/layer.ts';
import { observationKey, operationKey } from '../../../src/coap/message/cache-key.ts';
import { Code, Method } from '../../../src/coap/message/code.ts';
import { OptionNumber, opaqueOption, optionDefinition, uintOption } from '../../../src/coap/message/option.ts';
import { concat, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { Simulator } from '../../support/simulator.ts';
import { ask, association, block1, block2, body, brief, Listener, option, peer, request, response, type TestReply, Wire } from '../harness.ts';

const tag = (hex: string) => opaqueOption(OptionNumber.RequestTag, fromHex(hex));

function tagsOf(message: Request): string[] {
  return message.options.filter(({ number }) => number === OptionNumber.RequestTag).map(({ value }) => toHex(value));
}

describe('RFC 9175 3.3: Request-Tag at the server', () => {
  function upload() {
    const layer = blockwise({}, new Simulator().env());
    const seen: Request[] = [];
    const inbound = layer.inbound((message, reply) => {
      seen.push(message);
      reply.respond(response(Code.Changed));
    });
    const put = (num: number, more: number, start: number, tags: string[], fields: Partial<Request> = {}) =>
      brief(ask(inbound, request(Method.PUT, 'a', { options: [block1(num, more, 16), ...tags.map(tag)], payload: body(16, start), ...fields })).last);
    return { layer, put, seen, inbound };
  }

  test('messages with different Request-Tag lists are different operations', () => {
    const { put, seen, layer } = upload();
    const lists = [[], [''], ['00'], ['01'], ['01', '02'], ['02', '01'], ['0102'], ['', '01']];
    for (const [i, list] of lists.entries()) assert.equal(put(0, 1, i, list), '2.31 1:0/1/16');
    assert.equal(layer.stats().uploads, lists.length);
    assert.equal(put(1, 0, 99, ['03']), '4.08');
    for (const [i, list] of lists.entries()) {
      assert.equal(put(1, 0, 50 + i, list), '2.04 1:1/0/16');
      assert.equal(toHex(seen[i]!.payload), toHex(concat(body(16, i), body(16, 50 + i))));
    }
    assert.equal(layer.stats().uploads, 0);
  });

  test('the attack of RFC 9175 3.1: blocks of an earlier operation do not complete a later one', () => {
    const { put, seen } = upload();
    const owner = { association: association('x') };
    // The first operation is cut off; its second block is held back and comes while the second operation runs.
    put(0, 1, 1, [], owner);
    put(0, 1, 2, [''], owner);
    assert.equal(put(1, 0, 1, [], owner), '2.04 1:1/0/16');
    assert.equal(put(1, 0, 2, [''], owner), '2.04 1:1/0/16');
    assert.deepEqual(
      seen.map(({ payload }) => toHex(payload)),
      [toHex(concat(body(16, 1), body(16, 1))), toHex(concat(body(16, 2), body(16, 2)))],
    );
  });

  test('the assembled request carries no Request-Tag, a response never does', () => {
    const { inbound, seen } = upload();
    ask(inbound, request(Method.PUT, 'a', { options: [block1(0, 1, 16), tag('07')], payload: body(16) }));
    const reply = ask(inbound, request(Method.PUT, 'a', { options: [block1(1, 0, 16), tag('07')], payload: body(1) }));
    assert.deepEqual(tagsOf(seen[0]!), []);
    assert.equal(option(reply.last, OptionNumber.RequestTag), undefined);
  });

  test('3.4: a Request-Tag without a Block option is ignored', () => {
    const { inbound, seen } = upload();
    ask(inbound, request(Method.PUT, 'a', { options: [tag('07')], payload: body(1) }));
    assert.equal(seen.length, 1);
  });

  test('the Block2 phase belongs to the operation with the same tag', () => {
    const layer = blockwise({}, new Simulator().env());
    const inbound = layer.inbound((message, reply) => reply.respond(response(Code.Changed, concat(message.payload, message.payload))));
    const last = (name: string) => {
      ask(inbound, request(Method.POST, 'a', { options: [block1(0, 1, 16), tag(name)], payload: utf8(name.repeat(8)) }));
      ask(inbound, request(Method.POST, 'a', { options: [block1(1, 0, 16), block2(0, 0, 16), tag(name)], payload: utf8(name.repeat(8)) }));
    };
    last('01');
    last('02');
    const later = (name: string) => ask(inbound, request(Method.POST, 'a', { options: [block2(1, 0, 16), tag(name)] })).last;
    assert.equal(toHex(later('01').payload), toHex(utf8('01'.repeat(8))));
    assert.equal(toHex(later('02').payload), toHex(utf8('02'.repeat(8))));
    assert.equal(brief(later('03')), '4.08');
  });
});

describe('RFC 9175 3.4, 3.5: setting the Request-Tag', () => {
  function client(owner = true) {
    const sim = new Simulator();
    const layer = blockwise({ szx: 0, lifetime: 1000 }, sim.env());
    const held: TestReply[] = [];
    const wire = new Wire((_message, reply) => held.push(reply as TestReply));
    const requester = layer.outbound(wire.requester);
    const put = (path = 'a') => {
      const listener = new Listener();
      const cancel = requester(request(Method.PUT, path, { payload: body(20), ...(owner ? { association: association('x') } : {}) }), listener);
      return { listener, cancel };
    };
    const finish = (from: number) => {
      held[from]!.respond(response(Code.Continue, '', [block1(0, 1, 16)]));
      held[held.length - 1]!.respond(response(Code.Changed, '', [block1(1, 0, 16)]));
    };
    return { sim, layer, wire, put, finish, held };
  }

  test('one operation after the other needs none', () => {
    const { wire, put, finish, layer } = client();
    for (let i = 0; i < 3; i++) {
      const { listener } = put();
      finish(2 * i);
      assert.equal(listener.only.code, Code.Changed);
    }
    assert.deepEqual(wire.requests.flatMap(tagsOf), []);
    assert.equal(layer.stats().lostTags, 0);
  });

  test('3.5.2: operations at the same time on the same target have different tags, each the same on all its messages', () => {
    const { wire, put, finish } = client();
    put();
    put();
    put();
    put('other');
    assert.deepEqual(wire.requests.map(tagsOf), [[], [''], ['00'], []]);
    finish(1);
    assert.deepEqual(tagsOf(wire.requests[4]!), ['']);
    put();
    assert.deepEqual(tagsOf(wire.requests[5]!), [''], 'a concluded one serves again');
  });

  test('3.5.1: the tag of an operation that was cut off is not used again', () => {
    const { wire, put, layer } = client();
    put().cancel();
    put().cancel();
    put();
    assert.deepEqual(wire.requests.map(tagsOf), [[], [''], ['00']]);
    assert.equal(layer.stats().lostTags, 2);
  });

  test('3.5.1: nor after its record is gone', async () => {
    const { sim, wire, put, layer } = client();
    put().cancel();
    put().cancel();
    await sim.sleep(1001);
    assert.equal(layer.stats().lostTags, 0);
    put();
    assert.deepEqual(tagsOf(wire.requests[2]!), ['00']);
  });

  test('without protection there is nothing to protect: after its lifetime a tag serves again', async () => {
    const { sim, wire, put } = client(false);
    put().cancel();
    put();
    assert.deepEqual(wire.requests.map(tagsOf), [[], ['']]);
    await sim.sleep(1001);
    put();
    assert.deepEqual(tagsOf(wire.requests[2]!), []);
  });

  test('an answer from outside the association does not conclude an operation', () => {
    const { wire, put, held } = client();
    put();
    held[0]!.respond({ ...response(Code.Unauthorized), association: association('y') });
    put();
    assert.deepEqual(wire.requests.map(tagsOf), [[], ['']]);
  });

  test('3.5.1: over DTLS an operation of which a request was sent again is not concluded by its answers; over OSCORE it is', () => {
    for (const kind of ['dtls', 'oscore']) {
      const layer = blockwise({ szx: 0 }, new Simulator().env());
      const wire = new Wire((message, reply) => {
        const first = message.options.some((other) => other.number === OptionNumber.Block1 && other.value[0] === 0x08);
        if (first) reply.respond({ ...response(Code.Continue, '', [block1(0, 1, 16)]), retransmitted: wire.requests.length === 3 });
        else reply.respond(response(Code.Changed, '', [block1(1, 0, 16)]));
      });
      const requester = layer.outbound(wire.requester);
      const owner = { kind, id: 'x', credential: undefined };
      for (let i = 0; i < 3; i++) requester(request(Method.PUT, 'a', { payload: body(20), association: owner }), new Listener());
      const last = kind === 'dtls' ? [''] : [];
      assert.deepEqual(wire.requests.map(tagsOf), [[], [], [], [], last, last], kind);
    }
  });

  test('3.5.1: with an association its address does not matter: it may have changed within the operation', () => {
    const { wire, layer } = client();
    const requester = layer.outbound(wire.requester);
    for (const port of [1, 2]) {
      requester(request(Method.PUT, 'b', { payload: body(20), association: association('x'), peer: peer(port) }), new Listener());
      requester(request(Method.PUT, 'b', { payload: body(20), peer: peer(port) }), new Listener());
    }
    assert.deepEqual(wire.requests.map(tagsOf), [[], [], [''], []]);
  });

  test('the Block2 phase carries the tag of the Block1 phase', () => {
    const { wire, put, held } = client();
    put();
    put();
    held[1]!.respond(response(Code.Continue, '', [block1(0, 1, 16)]));
    held[2]!.respond(response(Code.Changed, body(16), [block1(1, 0, 16), block2(0, 1, 16)]));
    assert.equal(brief(wire.requests[3]!), '0.03 2:1/0/16');
    assert.deepEqual(tagsOf(wire.requests[3]!), ['']);
  });

  test('3.5.2: requests at the same time that only their bodies tell apart each get the whole of their own answer', async () => {
    for (const code of [Method.FETCH, Method.POST, Method.PUT]) {
      const sim = new Simulator();
      const handler: Handler = (message, reply) => reply.respond(response(Code.Content, body(3000, message.payload[0])));
      const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler });
      const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), parameters: { nstart: 4 } });
      const options = [uintOption(OptionNumber.ContentFormat, 0)];
      const send = (first: number) => client.request({ peer: sim.peer('10.0.0.1', 5683), code, options, payload: Uint8Array.of(first) });
      const answers = await sim.finish(Promise.all([1, 2, 3].map(send)));
      assert.deepEqual(
        answers.map(({ payload }) => toHex(payload)),
        [1, 2, 3].map((first) => toHex(body(3000, first))),
      );
      await server.close();
      await client.close();
    }
  });

  test('3.5.2: of such requests the one that is alone has no tag, however those before it ended; registrations and GETs have none', () => {
    const { wire, layer, held } = client();
    const requester = layer.outbound(wire.requester);
    const send = (code: number, fields: Partial<Request> = {}) => requester(request(code, 'a', { payload: body(5), ...fields }), new Listener());
    send(Method.POST)();
    const cancel = send(Method.POST);
    send(Method.POST);
    send(Method.FETCH);
    send(Method.FETCH, { options: [uintOption(OptionNumber.Observe, 0)] });
    send(Method.GET, { payload: body(0) });
    send(Method.GET, { payload: body(0) });
    cancel();
    held[2]!.respond(response(Code.Changed));
    send(Method.POST);
    assert.deepEqual(wire.requests.map(tagsOf), [[], [], [''], [], [], [], [], []]);
    assert.equal(layer.stats().lostTags, 0);
  });

  test('3.5.2: GETs at the same time of what changes with each look end, each with a whole body, and one that is alone needs no tag', async () => {
    const sim = new Simulator();
    let looks = 0;
    const handler: Handler = (_message, reply) => reply.respond(response(Code.Content, body(3000, looks++)));
    const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler, amplification: 'unlimited' });
    const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client'), parameters: { nstart: 8 } });
    const get = () => client.request({ peer: sim.peer('10.0.0.1', 5683) });
    const tags = () => sim.wire.flatMap(({ datagram }) => tagsOf(decodeMessage(datagram) as unknown as Request));
    await sim.finish(get());
    assert.deepEqual(tags(), []);
    for (const { payload } of await sim.finish(Promise.all([1, 2, 3, 4].map(get)))) assert.equal(toHex(payload), toHex(body(3000, payload[0])));
    assert.deepEqual([...new Set(tags())].sort(), ['', '00', '01']);
    const before = tags().length;
    await sim.finish(get());
    assert.equal(tags().length, before);
    await client.close();
    await server.close();
  });

  test('2.9.3: a body that is told to travel in blocks becomes an operation whose tag may be lost', () => {
    const layer = blockwise({ szx: 2 }, new Simulator().env());
    const held: TestReply[] = [];
    const wire = new Wire((_message, reply) => held.push(reply as TestReply));
    const send = () => layer.outbound(wire.requester)(request(Method.POST, 'a', { payload: body(40) }), new Listener());
    send();
    const cancel = send();
    held[1]!.respond(response(Code.RequestEntityTooLarge, '', [block1(0, 0, 16)]));
    assert.deepEqual(wire.requests.map(tagsOf), [[], [''], ['']]);
    cancel();
    assert.equal(layer.stats().lostTags, 1);
    send();
    assert.deepEqual(tagsOf(wire.requests[3]!), [''], 'no block of a body can be mixed with it');
  });

  test('a tag that the caller set stays beside ours', () => {
    const { wire, layer } = client();
    const requester = layer.outbound(wire.requester);
    for (let i = 0; i < 2; i++) requester(request(Method.PUT, 'a', { payload: body(20), options: [tag('aa')] }), new Listener());
    assert.deepEqual(wire.requests.map(tagsOf), [['aa'], ['aa', '']]);
  });
});

describe('RFC 9175 3.2.1: the option', () => {
  test('292 is elective, safe to forward, part of the cache key, repeatable, 0 to 8 bytes', () => {
    const definition = optionDefinition(OptionNumber.RequestTag);
    assert.deepEqual([OptionNumber.RequestTag & 3, (OptionNumber.RequestTag & 0x1e) === 0x1c], [0, false]);
    assert.deepEqual([definition?.repeatable, definition?.min, definition?.max], [true, 0, 8]);
  });

  test('3.3: each list of tags is a cache key of its own, and an operation of its own', () => {
    const keys = [[], [''], ['', ''], ['00'], ['0000'], ['00', '00'], ['00', '01'], ['01', '00']].map((list) =>
      operationKey(request(Method.FETCH, 'a', { options: list.map(tag) })),
    );
    assert.equal(new Set(keys).size, keys.length);
  });

  test('3.4: where there is no block it says nothing: registrations that differ in it observe the same', () => {
    assert.equal(observationKey(request(Method.GET, 'a', { options: [tag('01')] })), observationKey(request(Method.GET, 'a')));
  });
});

describe('RFC 9175 3.8: Block2 and ETag', () => {
  test('a response in blocks has an ETag, different for different representations, the same for the same one made again', () => {
    const etag = (of: string, format: number) => {
      const inbound = blockwise({ szx: 0 }, new Simulator().env()).inbound((_message, reply) => {
        reply.respond(response(Code.Content, of, [uintOption(OptionNumber.ContentFormat, format)]));
      });
      return option(ask(inbound, request(Method.GET, 'a')).last, OptionNumber.ETag);
    };
    const etags = [etag('a'.repeat(40), 0), etag('b'.repeat(40), 0), etag('a'.repeat(40), 50), etag('a'.repeat(41), 0)];
    assert.equal(new Set(etags).size, 4);
    assert.ok(etags.every((value) => value?.length === 16));
    assert.equal(etag('a'.repeat(40), 0), etags[0]);
  });
});

describe('RFC 9175 Appendix B: the cost of a tag', () => {
  test('absent, empty, 256 of one byte, 65536 of two', () => {
    const hex = (index: number) => {
      const found = requestTagOption(index);
      return found && toHex(found.value);
    };
    assert.deepEqual([0, 1, 2, 3, 257, 258, 259, 65793, 65794].map(hex), [undefined, '', '00', '01', 'ff', '0000', '0001', 'ffff', '000000']);
  });

  test('lost tags are bounded; what is forgotten is never used again', () => {
    const tags = new RequestTags(new Simulator().env(), { lifetime: 1000, entries: 3 });
    for (let i = 0; i < 10; i++) tags.lose(tags.acquire('target'), true);
    assert.deepEqual(tags.stats(), { active: 0, lost: 3 });
    assert.equal(tags.acquire('target').index, 10);
    assert.equal(tags.acquire('another').index, 7);
  });
});
