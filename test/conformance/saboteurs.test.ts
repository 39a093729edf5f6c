import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, type Message, MessageType, Method, OptionNumber, uintOf, uintOption, withOption, withoutOptions } from '../../src/coap/index.ts';
import { type CaseResult, conformanceCases, counts, renderJUnit, renderReport, reportData, runCases, type Target } from '../../src/conformance/index.ts';
import { messages, once, type Sabotage } from './saboteur.ts';
import { type OwnTargetOptions, ownTarget, patience } from './target.ts';

const without = (...numbers: readonly number[]): Sabotage => ({ incoming: messages(({ options }) => ({ options: withoutOptions(options, ...numbers) })) });
const blocks = (number: number, change: (value: number) => number): Sabotage => ({
  incoming: messages(({ options }) => {
    const value = uintOf(options, number);
    return value === undefined ? {} : { options: withOption(options, uintOption(number, change(value))) };
  }),
});
const codes = (from: number, to: number): Sabotage => ({ outgoing: messages(({ code }) => (code === from ? { code: to } : {})) });
const notifications = (change: (message: Message) => Partial<Message> | undefined): Sabotage => ({
  outgoing: messages((message) =>
    message.type !== MessageType.ACK && message.options.some(({ number }) => number === OptionNumber.Observe) ? change(message) : {},
  ),
});

/** A server that breaks one rule, and the case that has to accuse it. */
const saboteurs: readonly (readonly [id: string, does: string, sabotage: Sabotage])[] = [
  ['coap-format-01', 'takes every version', { incoming: (datagram) => [Uint8Array.of(0x40 | (datagram[0]! & 0x3f), ...datagram.subarray(1))] }],
  ['coap-format-02', 'answers a token of 9 bytes, and none of 13', { incoming: (datagram) => ((datagram[0]! & 15) === 13 ? [] : [datagram]) }],
  ['coap-format-05', 'takes a payload marker without a payload', { incoming: (datagram) => [datagram.at(-1) === 0xff ? datagram.subarray(0, -1) : datagram] }],
  [
    'coap-format-11',
    'answers a request in an Acknowledgement',
    { incoming: messages(({ type, code }) => (code > 0 && type === MessageType.ACK ? { type: MessageType.NON } : {})) },
  ],
  ['coap-msg-01', 'sends no Resets', { outgoing: messages(({ type }) => (type === MessageType.RST ? undefined : {})) }],
  ['coap-msg-03', 'answers a message once', { incoming: once() }],
  ['coap-msg-05', 'takes the copy of a Non-confirmable message for another one', fresh()],
  [
    'coap-msg-07',
    'answers Non-confirmable requests by Confirmable responses',
    { outgoing: messages(({ type, code }) => (type === MessageType.NON && code > 0 ? { type: MessageType.CON } : {})) },
  ],
  ['coap-msg-11', 'echoes 4 bytes of a token', { outgoing: messages(({ token }) => ({ token: token.subarray(0, 4) })) }],
  ['coap-sep-02', 'sends no message twice', { outgoing: once() }],
  ['coap-opt-01', 'ignores critical options', without(65_009)],
  ['coap-opt-02', 'says nothing of them', { outgoing: messages(({ code }) => (code === Code.BadOption ? { payload: new Uint8Array(0) } : {})) }],
  [
    'coap-opt-04',
    'refuses elective options',
    { incoming: messages(({ options }) => ({ options: options.map((one) => (one.number === 65_008 ? { ...one, number: 65_009 } : one)) })) },
  ],
  [
    'coap-opt-09',
    'refuses its own address as Uri-Host',
    codesOf((message) => message.options.some(({ number }) => number === OptionNumber.UriHost), Code.NotFound),
  ],
  ['coap-opt-10', 'ignores Proxy-Uri', without(OptionNumber.ProxyUri)],
  ['coap-opt-11', 'ignores Proxy-Scheme', without(OptionNumber.ProxyScheme)],
  ['coap-opt-12', 'ignores Accept', without(OptionNumber.Accept)],
  ['coap-opt-13', 'ignores If-None-Match', without(OptionNumber.IfNoneMatch)],
  ['coap-opt-14', 'ignores If-Match', without(OptionNumber.IfMatch)],
  ['coap-req-01', 'takes every method for GET', { incoming: messages(({ code }) => (code === 31 ? { code: Method.GET } : {})) }],
  ['coap-req-02', 'answers what it has not by 5.00', codes(Code.NotFound, Code.InternalServerError)],
  ['coap-req-04', 'answers PUT by 2.05', codes(Code.Changed, Code.Content)],
  ['disc-02', 'gives links as text', { outgoing: messages(({ options }) => ({ options: withoutOptions(options, OptionNumber.ContentFormat) })) }],
  ['observe-01', 'leaves Observe out of notifications', notifications(({ options }) => ({ options: withoutOptions(options, OptionNumber.Observe) }))],
  [
    'observe-02',
    'counts no notifications',
    {
      outgoing: messages(({ options }) =>
        options.some(({ number }) => number === OptionNumber.Observe) ? { options: withOption(options, uintOption(OptionNumber.Observe, 7)) } : {},
      ),
    },
  ],
  ['observe-03', 'does not hear Resets', { incoming: messages(({ type }) => (type === MessageType.RST ? undefined : {})) }],
  [
    'observe-04',
    'does not know Observe 1',
    {
      incoming: messages(({ options }) =>
        uintOf(options, OptionNumber.Observe) === 1 ? { options: withoutOptions(options, OptionNumber.Observe), token: Uint8Array.of(1) } : {},
      ),
      outgoing: messages(() => ({})),
    },
  ],
  ['observe-08', 'sends no notification twice', { outgoing: once() }],
  ['block-01', 'gives the size that it likes', blocks(OptionNumber.Block2, (value) => value | 6)],
  [
    'block-02',
    'sends blocks that are too short',
    { outgoing: messages(({ options, payload }) => ((uintOf(options, OptionNumber.Block2) ?? 0) & 8 ? { payload: payload.subarray(1) } : {})) },
  ],
  ['block-06', 'refuses the M bit', codesOf((message) => ((uintOf(message.options, OptionNumber.Block2) ?? 0) & 8) !== 0, Code.BadRequest)],
  ['block-07', 'takes SZX 7 for 6', blocks(OptionNumber.Block2, (value) => (value & 7 ? value - 1 : value))],
  ['block-08', 'takes SZX 7', codesOf((message) => ((uintOf(message.options, OptionNumber.Block1) ?? 0) & 7) === 7, Code.Continue)],
  ['block-11', 'answers a body with gaps by 5.00', codes(Code.RequestEntityIncomplete, Code.InternalServerError)],
  ['token-01', 'cuts long tokens', { outgoing: messages(({ token }) => ({ token: token.subarray(0, 15) })) }],
  ['no-response-01', 'answers whatever No-Response says', without(OptionNumber.NoResponse)],
];

