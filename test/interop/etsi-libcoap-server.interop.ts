import assert from 'node:assert/strict';
import {
  attributeOf,
  Code,
  ContentFormat,
  codeClass,
  decodeLinkFormat,
  type Link,
  MessageType,
  Method,
  type Response,
  SignalingCode,
} from '../../src/coap/index.ts';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { rest } from '../etsi/block-cases.ts';
import { withEmptyToken } from '../etsi/core-cases.ts';
import { text } from '../etsi/site.ts';
import { type Expected, observeOf, type Side, type WireMessage } from '../etsi/wire.ts';
import { pause } from '../support/wait.ts';
import {
  type Ask,
  another,
  content,
  hurried,
  made,
  notified,
  type Open,
  overTcp,
  overUdp,
  plain,
  put,
  register,
  type Theirs,
  time,
  transact,
  written,
} from './etsi-libcoap.ts';
import { type Entry, interop, onStreams, type Table } from './etsi-table.ts';

const { CON, NON, ACK, RST } = MessageType;

function simple(ask: Ask, expected: Expected, before?: Ask): Entry<Open> {
  return async (t, open) => {
    const theirs = await open(t);
    if (before !== undefined) await transact(theirs, before, written);
    await transact(theirs, ask, expected);
  };
}

const separate: Entry<Open> = async (t, open) => {
  const { wire, ask } = await open(t);
  const asked = ask({ path: ['async'], query: ['1'] });
  const request = await wire.next('client', { type: CON, code: Method.GET, path: ['async'] });
  assert.ok(request.token.length >= 1 && request.token.length <= 8);
  await wire.acknowledgement('server', request);
  const response = await wire.next('server', { code: Code.Content, payload: 'some', type: CON, tokenOf: request });
  await wire.acknowledgement('client', response);
  assert.equal(fromUtf8((await asked).payload), 'done');
};

function lossy(ask: Ask, losses: readonly [Side, (message: WireMessage) => boolean][]): Entry<Open> {
  return async (t, open) => {
    const theirs = await open(t, { gateway: true, parameters: { ackTimeout: 500, ackRandomFactor: 1 } });
    for (const [side, matches] of losses) {
      let lost: WireMessage | undefined;
      let again = 0;
      theirs.lose = (from, message) => {
        if (from !== side || !matches(message)) return false;
        if (lost !== undefined) {
          if (message.id === lost.id) again++;
          return false;
        }
        lost = message;
        return true;
      };
      assert.equal((await theirs.ask(ask)).code, Code.Content);
      assert.equal(again, 1, 'it was sent again');
    }
  };
}

function links(query: string, holds: (of: Link) => boolean): Entry<Open> {
  return async (t, open) => {
    const theirs = await open(t);
    const read = async (...queries: string[]): Promise<Link[]> => {
      const { shown } = await transact(theirs, { path: ['.well-known', 'core'], query: queries }, { ...content, format: ContentFormat.LinkFormat });
      return decodeLinkFormat(fromUtf8(shown.payload));
    };
    const all = await read();
    assert.deepEqual(
      all.map(({ target }) => target),
      ['/', '/time', '/async', '/example_data'],
    );
    if (query === '') return;
    const some = await read(query);
    assert.deepEqual(some, all.filter(holds));
    assert.ok(some.length > 0 && some.length < all.length);
  };
}

/** The server's 1,500 bytes. */
function download(szx: number, early: boolean): Entry<Open> {
  return async (t, open) => {
    const theirs = await open(t, { blockwise: { szx } });
    const asked = theirs.ask({ path: ['example_data'] });
    const request = await theirs.wire.next('client', { code: Method.GET, type: CON, block2: early ? [0, false, szx] : 'none' });
    const first = await theirs.wire.next('server', { type: ACK, code: Code.Content, idOf: request, tokenOf: request, block2: [0, true, szx] });
    // The rest is compared with what the client displays: these bytes are the server's own.
    const { wire } = theirs;
    const blocks = [first];
    const last = Math.ceil(1500 / (16 << szx)) - 1;
    for (let number = 1; number <= last; number++) {
      const next = await wire.next('client', { type: CON, code: Method.GET, block2: [number, false, szx] });
      blocks.push(await wire.next('server', { type: ACK, code: Code.Content, idOf: next, tokenOf: next, block2: [number, number < last, szx] }));
    }
    assert.equal(fromUtf8((await asked).payload), blocks.map(({ payload }) => fromUtf8(payload)).join(''));
  };
}

