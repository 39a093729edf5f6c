import assert from 'node:assert/strict';
import {
  Code,
  ContentFormat,
  decodeMessage,
  defaultMessagingLimits,
  deriveParameters,
  emptyOption,
  findAll,
  findOption,
  formatCode,
  type Message,
  MessageType,
  Messaging,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  pathOptions,
  queryOptions,
  type Response,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { tap, udp } from '../../src/transport/index.ts';
import type { Cases } from './etsi.ts';
import type { Pair } from './pair.ts';
import type { Expected, WireMessage } from './wire.ts';

const { CON, NON, ACK, RST } = MessageType;
const types = 'it differs from another case by the type of its messages only';
const text: Option = uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain);

interface Simple {
  readonly method: number;
  readonly path?: readonly string[];
  readonly payload?: string;
  readonly query?: readonly string[];
  readonly options?: readonly Option[];
  readonly nonConfirmable?: boolean;
  /** What the response must be. */
  readonly response: Expected;
  /** What the server must show. */
  readonly displayed?: string;
}

interface Done {
  readonly request: WireMessage;
  readonly response: WireMessage;
  readonly shown: Response;
}

/** One request with its response at once, as most descriptions have it. */
async function transact(pair: Pair, simple: Simple): Promise<Done> {
  const { method, path = ['test'], payload = '', query = [], nonConfirmable = false } = simple;
  const options = [...queryOptions(query), ...(simple.options ?? []), ...(payload === '' ? [] : [text])];
  const asked = pair.ask({ code: method, path, payload, options, nonConfirmable });
  const request = await pair.wire.next('client', {
    type: nonConfirmable ? NON : CON,
    code: method,
    path,
    query,
    payload,
    format: payload === '' ? 'none' : ContentFormat.TextPlain,
  });
  const own: Expected = nonConfirmable ? { ...simple.response, type: NON } : { ...simple.response, type: ACK, idOf: request };
  const response = await pair.wire.next('server', { ...own, tokenOf: request });
  const shown = await asked;
  assert.equal(formatCode(shown.code), formatCode(response.code), 'the client displays the response');
  assert.equal(fromUtf8(shown.payload), fromUtf8(response.payload));
  if (simple.displayed !== undefined) assert.deepEqual(pair.site.displayed, [simple.displayed]);
  return { request, response, shown };
}

const content: Expected = { code: Code.Content, format: 'any', payload: 'some' };
const deleted: Expected = { code: Code.Deleted, format: 'with payload' };
const written: Expected = { code: [Code.Changed, Code.Created], format: 'with payload' };
const refused: Expected = { code: Code.PreconditionFailed };

/** The client sends a request of one of the four methods to /test. */
const get = { method: Method.GET, response: content };
const remove = { method: Method.DELETE, response: deleted, displayed: 'DELETE /test ' };
const put = { method: Method.PUT, payload: 'put it there', response: written, displayed: 'PUT /test put it there' };
const post = { method: Method.POST, payload: 'post it there', response: written, displayed: 'POST /test post it there' };

/** An Empty acknowledgement first, and the response in a message of its own. */
async function separate(pair: Pair): Promise<WireMessage> {
  const asked = pair.ask({ path: ['separate'] });
  const request = await pair.wire.next('client', { type: CON, code: Method.GET, path: ['separate'] });
  await pair.wire.acknowledgement('server', request);
  const response = await pair.wire.next('server', { ...content, type: CON, tokenOf: request });
  await pair.wire.acknowledgement('client', response);
  assert.equal(fromUtf8((await asked).payload), 'at last');
  return request;
}

function tokenLength(message: WireMessage): void {
  assert.ok(message.token.length >= 1 && message.token.length <= 8, 'a token of 1 to 8 bytes');
}

function locations(message: { readonly options: readonly Option[] }, number: number): string[] {
  return findAll(message.options, number).map(({ value }) => fromUtf8(value));
}

function etagOf({ options }: { readonly options: readonly Option[] }): Uint8Array {
  const etag = findOption(options, OptionNumber.ETag);
  assert.ok(etag, 'an ETag');
  return etag.value;
}

function differ(...messages: readonly WireMessage[]): void {
  assert.equal(new Set(messages.map(({ id }) => id)).size, messages[0]!.id === undefined ? 1 : messages.length, 'Message IDs');
}

