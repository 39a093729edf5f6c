import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ContentFormat,
  encodeCsm,
  encodeFrame,
  encodeMessage,
  type Message,
  MessageType,
  Method,
  OptionNumber,
  pathOptions,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, toHex, utf8 } from '../../src/core/bytes.ts';
import { Exchanges } from '../../src/inspect/exchange.ts';
import { type Entry, entryFacts, Inspector, Keyring, Ladder, ladderPage, ladderPicture, type Packet } from '../../src/inspect/index.ts';
import { clientKeyAtAs, Parties, rsUri, tokenKey } from '../flows/parties.ts';
import { Simulator } from '../support/simulator.ts';
import { client, inspect, packetsOf, server, simulatedPackets, tcpFrame, udpFrame } from './captures.ts';
import { dance, dancePicture, labKeys, pictureFile } from './dance.ts';

const danced = await dance();

const base: Message = { type: MessageType.CON, code: Method.GET, id: 1, token: Uint8Array.of(1), options: pathOptions(['a']), payload: emptyBytes };
const answer: Message = { ...base, type: MessageType.ACK, code: 0x45, options: [], payload: utf8('yes') };

const sent = (message: Message, time = 0): Packet => packetsOf([udpFrame(client, server, encodeMessage(message), time)])[0]!;
const received = (message: Message, time = 0): Packet => packetsOf([udpFrame(server, client, encodeMessage(message), time)])[0]!;
const titles = (entries: readonly Entry[]): string[] =>
  entries.map(({ title, gist, remarks }) => [title, gist, ...remarks].filter((text) => text !== '').join(' | '));
const ladderOf = (entries: readonly Entry[], inspector: Inspector, width = 96): readonly string[] => {
  const ladder = new Ladder([...new Set(entries.flatMap(({ from, to }) => [from, to]))], {
    width,
    unicode: true,
    verbose: false,
    roles: inspector.roles,
    paint: (_style, text) => text,
  });
  return entries.flatMap((entry) => ladder.lines(entry));
};

test('RFC 9203 4.3: with the token key alone the token is opened, the context derived, and what it protects opened', () => {
  const { entries } = inspect(danced, { tokenKeys: [tokenKey] });
  assert.deepEqual(
    entries.filter(({ protection }) => protection.length > 0).map(({ title, isSealed }) => `${title}${isSealed ? ' sealed' : ''}`),
    [
      'POST / sealed',
      '2.04 Changed sealed',
      'POST / sealed',
      '2.04 Changed sealed',
      'GET /temperature',
      '2.05 Content',
      'GET /temperature',
      '2.05 Content',
      'GET /temperature',
      '2.05 Content',
    ],
  );
  const upload = entries.find(({ title }) => title === 'POST /authz-info')!;
  assert.deepEqual(
    upload.layers.map(({ name }) => name),
    ['CoAP', 'Claims of the access token'],
  );
  assert.match(upload.layers[1]!.lines.join('\n'), /"rs1"[\s\S]*"r_temp"/);
});

test('RFC 9203 3.2: without the token key, what the AS tells the client derives the context', () => {
  const { entries } = inspect(danced, { contexts: labKeys.contexts! });
  assert.ok(entries.every(({ isSealed }) => !isSealed));
  assert.match(entries[6]!.layers[1]!.lines.join('\n'), /not opened: no token key is known/);
});

test('without keys nothing is opened, and what is in the clear can be read', () => {
  const { entries } = inspect(danced);
  assert.equal(entries.filter(({ isSealed }) => isSealed).length, 10);
  assert.equal(entries[1]!.title, '4.01 Unauthorized');
  assert.equal(entries[1]!.gist, 'hints: coap://10.0.0.1:5683/token, rs1, scope "r_temp"');
});

