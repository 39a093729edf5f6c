import {
  Code,
  codeClass,
  findOption,
  type Message,
  MessageType,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  optionName,
  sortOptions,
  stringOption,
  uintOption,
} from '../../coap/index.ts';
import { emptyBytes, equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import { decodeOscoreOption, optionClass } from '../../oscore/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { codeText } from '../code-text.ts';
import { Nonconformity } from '../errors.ts';
import { expectCode, readBy, unlessBroken } from '../expect.ts';
import { openOscore, protectedResources, readable } from './open.ts';
import { type OscoreSession, type Sealed, sessionOf } from './session.ts';

const rfc8613 = { standard: 'RFC 8613', needs: ['udp', 'oscore', 'oscoreGet'] } as const;

/** Options that nobody has registered (RFC 7252, Section 12.2: for experiments). */
const unknownCritical = 65_001;
const unknownElective = 65_000;

/** A GET that has to succeed, as it is answered. */
async function answered(bench: Bench): Promise<{ readonly session: OscoreSession; readonly sealed: Sealed; readonly answer: Message }> {
  const session = await openOscore(bench);
  const sealed = session.protect(readable(bench));
  return { session, sealed, answer: await session.answerTo(sealed) };
}

/** A GET that has to succeed although something was added to it outside. */
async function servedWithOuter(bench: Bench, ...options: readonly Option[]): Promise<void> {
  const session = await openOscore(bench);
  const sealed = session.protect(readable(bench));
  const message = { ...sealed.message, options: sortOptions([...sealed.message.options, ...options]) };
  expectCode(session.open(await session.line.ask(message), sealed), Code.Content);
}

/** Requests and responses under OSCORE (RFC 8613, Sections 2 to 5 and 8). */
export const oscoreExchangeCases: readonly ConformanceCase[] = [
  {
    id: 'oscore-01',
    title: 'a protected GET is answered by a protected 2.05 that verifies',
    section: '8.3',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed, answer } = await answered(bench);
      expectCode(session.open(answer, sealed), Code.Content);
    },
  },
  {
    id: 'oscore-02',
    title: 'the Outer Code of a protected response to a GET is 2.04',
    section: '4.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed, answer } = await answered(bench);
      session.open(answer, sealed);
      expectCode(answer, Code.Changed);
    },
  },
  {
    id: 'oscore-03',
    title: 'no option of Class E stands outside in a protected response',
    section: '4.1.1',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { answer } = await answered(bench);
      const open = answer.options.filter(({ number }) => optionClass(number) === 'E');
      if (open.length > 0) throw new Nonconformity('options of Class E inside only', `${open.map(({ number }) => optionName(number)).join(', ')} outside`);
    },
  },
  {
    id: 'oscore-04',
    title: 'the OSCORE option of a response is in the form of Section 6.1: empty when no flag is set, no reserved flag, a Partial IV of at most 5 bytes',
    section: '6.1',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { answer } = await answered(bench);
      const option = findOption(answer.options, OptionNumber.Oscore);
      if (option === undefined) throw new Nonconformity('a protected response', `${codeText(answer.code)} without protection`);
      readBy(() => decodeOscoreOption(option.value), 'an OSCORE option of the right form');
    },
  },
  {
    id: 'oscore-05',
    title: 'each security context works with its algorithms',
    section: '3.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { contexts = [] } = bench.target.oscore ?? {};
      const sessions = contexts.length === 0 ? [await openOscore(bench)] : [];
      for (const keys of contexts) sessions.push(sessionOf(bench, await bench.udp(), keys));
      for (const session of sessions) expectCode(await session.ask(readable(bench)), Code.Content);
    },
  },
  {
    id: 'oscore-06',
    title: 'a Non-confirmable protected request is answered',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const sealed = session.protect(readable(bench), { type: MessageType.NON });
      expectCode(session.open(await session.answerTo(sealed), sealed), Code.Content);
    },
  },
  {
    id: 'oscore-07',
    title: 'a retransmission is answered like the original, not refused as a replay',
    standard: 'RFC 7252',
    section: '4.2',
    level: 'SHOULD',
    needs: rfc8613.needs,
    async run(bench) {
      const { session, sealed, answer } = await answered(bench);
      if (answer.type !== MessageType.ACK) return;
      const again = await session.answerTo(sealed);
      expectCode(session.open(again, sealed), Code.Content);
    },
  },
  {
    id: 'oscore-08',
    title: 'no nonce protects two different responses: a second answer to the same request is the same, or has a Partial IV of its own',
    section: '8.3',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const { session, sealed, answer } = await answered(bench);
      session.line.send(sealed.message);
      const again = await session.line.message();
      const option = again === undefined ? undefined : findOption(again.options, OptionNumber.Oscore);
      if (again === undefined || option === undefined) return;
      const first = findOption(answer.options, OptionNumber.Oscore);
      if (first !== undefined && equalBytes(first.value, option.value) && !equalBytes(answer.payload, again.payload))
        throw new Nonconformity('the same ciphertext under the same nonce', `${toHex(answer.payload)} and ${toHex(again.payload)}`);
    },
  },
  {
    id: 'oscore-09',
    title: 'an error of the application, as of a path that is not there, is protected',
    section: '8.3',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const { code } = await session.ask('/conformance/no-such-resource');
      if (codeClass(code) !== 4) throw new Nonconformity('a 4.xx', codeText(code));
    },
  },
  {
    id: 'oscore-10',
    title: 'an unknown method inside is answered by a protected 4.05',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      expectCode(await session.ask(readable(bench), { code: 31 }), Code.MethodNotAllowed);
    },
  },
  {
    id: 'oscore-11',
    title: 'an unknown critical option inside is answered by a protected 4.02',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      expectCode(await session.ask(readable(bench), { options: [opaqueOption(unknownCritical, Uint8Array.of(1))] }), Code.BadOption);
    },
  },
  {
    id: 'oscore-12',
    title: 'an unknown elective option inside is passed over',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      expectCode(await session.ask(readable(bench), { options: [opaqueOption(unknownElective, Uint8Array.of(1))] }), Code.Content);
    },
  },
  {
    id: 'oscore-13',
    title: 'a Uri-Path outside is discarded: the one inside says what is asked for',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    run: (bench) => servedWithOuter(bench, stringOption(OptionNumber.UriPath, 'no-such-resource')),
  },
  {
    id: 'oscore-14',
    title: 'an If-Match outside, which nothing fulfils, is discarded',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    run: (bench) => servedWithOuter(bench, opaqueOption(OptionNumber.IfMatch, utf8('no match'))),
  },
  {
    id: 'oscore-15',
    title: 'an Accept outside, which nothing fulfils, is discarded',
    section: '8.2',
    level: 'MUST',
    ...rfc8613,
    run: (bench) => servedWithOuter(bench, uintOption(OptionNumber.Accept, 65_000)),
  },
  {
    id: 'oscore-16',
    title: 'the Outer Code is discarded: a GET inside a FETCH is a GET',
    section: '4.2',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      const sealed = session.protect(readable(bench));
      expectCode(session.open(await session.line.ask({ ...sealed.message, code: Method.FETCH }), sealed), Code.Content);
    },
  },
  {
    id: 'oscore-17',
    title: 'what is written is what is read: the payload of a protected PUT is the plaintext, and it comes back',
    section: '4.2',
    level: 'MUST',
    standard: 'RFC 8613',
    needs: ['udp', 'oscore', 'oscoreGet', 'oscorePut'],
    async run(bench) {
      const session = await openOscore(bench);
      const { put = '' } = protectedResources(bench);
      const payload = utf8(toHex(bench.env.random(4)));
      expectCode(await session.ask(put, { code: Method.PUT, contentFormat: 0, payload }), Code.Changed, Code.Created);
      const read = await session.ask(put);
      expectCode(read, Code.Content);
      if (!equalBytes(read.payload, payload)) throw new Nonconformity(`the payload ${toHex(payload)}`, toHex(read.payload));
    },
  },
  {
    id: 'oscore-18',
    title: 'a plaintext that is no CoAP message is not served, and does no harm',
    section: '5.3',
    level: 'MUST',
    ...rfc8613,
    async run(bench) {
      const session = await openOscore(bench);
      for (const plaintext of [emptyBytes, Uint8Array.of(Method.GET, 0xf0), Uint8Array.of(Method.GET, 0xff)]) {
        const { message, binding } = session.protect(readable(bench));
        const payload = session.context.sender.aead.seal(binding.nonce, binding.aad, plaintext);
        // RFC 8613 says of no answer that it has to come.
        const answer = await unlessBroken(session.answerTo({ message: { ...message, payload }, binding }));
        if (answer === undefined || findOption(answer.options, OptionNumber.Oscore) === undefined) continue;
        const { code } = session.open(answer, { message, binding });
        if (codeClass(code) === 2) throw new Nonconformity('no success', codeText(code));
      }
      expectCode(await session.ask(readable(bench)), Code.Content);
    },
  },
];
