import { Code, encodeMessage, MessageType, OptionNumber, uintOption } from '../../coap/index.ts';
import { equalBytes } from '../../core/bytes.ts';
import type { ConformanceCase } from '../case.ts';
import { describe } from '../datagram-line.ts';
import { Nonconformity } from '../errors.ts';
import { expectReset } from '../expect-message.ts';
import { askWithLongToken } from './long-token.ts';

const rfc8974 = { standard: 'RFC 8974', level: 'MUST', needs: ['udp'] } as const;
const rfc7967 = { standard: 'RFC 7967', level: 'MUST', needs: ['udp', 'noResponse'] } as const;
const rfc9175 = { standard: 'RFC 9175', level: 'SHOULD' } as const;

const noResponse = (value: number): ReturnType<typeof uintOption> => uintOption(OptionNumber.NoResponse, value);

/** Extended tokens (RFC 8974), No-Response (RFC 7967), amplification (RFC 9175, Section 2.4). */
export const extensionCases: readonly ConformanceCase[] = [
  {
    ...rfc8974,
    id: 'token-01',
    section: '2.1',
    title: 'where extended tokens are supported, the response echoes tokens of 13, 20 and 300 bytes',
    async run(bench) {
      const line = await bench.udp();
      await askWithLongToken(bench, line, 13);
      for (const length of [20, 300]) {
        const { request, answer } = await askWithLongToken(bench, line, length);
        if (answer.code === Code.BadRequest || answer.code === Code.ServiceUnavailable) continue;
        if (!equalBytes(answer.token, request.token)) throw new Nonconformity(`the token of ${length} bytes`, `one of ${answer.token.length} bytes`);
      }
    },
  },
  {
    ...rfc8974,
    id: 'token-02',
    section: '2.1',
    title: 'where extended tokens are supported, a token length that goes behind the end of the message is a message format error',
    async run(bench) {
      const line = await bench.udp();
      const { request } = await askWithLongToken(bench, line, 13);
      const datagram = encodeMessage({ ...request, id: bench.messageId(), options: [] }, { extendedTokens: true }).slice();
      datagram[4] = 200;
      line.send(datagram);
      await expectReset(line, (datagram[2]! << 8) | datagram[3]!);
    },
  },
  {
    ...rfc7967,
    id: 'no-response-01',
    section: '2',
    title: 'No-Response 26 on a Non-confirmable request: no response comes',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath, { type: MessageType.NON, options: [noResponse(26)] });
      line.send(request);
      const responses = await line.responses(request);
      if (responses.length > 0) throw new Nonconformity('no response', describe(responses[0]!));
    },
  },
  {
    ...rfc7967,
    id: 'no-response-02',
    section: '2.1',
    title: 'a response of a class for which no disinterest was stated comes: No-Response 2 and a path that is not there',
    async run(bench) {
      const line = await bench.udp();
      await line.ask(bench.request('/nothing-there', { type: MessageType.NON, options: [noResponse(2)] }));
    },
  },
  {
    ...rfc9175,
    id: 'amplification-01',
    section: '2.6',
    needs: ['udp', 'large'],
    title: 'an address that has not shown that it receives gets no more than 3 times the bytes that it sent, headers below CoAP included',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.target.resources!.large!, { type: MessageType.NON });
      line.send(request);
      const bytes = (await line.responses(request)).reduce((sum, message) => sum + encodeMessage(message, { extendedTokens: true }).length, 0);
      // 62 bytes of Ethernet, IP and UDP headers go with each message.
      const most = 3 * (encodeMessage(request).length + 62) - 62;
      if (bytes > most) throw new Nonconformity(`at most ${most} bytes, in CoAP serialization`, `${bytes}`);
    },
  },
];
