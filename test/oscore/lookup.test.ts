import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, findOption, Method, OptionNumber, pathOf, pathOptions, type Reply, type Request, type Response, uintOption } from '../../src/coap/index.ts';
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import {
  ContextTable,
  deriveContext,
  type LookupLimits,
  type OscoreEvent,
  oscore,
  protectRequest,
  type SecurityContext,
  type StoredContext,
} from '../../src/oscore/index.ts';
import { Simulator } from '../support/simulator.ts';
import { FakeStore, mirrored, parameters, peer, request } from './support.ts';

/** A look-up that was asked for. */
interface Asked {
  readonly kid: string;
  readonly kidContext: string | undefined;
  answer(stored: StoredContext | undefined): void;
  fail(error: unknown): void;
}

/** Looks contexts up when it is told to. */
class SlowStore extends FakeStore {
  readonly asked: Asked[] = [];

  load(kid: Uint8Array, kidContext: Uint8Array | undefined): Promise<StoredContext | undefined> {
    return new Promise((answer, fail) => {
      this.asked.push({ kid: toHex(kid), kidContext: kidContext && toHex(kidContext), answer, fail });
    });
  }
}

/** Looks contexts up at once. */
class QuickStore extends FakeStore {
  readonly stored: Map<string, StoredContext> = new Map();
  readonly asked: string[] = [];

  load(kid: Uint8Array): StoredContext | undefined {
    this.asked.push(toHex(kid));
    return this.stored.get(toHex(kid));
  }
}

/** The client with this Sender ID, and what the store of the server has of it. */
function known(id: string, idContext?: string, window: 'fresh' | 'unverified' = 'fresh'): { client: SecurityContext; stored: StoredContext } {
  const of = { ...parameters, senderId: fromHex(id), ...(idContext === undefined ? {} : { idContext: fromHex(idContext) }) };
  return { client: deriveContext(of), stored: { parameters: mirrored(of), window } };
}

function serve<S extends FakeStore>(store: S, limits: LookupLimits = {}, table: ConstructorParameters<typeof ContextTable>[0] = {}) {
  const sim = new Simulator();
  const contexts = new ContextTable(table);
  const events: OscoreEvent[] = [];
  const layer = oscore({ contexts, store, env: sim.env(), lookups: limits, emit: (event) => events.push(event) });
  /** The paths of the requests that the handler got, in order. */
  const seen: string[] = [];
  const requests: Request[] = [];
  let during: (message: Request) => void = () => {};
  const handler = layer.inbound((message, reply) => {
    seen.push(pathOf(message.options).join('/'));
    requests.push(message);
    during(message);
    reply.respond({ code: Code.Content, options: [], payload: utf8('ok') });
  });
  return {
    sim,
    store,
    contexts,
    events,
    layer,
    seen,
    requests,
    onRequest: (task: (message: Request) => void) => {
      during = task;
    },
    /** The messages discarded, by reason. */
    discarded: () => events.flatMap((event) => (event.type === 'discarded' ? [event.reason] : [])),
    /** Put a message before the server. Its memory is used again for the next one, as a socket does. */
    send: (message: Request): { readonly answers: Response[]; cancel(): void } => {
      const answers: Response[] = [];
      const cancels: (() => void)[] = [];
      const reply: Reply = { respond: (r) => answers.push(r), notify: (r) => answers.push(r), onCancel: (task) => cancels.push(task) };
      const options = message.options.map(({ number, value }) => ({ number, value: value.slice() }));
      const payload = message.payload.slice();
      handler({ code: message.code, options, payload, peer }, reply);
      payload.fill(0);
      for (const { value } of options) value.fill(0);
      return {
        answers,
        cancel: () => {
          for (const task of cancels.splice(0)) task();
        },
      };
    },
  };
}

/** A GET of a path, protected. */
function get(client: SecurityContext, sequence: number, path = `${sequence}`): Request {
  return protectRequest(request(client, Method.GET, pathOptions([path])), client, sequence).message;
}

