import { Code, findOption, type Message, MessageType, Method, OptionNumber, sortOptions, uintOf, uintOption } from '../../coap/index.ts';
import { concat, equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import { decodeOscoreOption, decodePartialIv } from '../../oscore/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { codeText } from '../code-text.ts';
import { ConformanceError, Nonconformity, NotApplicable } from '../errors.ts';
import { expectCode } from '../expect.ts';
import { openOscore, protectedResources } from './open.ts';
import type { OscoreSession, Sealed } from './session.ts';

const observeNeeds = { standard: 'RFC 8613', needs: ['udp', 'oscore', 'oscoreGet', 'oscoreObserve'] } as const;
const register = uintOption(OptionNumber.Observe, 0);
const deregister = uintOption(OptionNumber.Observe, 1);

function observable(bench: Bench): string {
  const { observe } = protectedResources(bench);
  if (observe === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected a resource to observe behind OSCORE, got none');
  return observe;
}

interface Registration {
  readonly session: OscoreSession;
  readonly sealed: Sealed;
  readonly first: Message;
  /** Message ids of notifications that were taken. */
  readonly taken: Set<number>;
}

/** Register, where the target lets anybody. */
async function registered(bench: Bench): Promise<Registration> {
  const session = await openOscore(bench);
  const sealed = session.protect(observable(bench), { options: [register] });
  const first = await session.answerTo(sealed);
  const response = session.open(first, sealed);
  expectCode(response, Code.Content);
  if (findOption(response.options, OptionNumber.Observe) === undefined) throw new NotApplicable('the target takes no registration for this resource');
  return { session, sealed, first, taken: new Set(first.type === MessageType.ACK ? [] : [first.id]) };
}

/** The next notification, after a change that we make or that the resource makes by itself. */
async function notified({ session, sealed, taken }: Registration): Promise<Message> {
  const { bench, line } = session;
  const { change } = protectedResources(bench);
  if (change !== undefined) {
    const put = session.protect(change, { code: Method.PUT, contentFormat: 0, payload: utf8(toHex(bench.env.random(2))) });
    line.send(put.message);
  }
  for await (const message of line.messages(bench.patience.change)) {
    if (message.type === MessageType.CON) line.acknowledge(message);
    // A copy of one that was taken: an Acknowledgement may have got lost, or a network may have made two of one.
    if (!equalBytes(message.token, sealed.message.token) || message.type === MessageType.ACK || taken.has(message.id)) continue;
    taken.add(message.id);
    return message;
  }
  throw new NotApplicable('nothing that is observed has changed in time');
}

function partialIvOf({ options }: Message): Uint8Array | undefined {
  const option = findOption(options, OptionNumber.Oscore);
  return option === undefined ? undefined : decodeOscoreOption(option.value).partialIv;
}

/** Observe inside OSCORE (RFC 8613, Section 4.1.3.5). */
export const oscoreObserveCases: readonly ConformanceCase[] = [
  {
    id: 'oscore-obs-01',
    title: 'the answer to a protected registration has an Outer Observe and the Outer Code 2.05',
    section: '4.1.3.5',
    level: 'MUST',
    ...observeNeeds,
    async run(bench) {
      const { first } = await registered(bench);
      expectCode(first, Code.Content);
      if (findOption(first.options, OptionNumber.Observe) === undefined) throw new Nonconformity('an Outer Observe option', 'none');
    },
  },
  {
    id: 'oscore-obs-02',
    title: 'the Inner Observe of a notification is empty',
    section: '4.1.3.5.2',
    level: 'MUST',
    ...observeNeeds,
    async run(bench) {
      const { session, sealed, first } = await registered(bench);
      const observe = findOption(session.plaintextOf(first, sealed).options, OptionNumber.Observe);
      if (observe === undefined || observe.value.length > 0)
        throw new Nonconformity('an empty Inner Observe', observe === undefined ? 'none' : toHex(observe.value));
    },
  },
  {
    id: 'oscore-obs-03',
    title: 'each notification but the first has a Partial IV, and none comes twice',
    section: '4.1.3.5.2',
    level: 'MUST',
    ...observeNeeds,
    async run(bench) {
      const registration = await registered(bench);
      const { session, sealed, first } = registration;
      const begin = partialIvOf(first);
      const seen = begin === undefined ? [] : [decodePartialIv(begin)];
      for (let count = 0; count < 2; count++) {
        const notification = await notified(registration);
        session.open(notification, sealed);
        const partialIv = partialIvOf(notification);
        if (partialIv === undefined) throw new Nonconformity('a Partial IV in a notification', 'none');
        const sequence = decodePartialIv(partialIv);
        if (seen.includes(sequence)) throw new Nonconformity('a Partial IV that no notification had before', `${sequence} again`);
        seen.push(sequence);
      }
    },
  },
  {
    id: 'oscore-obs-04',
    title: 'an Observe that stands outside alone registers nobody',
    section: '4.1.3.5.1',
    level: 'MUST',
    ...observeNeeds,
    async run(bench) {
      const session = await openOscore(bench);
      const sealed = session.protect(observable(bench));
      const message: Message = { ...sealed.message, code: Method.FETCH, options: sortOptions([...sealed.message.options, register]) };
      const { options } = session.open(await session.line.ask(message), sealed);
      if (findOption(options, OptionNumber.Observe) !== undefined) throw new Nonconformity('a response that is no notification', 'one with an Inner Observe');
    },
  },
  {
    id: 'oscore-obs-05',
    title: 'a protected GET with Observe 1 ends the observation and is answered without Observe',
    section: '4.1.3.5.1',
    level: 'MUST',
    ...observeNeeds,
    async run(bench) {
      const { session, sealed } = await registered(bench);
      const inner = bench.request(observable(bench), { options: [deregister], token: sealed.message.token });
      const end = session.seal(inner);
      session.line.send(end.message);
      for (let messages = 0; messages < 8; messages++) {
        const answer = await session.line.answer(end.message);
        // A notification that was on its way has the same token, and is bound to the registration.
        if (session.opens(answer, sealed)) continue;
        if (findOption(session.open(answer, end).options, OptionNumber.Observe) === undefined) return;
        // What is no Acknowledgement may have been on its way as well, from a target that binds by the token.
        if (answer.type === MessageType.ACK) break;
      }
      throw new Nonconformity('a response without Observe', 'one with it');
    },
  },
];

const blockNeeds = { standard: 'RFC 8613', needs: ['udp', 'oscore', 'oscoreGet', 'oscoreLarge'] } as const;

/** Block-wise transfer inside OSCORE (RFC 8613, Section 4.1.3.4). */
export const oscoreBlockCases: readonly ConformanceCase[] = [
  {
    id: 'oscore-block-01',
    title: 'a protected GET that asks for blocks of 16 bytes gets them inside, one after the other, and they are one body',
    section: '4.1.3.4.1',
    level: 'MUST',
    ...blockNeeds,
    async run(bench) {
      const session = await openOscore(bench);
      const { large = '' } = protectedResources(bench);
      const blocks: Uint8Array[] = [];
      let more = true;
      for (let number = 0; more && number < 200; number++) {
        const { code, options, payload } = await session.ask(large, { options: [uintOption(OptionNumber.Block2, number << 4)] });
        if (code !== Code.Content) throw new Nonconformity(codeText(Code.Content), codeText(code));
        const block = uintOf(options, OptionNumber.Block2);
        if (block === undefined) throw new Nonconformity('an Inner Block2', 'none');
        if (block >>> 4 !== number || (block & 7) !== 0)
          throw new Nonconformity(`Inner Block2 ${number} of size 16`, `number ${block >>> 4}, szx ${block & 7}`);
        more = (block & 8) !== 0;
        if (payload.length > 16 || (more && payload.length !== 16)) throw new Nonconformity('a block of 16 bytes', `${payload.length} bytes`);
        blocks.push(payload);
      }
      const whole = concat(...blocks);
      if (whole.length <= 64) throw new Nonconformity('a body of more than 64 bytes', `${whole.length} bytes`);
    },
  },
  {
    id: 'oscore-block-02',
    title: 'no Block2 stands outside where the blocks are inside',
    section: '4.1.3.4.1',
    level: 'MUST',
    ...blockNeeds,
    async run(bench) {
      const session = await openOscore(bench);
      const sealed = session.protect(protectedResources(bench).large ?? '', { options: [uintOption(OptionNumber.Block2, 0)] });
      const answer = await session.answerTo(sealed);
      session.open(answer, sealed);
      if (findOption(answer.options, OptionNumber.Block2) !== undefined) throw new Nonconformity('no Outer Block2', 'one');
    },
  },
];