/** Each message gets a message id of its own. */
function fresh(): Sabotage {
  let id = 0;
  return { incoming: messages(({ type }) => (type === MessageType.NON ? { id: ++id } : {})) };
}

/** Requests of a kind are answered by one code, whatever they ask for. */
function codesOf(isIt: (message: Message) => boolean, code: number): Sabotage {
  const ids = new Set<number>();
  return {
    incoming: messages((message) => {
      if (isIt(message)) ids.add(message.id);
      return {};
    }),
    outgoing: messages(({ id, code: own }) => (ids.has(id) && own > 0 ? { code } : {})),
  };
}

async function run(target: Target, id: string): Promise<CaseResult> {
  const results: CaseResult[] = [];
  for await (const result of runCases(
    target,
    conformanceCases.filter((one) => one.id === id),
    // They are many at once.
    { patience: { ...patience, silence: 800, answer: 800 } },
  ))
    results.push(result);
  assert.equal(results.length, 1, id);
  return results[0]!;
}

/** The same below DTLS. Records of epoch 0 begin with type, version, epoch and sequence number. */
const dtlsSaboteurs: readonly (readonly [id: string, does: string, sabotage: Sabotage])[] = [
  ['dtls-hello-02', 'sends it as DTLS 1.2', { outgoing: (datagram) => [isVerify(datagram) ? datagram.with(26, 0xfd) : datagram] }],
  ['dtls-hello-03', 'counts its records on its own', { outgoing: (datagram) => [isVerify(datagram) ? datagram.with(10, 0) : datagram] }],
  ['dtls-hello-10', 'names no reason', { outgoing: (datagram) => (datagram[0] === 21 ? [] : [datagram]) }],
  ['dtls-hello-11', 'answers whatever comes', { outgoing: (datagram) => [datagram], incoming: (datagram) => [datagram[0] === 0x40 ? hello() : datagram] }],
  ['dtls-shake-08', 'sends no flight twice', { outgoing: onceByMessage() }],
  ['dtls-end-04', 'does not hear close_notify', { incoming: (datagram) => (datagram[0] === 21 ? [] : [datagram]) }],
  ['dtls-end-03', 'answers no close_notify', { outgoing: (datagram) => (datagram[0] === 21 || datagram[0] === 25 ? [] : [datagram]) }],
];