/** RFC 7252, Section 5.3.1 lets a client that asks one thing at a time do without a token: our message layer, and no exchange above it. */
export async function withEmptyToken(pair: Pick<Pair, 'wire' | 'peer'>, foreignServer = false): Promise<void> {
  const transport = tap(await udp(), ({ direction, datagram }) => {
    // What a server of ours sends is seen at its own socket.
    if (direction === 'out' || foreignServer) pair.wire.add(direction === 'out' ? 'client' : 'server', decodeMessage(datagram.slice()), datagram.length);
  });
  let shown: Message | undefined;
  let failure: Error | undefined;
  const messaging = new Messaging({ parameters: deriveParameters(), limits: defaultMessagingLimits }, systemEnv, {
    send: (datagram, peer) => transport.send(datagram, peer),
    emit: () => {},
    request: () => {},
    response: (message, _peer, transmission) => {
      if (transmission !== undefined) messaging.settle(transmission);
      shown = { ...message, payload: message.payload.slice() };
      return true;
    },
  });
  transport.start((datagram, peer) => messaging.receive(datagram, peer));
  try {
    const peer = await transport.resolve(pair.peer.address, pair.peer.port);
    const body = { code: Method.GET, options: pathOptions(['test']), payload: emptyBytes };
    messaging.transmit(peer, true, emptyBytes, body, 0, { finished: () => {}, failed: (error) => (failure = error) });
    const request = await pair.wire.next('client', { type: CON, code: Method.GET, path: ['test'] });
    assert.equal(request.token.length, 0);
    await pair.wire.next('server', { code: Code.Content, payload: 'some', type: ACK, idOf: request, tokenOf: request });
    await pair.wire.quiet(50);
    assert.equal(failure, undefined);
    assert.equal(fromUtf8(shown!.payload), 'the test resource', 'the client displays the response');
  } finally {
    messaging.close();
    await transport.close();
  }
}

async function losePiggybacked(pair: Pair): Promise<void> {
  for (const lost of ['client', 'server'] as const) {
    let losses = 1;
    pair.lose = (from) => from === lost && losses-- > 0;
    const asked = pair.ask({ path: ['test'] });
    const request = await pair.wire.next('client', { type: CON, code: Method.GET, path: ['test'] });
    if (lost === 'server') await pair.wire.next('server', { ...content, idOf: request, tokenOf: request });
    await pair.wire.next('client', { type: CON, code: Method.GET, idOf: request, tokenOf: request });
    await pair.wire.next('server', { ...content, idOf: request, tokenOf: request });
    assert.equal(fromUtf8((await asked).payload), 'the test resource');
    await pair.wire.quiet(700);
  }
}

const lossy = { gateway: true, parameters: { ackTimeout: 300, ackRandomFactor: 1, ackDelay: 50 } };

async function loseSeparate(pair: Pair): Promise<void> {
  const { wire } = pair;
  const again: Expected = { type: CON, code: Method.GET, path: ['separate'] };
  const begin = async (lose: Pair['lose']): Promise<readonly [Promise<Response>, WireMessage]> => {
    pair.lose = lose;
    const asked = pair.ask({ path: ['separate'] });
    return [asked, await wire.next('client', again)];
  };
  const end = async (asked: Promise<Response>, response: WireMessage): Promise<void> => {
    await wire.acknowledgement('client', response);
    assert.equal(fromUtf8((await asked).payload), 'at last');
    await wire.quiet(700);
  };
  const once = (matches: Pair['lose']): Pair['lose'] => {
    let losses = 1;
    return (from, message) => matches(from, message) && losses-- > 0;
  };
  const responseTo = (request: WireMessage): Promise<WireMessage> => wire.next('server', { ...content, type: CON, tokenOf: request });

  // One dropped request.
  let [asked, request] = await begin(once((from) => from === 'client'));
  await wire.next('client', { ...again, idOf: request, tokenOf: request });
  await wire.acknowledgement('server', request);
  await end(asked, await responseTo(request));

  // Dropped acknowledgements of the request: the response itself stops the retransmission.
  [asked, request] = await begin((from, { type }) => from === 'server' && type === ACK);
  await wire.acknowledgement('server', request);
  await wire.next('client', { ...again, idOf: request, tokenOf: request });
  await wire.acknowledgement('server', request);
  await end(asked, await responseTo(request));

  // One dropped response.
  [asked, request] = await begin(once((from, { type }) => from === 'server' && type === CON));
  await wire.acknowledgement('server', request);
  let response = await responseTo(request);
  assert.equal((await responseTo(request)).id, response.id);
  await end(asked, response);

  // One dropped acknowledgement of the response.
  [asked, request] = await begin(once((from, { type }) => from === 'client' && type === ACK));
  await wire.acknowledgement('server', request);
  response = await responseTo(request);
  await wire.acknowledgement('client', response);
  assert.equal((await responseTo(request)).id, response.id);
  await end(asked, response);
}

