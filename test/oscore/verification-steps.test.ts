import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  encodeMessage,
  findOption,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  pathOf,
  pathOptions,
  type Request,
  type Response,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import {
  ContextTable,
  decodeOscoreOption,
  encodeOscoreOption,
  encodePartialIv,
  type OscoreEvent,
  oscore,
  protectRequest,
  protectResponse,
  type RequestBinding,
  type SecurityContext,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { Simulator } from '../support/simulator.ts';
import { FakeStore, pair } from './support.ts';

const serverAddress = '10.0.0.1';
const clientAddress = '10.0.0.2';

const withOscore = (options: readonly Option[], value: string): Option[] => [
  ...options.filter(({ number }) => number < OptionNumber.Oscore),
  opaqueOption(OptionNumber.Oscore, fromHex(value)),
  ...options.filter(({ number }) => number > OptionNumber.Oscore),
];

/** A server on the simulated network, and somebody who sends it what bytes they like. */
class AtServer {
  readonly sim = new Simulator({ seed: 3 });
  readonly context: SecurityContext;
  readonly window: SecurityContext;
  readonly seen: Request[] = [];
  readonly reasons: string[] = [];
  readonly #raw: RawPeer;
  #id = 0;

  constructor() {
    const { client, server } = pair();
    this.context = client;
    this.window = server;
    const contexts = new ContextTable();
    contexts.add(server);
    const emit = (event: OscoreEvent): void => void (event.type === 'discarded' && this.reasons.push(event.reason));
    const env = this.sim.env('server');
    const layer = oscore({ contexts, store: new FakeStore(), env, emit });
    new Endpoint({
      transport: this.sim.transport(serverAddress, 5683),
      env,
      layers: [layer],
      handler: (request, reply) => {
        this.seen.push(request);
        reply.respond({ code: pathOf(request.options)[0] === 'none' ? Code.NotFound : Code.Content, options: [], payload: utf8('21') });
      },
    });
    this.#raw = new RawPeer(this.sim, clientAddress, this.sim.peer(serverAddress, 5683));
  }

  protect(sequence: number, options: readonly Option[] = pathOptions(['t']), code: number = Method.GET) {
    const peer = this.sim.peer(serverAddress, 5683);
    return protectRequest({ code, options, payload: emptyBytes, peer, association: this.context }, this.context, sequence);
  }

  /** What it answers to a message, in one datagram or not at all. */
  async send(message: Pick<Request, 'code' | 'options' | 'payload'>, type: MessageType = MessageType.CON): Promise<Response | undefined> {
    const bytes = encodeMessage({ ...message, type, id: ++this.#id, token: Uint8Array.of(this.#id) });
    const answers = await this.#raw.exchange(toHex(bytes));
    assert.ok(answers.length <= 1);
    return answers.length === 0 ? undefined : decodeMessage(fromHex(answers[0]!));
  }

  /** The message is answered as Section 8.2 says of an OSCORE error: in the clear, not to be cached, and it goes no further. */
  async refuses(message: Pick<Request, 'code' | 'options' | 'payload'>, code: number, text: string): Promise<void> {
    const { highest } = this.window.window;
    const handled = this.seen.length;
    for (const type of [MessageType.CON, MessageType.NON]) {
      const answer = await this.send(message, type);
      assert.deepEqual([answer!.code, answer!.options, fromUtf8(answer!.payload)], [code, [uintOption(OptionNumber.MaxAge, 0)], text]);
    }
    assert.equal(this.seen.length, handled);
    assert.equal(this.window.window.highest, highest, 'the window stays where it is');
  }
}

describe('RFC 8613 8.2: verifying the request', () => {
  test('step 1: Code and Outer options of Class E are discarded, those of Class U are not', async () => {
    const at = new AtServer();
    const { message, binding } = at.protect(0);
    const { IfMatch, UriPath, Accept, UriHost, UriPort } = OptionNumber;
    const outer = [
      opaqueOption(IfMatch, utf8('x')),
      stringOption(UriHost, 'h'),
      uintOption(UriPort, 5683),
      stringOption(UriPath, 'other'),
      uintOption(Accept, 60),
    ];
    const answer = await at.send({ ...message, code: Method.DELETE, options: sortOptions([...message.options, ...outer]) });
    assert.equal(unprotectResponse(answer!, at.context, binding).response.code, Code.Content);
    const [request] = at.seen;
    assert.equal(request!.code, Method.GET);
    assert.deepEqual(request!.options, [stringOption(UriHost, 'h'), uintOption(UriPort, 5683), ...pathOptions(['t'])]);
  });

  test('step 2: decompression fails: 4.02, "Failed to decode COSE"', async () => {
    const at = new AtServer();
    const { message } = at.protect(0);
    // A zero byte; each reserved flag; Partial IV of 6 and 7 bytes, with leading zeros; cut off; a kid context that is cut off; no kid; no Partial IV; bytes that belong to nothing.
    for (const value of [
      '00',
      '2900c1',
      '4900c1',
      '8900c1',
      '0e010203040506c1',
      '0f01020304050607c1',
      '0a0005c1',
      '0a00',
      '19',
      '1900',
      '190003aac1',
      '0100',
      '08c1',
      '010000',
    ])
      await at.refuses({ ...message, options: withOscore([], value) }, Code.BadOption, 'Failed to decode COSE');
    await at.refuses({ ...message, options: withOscore([], '') }, Code.BadOption, 'Failed to decode COSE');
    assert.deepEqual(new Set(at.reasons), new Set(['decode']));
  });

  test('step 2: the COSE message fails to decode, since there is none (Section 2): 4.02', async () => {
    const at = new AtServer();
    await at.refuses({ ...at.protect(0).message, payload: emptyBytes }, Code.BadOption, 'Failed to decode COSE');
  });

  test('step 2: no Recipient Context for kid, or for kid and kid context: 4.01, "Security context not found"', async () => {
    const at = new AtServer();
    const { message } = at.protect(0);
    for (const value of ['0900', '0900c2', '0900c1c1', '19000101c1', '190000c1', '090001020304050607'])
      await at.refuses({ ...message, options: withOscore([], value) }, Code.Unauthorized, 'Security context not found');
    assert.deepEqual(new Set(at.reasons), new Set(['context']));
  });

  test('step 3: the Partial IV was received before, or is left of the window: 4.01, "Replay detected" (Section 7.4)', async () => {
    const at = new AtServer();
    const { message } = at.protect(100);
    assert.equal((await at.send(message))!.code, Code.Changed);
    await at.refuses(message, Code.Unauthorized, 'Replay detected');
    await at.refuses(at.protect(100 - 32).message, Code.Unauthorized, 'Replay detected');
    assert.equal((await at.send(at.protect(100 - 31).message))!.code, Code.Changed);
    assert.deepEqual(new Set(at.reasons), new Set(['replay']));
  });

  test('steps 4 to 6: decryption fails, whatever the cause: 4.00, "Decryption failed"', async () => {
    const at = new AtServer();
    const { message } = at.protect(5);
    const { payload } = message;
    const last = payload.length - 1;
    for (const changed of [
      payload.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
      payload.map((byte, i) => (i === last ? byte ^ 0x80 : byte)),
      payload.subarray(0, last),
      payload.subarray(0, 1),
      Uint8Array.of(...payload, 0),
    ])
      await at.refuses({ ...message, payload: changed }, Code.BadRequest, 'Decryption failed');
    // Step 4: the Partial IV is in the AAD as it stands; step 5: and in the nonce.
    for (const partialIv of [encodePartialIv(6), encodePartialIv(2 ** 40 - 1)]) {
      const value = toHex(encodeOscoreOption({ partialIv, kid: at.context.senderId }));
      await at.refuses({ ...message, options: withOscore([], value) }, Code.BadRequest, 'Decryption failed');
    }
    assert.deepEqual(new Set(at.reasons), new Set(['decrypt']));
  });

  test('step 6: the window moves after decryption, so the real message passes after all that', async () => {
    const at = new AtServer();
    const { message, binding } = at.protect(5);
    await at.refuses({ ...message, payload: message.payload.map((byte) => byte ^ 1) }, Code.BadRequest, 'Decryption failed');
    const answer = await at.send(message);
    assert.equal(unprotectResponse(answer!, at.context, binding).response.code, Code.Content);
    assert.equal(at.window.window.highest, 5);
  });

  test('step 7: code, options and payload are those of the plaintext; the OSCORE option is gone', async () => {
    const at = new AtServer();
    await at.send(at.protect(0, [...pathOptions(['a', 'b']), uintOption(OptionNumber.Accept, 60)], Method.DELETE).message);
    const [request] = at.seen;
    assert.equal(request!.code, Method.DELETE);
    assert.deepEqual(request!.options, [...pathOptions(['a', 'b']), uintOption(OptionNumber.Accept, 60)]);
    assert.equal(request!.association, at.window);
  });

  test('step 8: errors of CoAP processing are protected, unlike those of OSCORE (Section 8.3)', async () => {
    const at = new AtServer();
    for (const [options, code] of [
      [pathOptions(['none']), Code.NotFound],
      [[...pathOptions(['t']), opaqueOption(2049, emptyBytes)], Code.BadOption],
    ] as const) {
      const { message, binding } = at.protect(options.length, options);
      const answer = await at.send(message);
      assert.equal(answer!.code, Code.Changed);
      assert.equal(unprotectResponse(answer!, at.context, binding).response.code, code);
    }
  });
});

type Fields = Pick<Response, 'code' | 'options' | 'payload'>;

/** A client on the simulated network that asks somebody who answers with what bytes they like. */
class AtClient {
  readonly sim = new Simulator({ seed: 3 });
  readonly client: Endpoint;
  readonly context: SecurityContext;
  readonly server: SecurityContext;
  readonly reasons: string[] = [];
  readonly raw: RawPeer;
  #id = 0x7000;

  constructor() {
    const { client, server } = pair();
    this.context = client;
    this.server = server;
    const contexts = new ContextTable();
    contexts.add(client);
    const emit = (event: OscoreEvent): void => void (event.type === 'discarded' && this.reasons.push(event.reason));
    const env = this.sim.env('client');
    this.client = new Endpoint({ transport: this.sim.transport(clientAddress, 5683), env, layers: [oscore({ contexts, store: new FakeStore(), env, emit })] });
    this.raw = new RawPeer(this.sim, serverAddress, this.sim.peer(clientAddress, 5683));
  }

  /** The first request that came, and what a server keeps of it. */
  get request() {
    const message = decodeMessage(fromHex(this.raw.received[0]!));
    const partialIv = decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value).partialIv!;
    const binding: RequestBinding = { aad: this.server.recipient.aad(partialIv), nonce: this.server.recipient.nonce(partialIv) };
    return { message, binding };
  }

  protect(text: string, options: readonly Option[] = [], sequence?: number): Fields {
    return protectResponse({ code: Code.Content, options, payload: utf8(text) }, this.server, this.request.binding, sequence);
  }

  /** Send a response under the token of the request: on its acknowledgement, or on its own. */
  answer(fields: Fields, how: 'ACK' | 'CON' | 'NON'): void {
    const { token, id } = this.request.message;
    this.raw.send(toHex(encodeMessage({ ...fields, token, type: MessageType[how], id: how === 'ACK' ? id : ++this.#id })));
  }

  ask() {
    return this.client.request({ peer: this.raw.peer, options: pathOptions(['t']), association: this.context });
  }
}

/** What each step finds wrong with a response. */
const wrong: readonly (readonly [step: string, reason: string, (at: AtClient) => Fields])[] = [
  ['step 2: the option fails to decode', 'decode', (at) => ({ ...at.protect('x'), options: withOscore([], 'ff') })],
  ['step 2: a zero byte in place of the empty option', 'decode', (at) => ({ ...at.protect('x'), options: withOscore([], '00') })],
  ['step 2: no payload, so no COSE object', 'decode', (at) => ({ ...at.protect('x'), payload: emptyBytes })],
  ['step 2: a kid of somebody else', 'decrypt', (at) => ({ ...at.protect('x'), options: withOscore([], '08ff') })],
  ['step 4: a Partial IV that was put in', 'decrypt', (at) => ({ ...at.protect('x'), options: withOscore([], '0107') })],
  ['step 4: a Partial IV that was taken out', 'decrypt', (at) => ({ ...at.protect('x', [], 7), options: withOscore([], '') })],
  ['step 5: decryption fails', 'decrypt', (at) => ({ ...at.protect('x'), payload: at.protect('x').payload.map((byte) => byte ^ 1) })],
  ['4.1.3.5.2: an Inner Observe that nobody asked for', 'unexpected', (at) => at.protect('x', [uintOption(OptionNumber.Observe, 1)])],
  ['2: a success that nothing protects', 'unprotected', () => ({ code: Code.Content, options: [], payload: utf8('x') })],
];

describe('RFC 8613 8.4: verifying the response', () => {
  test('step 1: Code and Outer options of Class E are discarded', async () => {
    const at = new AtClient();
    at.raw.onDatagram = () => {
      const good = at.protect('21', [uintOption(OptionNumber.ContentFormat, 0)]);
      const outer = [opaqueOption(OptionNumber.ETag, utf8('e')), uintOption(OptionNumber.MaxAge, 5), uintOption(OptionNumber.ContentFormat, 60)];
      at.answer({ ...good, code: Code.Created, options: sortOptions([...good.options, ...outer]) }, 'ACK');
    };
    const response = await at.sim.finish(at.ask());
    assert.deepEqual([response.code, fromUtf8(response.payload)], [Code.Content, '21']);
    assert.deepEqual(response.options, [uintOption(OptionNumber.ContentFormat, 0)]);
  });

  for (const [step, reason, make] of wrong)
    test(`${step}: then step 8, the response is not processed, and nothing is said about it`, async () => {
      for (const how of ['ACK', 'CON', 'NON'] as const) {
        const at = new AtClient();
        at.raw.onDatagram = (hex) => {
          if (at.raw.received.length === 1) at.answer(make(at), how);
          assert.ok(at.raw.received.length === 1 || hex.startsWith('60'), 'an Empty acknowledgement of a Confirmable response is of the message layer');
        };
        await assert.rejects(at.sim.finish(at.ask(), 1_000_000), { code: 'ERR_OSCORE_RESPONSE' });
        assert.deepEqual(at.reasons, [reason]);
        await at.sim.sleep(1000);
        assert.equal(at.raw.received.length, how === 'CON' ? 2 : 1);
        assert.equal(at.client.stats()['requests'], 0);
      }
    });

  test('steps 6 and 7: code, options and payload are those of the plaintext', async () => {
    const at = new AtClient();
    at.raw.onDatagram = () => at.answer(at.protect('21', [uintOption(OptionNumber.MaxAge, 9)], 3), 'ACK');
    const response = await at.sim.finish(at.ask());
    assert.deepEqual([response.code, uintOf(response.options, OptionNumber.MaxAge), response.association], [Code.Content, 9, at.context]);
    assert.equal(findOption(response.options, OptionNumber.Oscore), undefined);
  });
});

describe('RFC 8613 8.4.2: verifying the response, with Observe', () => {
  const observe = uintOption(OptionNumber.Observe, 1);

  /** An observation whose first notification, without Partial IV, has come; then these come, and `verified` is what the application hears of them. */
  async function observed(send: (at: AtClient) => void): Promise<{ at: AtClient; heard: string[] }> {
    const at = new AtClient();
    const heard: string[] = [];
    const stream = at.client.observe({ peer: at.raw.peer, options: pathOptions(['t']), association: at.context });
    at.raw.onDatagram = () => {
      if (at.raw.received.length === 1) at.answer(at.protect('first', [observe]), 'ACK');
    };
    const reading = (async () => {
      for await (const { payload } of stream) heard.push(fromUtf8(payload));
    })();
    await at.sim.sleep(200);
    send(at);
    await at.sim.sleep(200);
    // What verifies still arrives: nothing has ended the observation, and nothing was asked anew.
    at.answer(at.protect('end', [observe], 1000), 'NON');
    await at.sim.sleep(200);
    assert.equal(at.raw.received.length, 1, 'step B: no new registration');
    assert.equal(at.client.stats()['requests'], 1);
    await stream.return!();
    await at.sim.finish(reading);
    assert.deepEqual([heard[0], heard.at(-1)], ['first', 'end']);
    return { at, heard: heard.slice(1, -1) };
  }

  test('step A: no Partial IV, and the nonce of the request was used already', async () => {
    const { at, heard } = await observed((net) => net.answer(net.protect('again', [observe]), 'NON'));
    assert.deepEqual([heard, at.reasons], [[], ['notification']]);
  });

  test('step A, 7.4.1: a Partial IV that is not greater than the Notification Number', async () => {
    const { at, heard } = await observed((net) => {
      for (const [text, number] of [
        ['five', 5],
        ['four', 4],
        ['five again', 5],
        ['nine', 9],
      ] as const)
        net.answer(net.protect(text, [observe], number), 'NON');
    });
    assert.deepEqual(
      [heard, at.reasons],
      [
        ['five', 'nine'],
        ['notification', 'notification'],
      ],
    );
  });

  for (const [step, reason, make] of wrong.filter(([, name]) => name !== 'unexpected'))
    test(`step B: ${step}; the observation goes on`, async () => {
      const { at, heard } = await observed((net) => {
        const bad = make(net);
        net.answer({ ...bad, options: [observe, ...bad.options] }, 'NON');
      });
      assert.deepEqual([heard, at.reasons], [[], [reason]]);
    });
});