function isVerify(datagram: Uint8Array): boolean {
  return datagram[0] === 22 && datagram[13] === 3;
}

/** A ClientHello that a server answers: of DTLS 1.2, with one suite and nothing else. */
function hello(): Uint8Array {
  const body = [0xfe, 0xfd, ...new Uint8Array(32).fill(7), 0, 0, 0, 2, 0xc0, 0xa8, 1, 0];
  return Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, body.length + 12, 1, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, body.length, ...body);
}

/** Handshake messages of epoch 0 that were sent once do not come again, whatever the sequence number of their record. */
function onceByMessage(): (datagram: Uint8Array) => readonly Uint8Array[] {
  const pass = once();
  return (datagram) =>
    datagram[0] !== 22 || isVerify(datagram) || pass(datagram.subarray(13, 13 + ((datagram[11]! << 8) | datagram[12]!))).length > 0 ? [datagram] : [];
}

async function accuses(id: string, does: string, options: OwnTargetOptions): Promise<string[]> {
  const { target, close } = await ownTarget(options);
  try {
    const { outcome, reason = '' } = await run(target, id);
    return outcome === 'fail' ? [] : [`${id}: a server that ${does}: ${outcome} ${reason}`];
  } finally {
    await close();
  }
}

test('conformance: the case of each rule accuses a server that breaks it', async () => {
  const outcomes = await Promise.all([
    ...saboteurs.map(([id, does, udp]) => accuses(id, does, { udp })),
    ...dtlsSaboteurs.map(([id, does, dtls]) => accuses(id, does, { dtls })),
  ]);
  assert.deepEqual(outcomes.flat(), []);
});

test('conformance: a target that falls silent after a case has failed it, and is asked no more', async () => {
  let isDead = false;
  const dies: Sabotage = {
    incoming: (datagram) => {
      isDead ||= datagram.at(-1) === 0xff;
      return isDead ? [] : [datagram];
    },
  };
  const { target, close } = await ownTarget({ udp: dies });
  const results: CaseResult[] = [];
  try {
    const cases = conformanceCases.filter(({ id }) => ['coap-format-05', 'coap-msg-01'].includes(id));
    for await (const result of runCases(target, cases, { patience: { ...patience, answer: 50 } })) results.push(result);
  } finally {
    await close();
  }
  assert.deepEqual(
    results.map(({ case: { id }, outcome, died }) => [id, outcome, died]),
    [
      ['coap-format-05', 'fail', true],
      ['coap-msg-01', 'not run', undefined],
    ],
  );
  const [dead] = results;
  assert.equal(counts(dead!), true);
  assert.match(renderReport(results), /^FAIL MUST {2}coap-format-05 {2}RFC 7252, Section 3\n/);
  assert.match(renderReport(results), /no longer heard after this case/);
  assert.match(renderJUnit(results), /<testsuite name="RFC 7252" tests="2" failures="1" errors="0" skipped="1">/);
  const { summary } = reportData('coap://target', results) as { readonly summary: unknown };
  assert.deepEqual(summary, {
    cases: 2,
    outcomes: { pass: 0, fail: 1, 'not applicable': 0, 'not run': 1, 'checker fault': 0 },
    failed: { MUST: 1, SHOULD: 0, MAY: 0 },
  });
});

test('conformance: nobody at the target', async () => {
  const run = runCases({ coap: 'coap://127.0.0.1:9' }, conformanceCases, { patience: { ...patience, answer: 30 } });
  await assert.rejects(run.next(), { code: 'ERR_CONFORMANCE_UNREACHABLE' });
});