async function validate(pair: Pair): Promise<void> {
  const path = ['validate'];
  const first = await transact(pair, { ...get, path });
  assert.equal(findOption(first.request.options, OptionNumber.ETag), undefined);
  const etag = etagOf(first.response);
  const options = [opaqueOption(OptionNumber.ETag, etag)];
  const second = await transact(pair, { method: Method.GET, path, options, response: { code: Code.Valid, payload: 'empty' } });
  assert.equal(toHex(etagOf(second.request)), toHex(etag));
  assert.equal(toHex(etagOf(second.response)), toHex(etag));
  await transact(pair, { method: Method.PUT, path, payload: 'version 2', response: written });
  const third = await transact(pair, { ...get, path, options });
  assert.notEqual(toHex(etagOf(third.response)), toHex(etag));
  assert.notEqual(fromUtf8(third.shown.payload), fromUtf8(first.shown.payload));
  differ(first.request, second.request, third.request);
}

async function ifMatch(pair: Pair): Promise<void> {
  const path = ['validate'];
  const changed: Expected = { code: Code.Changed, format: 'with payload' };
  const holds = (etag: Uint8Array): readonly Option[] => [opaqueOption(OptionNumber.IfMatch, etag)];
  const first = await transact(pair, { ...get, path });
  const update = await transact(pair, { method: Method.PUT, path, payload: 'step 5', options: holds(etagOf(first.response)), response: changed });
  const second = await transact(pair, { ...get, path });
  assert.equal(fromUtf8(second.shown.payload), 'step 5');
  assert.notEqual(toHex(etagOf(second.response)), toHex(etagOf(first.response)));
  const other = await transact(pair, { method: Method.PUT, path, payload: 'concurrent', response: changed });
  const late = await transact(pair, { method: Method.PUT, path, payload: 'too late', options: holds(etagOf(second.response)), response: refused });
  differ(first.request, update.request, second.request, other.request, late.request);
  assert.equal(fromUtf8((await transact(pair, { ...get, path })).shown.payload), 'concurrent', 'the server did not update the resource');
}

async function ifNoneMatch(pair: Pair): Promise<void> {
  const path = ['create1'];
  const options = [emptyOption(OptionNumber.IfNoneMatch)];
  const created: Expected = { code: Code.Created, format: 'with payload' };
  const first = await transact(pair, { method: Method.PUT, path, payload: 'created', options, response: created });
  const second = await transact(pair, { method: Method.PUT, path, payload: 'again', options, response: refused });
  differ(first.request, second.request);
  for (const { request } of [first, second]) assert.ok(findOption(request.options, OptionNumber.IfNoneMatch));
  assert.equal(fromUtf8((await transact(pair, { ...get, path })).shown.payload), 'created');
}

async function ping(pair: Pair): Promise<void> {
  const pinged = pair.client.ping(pair.peer, { timeout: 5000 });
  if (pair.wire.datagrams) {
    const request = await pair.wire.next('client', { type: CON, code: 0, payload: 'empty' });
    assert.equal(pair.wire.length, 4);
    await pair.wire.next('server', { type: RST, code: 0, idOf: request, payload: 'empty' });
    assert.equal(pair.wire.length, 4);
  } else {
    // RFC 8323, Section 5.4: Ping and Pong with the token of the Ping.
    const request = await pair.wire.next('client', { code: 0xe2 });
    await pair.wire.next('server', { code: 0xe3, tokenOf: request });
  }
  await pinged;
}

