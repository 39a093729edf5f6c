import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CoapError,
  Code,
  ContentFormat,
  type DurableOptions,
  type ObservationEvent,
  type ObservationStore,
  type Option,
  OptionNumber,
  observeDurably,
  observedTarget,
  opaqueOption,
  type Response,
  uintOption,
} from '../../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import { Simulator } from '../../support/simulator.ts';

class Records implements ObservationStore {
  readonly states = new Map<string, Uint8Array>();
  failing = false;

  async load(name: string): Promise<Uint8Array | undefined> {
    return this.states.get(name);
  }

  async save(name: string, state: Uint8Array): Promise<void> {
    if (this.failing) throw new ProtocolError('ERR_STORE_IO', 'disk full');
    this.states.set(name, state);
  }
}

function response(code: number, text: string, ...options: Option[]): Response {
  return { code, options, payload: utf8(text) };
}

const observe = uintOption(OptionNumber.Observe, 7);
const notification = (text: string, ...options: Option[]): Response => response(Code.Content, text, observe, ...options);

/** What one registration brings, in order; without an end it goes on for ever. */
type Script = readonly (Response | Error)[];

/** A loop over registrations that are played one after the other; the last is repeated. */
class Loop {
  readonly simulator: Simulator = new Simulator();
  readonly registeredAt: number[] = [];
  readonly events: ObservationEvent[] = [];
  readonly got: string[] = [];
  readonly done: Promise<unknown>;

  constructor(scripts: readonly Script[], options: Partial<DurableOptions<Response>> = {}) {
    const { simulator } = this;
    const left = [...scripts];
    const registeredAt = this.registeredAt;
    async function* register(): AsyncGenerator<Response> {
      registeredAt.push(simulator.now);
      for (const item of left.length > 1 ? left.shift()! : left[0]!) {
        if (item instanceof Error) throw item;
        yield item;
      }
    }
    const stream = observeDurably<Response>({
      store: new Records(),
      name: 'one',
      target: utf8('target'),
      env: simulator.env(),
      register,
      emit: (event) => this.events.push(event),
      ...options,
    });
    this.done = (async () => {
      for await (const { code, payload } of stream) this.got.push(code === Code.Content ? fromUtf8(payload) : `${code}`);
    })();
    this.done.catch(() => {});
  }

  /** Seconds between registrations. */
  get pauses(): number[] {
    return this.registeredAt.slice(1).map((at, i) => (at - this.registeredAt[i]!) / 1000);
  }
}

const end = response(Code.NotFound, '', observe);

