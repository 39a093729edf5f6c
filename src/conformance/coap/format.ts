import { encodeMessage, type Message, MessageType } from '../../coap/index.ts';
import { concat, emptyBytes } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { empty, expectRejection, expectReset } from '../expect-message.ts';
import { askWithLongToken } from './long-token.ts';

const rfc7252 = { standard: 'RFC 7252', level: 'MUST', needs: ['udp'] } as const;

/** A request as bytes, with some more behind its options. */
function followedBy(request: Message, ...bytes: readonly number[]): Uint8Array {
  return concat(encodeMessage(request), Uint8Array.from(bytes));
}

/** The same datagram with another first byte and another code. */
function withHeader(datagram: Uint8Array, change: { readonly version?: number; readonly tokenLength?: number; readonly code?: number }): Uint8Array {
  const { version = datagram[0]! >>> 6, tokenLength = datagram[0]! & 15, code = datagram[1]! } = change;
  const changed = datagram.slice();
  changed[0] = (version << 6) | (datagram[0]! & 0x30) | tokenLength;
  changed[1] = code;
  return changed;
}

/** A request of which all but the token length is as it should be: as many bytes as it says stand where the token does. */
function withTokenLength(bench: Bench, tokenLength: number): { readonly datagram: Uint8Array; readonly id: number } {
  const request = bench.request(bench.somePath, { token: emptyBytes });
  const datagram = encodeMessage(request);
  return { datagram: withHeader(concat(datagram.subarray(0, 4), bench.token(tokenLength), datagram.subarray(4)), { tokenLength }), id: request.id };
}

async function hasLongTokens(bench: Bench): Promise<boolean> {
  try {
    await askWithLongToken(bench, await bench.udp(), 13);
    return true;
  } catch (error) {
    if (error instanceof NotApplicable) return false;
    throw error;
  }
}

/** Send a Confirmable message that has no place in the protocol; the Reset must come. */
async function isReset(bench: Bench, request: Message, datagram: Uint8Array): Promise<void> {
  const line = await bench.udp();
  line.send(datagram);
  await expectReset(line, request.id);
}

/**
 * Send a Confirmable request with a format error behind its token: it is rejected, or acknowledged with an error, since RFC 7252, Section 4.2, lets a recipient
 * do either.
 */
async function isRefused(bench: Bench, request: Message, datagram: Uint8Array): Promise<void> {
  const line = await bench.udp();
  line.send(datagram);
  const answer = await line.message();
  const wanted = 'a Reset, or an error in an Acknowledgement';
  if (answer === undefined) throw new Nonconformity(wanted, 'nothing');
  const isError = answer.type === MessageType.ACK && answer.code >= 0x80;
  if (answer.id !== request.id || !(answer.type === MessageType.RST || isError)) throw new Nonconformity(wanted, describe(answer));
}

