import assert from 'node:assert/strict';
import { Code, ContentFormat, findOption, formatCode, MessageType, Method, OptionNumber, type Response, uintOf } from '../../src/coap/index.ts';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../src/core/env.ts';
import { pause, until } from '../support/wait.ts';
import { rest } from './block-cases.ts';
import type { Case, Cases } from './etsi.ts';
import type { Pair } from './pair.ts';
import { text } from './site.ts';
import { type Expected, observeOf, type WireMessage } from './wire.ts';

const { CON, NON, ACK, RST } = MessageType;
const connection = 'an observation ends with its connection';

/** A client's view of one observation. */
interface Observed {
  readonly stream: AsyncIterableIterator<Response, undefined, undefined>;
  readonly request: WireMessage;
  readonly first: WireMessage;
  last: WireMessage;
}

const registers: Expected = { type: CON, code: Method.GET, observe: 0 };

/** The client sends the registration; the server accepts it. */
async function register(pair: Pair, path = 'obs', accepts: Expected = { code: Code.Content }): Promise<Observed> {
  const stream = pair.observe(path);
  const request = await pair.wire.next('client', { ...registers, path: [path] });
  assert.equal(findOption(request.options, OptionNumber.Observe)!.value.length, 0, 'Observe is empty');
  const first = await pair.wire.next('server', { ...accepts, type: ACK, idOf: request, tokenOf: request, format: 'any', observe: 'any' });
  return { stream, request, first, last: first };
}

async function displays(of: Observed, payload: string): Promise<void> {
  const { value } = await of.stream.next();
  assert.equal(fromUtf8(value!.payload), payload, 'the client displays');
}

/** The next message is a notification: newer, and of the same token and format. */
async function notified(pair: Pair, of: Observed, type: number, expected: Partial<Expected> = {}): Promise<WireMessage> {
  const format = uintOf(of.first.options, OptionNumber.ContentFormat)!;
  const notification = await pair.wire.next('server', { code: Code.Content, ...expected, type, tokenOf: of.request, format, observe: 'any' });
  const step = (observeOf(notification)! - observeOf(of.last)!) & 0xff_ffff;
  assert.ok(step > 0 && step < 0x80_0000, 'the sequence number increases');
  of.last = notification;
  return notification;
}

/** /obs changes; the client hears of it and says so. */
async function change(pair: Pair, of: Observed, payload: string): Promise<void> {
  pair.site.value = { ...pair.site.value, payload };
  pair.site.obs.changed();
  const notification = await notified(pair, of, CON, { payload });
  await pair.wire.acknowledgement('client', notification);
  await displays(of, payload);
}

/** Steps 1 to 6 of most descriptions: a registration, and notifications. */
async function observing(pair: Pair): Promise<Observed> {
  const of = await register(pair);
  await displays(of, 'first');
  await change(pair, of, 'second');
  await change(pair, of, 'third');
  return of;
}

/** Whatever happens to /obs now, nobody hears of it. */
async function nobodyHears(pair: Pair): Promise<void> {
  assert.equal(pair.site.obs.observers, 0);
  pair.site.value = { ...pair.site.value, payload: 'unheard' };
  pair.site.obs.changed();
  await pair.wire.quiet(200);
}

async function ended(of: Observed): Promise<void> {
  assert.equal((await of.stream.next()).done, true, 'the client displays nothing further');
}

/** The server ends the observation by an error that is the last notification. */
async function refused(pair: Pair, of: Observed, code: number): Promise<void> {
  const last = await pair.wire.next('server', { type: CON, code, tokenOf: of.request, observe: 'none' });
  await pair.wire.acknowledgement('client', last);
  assert.equal(formatCode((await of.stream.next()).value!.code), formatCode(code));
  await ended(of);
  await nobodyHears(pair);
}

async function nonConfirmable(pair: Pair): Promise<void> {
  const stream = pair.observe('obs-non', true);
  const request = await pair.wire.next('client', { ...registers, type: NON, path: ['obs-non'] });
  const first = await pair.wire.next('server', { type: NON, code: Code.Content, tokenOf: request, format: 'any', observe: 'any' });
  const of: Observed = { stream, request, first, last: first };
  await displays(of, 'tick 0');
  for (let tick = 1; tick <= 4; tick++) {
    pair.site.obsNon.changed();
    await notified(pair, of, NON);
    await displays(of, `tick ${tick}`);
  }
}