describe('observeDurably', () => {
  test('gives each representation once, until another comes', async () => {
    const loop = new Loop([[notification('a'), notification('a'), notification('b')], [notification('b'), notification('a')], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, ['a', 'b', 'a', `${Code.NotFound}`]);
  });

  test('the bytes and the Content-Format make a representation; an ETag may begin anew with its server', async () => {
    const etag = opaqueOption(OptionNumber.ETag, Uint8Array.of(1));
    const other = opaqueOption(OptionNumber.ETag, Uint8Array.of(2));
    const json = uintOption(OptionNumber.ContentFormat, ContentFormat.Json);
    const loop = new Loop([[notification('a', etag), notification('a', other), notification('b', other), notification('b', other, json)], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, ['a', 'b', 'b', `${Code.NotFound}`]);
  });

  test('2.03: the ETag is all that there is', async () => {
    const valid = (value: number): Response => response(Code.Valid, '', opaqueOption(OptionNumber.ETag, Uint8Array.of(value)), observe);
    const loop = new Loop([[valid(1), valid(1), valid(2)], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, [`${Code.Valid}`, `${Code.Valid}`, `${Code.NotFound}`]);
  });

  test('RFC 7641 3.3.1: registers again after 5 to 15 seconds; each failure in a row doubles that', async () => {
    const timeout = new CoapError('ERR_COAP_TIMEOUT', 'expected a response, got none');
    const loop = new Loop([[notification('a')], [timeout], [timeout], [timeout], [notification('b'), timeout], [timeout], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, ['a', 'b', `${Code.NotFound}`]);
    for (const [i, factor] of [1, 2, 4, 8, 1, 2].entries()) {
      assert.ok(loop.pauses[i]! >= 5 * factor && loop.pauses[i]! < 15 * factor, `${i}: ${loop.pauses[i]}`);
    }
    assert.deepEqual(
      loop.events.map(({ delay }) => delay / 1000),
      loop.pauses,
    );
  });

  for (const code of ['ERR_COAP_TIMEOUT', 'ERR_COAP_RESET', 'ERR_COAP_BUSY', 'ERR_COAP_CONNECTION', 'ERR_COAP_HOLD_OFF', 'ERR_OSCORE_RESPONSE']) {
    test(`${code} passes, also inside another error`, async () => {
      const cause = new ProtocolError(code, 'it');
      const loop = new Loop([[cause], [new ProtocolError('ERR_OTHER', 'because of it', { cause })], [end]]);
      await loop.simulator.finish(loop.done);
      assert.equal(loop.registeredAt.length, 3);
      assert.deepEqual(
        loop.events.map(({ reason }) => reason),
        ['it', 'because of it'],
      );
    });
  }

  for (const code of ['ERR_COAP_ABORTED', 'ERR_COAP_CLOSED', 'ERR_COAP_URI', 'ERR_OSCORE_SEQUENCE']) {
    test(`${code} ends the loop`, async () => {
      const loop = new Loop([[notification('a'), new ProtocolError(code, 'it')]]);
      await assert.rejects(loop.simulator.finish(loop.done), { code });
      assert.deepEqual(loop.got, ['a']);
    });
  }

  test('RFC 7252 5.9.3.4, RFC 8516: 5.03 and 4.29 are waited for, as long as their Max-Age says, and not given to the loop', async () => {
    const maxAge = uintOption(OptionNumber.MaxAge, 100);
    for (const code of [Code.ServiceUnavailable, Code.InternalServerError, Code.GatewayTimeout, Code.TooManyRequests]) {
      const loop = new Loop([[notification('a'), response(code, '', maxAge)], [notification('a')], [end]]);
      await loop.simulator.finish(loop.done);
      assert.deepEqual(loop.got, ['a', `${Code.NotFound}`]);
      assert.ok(loop.pauses[0]! >= 105 && loop.pauses[0]! < 115);
    }
  });

  test('no Max-Age makes it wait for more than an hour', async () => {
    const loop = new Loop([[response(Code.ServiceUnavailable, '', uintOption(OptionNumber.MaxAge, 0xffff_ffff))], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.pauses, [3600]);
  });

  for (const code of [Code.NotFound, Code.Forbidden, Code.Unauthorized, Code.NotImplemented, Code.ProxyingNotSupported]) {
    test(`an error that does not pass is given to the loop and ends it: ${code}`, async () => {
      const loop = new Loop([[notification('a'), response(code, '')]]);
      await loop.simulator.finish(loop.done);
      assert.deepEqual(loop.got, ['a', `${code}`]);
    });
  }

  test('RFC 8613 8.2: an error that anybody may have sent ends nothing', async () => {
    const forged = response(Code.Unauthorized, 'Security context not found', uintOption(OptionNumber.MaxAge, 3000));
    const loop = new Loop([[forged], [end]], { vouched: ({ code }) => code !== Code.Unauthorized });
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, [`${Code.NotFound}`]);
    assert.ok(loop.pauses[0]! < 15, 'its Max-Age does not count');
  });

  test('RFC 8613 B.1.2: a challenge by Echo that came in the place of an answer is tried again', async () => {
    const challenge = response(Code.Unauthorized, '', opaqueOption(OptionNumber.Echo, Uint8Array.of(1, 2, 3)));
    const loop = new Loop([[challenge], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, [`${Code.NotFound}`]);
  });

  test('RFC 7641 4.1: a server that takes no registration is asked again when its answer is no longer fresh', async () => {
    const plain = (text: string): Response => response(Code.Content, text, uintOption(OptionNumber.MaxAge, 30));
    const loop = new Loop([[plain('a')], [plain('a')], [plain('b')], [end]]);
    await loop.simulator.finish(loop.done);
    assert.deepEqual(loop.got, ['a', 'b', `${Code.NotFound}`]);
    for (const pause of loop.pauses) assert.ok(pause >= 35 && pause < 45);
  });

  test('goes on where the loop before it stood, but for what that one had not processed', async () => {
    const store = new Records();
    const stream = (...all: Response[]): AsyncGenerator<Response, undefined> =>
      observeDurably<Response>({
        store,
        name: 'one',
        target: utf8('target'),
        env: new Simulator().env(),
        async *register() {
          yield* all;
        },
        emit: () => {},
      });
    const first = stream(notification('a'), notification('b'));
    assert.equal(fromUtf8((await first.next()).value!.payload), 'a');
    assert.equal(fromUtf8((await first.next()).value!.payload), 'b');
    await first.return(undefined);
    assert.equal(fromUtf8((await stream(notification('a'), notification('b')).next()).value!.payload), 'b');
    assert.deepEqual(observedTarget(store.states.get('one')!), utf8('target'));
  });

  test('what the store has of another target, or cannot be read, does not count', async () => {
    const store = new Records();
    const states: (Uint8Array | undefined)[] = [];
    for (const target of ['target', 'other', 'other']) {
      const loop = new Loop([[notification('a')], [end]], { store, target: utf8(target) });
      await loop.simulator.finish(loop.done);
      states.push(store.states.get('one'));
      assert.deepEqual(loop.got, target === 'other' && states.length === 3 ? [`${Code.NotFound}`] : ['a', `${Code.NotFound}`]);
    }
    for (const broken of ['', '01', 'ff', '8401']) {
      store.states.set('one', Buffer.from(broken, 'hex'));
      assert.equal(observedTarget(store.states.get('one')!), undefined);
      const loop = new Loop([[notification('a')], [end]], { store });
      await loop.simulator.finish(loop.done);
      assert.deepEqual(loop.got, ['a', `${Code.NotFound}`]);
    }
  });

  test('a store that fails ends the loop with its error', async () => {
    const store = new Records();
    const loop = new Loop([[notification('a'), notification('b')]], { store, passes: () => true });
    store.failing = true;
    await assert.rejects(loop.simulator.finish(loop.done), { code: 'ERR_STORE_IO' });
  });

  test('an abort ends a pause', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = new CoapError('ERR_COAP_ABORTED', 'the request was aborted');
    const loop = new Loop([[response(Code.ServiceUnavailable, '')], [aborted]], { signal });
    await loop.simulator.sleep(1000);
    controller.abort();
    await assert.rejects(loop.simulator.finish(loop.done, 1), { code: 'ERR_COAP_ABORTED' });
    assert.equal(loop.simulator.pending, 0);
  });
});
