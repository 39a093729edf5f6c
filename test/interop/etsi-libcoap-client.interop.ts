import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type BlockwiseOptions,
  Code,
  ContentFormat,
  decodeLinkFormat,
  decodeMessage,
  Endpoint,
  findAll,
  findOption,
  MessageType,
  Method,
  OptionNumber,
  SignalingCode,
  type TransmissionParameters,
  type Transport,
} from '../../src/coap/index.ts';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { tap, tcpServer, udp } from '../../src/transport/index.ts';
import { note } from '../etsi/pair.ts';
import { Site, text } from '../etsi/site.ts';
import { type Expected, observeOf, type Side, Wire, type WireMessage } from '../etsi/wire.ts';
import { freePort } from '../support/ports.ts';
import { Relay } from '../support/relay.ts';
import { pause } from '../support/wait.ts';
import { type Entry, interop, onStreams, type Table } from './etsi-table.ts';
import { Background, runCommand, scratch } from './processes.ts';
import { coapClient } from './tools.ts';

const { CON, NON, ACK, RST } = MessageType;

/** Our server with the resources of the descriptions, and what passed its socket. */
interface Ours {
  readonly site: Site;
  readonly wire: Wire;
  lose: (from: Side, message: WireMessage) => boolean;
  uri(path: string): string;
}

type Open = (t: TestContext, parameters?: Partial<TransmissionParameters>, gateway?: boolean) => Promise<Ours>;

/** Our server on a socket of this kind. */
function over(scheme: 'coap' | 'coap+tcp', socket: () => Promise<Transport>, blockwise: BlockwiseOptions): Open {
  return async (t, parameters = {}, gateway = false) => {
    const site = new Site();
    const wire = new Wire(scheme === 'coap');
    const transport = tap(await socket(), (event) => note(wire, event.direction === 'in' ? 'client' : 'server', event));
    const server = new Endpoint({ transport, parameters, handler: site.router.handler, blockwise, amplification: 'unlimited' });
    let { port } = server.local;
    const ours: Ours = { site, wire, lose: () => false, uri: (path) => `${scheme}://127.0.0.1:${port}${path}` };
    if (gateway) {
      const relay = await Relay.open('server', port, ({ to, datagram }) => ours.lose(to === 'server' ? 'client' : 'server', decodeMessage(datagram)));
      t.after(() => relay.close());
      ({ port } = relay);
    }
    t.after(async () => {
      await server.close();
      assert.deepEqual(site.errors, []);
    });
    return ours;
  };
}

/** One run of coap-client; what it displays, and of a refusal the code. */
async function coap(method: string, uri: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runCommand(coapClient, ['-B', '15', '-m', method, ...args, uri], 30_000);
  assert.equal(status, 0, stderr);
  return `${stdout.toString()}${/^\d\.\d\d/m.exec(stderr)?.[0] ?? ''}`.trim();
}

interface Simple {
  readonly method: 'get' | 'put' | 'post' | 'delete';
  readonly path: string;
  readonly args?: readonly string[];
  readonly request?: Partial<Expected>;
  readonly response: Partial<Expected> & Pick<Expected, 'code'>;
  readonly shown?: string;
}

interface Done {
  readonly request: WireMessage;
  readonly response: WireMessage;
}

const methods = { get: Method.GET, post: Method.POST, put: Method.PUT, delete: Method.DELETE } as const;

async function transact(ours: Ours, { method, path, args = [], request: asks = {}, response: answers, shown }: Simple): Promise<Done> {
  const displayed = await coap(method, ours.uri(path), ...args);
  const non = args.includes('-N');
  const request = await ours.wire.next('client', { code: methods[method], path: path.split('?')[0]!.split('/').slice(1), type: non ? NON : CON, ...asks });
  const own: Expected = { ...answers, tokenOf: request, ...(non ? { type: NON } : { type: ACK, idOf: request }) };
  const response = await ours.wire.next('server', own);
  if (shown !== undefined) assert.equal(displayed, shown);
  return { request, response };
}