async function upload({ wire, ask }: Theirs, code: number, path: string): Promise<{ readonly response: WireMessage; readonly asked: Promise<Response> }> {
  const asked = ask({ code, path: [path], payload: text(2500), options: [plain] });
  for (let number = 0; ; number++) {
    const more = number < 2;
    const request = await wire.next('client', {
      type: CON,
      code,
      path: [path],
      block1: [number, more, 6],
      payload: text(2500).slice(1024 * number, 1024 * (number + 1)),
    });
    const answers: Expected = { type: ACK, code: more ? Code.Continue : [Code.Changed, Code.Created], idOf: request, tokenOf: request };
    // Its last response leaves Block1 out.
    const response = await wire.next('server', more ? { ...answers, block1: [number, true, 6] } : answers);
    if (!more) return { response, asked };
  }
}

const emptyToken: Entry<Open> = async (t, open) => {
  const theirs = await open(t);
  await transact(theirs, { ...put, path: ['test'], payload: 'the test resource' }, written);
  await withEmptyToken(theirs, true);
};

const cases: Table<Open> = {
  TD_COAP_CORE_01: simple(time, content),
  TD_COAP_CORE_02: simple({ ...made, code: Method.DELETE }, { code: Code.Deleted }, put),
  TD_COAP_CORE_03: simple(put, written),
  TD_COAP_CORE_04: simple({ ...put, code: Method.POST }, written),
  TD_COAP_CORE_05: simple({ ...time, nonConfirmable: true }, content),
  TD_COAP_CORE_06: simple({ ...made, code: Method.DELETE, nonConfirmable: true }, { code: Code.Deleted }, put),
  TD_COAP_CORE_07: simple({ ...put, nonConfirmable: true }, written),
  TD_COAP_CORE_08: simple({ ...put, code: Method.POST, nonConfirmable: true }, written),
  TD_COAP_CORE_09: separate,
  TD_COAP_CORE_10: async (t, open) => {
    const { request } = await transact(await open(t), time, content);
    assert.ok(request.token.length >= 1 && request.token.length <= 8);
  },
  TD_COAP_CORE_11: separate,
  TD_COAP_CORE_12: emptyToken,
  TD_COAP_CORE_13: simple({ path: ['seg1', 'seg2', 'seg3'] }, content, { ...put, path: ['seg1', 'seg2', 'seg3'] }),
  TD_COAP_CORE_14: simple({ ...time, query: ['first=1', 'second=2', 'third=3'] }, content),
  TD_COAP_CORE_15: lossy(time, [
    ['client', () => true],
    ['server', () => true],
  ]),
  TD_COAP_CORE_16: lossy({ path: ['async'], query: ['1'] }, [
    ['client', ({ code }) => code === Method.GET],
    ['server', ({ code }) => code === Code.Content],
    ['client', ({ type }) => type === ACK],
  ]),
  TD_COAP_CORE_17: async (t, open) => {
    const { wire, ask } = await open(t);
    const asked = ask({ path: ['async'], query: ['1'], nonConfirmable: true });
    const request = await wire.next('client', { type: NON, code: Method.GET, path: ['async'] });
    await wire.next('server', { type: NON, code: Code.Content, payload: 'some', tokenOf: request });
    assert.equal(fromUtf8((await asked).payload), 'done');
  },
  TD_COAP_CORE_18: 'no resource of coap-server answers with Location-Path',
  TD_COAP_CORE_19: 'no resource of coap-server answers with Location-Query',
  TD_COAP_CORE_20: 'no resource of coap-server has two formats, and Accept is ignored',
  TD_COAP_CORE_21: 'coap-server has another ETag for each transfer and never answers with 2.03',
  TD_COAP_CORE_22: 'coap-server ignores If-Match',
  TD_COAP_CORE_23: 'coap-server ignores If-None-Match',
  TD_COAP_CORE_31: async (t, open) => {
    const theirs = await open(t);
    // It lets the second ping in a row of one address wait; the first one showed that it is ready.
    await theirs.reboot('new');
    const { wire, endpoint, peer } = theirs;
    // Past the Release of the connection that was.
    wire.toEnd();
    const pinged = endpoint.ping(peer, { timeout: 5000 });
    // RFC 8323 §5.4: on a stream, Ping and Pong.
    const request = await wire.next('client', { type: CON, code: [0, SignalingCode.Ping], payload: 'empty' });
    if (wire.datagrams) assert.equal(wire.length, 4);
    await wire.next('server', { type: RST, code: [0, SignalingCode.Pong], idOf: request });
    if (wire.datagrams) assert.equal(wire.length, 4);
    await pinged;
  },
  TD_COAP_LINK_01: links('', () => true),
  TD_COAP_LINK_02: links('rt=ticks', (of) => attributeOf(of, 'rt') === 'ticks'),
  TD_COAP_LINK_03: links('rt=*', (of) => attributeOf(of, 'rt') !== undefined),
  TD_COAP_LINK_04: 'no resource of coap-server has two types',
  TD_COAP_LINK_05: links('if=clo*', (of) => attributeOf(of, 'if') === 'clock'),
  TD_COAP_LINK_06: 'no resource of coap-server has the attribute sz',
  TD_COAP_LINK_07: links('href=/time', ({ target }) => target === '/time'),
  TD_COAP_LINK_08: links('href=/t*', ({ target }) => target === '/time'),
  TD_COAP_LINK_09: 'coap-server has no lists of links below /.well-known/core',
  TD_COAP_BLOCK_01: download(5, true),
  TD_COAP_BLOCK_02: download(6, false),
  TD_COAP_BLOCK_03: async (t, open) => {
    const theirs = await open(t);
    const { asked } = await upload(theirs, Method.PUT, 'example_data');
    assert.equal(codeClass((await asked).code), 2);
    theirs.wire.toEnd();
    assert.equal(fromUtf8((await theirs.ask({ path: ['example_data'] })).payload), text(2500));
  },
  TD_COAP_BLOCK_04: 'no resource of coap-server answers with Location-Path',
  TD_COAP_BLOCK_05: async (t, open) => {
    const theirs = await open(t);
    // With -e it answers with what it got.
    const { asked, response } = await upload(theirs, Method.POST, 'large-post');
    await rest(theirs, response, { method: Method.POST, code: response.code, path: ['large-post'], szx: 6, body: text(2500) });
    assert.equal(fromUtf8((await asked).payload), text(2500));
  },
  TD_COAP_BLOCK_06: download(0, true),
  TD_COAP_OBS_01: async (t, open) => {
    const theirs = await open(t);
    const of = await register(theirs, 'time');
    const seen = new Set<string>();
    for (let count = 0; count < 3; count++) seen.add(await notified(theirs, of, CON));
    assert.equal(seen.size, 3);
  },
  TD_COAP_OBS_02: async (t, open) => {
    const theirs = await open(t, { args: ['-N'] });
    const of = await register(theirs, 'time', true);
    for (let count = 0; count < 3; count++) await notified(theirs, of, NON);
  },
  TD_COAP_OBS_04: async (t, open) => {
    // /time is fresh for a second: faster than this, the client would register again before the next notification.
    const theirs = await open(t, { env: hurried(4), parameters: { ackTimeout: 8000 } });
    const of = await register(theirs, 'time');
    await notified(theirs, of, CON);
    await theirs.restart();
    for (;;) {
      // Notifications of the old server may still stand before the new registration.
      const again = theirs.wire.passed.findLast(({ from, message }) => from === 'client' && message.code === Method.GET)!.message;
      if (again !== of.request) {
        assert.equal(toHex(again.token), toHex(of.request.token));
        assert.equal(observeOf(again), 0);
        break;
      }
      await pause(50);
    }
    for (let shown = 0; shown < 3; shown++) assert.equal((await of.stream.next()).value!.code, Code.Content);
  },
  TD_COAP_OBS_05: 'coap-server gives up after 62 to 93 seconds of retransmissions, which no option makes shorter',
  TD_COAP_OBS_06: async (t, open) => {
    const theirs = await open(t);
    const of = await register(theirs, 'time');
    await notified(theirs, of, CON);
    await theirs.reboot();
    const notification = await theirs.wire.next('server', { type: CON, code: Code.Content, tokenOf: of.request, observe: 'any' });
    await theirs.wire.next('client', { type: RST, code: 0, idOf: notification });
    await theirs.wire.quiet(2500);
  },
  TD_COAP_OBS_07: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    await other(Method.PUT, 'made', 'first');
    const of = await register(theirs, 'made');
    await other(Method.PUT, 'made', 'second');
    assert.equal(await notified(theirs, of, CON), 'second');
    await other(Method.DELETE, 'made', '');
    const last = await theirs.wire.next('server', { code: Code.NotFound, tokenOf: of.request, observe: 'none' });
    if (last.type === CON) await theirs.wire.acknowledgement('client', last);
    assert.equal((await of.stream.next()).value!.code, Code.NotFound);
    assert.equal((await of.stream.next()).done, true);
  },
  TD_COAP_OBS_08: 'coap-server goes on with a 2.05 of the new Content-Format',
  TD_COAP_OBS_09: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    await other(Method.PUT, 'made', 'first');
    const of = await register(theirs, 'made');
    for (const value of ['second', 'third']) {
      await other(Method.PUT, 'made', value);
      assert.equal(await notified(theirs, of, CON, { payload: value }), value);
    }
  },
  TD_COAP_OBS_10: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    await other(Method.PUT, 'made', 'first');
    const of = await register(theirs, 'made');
    const { request } = await transact(theirs, made, { ...content, observe: 'none' });
    assert.notEqual(toHex(request.token), toHex(of.request.token));
    await other(Method.PUT, 'made', 'second');
    assert.equal(await notified(theirs, of, CON), 'second');
  },
  TD_COAP_OBS_11: async (t, open) => {
    const theirs = await open(t, { gateway: true, parameters: { ackTimeout: 500 } });
    const other = await another(t, theirs);
    await other(Method.PUT, 'made', 'first');
    const of = await register(theirs, 'made');
    // The other client goes through the same gateway.
    let losses = 2;
    theirs.lose = (_, message) =>
      (message.type === CON ? message.code === Code.Content && observeOf(message) !== undefined : message.type === ACK && message.code === 0) && losses-- > 0;
    await other(Method.PUT, 'made', 'second');
    assert.equal(fromUtf8((await of.stream.next()).value!.payload), 'second');
    assert.ok(losses < 2);
    const ids = theirs.wire.passed.filter(({ from, message }) => from === 'server' && message.type === CON).map(({ message }) => message.id);
    assert.deepEqual([...new Set(ids)].length <= 1, true, 'one notification at a time');
  },
  TD_COAP_OBS_12: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    await other(Method.PUT, 'made', 'first');
    const of = await register(theirs, 'made');
    await other(Method.PUT, 'made', 'second');
    await notified(theirs, of, CON);
    await of.stream.return!();
    const request = await theirs.wire.next('client', { type: CON, code: Method.GET, path: ['made'], observe: 1, tokenOf: of.request });
    await theirs.wire.next('server', { type: ACK, code: Code.Content, idOf: request, tokenOf: request, observe: 'none' });
    await other(Method.PUT, 'made', 'third');
    await theirs.wire.quiet(500);
  },
  TD_COAP_OBS_13: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    const stream = theirs.observe('example_data');
    await theirs.wire.next('client', { type: CON, code: Method.GET, observe: 0 });
    await theirs.wire.next('server', { type: ACK, code: Code.Content, observe: 'any', block2: [0, true, 6] });
    assert.equal((await stream.next()).value!.payload.length, 1500);
    for (const size of [1600, 1700]) {
      await other(Method.PUT, 'example_data', text(size));
      assert.equal(fromUtf8((await stream.next()).value!.payload), text(size));
    }
  },
  TD_COAP_OBS_14: async (t, open) => {
    const theirs = await open(t);
    const other = await another(t, theirs);
    for (const sizes of [
      [10, 1500, 20],
      [1500, 10, 1600],
    ]) {
      await other(Method.PUT, 'example_data', text(sizes[0]!));
      const stream = theirs.observe('example_data');
      for (const [at, size] of sizes.entries()) {
        if (at > 0) await other(Method.PUT, 'example_data', text(size));
        assert.equal(fromUtf8((await stream.next()).value!.payload), text(size));
      }
      await stream.return!();
      await pause(200);
    }
  },
};

const name = 'our client -> libcoap server';
const sent = 'coap-server sends whole what fits into one message';
const whole = { TD_COAP_BLOCK_02: sent, TD_COAP_BLOCK_05: sent, TD_COAP_OBS_13: sent };
interop({ name, scheme: 'coap', open: overUdp }, cases);
interop({ name, scheme: 'coap+tcp', open: overTcp, without: { ...onStreams, ...whole } }, cases);
