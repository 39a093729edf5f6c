import { Code, type Message, OptionNumber, opaqueOption, sortOptions } from '../../coap/index.ts';
import { concat, emptyBytes } from '../../core/bytes.ts';
import { deriveContext, encodeOscoreOption, encodePartialIv } from '../../oscore/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase, Level } from '../case.ts';
import { expectCode } from '../expect.ts';
import { openOscore, readable } from './open.ts';
import { OscoreSession } from './session.ts';

const rfc8613 = { standard: 'RFC 8613', needs: ['udp', 'oscore', 'oscoreGet'] } as const;

/** The message with another value of its OSCORE option. */
function withValue(message: Message, value: Uint8Array): Message {
  const option = opaqueOption(OptionNumber.Oscore, value);
  return { ...message, options: message.options.map((each) => (each.number === OptionNumber.Oscore ? option : each)) };
}

/** A good request, made wrong. */
type Spoiler = (message: Message, session: OscoreSession) => Message;

/** Flags, Partial IV and kid, as they should be. */
function partsOf(message: Message): { readonly flags: number; readonly rest: Uint8Array } {
  const { value } = message.options.find(({ number }) => number === OptionNumber.Oscore)!;
  return { flags: value[0]!, rest: value.subarray(1) };
}

const withFlags = (message: Message, change: (flags: number) => number, rest: Uint8Array = partsOf(message).rest): Message =>
  withValue(message, concat(Uint8Array.of(change(partsOf(message).flags)), rest));

type Malformed = readonly [id: string, what: string, section: string, spoil: Spoiler];

/** Requests that are malformed, one by one, and where RFC 8613 says so. */
const malformed: readonly Malformed[] = [
  ['oscore-dec-01', 'whose first reserved flag is set', '6.1', (message) => withFlags(message, (flags) => flags | 0x20)],
  ['oscore-dec-02', 'whose second reserved flag is set', '6.1', (message) => withFlags(message, (flags) => flags | 0x40)],
  ['oscore-dec-03', 'whose third reserved flag is set', '6.1', (message) => withFlags(message, (flags) => flags | 0x80)],
  [
    'oscore-dec-04',
    'with a Partial IV of 6 bytes',
    '6.1',
    (message, { context }) => withFlags(message, () => 0x0e, concat(Uint8Array.of(0, 0, 0, 0, 0, 1), context.senderId)),
  ],
  [
    'oscore-dec-05',
    'with a Partial IV of 7 bytes',
    '6.1',
    (message, { context }) => withFlags(message, () => 0x0f, concat(Uint8Array.of(0, 0, 0, 0, 0, 0, 1), context.senderId)),
  ],
  ['oscore-dec-06', 'whose Partial IV is cut off', '6.1', (message) => withValue(message, Uint8Array.of(0x0d, 1, 2))],
  ['oscore-dec-07', 'whose kid context is cut off', '6.1', (message) => withValue(message, Uint8Array.of(0x19, 1, 200, 1, 2))],
  ['oscore-dec-08', 'without a Partial IV', '5', (message, { context }) => withValue(message, encodeOscoreOption({ kid: context.senderId }))],
  ['oscore-dec-09', 'without a kid', '5', (message) => withValue(message, encodeOscoreOption({ partialIv: encodePartialIv(1) }))],
  ['oscore-dec-10', 'with an empty OSCORE option', '5', (message) => withValue(message, emptyBytes)],
  ['oscore-dec-11', 'without payload', '2', (message) => ({ ...message, payload: emptyBytes })],
  ['oscore-dec-12', 'with a ciphertext that is shorter than a tag', '8.2', (message) => ({ ...message, payload: message.payload.slice(0, 4) })],
];

/** RFC 7252 says what a second option is whose number is not repeatable. */
const doubled: Malformed = [
  'oscore-dec-13',
  'with two OSCORE options',
  '5.4.5',
  (message) => ({ ...message, options: sortOptions([...message.options, ...message.options.filter(({ number }) => number === OptionNumber.Oscore)]) }),
];

function malformedCase([id, what, section, spoil]: Malformed, standard = 'RFC 8613'): ConformanceCase {
  return {
    id,
    title: `a request ${what} is not served, and the context goes on`,
    ...rfc8613,
    standard,
    section,
    level: 'MUST',
    async run(bench) {
      const session = await openOscore(bench);
      const sealed = session.protect(readable(bench));
      await session.refused(spoil(sealed.message, session), 'a malformed request not to be served', sealed);
      expectCode(await session.ask(readable(bench)), Code.Content);
    },
  };
}

/** A session that differs from the one that works in what is given. */
function impostor(bench: Bench, session: OscoreSession, senderId: Uint8Array): OscoreSession {
  const { recipientId, idContext } = session.context;
  const context = deriveContext({ masterSecret: bench.env.random(16), senderId, recipientId, ...(idContext === undefined ? {} : { idContext }) });
  return new OscoreSession(bench, session.line, context);
}

/** A kid that no context has, most likely. */
const strangeKid = (bench: Bench): Uint8Array => bench.env.random(6);

/** The three errors that OSCORE processing may answer with, which are MAY one and all. */
const codes: readonly (readonly [id: string, title: string, code: number, spoil: (bench: Bench, session: OscoreSession) => Message])[] = [
  [
    'oscore-err-01',
    'a request of an unknown kid is answered by an unprotected 4.01',
    Code.Unauthorized,
    (bench, session) => impostor(bench, session, strangeKid(bench)).protect(readable(bench)).message,
  ],
  [
    'oscore-err-02',
    'a malformed OSCORE option is answered by an unprotected 4.02',
    Code.BadOption,
    (bench, session) => withFlags(session.protect(readable(bench)).message, (flags) => flags | 0x20),
  ],
  [
    'oscore-err-03',
    'a request that does not decrypt is answered by an unprotected 4.00',
    Code.BadRequest,
    (bench, session) => impostor(bench, session, session.context.senderId).protect(readable(bench), {}, session.sequence()).message,
  ],
];

const may: Level = 'MAY';

/** What is not to be served (RFC 8613, Sections 2, 5, 6 and 8.2). */
export const oscoreRefusalCases: readonly ConformanceCase[] = [
  ...malformed.map((one) => malformedCase(one)),
  malformedCase(doubled, 'RFC 7252'),
  {
    id: 'oscore-dec-14',
    title: 'a request under a kid that the target does not know is not served',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const { message } = impostor(bench, session, strangeKid(bench)).protect(readable(bench));
      await session.refused(message, 'a request of an unknown kid not to be served');
    },
  },
  {
    id: 'oscore-dec-15',
    title: 'a request under other keys than those of its kid is not served',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const { message } = impostor(bench, session, session.context.senderId).protect(readable(bench), {}, session.sequence());
      await session.refused(message, 'a request under other keys not to be served');
    },
  },
  {
    id: 'oscore-dec-16',
    title: 'a request whose Partial IV was changed on the way is not served',
    section: '5.4',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const { message } = session.protect(readable(bench));
      const partialIv = encodePartialIv(session.sequence());
      const { senderId: kid, idContext } = session.context;
      const value = encodeOscoreOption({ partialIv, kid, ...(idContext === undefined ? {} : { kidContext: idContext }) });
      await session.refused(withValue(message, value), 'a changed request not to be served');
    },
  },
  ...codes.map(
    ([id, title, code, spoil]): ConformanceCase => ({
      id,
      title,
      section: '8.2',
      level: may,
      ...rfc8613,
      async run(bench) {
        const session = await openOscore(bench);
        expectCode(await session.line.ask(spoil(bench, session)), code);
      },
    }),
  ),
];