/** The clock of a client for which time runs ten times as fast. */
const hurried: Env = {
  ...systemEnv,
  now: () => systemEnv.now() * 10,
  schedule: (delay, task) => systemEnv.schedule(delay / 10, task),
};

async function serverForgets(pair: Pair): Promise<void> {
  pair.site.maxAge = 1;
  const of = await register(pair);
  await displays(of, 'first');
  await change(pair, of, 'second');
  await pair.reboot('server');
  pair.site.value = { ...pair.site.value, payload: 'after the reboot' };
  pair.site.obs.changed();
  const again = await pair.wire.next('client', { ...registers, path: ['obs'], tokenOf: of.request });
  const first = await pair.wire.next('server', { type: ACK, code: Code.Content, idOf: again, tokenOf: again, format: 'any', observe: 'any' });
  await displays(of, 'after the reboot');
  const renewed: Observed = { ...of, first, last: first };
  await change(pair, renewed, 'fourth');
  await change(pair, renewed, 'fifth');
}

async function clientOff(pair: Pair): Promise<void> {
  const of = await observing(pair);
  await pair.client.close();
  pair.site.value = { ...pair.site.value, payload: 'fourth' };
  pair.site.obs.changed();
  await notified(pair, of, CON, { payload: 'fourth' });
  pair.site.value = { ...pair.site.value, payload: 'fifth' };
  pair.site.obs.changed();
  await notified(pair, of, CON, { payload: 'fifth' });
  await until(() => pair.site.obs.observers === 0);
  assert.ok(pair.wire.passed.at(-1)!.from === 'server');
  pair.wire.toEnd();
  await nobodyHears(pair);
}

async function clientReboots(pair: Pair): Promise<void> {
  const of = await observing(pair);
  await pair.reboot('client');
  pair.site.value = { ...pair.site.value, payload: 'fourth' };
  pair.site.obs.changed();
  const notification = await notified(pair, of, CON, { payload: 'fourth' });
  await pair.wire.next('client', { type: RST, code: 0, idOf: notification });
  await until(() => pair.site.obs.observers === 0);
  await nobodyHears(pair);
}

async function unrelatedGet(pair: Pair): Promise<void> {
  const of = await observing(pair);
  const asked = pair.ask({ path: ['obs'] });
  const request = await pair.wire.next('client', { type: CON, code: Method.GET, path: ['obs'], observe: 'none' });
  assert.notEqual(toHex(request.token), toHex(of.request.token));
  await pair.wire.next('server', { type: ACK, code: Code.Content, idOf: request, tokenOf: request, format: ContentFormat.TextPlain, observe: 'none' });
  assert.equal(fromUtf8((await asked).payload), 'third');
  await change(pair, of, 'fourth');
  await change(pair, of, 'fifth');
}

async function cancel(pair: Pair): Promise<void> {
  const of = await observing(pair);
  await of.stream.return!();
  const request = await pair.wire.next('client', { type: CON, code: Method.GET, path: ['obs'], observe: 1, tokenOf: of.request });
  await pair.wire.next('server', { type: ACK, code: Code.Content, idOf: request, tokenOf: request, format: ContentFormat.TextPlain, observe: 'none' });
  await ended(of);
  await nobodyHears(pair);
}

/** Notifications and acknowledgements get lost in turn; the latest state arrives, and one notification at a time is under way. */
async function lossy(pair: Pair): Promise<void> {
  const of = await register(pair);
  await displays(of, 'first');
  const losses = [true, false, false, true, true, true, false];
  pair.lose = () => losses.shift() ?? false;
  for (const payload of ['second', 'third', 'fourth', 'fifth', 'sixth']) {
    pair.site.value = { ...pair.site.value, payload };
    pair.site.obs.changed();
    await pause(60);
  }
  for (let shown = 'first'; shown !== 'sixth'; ) shown = fromUtf8((await of.stream.next()).value!.payload);
  await pause(1000);
  const notifications = pair.wire.passed.filter(({ from, message }) => from === 'server' && message.type === CON).map(({ message }) => message);
  assert.ok(notifications.length > new Set(notifications.map(({ id }) => id)).size || losses.length === 0, 'something was sent again');
  const done = new Set<number>();
  let active: number | undefined;
  for (const { id, token } of notifications) {
    assert.equal(toHex(token), toHex(of.request.token));
    if (id === active) continue;
    if (active !== undefined) done.add(active);
    assert.ok(!done.has(id!), 'a notification is not sent again once another is under way');
    active = id;
  }
  assert.equal(fromUtf8(notifications.at(-1)!.payload), 'sixth');
}