function simple(of: Simple, displayed?: string): Entry<Open> {
  return async (t, open) => {
    const ours = await open(t);
    await transact(ours, of);
    if (displayed !== undefined) assert.deepEqual(ours.site.displayed, [displayed]);
  };
}

const content = { code: Code.Content, format: 'any', payload: 'some' } as const;
const get: Simple = { method: 'get', path: '/test', response: content, shown: 'the test resource' };
const put: Simple = { method: 'put', path: '/test', args: ['-t', '0', '-e', 'put'], request: { format: 0, payload: 'put' }, response: { code: Code.Changed } };
const post: Simple = { ...put, method: 'post', response: { code: Code.Created } };
const remove: Simple = { method: 'delete', path: '/test', response: { code: Code.Deleted } };

function nonConfirmable(of: Simple): Simple {
  return { ...of, args: [...(of.args ?? []), '-N'] };
}

function separate(...args: readonly string[]): Entry<Open> {
  return async (t, open) => {
    const { wire, uri } = await open(t);
    assert.equal(await coap('get', uri('/separate'), ...args), 'at last');
    const request = await wire.next('client', { type: CON, code: Method.GET, path: ['separate'] });
    if (args.length > 0) assert.ok(request.token.length > 0);
    await wire.acknowledgement('server', request);
    const response = await wire.next('server', { ...content, type: CON, tokenOf: request });
    await wire.acknowledgement('client', response);
  };
}

/** What is lost once, and which messages show that it was sent again. */
function lossy(path: string, shown: string, losses: readonly [Side, (message: WireMessage) => boolean][]): Entry<Open> {
  return async (t, open) => {
    const ours = await open(t, { ackTimeout: 500 }, true);
    for (const [side, matches] of losses) {
      let left = 1;
      let lost: WireMessage | undefined;
      let again = 0;
      ours.lose = (from, message) => {
        if (from !== side || !matches(message)) return false;
        if (message.id === lost?.id) again++;
        if (left-- <= 0) return false;
        lost = message;
        return true;
      };
      assert.equal(await coap('get', ours.uri(path)), shown);
      assert.equal(again, 1, 'it was sent again');
    }
  };
}

/** coap-client prints links without a line feed between them. */
function links(query: string, expected: readonly string[]): Entry<Open> {
  return async (t, open) => {
    const { wire, uri } = await open(t);
    const shown = decodeLinkFormat(await coap('get', uri(`/.well-known/core${query === '' ? '' : `?${query}`}`)));
    const request = await wire.next('client', { code: Method.GET, path: ['.well-known', 'core'], query: query === '' ? [] : [query] });
    await wire.next('server', { code: Code.Content, format: ContentFormat.LinkFormat, tokenOf: request, payload: 'some' });
    const targets = shown.map(({ target }) => target);
    if (query === '') for (const path of expected) assert.ok(targets.includes(path), path);
    else assert.deepEqual(targets, expected);
  };
}

function file(t: TestContext, body: string): string {
  const path = join(scratch(t), 'payload');
  writeFileSync(path, body);
  return path;
}

/** The whole of /large in blocks of a size; with `-b` the client asks for it in its first request. */
function download(szx: number, ...args: readonly string[]): Entry<Open> {
  return async (t, open) => {
    const { wire, uri } = await open(t);
    const into = join(scratch(t), 'large');
    await coap('get', uri('/large'), '-o', into, ...args);
    assert.equal(readFileSync(into, 'utf8'), text(2500));
    const last = Math.ceil(2500 / (16 << szx)) - 1;
    for (let number = 0; number <= last; number++) {
      const asks = number === 0 && args.length === 0 ? 'none' : ([number, false, szx] as const);
      const request = await wire.next('client', { code: Method.GET, path: ['large'], block2: asks });
      await wire.next('server', { code: Code.Content, tokenOf: request, block2: [number, number < last, szx] });
    }
  };
}