/** TD_COAP_CORE_01 to 23 and 31. */
export const coreCases: Cases = {
  TD_COAP_CORE_01: { run: async (pair) => void (await transact(pair, get)) },
  TD_COAP_CORE_02: { run: async (pair) => void (await transact(pair, remove)) },
  TD_COAP_CORE_03: { run: async (pair) => void (await transact(pair, put)) },
  TD_COAP_CORE_04: { run: async (pair) => void (await transact(pair, post)) },
  TD_COAP_CORE_05: { datagramsOnly: types, run: async (pair) => void (await transact(pair, { ...get, nonConfirmable: true })) },
  TD_COAP_CORE_06: { datagramsOnly: types, run: async (pair) => void (await transact(pair, { ...remove, nonConfirmable: true })) },
  TD_COAP_CORE_07: { datagramsOnly: types, run: async (pair) => void (await transact(pair, { ...put, nonConfirmable: true })) },
  TD_COAP_CORE_08: { datagramsOnly: types, run: async (pair) => void (await transact(pair, { ...post, nonConfirmable: true })) },
  TD_COAP_CORE_09: { run: async (pair) => void (await separate(pair)) },
  TD_COAP_CORE_10: { run: async (pair) => tokenLength((await transact(pair, get)).request) },
  TD_COAP_CORE_11: { run: async (pair) => tokenLength(await separate(pair)) },
  TD_COAP_CORE_12: { datagramsOnly: 'the empty token is that of a client that tells responses apart by their Message ID', run: (pair) => withEmptyToken(pair) },
  TD_COAP_CORE_13: { run: async (pair) => void (await transact(pair, { ...get, path: ['seg1', 'seg2', 'seg3'] })) },
  TD_COAP_CORE_14: {
    run: async (pair) => {
      const { shown } = await transact(pair, { ...get, path: ['query'], query: ['first=1', 'second=2', 'third=3'] });
      assert.equal(fromUtf8(shown.payload), 'query: first=1&second=2&third=3');
    },
  },
  TD_COAP_CORE_15: { ...lossy, datagramsOnly: 'a stream loses nothing', run: losePiggybacked },
  TD_COAP_CORE_16: { ...lossy, datagramsOnly: 'a stream loses nothing', run: loseSeparate },
  TD_COAP_CORE_17: {
    datagramsOnly: types,
    run: async (pair) => {
      const asked = pair.ask({ path: ['separate'], nonConfirmable: true });
      const request = await pair.wire.next('client', { type: NON, code: Method.GET, path: ['separate'] });
      // What comes next is the response: no acknowledgement came before it.
      await pair.wire.next('server', { ...content, type: NON, tokenOf: request });
      assert.equal(fromUtf8((await asked).payload), 'at last');
      await pair.wire.quiet(100);
    },
  },
  TD_COAP_CORE_18: {
    run: async (pair) => {
      const { response, shown } = await transact(pair, { ...post, response: { code: Code.Created } });
      for (const message of [response, shown]) assert.deepEqual(locations(message, OptionNumber.LocationPath), ['location1', 'location2', 'location3']);
    },
  },
  TD_COAP_CORE_19: {
    run: async (pair) => {
      const created: Expected = { code: Code.Created, format: 'with payload' };
      const { response, shown } = await transact(pair, { method: Method.POST, path: ['location-query'], payload: 'x', response: created });
      for (const message of [response, shown]) assert.deepEqual(locations(message, OptionNumber.LocationQuery), ['first=1', 'second=2']);
    },
  },
  TD_COAP_CORE_20: {
    run: async (pair) => {
      const ask = (format: number): Promise<Done> =>
        transact(pair, { ...get, path: ['multi-format'], options: [uintOption(OptionNumber.Accept, format)], response: { ...content, format } });
      const plain = await ask(ContentFormat.TextPlain);
      const xml = await ask(ContentFormat.Xml);
      differ(plain.request, xml.request);
      assert.deepEqual(
        [plain, xml].map(({ shown }) => fromUtf8(shown.payload)),
        ['two formats', '<text>two formats</text>'],
      );
    },
  },
  TD_COAP_CORE_21: { run: validate },
  TD_COAP_CORE_22: { run: ifMatch },
  TD_COAP_CORE_23: { run: ifNoneMatch },
  TD_COAP_CORE_31: { run: ping },
};
