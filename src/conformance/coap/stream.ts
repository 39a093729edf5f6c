import { encodeFrame, type Option, OptionNumber, opaqueOption, SignalingCode, uintOption } from '../../coap/index.ts';
import { concat, emptyBytes, equalBytes, toHex } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { codeText } from '../code-text.ts';
import { Nonconformity } from '../errors.ts';
import type { StreamLine } from '../stream-line.ts';

const rfc8323 = { standard: 'RFC 8323', level: 'MUST', needs: ['tcp'] } as const;

const maxMessageSize = uintOption(2, 0x10_0000);

/** A connection on which the checker has said what it can; that of the target is passed over when it comes. */
async function connected(bench: Bench): Promise<StreamLine> {
  const line = await bench.tcp();
  line.say(SignalingCode.CSM, [maxMessageSize]);
  return line;
}

function path(bench: Bench): readonly Option[] {
  return bench.request(bench.somePath).options;
}

/** The connection takes a request still. */
async function answers(bench: Bench, line: StreamLine): Promise<void> {
  await line.ask(1, path(bench), bench.token());
}

/** CoAP over TCP (RFC 8323): signaling, framing, and connections that end. */
export const streamCases: readonly ConformanceCase[] = [
  {
    ...rfc8323,
    id: 'tcp-01',
    section: '3.3',
    title: 'the first message of a connection is a CSM',
    async run(bench) {
      const line = await bench.tcp();
      line.say(SignalingCode.CSM, [maxMessageSize]);
      const first = await line.message('a CSM', () => true);
      if (first.code !== SignalingCode.CSM) throw new Nonconformity('a CSM', codeText(first.code));
    },
  },
  {
    ...rfc8323,
    id: 'tcp-02',
    section: '3.2',
    title: 'a request is answered over the same connection, with its token',
    async run(bench) {
      const line = await connected(bench);
      for (const length of [0, 1, 8]) await line.ask(1, path(bench), bench.token(length));
    },
  },
  {
    ...rfc8323,
    id: 'tcp-03',
    section: '5.4',
    title: 'a Ping is answered by a Pong with its token',
    async run(bench) {
      const line = await connected(bench);
      const token = bench.token();
      line.say(SignalingCode.Ping, [], token);
      const pong = await line.signal(SignalingCode.Pong, 'a Pong');
      if (!equalBytes(pong.token, token)) throw new Nonconformity(`the token ${toHex(token)}`, toHex(pong.token));
    },
  },
  {
    ...rfc8323,
    id: 'tcp-04',
    section: '5.4',
    title: 'an elective option of a Ping that nobody knows is ignored',
    async run(bench) {
      const line = await connected(bench);
      line.say(SignalingCode.Ping, [opaqueOption(4098, Uint8Array.of(1))], bench.token());
      await line.signal(SignalingCode.Pong, 'a Pong');
    },
  },
  {
    ...rfc8323,
    id: 'tcp-05',
    section: '3.4',
    title: 'an Empty message is ignored',
    async run(bench) {
      const line = await connected(bench);
      line.say(0);
      await answers(bench, line);
    },
  },
  {
    ...rfc8323,
    id: 'tcp-06',
    section: '5.2',
    title: 'a critical option of a CSM that is not understood ends the connection',
    async run(bench) {
      const line = await bench.tcp();
      line.say(SignalingCode.CSM, [opaqueOption(4097, Uint8Array.of(1))]);
      await line.expectEnd('the end of the connection');
    },
  },
  {
    ...rfc8323,
    id: 'tcp-07',
    section: '5.2',
    title: 'an elective option of a CSM that is not understood is ignored',
    async run(bench) {
      const line = await bench.tcp();
      line.say(SignalingCode.CSM, [maxMessageSize, opaqueOption(4098, Uint8Array.of(1))]);
      await answers(bench, line);
    },
  },
  {
    ...rfc8323,
    id: 'tcp-08',
    section: '3.3',
    title: 'a connection that begins with no CSM is aborted',
    async run(bench) {
      const line = await bench.tcp();
      line.say(1, path(bench), bench.token());
      await line.expectEnd('the end of the connection');
    },
  },
  {
    ...rfc8323,
    id: 'tcp-09',
    section: '5.5',
    level: 'SHOULD',
    title: 'a Release ends the connection, after what was asked before is answered',
    async run(bench) {
      const line = await connected(bench);
      const token = bench.token();
      line.send(concat(encodeFrame('length', 1, token, path(bench), emptyBytes), encodeFrame('length', SignalingCode.Release, emptyBytes, [], emptyBytes)));
      await line.message('a response to the request before the Release', (message) => equalBytes(message.token, token));
      await line.expectEnd('the end of the connection');
    },
  },
  {
    ...rfc8323,
    id: 'tcp-10',
    section: '3.2',
    title: 'a message may come in pieces of one byte, and several in one piece',
    async run(bench) {
      const line = await connected(bench);
      const token = bench.token();
      for (const byte of encodeFrame('length', 1, token, path(bench), emptyBytes)) {
        line.send(Uint8Array.of(byte));
        await bench.pause(1);
      }
      await line.message('a response', (message) => equalBytes(message.token, token));
      const tokens = [bench.token(), bench.token(), bench.token()];
      line.send(concat(...tokens.map((one) => encodeFrame('length', 1, one, path(bench), emptyBytes))));
      const seen = new Set<string>();
      while (seen.size < tokens.length)
        seen.add(toHex((await line.message('three responses', ({ token: one }) => tokens.some((own) => equalBytes(own, one)) && !seen.has(toHex(one)))).token));
    },
  },
  {
    ...rfc8323,
    id: 'tcp-11',
    section: '3.2',
    title: 'a message whose length takes an extension is read: one with an option of 300 bytes',
    async run(bench) {
      const line = await connected(bench);
      await line.ask(1, [...path(bench), opaqueOption(65_000, new Uint8Array(300))], bench.token());
    },
  },
  {
    ...rfc8323,
    id: 'tcp-12',
    section: '5.6',
    level: 'SHOULD',
    title: 'a token length of 15 ends the connection',
    async run(bench) {
      const line = await connected(bench);
      line.send(Uint8Array.of(0x0f, 0x01, ...bench.token(15)));
      await line.expectEnd('the end of the connection');
    },
  },
  {
    ...rfc8323,
    id: 'tcp-13',
    section: '7.1',
    needs: ['tcp', 'observe'],
    title: 'GET with Observe 1 ends an observation',
    async run(bench) {
      const line = await connected(bench);
      const token = bench.token();
      const options = bench.request(bench.target.resources!.observe!).options;
      const observe = (value: number): readonly Option[] => [uintOption(OptionNumber.Observe, value), ...options];
      await line.ask(1, observe(0), token);
      line.say(1, observe(1), token);
      await line.message(
        'a response without Observe',
        (message) => equalBytes(message.token, token) && !message.options.some(({ number }) => number === OptionNumber.Observe),
      );
    },
  },
];