/** A body of 2500 bytes in blocks of 512. */
async function upload(
  t: TestContext,
  { wire, uri }: Ours,
  method: 'put' | 'post',
  path: string,
  code: number,
): Promise<{ response: WireMessage; shown: string }> {
  const shown = await coap(method, uri(`/${path}`), '-t', '0', '-f', file(t, text(2500)), '-b', '512');
  for (let number = 0; ; number++) {
    const more = number < 4;
    const request = await wire.next('client', { type: CON, code: methods[method], path: [path], block1: [number, more, 5] });
    assert.equal(fromUtf8(request.payload), text(2500).slice(512 * number, 512 * (number + 1)));
    const response = await wire.next('server', { type: ACK, code: more ? Code.Continue : code, idOf: request, tokenOf: request, block1: [number, more, 5] });
    if (!more) return { response, shown };
  }
}

/** coap-client with an observation, until the test stops it. */
async function observing(
  t: TestContext,
  { wire, uri }: Ours,
  path: string,
  ...args: readonly string[]
): Promise<{ run: Background; request: WireMessage; first: WireMessage }> {
  const run = new Background(t, coapClient, ['-B', '30', '-s', '20', '-w', ...args, uri(`/${path}`)]);
  const non = args.includes('-N');
  const request = await wire.next('client', { type: non ? NON : CON, code: Method.GET, path: [path], observe: 0 });
  const first = await wire.next('server', { type: non ? NON : ACK, code: Code.Content, tokenOf: request, format: 'any', observe: 'any' });
  return { run, request, first };
}

async function change({ site, wire }: Ours, request: WireMessage, payload: string): Promise<WireMessage> {
  site.value = { ...site.value, payload };
  site.obs.changed();
  const notification = await wire.next('server', { type: CON, code: Code.Content, tokenOf: request, format: ContentFormat.TextPlain, observe: 'any', payload });
  await wire.acknowledgement('client', notification);
  return notification;
}

const observe: Entry<Open> = async (t, open) => {
  const ours = await open(t);
  const { run, request, first } = await observing(t, ours, 'obs');
  assert.equal(await run.line(), 'first');
  let last = observeOf(first)!;
  for (const payload of ['second', 'third', 'fourth']) {
    const number = observeOf(await change(ours, request, payload))!;
    assert.ok(((number - last) & 0xff_ffff) < 0x80_0000 && number !== last);
    last = number;
    assert.equal(await run.line(), payload);
  }
};

/** The server ends the observation. */
function refused(code: number, cause: (site: Site) => void): Entry<Open> {
  return async (t, open) => {
    const ours = await open(t);
    const { request } = await observing(t, ours, 'obs');
    await change(ours, request, 'second');
    cause(ours.site);
    const last = await ours.wire.next('server', { type: CON, code, tokenOf: request, observe: 'none' });
    await ours.wire.acknowledgement('client', last);
    assert.equal(ours.site.obs.observers, 0);
    ours.site.obs.changed();
    await ours.wire.quiet(300);
  };
}

/** Text that grows and shrinks, or stays large. */
function observeLarge(path: 'obs-large' | 'obs-pumping', sizes: readonly number[]): Entry<Open> {
  return async (t, open) => {
    const ours = await open(t);
    const { site, wire } = ours;
    site.pumped = sizes[0]!;
    const into = join(scratch(t), 'shown');
    const { request } = await observing(t, ours, path, '-o', into);
    const rest = async (size: number): Promise<void> => {
      if (size <= 1024) return;
      const more = await wire.next('client', { type: CON, code: Method.GET, path: [path], block2: [1, false, 6], observe: 'none' });
      await wire.next('server', { type: ACK, code: Code.Content, tokenOf: more, block2: [1, false, 6] });
    };
    await rest(sizes[0]!);
    for (const size of sizes.slice(1)) {
      site.pumped = size;
      site[path === 'obs-large' ? 'obsLarge' : 'obsPumping'].changed();
      const block2 = size > 1024 ? ([0, true, 6] as const) : 'none';
      const notification = await wire.next('server', { type: CON, code: Code.Content, tokenOf: request, observe: 'any', block2 });
      await wire.acknowledgement('client', notification);
      await rest(size);
    }
    await pause(100);
    assert.ok(readFileSync(into, 'utf8').length > 0);
  };
}