function outcome(response: Response | undefined): string {
  if (response === undefined) return 'nothing';
  return findOption(response.options, OptionNumber.Oscore) !== undefined
    ? 'protected'
    : `${response.code >>> 5}.${response.code & 31} ${fromUtf8(response.payload)}`;
}

const notFound = '4.1 Security context not found';
const unavailable = '5.3 ';
const idle = { contexts: 0, sequences: 0, waiting: 0, exchanges: 0, lookups: 0, lookupRequests: 0, lookupBytes: 0 };

test('RFC 8613 8.2, step 2: a context of the store is looked up by kid and kid context, once', async () => {
  const { store, send, layer, seen, sim } = serve(new SlowStore());
  const { client, stored } = known('c1', 'aa');
  const first = send(get(client, 0));
  assert.deepEqual(
    store.asked.map(({ kid, kidContext }) => [kid, kidContext]),
    [['c1', 'aa']],
  );
  assert.deepEqual(first.answers, []);
  assert.equal(layer.stats()['lookupRequests'], 1);
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.equal(outcome(first.answers[0]), 'protected');
  assert.equal(outcome(send(get(client, 1)).answers[0]), 'protected', 'in one turn from then on');
  assert.deepEqual(seen, ['0', '1']);
  assert.equal(store.asked.length, 1);
  assert.deepEqual(layer.stats(), { ...idle, contexts: 1 });
  assert.equal(sim.pending, 0, 'no timer is left');
});

test('a look-up that is answered at once takes no turn and keeps nothing', () => {
  const store = new QuickStore();
  const { send, layer, sim } = serve(store);
  const { client, stored } = known('c1');
  store.stored.set('c1', stored);
  assert.equal(outcome(send(get(client, 0)).answers[0]), 'protected');
  assert.equal(outcome(send(get(known('c2').client, 0)).answers[0]), notFound);
  assert.deepEqual(layer.stats(), { ...idle, contexts: 1 });
  assert.equal(sim.pending, 0);
});

test('RFC 8613 8.2, step 2: what nobody has is 4.01, and nothing stays of it', async () => {
  const { store, send, layer, discarded, seen, sim } = serve(new SlowStore());
  const client = known('c1').client;
  for (let round = 1; round <= 2; round++) {
    const { answers } = send(get(client, 0));
    store.asked.at(-1)!.answer(undefined);
    await sim.run();
    assert.deepEqual(answers.map(outcome), [notFound]);
    assert.equal(store.asked.length, round, 'a context that is stored meanwhile is found');
  }
  assert.deepEqual(discarded(), ['context', 'context']);
  assert.deepEqual(seen, []);
  assert.deepEqual(layer.stats(), idle);
});

test('RFC 8613 3.3: a kid over the limit is not looked up', () => {
  const { store, send } = serve(new SlowStore());
  const message = get(known('c1').client, 0);
  const value = fromHex('090000112233445566 77');
  const options = message.options.map((option) => (option.number === OptionNumber.Oscore ? { ...option, value } : option));
  assert.deepEqual(send({ ...message, options }).answers.map(outcome), [notFound]);
  assert.deepEqual(store.asked, []);
});

test('equal look-ups are one, and the requests of a context keep their order', async () => {
  const { store, send, seen, sim } = serve(new SlowStore());
  const one = known('c1');
  const other = known('c2');
  const sent = [5, 3, 9, 4, 0].map((sequence) => send(get(one.client, sequence)));
  sent.push(send(get(other.client, 0, 'other')));
  assert.equal(store.asked.length, 2);
  store.asked[1]!.answer(other.stored);
  await sim.sleep(0);
  assert.deepEqual(seen, ['other'], 'another context does not wait');
  store.asked[0]!.answer(one.stored);
  await sim.run();
  assert.deepEqual(seen, ['other', '5', '3', '9', '4', '0']);
  for (const { answers } of sent) assert.deepEqual(answers.map(outcome), ['protected']);
});

