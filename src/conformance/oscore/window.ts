import { Code, type Message } from '../../coap/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { expectCode } from '../expect.ts';
import { establish } from '../rs/establish.ts';
import { rsOf } from '../rs/token.ts';
import { openOscore, readable } from './open.ts';
import { OscoreSession, type Sealed } from './session.ts';

const rfc8613 = { standard: 'RFC 8613', needs: ['udp', 'oscore', 'oscoreGet'] } as const;
const notServed = 'a replay not to be served';

/** The same protected request in another CoAP message, as an attacker sends it again. */
function replayOf(session: OscoreSession, { message }: Sealed): Message {
  return { ...message, id: session.bench.messageId(), token: session.bench.token() };
}

/** The message with another ciphertext of the same length. */
function forged({ message }: Sealed): Message {
  const payload = message.payload.slice();
  payload[payload.length - 1]! ^= 0xff;
  return { ...message, payload };
}

async function expectServed(session: OscoreSession, sealed: Sealed): Promise<void> {
  expectCode(session.open(await session.answerTo(sealed), sealed), Code.Content);
}

/** A request that was served, and its session. */
async function served(bench: Bench): Promise<{ readonly session: OscoreSession; readonly sealed: Sealed }> {
  const session = await openOscore(bench);
  const sealed = session.protect(readable(bench));
  await expectServed(session, sealed);
  return { session, sealed };
}

/** Sequence numbers and the replay window (RFC 8613, Sections 7.2 and 7.4). */
export const oscoreWindowCases: readonly ConformanceCase[] = [
  {
    id: 'oscore-win-01',
    title: 'a request that comes again in another message is not served',
    section: '7.4',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed } = await served(bench);
      await session.refused(replayOf(session, sealed), notServed);
    },
  },
  {
    id: 'oscore-win-02',
    title: 'a replay from another address is not served',
    section: '7.4',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed } = await served(bench);
      const elsewhere = new OscoreSession(bench, await bench.udp(), session.context);
      await elsewhere.refused(replayOf(session, sealed), notServed);
    },
  },
  {
    id: 'oscore-win-03',
    title: 'a replay is answered by an unprotected 4.01',
    section: '7.4',
    level: 'MAY',
    ...rfc8613,
    async run(bench) {
      const { session, sealed } = await served(bench);
      expectCode(await session.line.ask(replayOf(session, sealed)), Code.Unauthorized);
    },
  },
  {
    id: 'oscore-win-04',
    title: 'a request whose number is a little behind the highest is served: the default window has 32 numbers',
    section: '3.2.2',
    level: 'SHOULD',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const early = session.protect(readable(bench));
      const late = session.protect(readable(bench), {}, session.sequence(5));
      await expectServed(session, late);
      await expectServed(session, early);
    },
  },
  {
    id: 'oscore-win-05',
    title: 'a replay that has fallen out of the window is not served',
    section: '7.4',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed } = await served(bench);
      await expectServed(session, session.protect(readable(bench), {}, session.sequence(3000)));
      await session.refused(replayOf(session, sealed), notServed);
    },
  },
  {
    id: 'oscore-win-06',
    title: 'a forged request with a high number does not move the window',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const genuine = session.protect(readable(bench));
      const high = session.protect(readable(bench), {}, session.sequence(3000));
      await session.refused(forged(high), 'a forged request not to be served');
      await expectServed(session, genuine);
    },
  },
  {
    id: 'oscore-win-07',
    title: 'a forged request does not use up the number of the genuine one',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const genuine = session.protect(readable(bench));
      await session.refused(replayOf(session, { ...genuine, message: forged(genuine) }), 'a forged request not to be served');
      await expectServed(session, genuine);
    },
  },
  {
    id: 'oscore-win-08',
    title: 'Partial IVs of 1 to 5 bytes are understood',
    section: '5',
    level: 'MUST',
    standard: 'RFC 8613',
    needs: ['udp', 'rsOscore'],
    async run(bench) {
      const { session } = await establish(bench);
      const { allowed } = rsOf(bench);
      for (const sequence of [0, 255, 256, 2 ** 16, 2 ** 24, 2 ** 32, 2 ** 40 - 2]) await expectServed(session, session.protect(allowed, {}, sequence));
    },
  },
];