test('key material is in no layer unless it is asked for', () => {
  const secrets = (keys: boolean): string =>
    inspect(danced, labKeys, { secrets: keys })
      .entries.flatMap(({ layers }) => layers.flatMap(({ lines }) => lines))
      .join('\n');
  const master = /Master Secret: ([0-9a-f]{32})/.exec(secrets(true))![1]!;
  assert.ok(secrets(true).includes(`/ ms / 2: h'${master}'`));
  const hidden = secrets(false);
  assert.ok(!hidden.includes(master));
  assert.ok(!hidden.includes(toHex(tokenKey.key.k!)));
  assert.ok(!hidden.includes(toHex(clientKeyAtAs(1).masterSecret)));
  const { entries, inspector } = inspect(danced, labKeys);
  assert.ok(!ladderPage(entries, { title: 't', roles: inspector.roles }).includes(master));
});

test('the ladder of a dance, in a terminal', () => {
  const { entries, inspector } = inspect(danced, labKeys);
  assert.deepEqual(ladderOf(entries, inspector), [
    '           client                      RS                          AS',
    '           10.0.0.3:40000              10.0.0.2:5683               10.0.0.1:5683',
    '    0.000  │ GET /temperature          │                           │',
    '           │────────────────── 21 B ──▶│                           │',
    '    0.007  │ 4.01 Unauthorized  hints: coap://10.0.0.1:5683/token, rs1, scope "r_temp"',
    '           │◀── 55 B, 6.8 ms ──────────│                           │',
    '    0.014  │ POST /token  audience "rs1", scope "r_temp"  OSCORE   │',
    '           │────────────────────────────────────────────── 46 B ──▶│',
    '    0.022  │ 4.01 Unauthorized  Echo challenge: is the request fresh?  OSCORE',
    '           │◀── 32 B, 8.5 ms ──────────────────────────────────────│',
    '    0.031  │ POST /token  audience "rs1", scope "r_temp"  OSCORE   │',
    '           │────────────────────────────────────────────── 56 B ──▶│',
    '    0.036  │ 2.01 Created  access token of 81 bytes  OSCORE        │',
    '           │◀── 139 B, 5.4 ms ─────────────────────────────────────│',
    '    0.042  │ POST /authz-info  access token of 81 bytes            │',
    '           │───────────────── 123 B ──▶│                           │',
    '    0.049  │ 2.01 Created  nonce2 and the ID of the server         │',
    '           │◀── 28 B, 7.0 ms ──────────│                           │',
    '    0.055  │ GET /temperature  OSCORE  │                           │',
    '           │────────────────── 35 B ──▶│                           │',
    '    0.062  │ 2.05 Content  "21.5"  OSCORE                          │',
    '           │◀── 26 B, 7.3 ms ──────────│                           │',
    '    0.068  │ GET /temperature  OSCORE  │                           │',
    '           │────────────────── 35 B ──▶│                           │',
    '    0.073  │ 2.05 Content  "21.7"  OSCORE  lost? asked for again   │',
    '           │◀── 26 B, 5.1 ms ──────────│                           │',
    '    2.085  │ GET /temperature  OSCORE  again, though answered      │',
    '           │────────────────── 35 B ──▶│                           │',
    '    2.089  │ 2.05 Content  "21.7"  OSCORE  the same answer again   │',
    '           │◀── 26 B ──────────────────│                           │',
  ]);
});

test('a ladder keeps within its width; where the endpoints do not fit, each message is a line', () => {
  const { entries, inspector } = inspect(danced, labKeys);
  for (const width of [70, 80, 200]) for (const line of ladderOf(entries, inspector, width)) assert.ok(line.length <= width, line);
  assert.equal(ladderOf(entries, inspector, 60)[0], '    0.000  10.0.0.3:40000 ─▶ 10.0.0.2:5683  21 B  GET /temperature');
});

test('the picture of the README is the one that is drawn (npm run -s ladder writes it)', async () => {
  assert.equal(readFileSync(pictureFile, 'utf8'), await dancePicture());
});