test('a request does not overtake those that wait, also when its context came into the table meanwhile', async () => {
  const { store, send, seen, contexts, requests, sim, layer } = serve(new SlowStore());
  const { client, stored } = known('c1');
  send(get(client, 0));
  send(get(client, 1));
  const added = deriveContext(stored.parameters);
  contexts.add(added);
  send(get(client, 2));
  assert.deepEqual(seen, ['0', '1', '2']);
  assert.ok(requests.every(({ association }) => association === added));
  // The look-up is of no use any more.
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.deepEqual([...contexts], [added]);
  assert.deepEqual(layer.stats(), { ...idle, contexts: 1 });
});

test('RFC 8613 5.1: so it is when one request leaves out the kid context that the other has', async () => {
  for (const answered of [0, 1]) {
    const { store, send, seen, contexts, sim, layer } = serve(new SlowStore());
    const { client, stored } = known('c1', 'aa');
    // Another ID Context is another context, which nobody has to wait for.
    const foreign = known('c1', 'bb');
    const bare = (sequence: number): Request => {
      const message = get(client, sequence);
      const value = concat(Uint8Array.of(0x09), fromHex(`0${sequence}`), client.senderId);
      return { ...message, options: message.options.map((option) => (option.number === OptionNumber.Oscore ? { ...option, value } : option)) };
    };
    send(bare(0));
    send(get(client, 1));
    send(bare(2));
    send(get(foreign.client, 0, 'foreign'));
    assert.equal(store.asked.length, 3);
    store.asked[answered]!.answer(stored);
    await sim.sleep(0);
    assert.deepEqual(seen, ['0', '1', '2']);
    store.asked[2]!.answer(foreign.stored);
    await sim.run();
    assert.deepEqual(seen, ['0', '1', '2', 'foreign']);
    assert.deepEqual(layer.stats(), { ...idle, contexts: 2 });
    assert.equal(contexts.cached, 2);
  }
});

test('after a wait the table is read again: what was added counts, what was found does not', async () => {
  const { store, send, requests, contexts, sim } = serve(new SlowStore());
  const { client, stored } = known('c1');
  const { answers } = send(get(client, 7));
  const added = deriveContext(stored.parameters);
  added.window.commit(7);
  contexts.add(added);
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.deepEqual(answers.map(outcome), ['4.1 Replay detected']);
  assert.equal(requests.length, 0);
  assert.deepEqual([...contexts], [added]);
});

test('a request that waits is a copy: what it came in may be used again', async () => {
  const { store, send, requests, sim } = serve(new SlowStore());
  const { client, stored } = known('c1', 'aa');
  send(protectRequest(request(client, Method.PUT, [uintOption(OptionNumber.ContentFormat, 0)], 'content'), client, 3).message);
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.equal(fromUtf8(requests[0]!.payload), 'content');
});

test('what waits is bounded, for each context, in number and in bytes; what is beyond is 5.03', async () => {
  for (const [limits, expected] of [
    [{ requestsPerContext: 3 }, { same: 3, others: 20 }],
    [{ requests: 5 }, { same: 5, others: 0 }],
    [{ lookups: 4 }, { same: 10, others: 3 }],
    [{ bytes: 4000 }, { same: 6, others: 0 }],
    [{ bytesPerContext: 2000 }, { same: 3, others: 20 }],
  ] as const) {
    const { store, send, layer, discarded, seen, events, sim } = serve(new SlowStore(), limits);
    const { client, stored } = known('c1');
    const same = Array.from({ length: 10 }, (_, i) => send(get(client, i)));
    const others = Array.from({ length: 20 }, (_, i) => send(get(known(toHex(Uint8Array.of(0xd0, i))).client, 0)));
    const refusedOf = (sent: readonly { readonly answers: Response[] }[]): number => sent.filter(({ answers }) => outcome(answers[0]) === unavailable).length;
    assert.equal(10 - refusedOf(same), expected.same, JSON.stringify(limits));
    assert.equal(20 - refusedOf(others), expected.others, JSON.stringify(limits));
    assert.ok(layer.stats()['lookupBytes']! <= 0x10_0000);
    assert.ok(discarded().every((reason) => reason === 'lookup'));
    assert.ok(events.every((event) => event.type === 'discarded' && /^expected at most .* got/.test(event.detail ?? '')));
    for (const { kid, answer } of store.asked) answer(kid === 'c1' ? stored : undefined);
    await sim.run();
    assert.equal(seen.length, expected.same);
    assert.deepEqual(layer.stats(), { ...idle, contexts: 1 });
    for (const { answers } of [...same, ...others]) assert.equal(answers.length, 1);
  }
});