/** The message format (RFC 7252, Section 3), and what becomes of messages that break it (Sections 4.2 and 4.3). */
export const formatCases: readonly ConformanceCase[] = [
  {
    ...rfc7252,
    id: 'coap-format-01',
    section: '3',
    title: 'a message of another version is ignored in silence',
    async run(bench) {
      const line = await bench.udp();
      const datagram = encodeMessage(bench.request(bench.somePath));
      for (const version of [0, 2, 3]) line.send(withHeader(datagram, { version }));
      await line.silence('silence after messages of the versions 0, 2 and 3');
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-02',
    section: '3',
    title: 'a token length of 9 or 12 is a message format error, or, with extended tokens (RFC 8974), that of the token',
    async run(bench) {
      for (const length of [9, 12]) {
        const line = await bench.udp();
        const { datagram, id } = withTokenLength(bench, length);
        line.send(datagram);
        const answer = await line.message();
        if (answer === undefined) throw new Nonconformity('a Reset', 'nothing');
        if (answer.type === MessageType.RST && answer.id === id) continue;
        if (!(await hasLongTokens(bench)))
          throw new Nonconformity(`a Reset after a token length of ${length}`, `${describe(answer)}, from a target without extended tokens`);
      }
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-13',
    section: '3',
    title: 'a token length of 15, which is reserved, is a message format error: a Confirmable message is answered by a Reset',
    async run(bench) {
      const { datagram, id } = withTokenLength(bench, 15);
      const line = await bench.udp();
      line.send(datagram);
      await expectReset(line, id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-03',
    section: '3.1',
    title: 'an option delta of 15 outside of the payload marker is a message format error',
    async run(bench) {
      const request = bench.request(bench.somePath);
      await isRefused(bench, request, followedBy(request, 0xf1, 0x00));
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-04',
    section: '3.1',
    title: 'an option length of 15 is a message format error',
    async run(bench) {
      const request = bench.request(bench.somePath);
      await isRefused(bench, request, followedBy(request, 0x1f, 0x00, 0x00));
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-05',
    section: '3',
    title: 'a payload marker that no payload follows is a message format error',
    async run(bench) {
      const request = bench.request(bench.somePath);
      await isRefused(bench, request, followedBy(request, 0xff));
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-06',
    section: '4.2',
    title: 'an option that goes on behind the end of the message is a message format error',
    async run(bench) {
      for (const bytes of [[0xd8], [0x0d], [0x0e, 0xff], [0x08, 0x41, 0x42]]) {
        const request = bench.request(bench.somePath);
        await isRefused(bench, request, followedBy(request, ...bytes));
      }
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-07',
    section: '4.1',
    title: 'an Empty message with bytes behind the message id is a message format error: a Confirmable one is answered by a Reset',
    async run(bench) {
      const ping = empty(MessageType.CON, bench.messageId());
      await isReset(bench, ping, followedBy(ping, 0xff, 0x41));
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-08',
    section: '4.2',
    title: 'a Confirmable message of a reserved code class (1, 6, 7) is answered by a Reset',
    async run(bench) {
      for (const code of [0x21, 0xc1, 0xe5]) {
        const request = bench.request(bench.somePath, { code });
        await isReset(bench, request, encodeMessage(request));
      }
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-09',
    section: '4.3',
    title: 'a Non-confirmable message of a reserved code class or with a format error is ignored; at most a Reset comes',
    async run(bench) {
      const line = await bench.udp();
      const reserved = bench.request(bench.somePath, { type: MessageType.NON, code: 0x21 });
      line.send(reserved);
      await expectRejection(line, reserved.id);
      const broken = bench.request(bench.somePath, { type: MessageType.NON });
      line.send(followedBy(broken, 0xff));
      await expectRejection(line, broken.id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-10',
    section: '4.3',
    title: 'an Empty Non-confirmable message is ignored; at most a Reset comes',
    async run(bench) {
      const line = await bench.udp();
      const message = empty(MessageType.NON, bench.messageId());
      line.send(message);
      await expectRejection(line, message.id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-11',
    section: '4.2',
    title: 'an Acknowledgement or a Reset that carries a request is ignored in silence',
    async run(bench) {
      const line = await bench.udp();
      line.send(bench.request(bench.somePath, { type: MessageType.ACK }));
      line.send(bench.request(bench.somePath, { type: MessageType.RST }));
      await line.silence('silence after an Acknowledgement and a Reset that carry a request');
    },
  },
  {
    ...rfc7252,
    id: 'coap-format-12',
    section: '3',
    title: 'datagrams that are too short for a header do no harm',
    async run(bench) {
      const line = await bench.udp();
      for (const bytes of [[], [0x40], [0x40, 0x01], [0x40, 0x01, 0x00]]) line.send(Uint8Array.from(bytes));
      const answer = await line.ask(bench.request(bench.somePath));
      if (answer.type === MessageType.RST) throw new Nonconformity('an answer to a request after them', describe(answer));
    },
  },
];