const validate: Entry<Open> = async (t, open) => {
  const ours = await open(t);
  const at = { method: 'get', path: '/validate' } as const;
  const first = await transact(ours, { ...at, response: content });
  const etag = findOption(first.response.options, OptionNumber.ETag)!.value;
  const args = ['-O', `4,0x${toHex(etag)}`];
  await transact(ours, { ...at, args, response: { code: Code.Valid, payload: 'empty' } });
  await transact(ours, { ...put, path: '/validate' });
  const third = await transact(ours, { ...at, args, response: content, shown: 'put' });
  assert.notEqual(toHex(findOption(third.response.options, OptionNumber.ETag)!.value), toHex(etag));
};

const ifMatch: Entry<Open> = async (t, open) => {
  const ours = await open(t);
  const read: Simple = { method: 'get', path: '/validate', response: content };
  const write = (payload: string, code: number, etag?: Uint8Array): Simple => ({
    method: 'put',
    path: '/validate',
    args: ['-t', '0', '-e', payload, ...(etag === undefined ? [] : ['-O', `1,0x${toHex(etag)}`])],
    response: { code },
  });
  const etagNow = async (): Promise<Uint8Array> => findOption((await transact(ours, read)).response.options, OptionNumber.ETag)!.value;
  await transact(ours, write('step 5', Code.Changed, await etagNow()));
  const second = await etagNow();
  await transact(ours, write('concurrent', Code.Changed));
  await transact(ours, { ...write('too late', Code.PreconditionFailed, second), shown: '4.12' });
  await transact(ours, { ...read, shown: 'concurrent' });
};

const locations =
  (number: number, path: string, expected: readonly string[]): Entry<Open> =>
  async (t, open) => {
    const { response } = await transact(await open(t), { ...post, path });
    assert.deepEqual(
      findAll(response.options, number).map(({ value }) => fromUtf8(value)),
      expected,
    );
  };