test('100,000 random kids of a stranger: what waits stays bounded, nothing stays, and no context in use suffers', async () => {
  const { store, send, layer, seen, contexts, sim } = serve(new SlowStore());
  const { client, stored } = known('c1');
  const context = deriveContext(stored.parameters);
  contexts.add(context);
  const message = get(known('c2').client, 0);
  for (let i = 0; i < 100_000; i++) {
    const value = Uint8Array.of(0x09, 0, i >>> 16, i >>> 8, i);
    send({ ...message, options: message.options.map((option) => (option.number === OptionNumber.Oscore ? { ...option, value } : option)) });
    if (i % 1000 === 0) assert.equal(outcome(send(get(client, i)).answers[0]), 'protected');
  }
  const { lookups, lookupRequests, lookupBytes } = layer.stats();
  assert.deepEqual([lookups, lookupRequests, store.asked.length], [256, 256, 256]);
  assert.ok(lookupBytes! < 0x10_0000);
  await sim.run();
  assert.equal(seen.length, 100);
  assert.deepEqual(layer.stats(), { ...idle, contexts: 1 });
});

test('what waits with a kid does not keep a context of the table from being served', () => {
  const { send, contexts } = serve(new SlowStore(), { requests: 3 });
  const { client, stored } = known('c1', 'aa');
  contexts.add(deriveContext(stored.parameters));
  const strangers = ['01', '02', '03', '04'].map((idContext) => send(get(known('c1', idContext).client, 0)));
  assert.deepEqual(
    strangers.map(({ answers }) => outcome(answers[0])),
    ['nothing', 'nothing', 'nothing', unavailable],
  );
  assert.equal(outcome(send(get(client, 0)).answers[0]), 'protected');
});

test('a look-up that fails, or gives what cannot be used, is 5.03 and an event with the cause', async () => {
  const { client, stored } = known('c1', 'aa');
  const broken = new Error('disk on fire');
  const cases: readonly (readonly [ends: (asked: Asked) => void, message: RegExp, cause?: unknown])[] = [
    [({ fail }) => fail(broken), /got an error$/, broken],
    [({ answer }) => answer(known('c2').stored), /got one of another kid or kid context/],
    [({ answer }) => answer(known('c1', 'bb').stored), /got one of another kid or kid context/],
    [({ answer }) => answer(known('c1').stored), /got one of another kid or kid context/],
    [({ answer }) => answer({ parameters: { ...stored.parameters, aead: 99 } }), /got one that cannot be used/],
    [({ answer }) => answer(null as unknown as StoredContext), /got one that cannot be used/],
  ];
  for (const [end, message, cause] of cases) {
    const { store, send, events, layer, discarded, sim } = serve(new SlowStore());
    const sent = [0, 1].map((sequence) => send(get(client, sequence)));
    end(store.asked[0]!);
    await sim.run();
    for (const { answers } of sent) assert.deepEqual(answers.map(outcome), [unavailable]);
    const [event, ...rest] = events.flatMap((one) => (one.type === 'lookup' ? [one] : []));
    assert.deepEqual(rest, [], 'told once');
    assert.equal(event!.error.code, 'ERR_OSCORE_LOOKUP');
    assert.match(event!.error.message, message);
    assert.equal(toHex(event!.kid), 'c1');
    if (cause !== undefined) assert.equal(event!.error.cause, cause);
    assert.deepEqual(discarded(), ['lookup', 'lookup']);
    assert.deepEqual(layer.stats(), idle);
  }
  for (const load of [
    () => {
      throw broken;
    },
    () => null as unknown as StoredContext,
  ]) {
    const { send, layer } = serve(Object.assign(new FakeStore(), { load }));
    assert.deepEqual(send(get(client, 0)).answers.map(outcome), [unavailable]);
    assert.deepEqual(layer.stats(), idle);
  }
});

