/**
 * The cases of the OSCORE interop tests (test-spec5), once for every pair of a client and a server of which at least one is ours.
 *
 * TEST_Na looks at the client of a case and TEST_Nb at its server. Both ends of a pair run, so each case here is both; what goes over the wire is read at our end.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Code, findOption, formatCode, type Message, Method, OptionNumber, uintOf } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { type ContextParameters, decodeOscoreOption } from '../../src/oscore/index.ts';
import { type Feature, type PeerName, type PeerTest, testsWith } from './matrix.ts';
import { contextA, contextC, mirrored, type Order, type Told } from './oscore-peers.ts';

/** A response that a client shows to its application. */
export type Shown = Pick<Told, 'code' | 'contentFormat' | 'etag' | 'maxAge' | 'protected'> & { readonly text: string };

export interface Client {
  /** What the application is shown, or undefined if it is an error, or nothing within `limit` milliseconds. */
  ask(order: Omit<Order, 'uri'> & { readonly path: string }, limit?: number): Promise<Shown | undefined>;
  /** The answer to a registration and notifications until there are `count` of them; then the observation is cancelled. */
  observe(path: string, count: number): Promise<readonly Shown[]>;
  /** Let it use sequence number 0 again. */
  rewind(): Promise<void>;
}

export interface Pair {
  readonly client: Client;
  /** The messages with a code that came and went, in order. */
  wire(): readonly { readonly from: 'client' | 'server'; readonly message: Message }[];
}

export interface Setup {
  /** Of the client, which protects nothing without it. The server has context B if `server` does not say otherwise. */
  readonly context?: ContextParameters;
  /** A key of the client that is not the one of its context. */
  readonly wrong?: 'senderKey' | 'recipientKey';
  readonly server?: ContextParameters | 'without OSCORE';
}

/** Two ends, and what is known not to be as it should with one of them. */
export interface Direction {
  /** `our client -> Californium server`. */
  readonly name: string;
  /** The one that is not ours; absent: both are. */
  readonly peer?: PeerName;
  open(t: TestContext, setup: Setup): Promise<Pair>;
  /** Why a case cannot run, by its number. */
  readonly without?: Readonly<Record<number, string>>;
  /** The outer codes of the server's notifications, and of its other responses to a request with Observe, where they are not those of RFC 8613. */
  readonly outerCodes?: { readonly notification: number; readonly other: number };
  /** The client does not show the protected error that ends an observation. */
  readonly endUnheard?: true;
}

/** RFC 8613, Sections 4.1.3.5 and 4.2. The test specification, which is older, has 2.05 for the error that ends an observation. */
const outerCodesOfObserve = { notification: Code.Content, other: Code.Changed };

const helloWorld: Shown = { code: '2.05', text: 'Hello World!', contentFormat: 0, etag: null, maxAge: null, protected: true };

interface Outside {
  readonly from: 'client' | 'server';
  readonly code: string;
  readonly oscore: boolean;
  readonly observe: boolean;
}

/** What an intermediary sees. */
function outside({ wire }: Pair): Outside[] {
  return wire().map(({ from, message: { code, options } }) => ({
    from,
    code: formatCode(code),
    oscore: findOption(options, OptionNumber.Oscore) !== undefined,
    observe: uintOf(options, OptionNumber.Observe) !== undefined,
  }));
}

const request = (code: number, observe = false): Outside => ({ from: 'client', code: formatCode(code), oscore: true, observe });
const response = (code: number, observe = false): Outside => ({ from: 'server', code: formatCode(code), oscore: true, observe });
const exchange = [request(Method.POST), response(Code.Changed)];

/** The answer of the server is an error that nothing protects; the client shows it as such, or not at all. */
async function refused(pair: Pair, codes: readonly string[], path = '/oscore/hello/1'): Promise<void> {
  const shown = await pair.client.ask({ path }, 3000);
  const answer = outside(pair).at(-1)!;
  assert.deepEqual({ ...answer, code: codes.includes(answer.code) }, { from: 'server', code: true, oscore: false, observe: false }, answer.code);
  if (shown !== undefined) assert.deepEqual([shown.code, shown.protected], [answer.code, false]);
}

interface Case {
  readonly objective: string;
  /** What it proves, where that is not methods and options. */
  readonly feature?: Feature;
  run(t: TestContext, direction: Direction): Promise<void>;
}