/** The rest of a representation whose first block came, and what the client displays. */
async function whole(pair: Pair, of: Observed, first: WireMessage, path: string, body: string): Promise<void> {
  if (body.length > 1024) await rest(pair, first, { method: Method.GET, code: Code.Content, path: [path], szx: 6, body });
  await displays(of, body);
}

function blocks(body: string): Pick<Expected, 'block2'> {
  return { block2: body.length > 1024 ? [0, true, 6] : 'none' };
}

async function large(pair: Pair): Promise<void> {
  const body = (tick: number): string => `${String(tick).padStart(8, '0')}${text(1492)}`;
  const of = await register(pair, 'obs-large', { code: Code.Content, ...blocks(body(0)) });
  await whole(pair, of, of.first, 'obs-large', body(0));
  for (let tick = 1; tick <= 3; tick++) {
    // A block of a later representation would be of another tick.
    pair.site.obsLarge.changed();
    const notification = await notified(pair, of, CON, blocks(body(tick)));
    await pair.wire.acknowledgement('client', notification);
    await whole(pair, of, notification, 'obs-large', body(tick));
  }
}

async function pumping(pair: Pair): Promise<void> {
  for (const sizes of [
    [10, 1500, 20, 2000],
    [1500, 10, 2000, 20],
  ]) {
    pair.site.pumped = sizes[0]!;
    const of = await register(pair, 'obs-pumping', { code: Code.Content, ...blocks(text(sizes[0]!)) });
    await whole(pair, of, of.first, 'obs-pumping', text(sizes[0]!));
    for (const size of sizes.slice(1)) {
      pair.site.pumped = size;
      pair.site.obsPumping.changed();
      const notification = await notified(pair, of, CON, blocks(text(size)));
      await pair.wire.acknowledgement('client', notification);
      await whole(pair, of, notification, 'obs-pumping', text(size));
    }
    await of.stream.return!();
    await pause(100);
    pair.wire.toEnd();
  }
}

const basic: Case = { run: async (pair) => void (await observing(pair)) };

/** TD_COAP_OBS_01 to 14; there is no 03. */
export const observeCases: Cases = {
  TD_COAP_OBS_01: basic,
  TD_COAP_OBS_02: {
    datagramsOnly: 'notifications on a stream have no type',
    parameters: { notificationInterval: 50 },
    run: nonConfirmable,
  },
  TD_COAP_OBS_04: { datagramsOnly: connection, clientEnv: hurried, parameters: { ackTimeout: 20_000 }, run: serverForgets },
  TD_COAP_OBS_05: { datagramsOnly: connection, parameters: { ackTimeout: 200, ackRandomFactor: 1, maxRetransmit: 2 }, run: clientOff },
  TD_COAP_OBS_06: { datagramsOnly: connection, run: clientReboots },
  TD_COAP_OBS_07: {
    run: async (pair) => {
      const of = await observing(pair);
      pair.site.obs.remove();
      await refused(pair, of, Code.NotFound);
    },
  },
  TD_COAP_OBS_08: {
    run: async (pair) => {
      const of = await observing(pair);
      pair.site.value = { payload: '{}', contentFormat: ContentFormat.Json };
      pair.site.obs.changed();
      await refused(pair, of, Code.NotAcceptable);
    },
  },
  TD_COAP_OBS_09: {
    run: async (pair) => {
      const of = await observing(pair);
      await change(pair, of, 'updated');
      await change(pair, of, 'and again');
    },
  },
  TD_COAP_OBS_10: { run: unrelatedGet },
  TD_COAP_OBS_11: {
    datagramsOnly: 'a stream loses nothing',
    gateway: true,
    parameters: { ackTimeout: 100, ackRandomFactor: 1 },
    run: lossy,
  },
  TD_COAP_OBS_12: { run: cancel },
  TD_COAP_OBS_13: { run: large },
  TD_COAP_OBS_14: { run: pumping },
};