test('a look-up that never ends is 5.03 after a bounded time, and what it says later is not heard', async () => {
  const { store, send, events, layer, contexts, sim } = serve(new SlowStore(), { timeout: 3000 });
  const { client, stored } = known('c1');
  const { answers } = send(get(client, 0));
  await sim.sleep(2999);
  assert.deepEqual(answers, []);
  await sim.sleep(1);
  assert.deepEqual(answers.map(outcome), [unavailable]);
  assert.ok(events.some((event) => event.type === 'lookup' && /within 3000 ms/.test(event.error.message)));
  assert.deepEqual(layer.stats(), idle);
  const again = send(get(client, 0));
  assert.equal(store.asked.length, 2, 'the next request asks again');
  store.asked[0]!.answer(stored);
  await sim.sleep(1);
  assert.deepEqual(again.answers, []);
  assert.equal(contexts.size, 0);
  store.asked[1]!.answer(stored);
  await sim.run();
  assert.deepEqual(again.answers.map(outcome), ['protected']);
});

test('when nobody waits any more, the look-up is forgotten', async () => {
  const { store, send, layer, contexts, seen, sim } = serve(new SlowStore());
  const { client, stored } = known('c1');
  const sent = [0, 1].map((sequence) => send(get(client, sequence)));
  sent[0]!.cancel();
  assert.equal(layer.stats()['lookups'], 1);
  sent[1]!.cancel();
  assert.deepEqual(layer.stats(), idle);
  assert.equal(sim.pending, 0);
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.equal(contexts.size, 0);
  assert.deepEqual(seen, []);
});

test('one of those that wait leaves: the others keep their turns', async () => {
  const { store, send, seen, sim } = serve(new SlowStore());
  const { client, stored } = known('c1');
  const sent = [0, 1, 2].map((sequence) => send(get(client, sequence)));
  sent[1]!.cancel();
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.deepEqual(seen, ['0', '2']);
});

test('a handler that throws, or takes the context away, while requests are processed that waited', async () => {
  const { store, send, seen, events, contexts, onRequest, layer, sim } = serve(new SlowStore());
  const { client, stored } = known('c1');
  onRequest((message) => {
    const path = pathOf(message.options)[0];
    if (path === '1') throw new Error('handler');
    if (path === '2') contexts.remove(message.association as SecurityContext);
  });
  const sent = [0, 1, 2, 3].map((sequence) => send(get(client, sequence)));
  store.asked[0]!.answer(stored);
  await sim.run();
  assert.deepEqual(seen, ['0', '1', '2']);
  assert.deepEqual(
    sent.map(({ answers }) => outcome(answers[0])),
    ['protected', 'nothing', '4.1 ', notFound],
  );
  assert.ok(events.some((event) => event.type === 'failed' && (event.error as Error).message === 'handler'));
  assert.deepEqual(layer.stats(), idle);
});

test('a table full of contexts that were added: nothing is found', () => {
  const store = new QuickStore();
  const { client, stored } = known('c1');
  store.stored.set('c1', stored);
  const { send, contexts, events } = serve(store, {}, { limit: 1 });
  contexts.add(deriveContext(known('c2').stored.parameters));
  assert.deepEqual(send(get(client, 0)).answers.map(outcome), [unavailable]);
  assert.ok(events.some((event) => event.type === 'lookup' && (event.error.cause as { code?: string }).code === 'ERR_OSCORE_LIMIT'));
  assert.equal(contexts.size, 1);
});