const table: Table<Open> = {
  TD_COAP_CORE_01: simple(get),
  TD_COAP_CORE_02: simple(remove, 'DELETE /test '),
  TD_COAP_CORE_03: simple(put, 'PUT /test put'),
  TD_COAP_CORE_04: simple(post, 'POST /test put'),
  TD_COAP_CORE_05: simple(nonConfirmable(get)),
  TD_COAP_CORE_06: simple(nonConfirmable(remove), 'DELETE /test '),
  TD_COAP_CORE_07: simple(nonConfirmable(put), 'PUT /test put'),
  TD_COAP_CORE_08: simple(nonConfirmable(post), 'POST /test put'),
  TD_COAP_CORE_09: separate(),
  TD_COAP_CORE_10: async (t, open) => {
    const { request } = await transact(await open(t), { ...get, args: ['-T', 'abcd'] });
    assert.ok(request.token.length >= 1 && request.token.length <= 8);
  },
  TD_COAP_CORE_11: separate('-T', 'abcd'),
  TD_COAP_CORE_12: 'coap-client has no empty token',
  TD_COAP_CORE_13: simple({ ...get, path: '/seg1/seg2/seg3', shown: 'three segments' }),
  TD_COAP_CORE_14: simple({
    ...get,
    path: '/query?first=1&second=2&third=3',
    request: { query: ['first=1', 'second=2', 'third=3'] },
    shown: 'query: first=1&second=2&third=3',
  }),
  TD_COAP_CORE_15: lossy('/test', 'the test resource', [
    ['client', () => true],
    ['server', () => true],
  ]),
  TD_COAP_CORE_16: lossy('/separate', 'at last', [
    ['client', ({ code }) => code === Method.GET],
    ['server', ({ code }) => code === Code.Content],
  ]),
  TD_COAP_CORE_17: simple({ ...nonConfirmable(get), path: '/separate', shown: 'at last' }),
  TD_COAP_CORE_18: locations(OptionNumber.LocationPath, '/test', ['location1', 'location2', 'location3']),
  TD_COAP_CORE_19: locations(OptionNumber.LocationQuery, '/location-query', ['first=1', 'second=2']),
  TD_COAP_CORE_20: async (t, open) => {
    const ours = await open(t);
    const at = { method: 'get', path: '/multi-format' } as const;
    await transact(ours, { ...at, args: ['-A', '0'], response: { ...content, format: 0 }, shown: 'two formats' });
    await transact(ours, { ...at, args: ['-A', '41'], response: { ...content, format: 41 }, shown: '<text>two formats</text>' });
  },
  TD_COAP_CORE_21: validate,
  TD_COAP_CORE_22: ifMatch,
  TD_COAP_CORE_23: async (t, open) => {
    const ours = await open(t);
    const create: Simple = { ...put, path: '/create1', args: ['-t', '0', '-e', 'put', '-O', '5,'], response: { code: Code.Created } };
    await transact(ours, create);
    await transact(ours, { ...create, response: { code: Code.PreconditionFailed }, shown: '4.12' });
  },
  TD_COAP_CORE_31: async (t, open) => {
    const { wire, uri } = await open(t);
    new Background(t, coapClient, ['-B', '20', '-K', '1', '-s', '10', uri('/obs')]);
    const request = await wire.next('client', { code: Method.GET, observe: 0 });
    await wire.next('server', { code: Code.Content, tokenOf: request });
    // RFC 8323 §5.4: on a stream, Ping and Pong.
    const ping = await wire.next('client', { type: CON, code: [0, SignalingCode.Ping], payload: 'empty' });
    if (wire.datagrams) assert.equal(wire.length, 4);
    await wire.next('server', { type: RST, code: [0, SignalingCode.Pong], idOf: ping });
  },
  TD_COAP_LINK_01: links('', ['/test', '/separate', '/seg1/seg2/seg3', '/query', '/validate', '/large', '/obs', '/link1', '/path']),
  TD_COAP_LINK_02: links('rt=Type1', ['/link1', '/link3']),
  TD_COAP_LINK_03: links('rt=*', ['/link1', '/link2', '/link3', '/typeless']),
  TD_COAP_LINK_04: links('rt=Type2', ['/link1', '/link2']),
  TD_COAP_LINK_05: links('if=If*', ['/link1', '/link2']),
  TD_COAP_LINK_06: links('sz=*', ['/large']),
  TD_COAP_LINK_07: links('href=/link1', ['/link1']),
  TD_COAP_LINK_08: links('href=/link*', ['/link1', '/link2', '/link3']),
  TD_COAP_LINK_09: async (t, open) => {
    const { uri } = await open(t);
    assert.match(await coap('get', uri('/.well-known/core')), /<\/path>;ct=40/);
    assert.equal(await coap('get', uri('/path')), '</path/sub1>,</path/sub2>');
    assert.equal(await coap('get', uri('/path/sub1')), '/path/sub1');
  },
  TD_COAP_BLOCK_01: download(5, '-b', '512'),
  TD_COAP_BLOCK_02: download(6),
  TD_COAP_BLOCK_03: async (t, open) => {
    const ours = await open(t);
    await upload(t, ours, 'put', 'large-update', Code.Changed);
    assert.equal(ours.site.largeUpdate, text(2500));
  },
  TD_COAP_BLOCK_04: async (t, open) => {
    const ours = await open(t);
    const { response } = await upload(t, ours, 'post', 'large-create', Code.Created);
    const location = findAll(response.options, OptionNumber.LocationPath).map(({ value }) => fromUtf8(value));
    const into = join(scratch(t), 'created');
    await coap('get', ours.uri(`/${location.join('/')}`), '-o', into);
    assert.equal(readFileSync(into, 'utf8'), text(2500));
  },
  TD_COAP_BLOCK_05: async (t, open) => {
    const ours = await open(t);
    const { shown } = await upload(t, ours, 'post', 'large-post', Code.Changed);
    assert.equal(shown, `${text(2500)}${text(2500)}`.trim());
  },
  TD_COAP_BLOCK_06: download(0, '-b', '16'),
  TD_COAP_OBS_01: observe,
  TD_COAP_OBS_02: async (t, open) => {
    const ours = await open(t, { notificationInterval: 50 });
    const { run, request } = await observing(t, ours, 'obs-non', '-N');
    for (let tick = 0; tick < 3; tick++) {
      assert.equal(await run.line(), `tick ${tick}`);
      ours.site.obsNon.changed();
      await ours.wire.next('server', { type: NON, code: Code.Content, tokenOf: request, observe: 'any' });
    }
  },
  TD_COAP_OBS_04: 'coap-client does not register again when Max-Age ends',
  TD_COAP_OBS_05: async (t, open) => {
    const ours = await open(t, { ackTimeout: 200, ackRandomFactor: 1, maxRetransmit: 2 });
    const { run, request } = await observing(t, ours, 'obs');
    await change(ours, request, 'second');
    await run.stop('SIGKILL');
    const numbers: number[] = [];
    for (const payload of ['third', 'fourth']) {
      ours.site.value = { ...ours.site.value, payload };
      ours.site.obs.changed();
      numbers.push(observeOf(await ours.wire.next('server', { type: CON, code: Code.Content, tokenOf: request, observe: 'any', payload }))!);
    }
    assert.notEqual(numbers[0], numbers[1], 'retransmissions have an updated Observe value');
    await pause(1500);
    assert.equal(ours.site.obs.observers, 0);
  },
  TD_COAP_OBS_06: async (t, open) => {
    const ours = await open(t);
    const port = String(await freePort());
    const { run, request } = await observing(t, ours, 'obs', '-p', port);
    await change(ours, request, 'second');
    await run.stop('SIGKILL');
    new Background(t, coapClient, ['-B', '20', '-s', '10', '-T', 'rebooted', '-p', port, ours.uri('/obs-non')]);
    await ours.wire.next('client', { code: Method.GET, path: ['obs-non'] });
    await ours.wire.next('server', { code: Code.Content });
    ours.site.obs.changed();
    const notification = await ours.wire.next('server', { type: CON, code: Code.Content, tokenOf: request, observe: 'any' });
    await ours.wire.next('client', { type: RST, code: 0, idOf: notification });
    await pause(50);
    assert.equal(ours.site.obs.observers, 0);
  },
  TD_COAP_OBS_07: refused(Code.NotFound, (site) => site.obs.remove()),
  TD_COAP_OBS_08: refused(Code.NotAcceptable, (site) => {
    site.value = { payload: '{}', contentFormat: ContentFormat.Json };
    site.obs.changed();
  }),
  TD_COAP_OBS_09: observe,
  TD_COAP_OBS_10: 'one run of coap-client makes one request, and another run is another endpoint',
  TD_COAP_OBS_11: async (t, open) => {
    const ours = await open(t, { ackTimeout: 200 }, true);
    const { run } = await observing(t, ours, 'obs');
    assert.equal(await run.line(), 'first');
    const losses = [true, false, true, true, false];
    ours.lose = () => losses.shift() ?? false;
    for (const payload of ['second', 'third', 'fourth']) {
      ours.site.value = { ...ours.site.value, payload };
      ours.site.obs.changed();
      while ((await run.line()) !== payload);
    }
    assert.equal(losses.length, 0);
  },
  TD_COAP_OBS_12: async (t, open) => {
    const ours = await open(t);
    new Background(t, coapClient, ['-B', '20', '-s', '1', '-w', ours.uri('/obs')]);
    const request = await ours.wire.next('client', { code: Method.GET, observe: 0 });
    await ours.wire.next('server', { code: Code.Content, observe: 'any' });
    await change(ours, request, 'second');
    const cancel = await ours.wire.next('client', { type: CON, code: Method.GET, path: ['obs'], observe: 1, tokenOf: request });
    await ours.wire.next('server', { type: ACK, code: Code.Content, idOf: cancel, tokenOf: request, format: ContentFormat.TextPlain, observe: 'none' });
    assert.equal(ours.site.obs.observers, 0);
  },
  TD_COAP_OBS_13: observeLarge('obs-large', [1500, 1500, 1500]),
  TD_COAP_OBS_14: observeLarge('obs-pumping', [10, 1500, 20, 2000]),
};

const name = 'libcoap client -> our server';
interop({ name, scheme: 'coap', open: over('coap', () => udp(), {}) }, table);
// With a threshold a body is cut into blocks that are no BERT blocks.
interop({ name, scheme: 'coap+tcp', open: over('coap+tcp', () => tcpServer(), { threshold: 1024 }), without: onStreams }, table);