test('RFC 7252 4.2, 4.5: retransmissions, duplicates, resets, pings, and requests that nobody answers', () => {
  const non = { ...base, type: MessageType.NON, id: 7, token: Uint8Array.of(7) };
  const empty = { ...base, token: emptyBytes, options: [], code: 0 };
  const { entries } = inspect([
    sent(base),
    sent(base, 2100),
    received({ ...empty, type: MessageType.ACK }, 2200),
    received({ ...answer, type: MessageType.CON, id: 900 }, 2300),
    received({ ...answer, type: MessageType.CON, id: 900 }, 2400),
    sent({ ...empty, type: MessageType.ACK, id: 900 }, 2500),
    sent(non, 3000),
    sent(non, 3001),
    sent({ ...empty, id: 8 }, 4000),
    received({ ...empty, type: MessageType.RST, id: 8 }, 4001),
    received({ ...answer, token: Uint8Array.of(99) }, 5000),
  ]);
  assert.deepEqual(titles(entries), [
    'GET /a',
    'GET /a | retransmission',
    'ACK',
    '2.05 Content | "yes"',
    '2.05 Content | "yes" | retransmission',
    'ACK',
    'GET /a | no answer',
    'GET /a | duplicate',
    'ping',
    'RST | reset',
    '2.05 Content | "yes" | answers nothing that was seen',
  ]);
  assert.equal(entries[3]!.answerTime, 2300);
  assert.deepEqual(
    entries.map(({ exchange }) => exchange),
    [1, 1, 1, 1, 1, 1, 2, 2, undefined, undefined, undefined],
  );
});

test('RFC 7641 3.2, 4.2: notifications are counted, and a reset says that they are not wanted', () => {
  const observe = (message: Message, value: number): Message => ({ ...message, options: [uintOption(OptionNumber.Observe, value), ...message.options] });
  const notification = (id: number): Message => observe({ ...answer, type: MessageType.CON, id }, id);
  const reset: Message = { ...base, type: MessageType.RST, id: 12, code: 0, token: emptyBytes, options: [] };
  const { entries } = inspect([
    sent(observe(base, 0)),
    received(observe(answer, 10), 1),
    received(notification(11), 2),
    received(notification(12), 3),
    sent(reset, 4),
  ]);
  assert.deepEqual(titles(entries), [
    'GET /a observe',
    '2.05 Content | "yes"',
    '2.05 Content | "yes" | notification 2',
    '2.05 Content | "yes" | notification 3',
    'RST | reset: not wanted',
  ]);
});

test('RFC 7959 2.2, inside OSCORE too: blocks stand in the ladder', async () => {
  const simulator = new Simulator({ seed: 3 });
  const parties = await new Parties(simulator).start();
  parties.large = new Uint8Array(1500).fill(0x61);
  await parties.finish(parties.client.fetch(`${rsUri}/large`));
  const { entries } = inspect(simulatedPackets(simulator.wire), labKeys);
  await parties.close();
  assert.deepEqual(
    entries.slice(-4).map(({ title, isSealed }) => [title, isSealed]),
    [
      ['GET /large', false],
      ['2.05 Content block 0/more/1024', false],
      ['GET /large block 1/last/1024', false],
      ['2.05 Content block 1/last/1024', false],
    ],
  );
});

test('RFC 8323 3: messages on a connection, cut anyhow; what is no CoAP is passed over', () => {
  const csm = encodeCsm({ maxMessageSize: 1152, blockwise: true, extendedTokenLength: 8 });
  const stream = [
    encodeFrame('length', csm.code, emptyBytes, csm.options, csm.payload),
    encodeFrame('length', Method.GET, Uint8Array.of(5), pathOptions(['a']), emptyBytes),
  ].flatMap((frame) => [...frame]);
  const bytes = Uint8Array.from(stream);
  const back = encodeFrame('length', csm.code, emptyBytes, csm.options, csm.payload);
  const reply = encodeFrame('length', 0x45, Uint8Array.of(5), [], utf8('yes'));
  const half = bytes.length - 3;
  const { entries } = inspect(
    packetsOf([
      tcpFrame(client, server, 100, 2, emptyBytes),
      tcpFrame(client, server, 101, 0x18, bytes.subarray(0, half), 1),
      tcpFrame(client, server, 101 + half, 0x18, bytes.subarray(half), 2),
      tcpFrame(server, client, 500, 0x18, Uint8Array.from([...back, ...reply]), 5),
    ]),
  );
  assert.deepEqual(titles(entries), ['7.01 CSM', 'GET /a', '7.01 CSM', '2.05 Content | "yes"']);
  assert.equal(entries[3]!.answerTime, 3);
  const { entries: none, inspector } = inspect(packetsOf([tcpFrame(client, server, 1, 0x18, utf8('GET / HTTP/1.1\r\n\r\n'))]));
  assert.deepEqual([none.length, inspector.passedOver], [0, 1]);
});