const cases: readonly Case[] = [
  {
    objective: 'GET without OSCORE',
    run: async (t, { open }) => {
      const { client } = await open(t, {});
      assert.deepEqual(await client.ask({ path: '/oscore/hello/coap' }), { ...helloWorld, protected: false });
    },
  },
  {
    objective: 'GET',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.ask({ path: '/oscore/hello/1' }), helloWorld);
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'GET with an ID Context',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextC, server: mirrored(contextC) });
      assert.deepEqual(await pair.client.ask({ path: '/oscore/hello/1' }), helloWorld);
      const [asked, answered] = pair.wire().map(({ message }) => decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value));
      assert.deepEqual([toHex(asked!.kidContext!), toHex(asked!.kid!)], ['37cbf3210017a2d3', '']);
      assert.deepEqual(answered, {}, 'neither ID Context nor Sender ID in the response');
    },
  },
  {
    objective: 'GET with Uri-Query and ETag',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.ask({ path: '/oscore/hello/2?first=1' }), { ...helloWorld, etag: '2b' });
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'GET with Accept and Max-Age',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.ask({ path: '/oscore/hello/3', accept: 0 }), { ...helloWorld, maxAge: 5 });
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'Observe of what cannot be observed',
    feature: 'observe',
    run: async (t, { open, outerCodes = outerCodesOfObserve }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.observe('/oscore/hello/1', 1), [helloWorld]);
      assert.deepEqual(outside(pair), [request(Method.FETCH, true), response(outerCodes.other)]);
    },
  },
  {
    objective: 'Observe that the server ends with 5.00',
    feature: 'observe',
    run: async (t, { open, outerCodes = outerCodesOfObserve, endUnheard = false }) => {
      const pair = await open(t, { context: contextA });
      const heard = await pair.client.observe('/oscore/observe1', 3);
      const expected = [
        { ...helloWorld, text: 'one' },
        { ...helloWorld, text: 'two' },
        { ...helloWorld, text: 'Terminate Observe', code: '5.00' },
      ];
      assert.deepEqual(heard, endUnheard ? expected.slice(0, 2) : expected);
      const notification = response(outerCodes.notification, true);
      assert.deepEqual(outside(pair), [request(Method.FETCH, true), notification, notification, response(outerCodes.other)]);
    },
  },
  {
    objective: 'Observe and its cancellation',
    feature: 'observe',
    run: async (t, { open, outerCodes = outerCodesOfObserve }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.observe('/oscore/observe2', 2), [
        { ...helloWorld, text: 'one' },
        { ...helloWorld, text: 'two' },
      ]);
      // What comes after the cancellation shows that it was understood.
      assert.deepEqual(await pair.client.ask({ path: '/oscore/observe2' }), { ...helloWorld, text: 'two' });
      const notification = response(outerCodes.notification, true);
      const cancellation = [request(Method.FETCH, true), response(outerCodes.other)];
      assert.deepEqual(outside(pair), [request(Method.FETCH, true), notification, notification, ...cancellation, ...exchange]);
      assert.deepEqual(
        pair.wire().flatMap(({ from, message }) => (from === 'client' ? [uintOf(message.options, OptionNumber.Observe)] : [])),
        [0, 1, undefined],
      );
    },
  },
  {
    objective: 'POST',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      const shown = await pair.client.ask({ method: 'POST', path: '/oscore/hello/6', contentFormat: 0, payload: 'J' });
      assert.deepEqual(shown, { ...helloWorld, code: '2.04', text: 'J' });
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'PUT with If-Match',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      const put = { method: 'PUT', path: '/oscore/hello/7', contentFormat: 0, payload: 'z' } as const;
      assert.equal((await pair.client.ask({ ...put, ifMatch: '7b' }))?.code, '2.04');
      assert.equal((await pair.client.ask({ ...put, ifMatch: '7c' }))?.code, '4.12');
      assert.deepEqual(outside(pair), [...exchange, ...exchange]);
    },
  },
  {
    objective: 'PUT with If-None-Match',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      const shown = await pair.client.ask({ method: 'PUT', path: '/oscore/hello/7', contentFormat: 0, ifNoneMatch: true, payload: '\u008a' });
      assert.deepEqual([shown?.code, shown?.protected], ['4.12', true]);
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'DELETE',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      const shown = await pair.client.ask({ method: 'DELETE', path: '/oscore/test' });
      assert.deepEqual([shown?.code, shown?.protected], ['2.02', true]);
      assert.deepEqual(outside(pair), exchange);
    },
  },
  {
    objective: 'a Sender ID that the server does not know',
    feature: 'errors',
    run: async (t, { open }) => refused(await open(t, { context: { ...contextA, senderId: Uint8Array.of(0x77) } }), ['4.01']),
  },
  {
    objective: 'another Sender Key',
    feature: 'errors',
    run: async (t, { open }) => refused(await open(t, { context: contextA, wrong: 'senderKey' }), ['4.00']),
  },
  {
    objective: 'another Recipient Key',
    feature: 'errors',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA, wrong: 'recipientKey' });
      assert.equal(await pair.client.ask({ path: '/oscore/hello/1' }, 1500), undefined);
      assert.deepEqual(outside(pair).slice(0, 2), exchange);
    },
  },
  {
    objective: 'a sequence number that was used',
    feature: 'errors',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA });
      assert.deepEqual(await pair.client.ask({ path: '/oscore/hello/1' }), helloWorld);
      await pair.client.rewind();
      await refused(pair, ['4.01']);
    },
  },
  {
    objective: 'a server without OSCORE',
    feature: 'errors',
    run: async (t, { open }) => {
      const pair = await open(t, { context: contextA, server: 'without OSCORE' });
      // The test specification takes 4.05 too: the code on the outside is POST.
      await refused(pair, ['4.02', '4.05'], '/oscore/hello/coap');
    },
  },
  {
    objective: 'a protected resource without OSCORE',
    feature: 'errors',
    run: async (t, { open }) => {
      const shown = await (await open(t, {})).client.ask({ path: '/oscore/hello/1' });
      assert.deepEqual([shown?.code, shown?.protected], ['4.01', false]);
    },
  },
];

/** A test of each case that can run; the others are printed with their reason. None is left out in silence. */
export function testSpec5(direction: Direction): void {
  const { name, peer, without = {} } = direction;
  const declare: PeerTest = peer === undefined ? (title, _, run) => void test(title, run) : testsWith({ peer, transport: 'UDP', security: 'OSCORE' });
  for (const [number, { objective, feature = 'methods', run }] of cases.entries()) {
    const where = `${name}: OSCORE TEST_${number}a, TEST_${number}b: ${objective}`;
    const reason = without[number];
    if (reason === undefined) declare(where, feature, (t) => run(t, direction));
    else console.log(`${where}: cannot run: ${reason}`);
  }
}