test('what is neither CoAP nor DTLS is passed over, unless its port is asked for', () => {
  const packet: Packet = { time: 0, transport: 'udp', from: client, to: { address: '192.0.2.2', port: 9000 }, bytes: utf8('\x80 no CoAP'), missing: 0 };
  assert.equal(inspect([packet]).entries.length, 0);
  const dns = { ...sent(base), to: { address: '192.0.2.2', port: 53 } };
  assert.equal(inspect([dns]).entries.length, 0);
  assert.deepEqual(
    inspect([packet, dns], {}, { ports: [9000] }).entries.map(({ title }) => title),
    ['no CoAP message'],
  );
});

test('a hostile payload stays text in the page, and plays with no terminal', () => {
  const hostile = '</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>\u001b[31m\u202e"\'&';
  const options = [...pathOptions(['</summary><script>alert(2)</script>', 'a\u001b[2J']), uintOption(OptionNumber.ContentFormat, ContentFormat.TextPlain)];
  const { entries, inspector } = inspect([sent({ ...base, code: Method.PUT, options, payload: utf8(hostile) })]);
  const page = ladderPage(entries, { title: '<script>alert(3)</script>', roles: inspector.roles });
  assert.equal(page.match(/<script/g)?.length, 1, 'the one of the page itself');
  assert.ok(!page.includes('<img'));
  assert.ok(page.includes('&lt;img src=x onerror=alert(1)&gt;'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  assert.doesNotMatch(page, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  const ladder = new Ladder([], { width: 120, unicode: true, verbose: true, roles: inspector.roles, paint: (_style, text) => text });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  for (const entry of entries) assert.doesNotMatch(ladder.lines(entry).join('\n'), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
});

test('where too many endpoints stand side by side, what is listed plays with no terminal either', () => {
  const option = { number: OptionNumber.Oscore, value: Uint8Array.of(0x09, 1, 2) };
  const protectedRequest = sent({ ...base, code: Method.POST, options: [option, ...pathOptions(['a\u001b[2J'])], payload: utf8('ciphertext') });
  const { entries, inspector } = inspect([protectedRequest]);
  assert.ok(entries[0]!.title.includes('\u001b'));
  const [line] = ladderOf(entries, inspector, 20);
  assert.match(line!, /POST \/a\\u\{1b\}\[2J/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  assert.doesNotMatch(line!, /[\u0000-\u001f]/);
});

test('a capture of many endpoints is listed in a time in proportion to their number', () => {
  const { entries, inspector } = inspect([sent(base)]);
  const ladder = new Ladder([], { width: 80, unicode: true, verbose: false, roles: inspector.roles, paint: (_style, text) => text });
  const start = performance.now();
  for (let index = 0; index < 40_000; index++) ladder.lines({ ...entries[0]!, from: `192.0.2.1:${index}` });
  assert.ok(performance.now() - start < 3_000);
});

/** Messages among as many endpoints. */
function strangers(count: number): { readonly entries: readonly Entry[]; readonly inspector: Inspector } {
  const { entries, inspector } = inspect([sent(base)]);
  return { entries: Array.from({ length: count }, (_, index) => ({ ...entries[0]!, from: `192.0.2.1:${index}` })), inspector };
}

test('a page and a picture of many endpoints grow with the messages, not with the endpoints times them', () => {
  for (const draw of [ladderPage, ladderPicture]) {
    const sizeOf = (count: number): number => {
      const { entries, inspector } = strangers(count);
      return draw(entries, { title: 't', roles: inspector.roles }).length;
    };
    const [few, many] = [sizeOf(100), sizeOf(400)];
    assert.ok(many < 4.5 * few, `${few} bytes for 100, ${many} for 400`);
  }
});

test('a page and a picture that have not all messages say how many are missing', () => {
  const { entries, inspector } = strangers(503);
  const options = { title: 't', roles: inspector.roles };
  assert.match(ladderPicture(entries, options), /<desc id="description">[^<]*; 3 more messages are not shown<[\s\S]*>3 more messages are not shown<\/text>/);
  assert.match(ladderPicture(entries.slice(0, 500), { ...options, left: 1 }), />1 more message is not shown<\/text>/);
  assert.doesNotMatch(ladderPicture(entries.slice(0, 500), options), /not shown/);
  assert.match(ladderPage(entries, { ...options, left: 7 }), /503 messages, [^<]*; 7 more messages are not shown</);
  assert.doesNotMatch(ladderPage(entries, options), /not shown/);
});

test('RFC 7252 4.5: messages are remembered for repetitions by their bytes too, and the oldest go', () => {
  const exchanges = new Exchanges();
  const match = (id: number, bytes: Uint8Array): boolean => {
    const entry = inspect([sent(base)]).entries[0]!;
    return exchanges.match(entry, { ...base, id, token: Uint8Array.of(id >> 8, id & 0xff) }, bytes, 'forth', 'back', false).isRepeated;
  };
  const bytes = (id: number): Uint8Array => new Uint8Array(60_000).fill(id);
  for (let id = 0; id < 600; id++) assert.equal(match(id, bytes(id)), false);
  assert.deepEqual([match(599, bytes(599)), match(0, bytes(0))], [true, false]);
});

test('what is known of tokens is bounded by bytes too, and the oldest goes', () => {
  const keyring = new Keyring();
  const osc = new Map<number, number | Uint8Array>([
    [0, Uint8Array.of(1)],
    [2, new Uint8Array(16)],
  ]);
  const token = (index: number): Uint8Array => new Uint8Array(60_000).fill(index);
  for (let index = 0; index < 200; index++) keyring.learn(token(index), { osc });
  const known = (index: number): boolean =>
    !('reason' in keyring.derive({ token: token(index), nonce1: emptyBytes, id1: Uint8Array.of(1), nonce2: emptyBytes, id2: Uint8Array.of(2) }, 'it'));
  assert.deepEqual([known(0), known(199)], [false, true]);
});

test('the page loads nothing: its policy names its own script and style by their hashes', () => {
  const { entries, inspector } = inspect(danced, labKeys);
  const page = ladderPage(entries, { title: 'dance', roles: inspector.roles });
  assert.match(
    page,
    /content="default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'; img-src data:; base-uri 'none'; form-action 'none'"/,
  );
  assert.doesNotMatch(page, /https?:\/\/|\bsrc=|<link rel="(?!icon)|\son\w+=|\sstyle=/);
  assert.equal(page.match(/<details/g)?.length, entries.length);
});

test('facts for programs: one object a message', () => {
  const { entries } = inspect([sent(base, 1_700_000_000_000), received(answer, 1_700_000_000_002.5)]);
  assert.deepEqual(entryFacts(entries[1]!, entries[0]!.time), {
    number: 2,
    time: 0.0025,
    since_1970: 1_700_000_000.0025,
    from: '192.0.2.2:5683',
    to: '192.0.2.1:40000',
    transport: 'UDP',
    bytes: 9,
    kind: 'coap',
    title: '2.05 Content',
    gist: '"yes"',
    exchange: 1,
    answer_ms: 2.5,
    layers: [{ name: 'CoAP', lines: ['ACK  2.05 Content  id 1  token 01', '  payload (3 bytes): "yes"'] }],
  });
});

test('any packets: entries, and no error', () => {
  const packet = fc.record({
    time: fc.nat(1000),
    transport: fc.constantFrom('udp' as const, 'tcp' as const),
    from: fc.constantFrom(client, server),
    to: fc.constantFrom(client, server),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.constantFrom(...danced), fc.nat(), fc.nat(255)).map(([{ bytes }, at, value]) => {
        const changed = bytes.slice();
        changed[at % changed.length] = value;
        return changed;
      }),
    ),
    missing: fc.constantFrom(0, 0, 0, 5),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 12 }), (packets) => {
      const inspector = new Inspector(new Keyring(labKeys), { ports: [5683, 40_000] });
      const entries = packets.flatMap((one) => inspector.packet(one));
      inspector.finish();
      ladderPage(entries, { title: 'any', roles: inspector.roles });
    }),
    { numRuns: 150 },
  );
});
