import { codeClass, isResponse, type Message, MessageType } from '../../coap/index.ts';
import { emptyBytes, equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { type DatagramLine, describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { empty, expectRejection, expectReset, expectSuccess } from '../expect-message.ts';

const rfc7252 = { standard: 'RFC 7252', level: 'MUST', needs: ['udp'] } as const;

/** Whether it is a response to the request in a message of its own. */
function isSeparate({ type, code, token }: Message, request: Message): boolean {
  return isResponse(code) && (type === MessageType.CON || type === MessageType.NON) && equalBytes(token, request.token);
}

/** The Acknowledgement of the request: Empty, or with its response. A separate response may overtake it, as one to an earlier copy does: it is taken meanwhile. */
async function acknowledgement(line: DatagramLine, request: Message, overtaken: () => void = () => {}): Promise<Message> {
  for await (const answer of line.messages(line.patience.answer)) {
    if (isSeparate(answer, request)) {
      if (answer.type === MessageType.CON) line.acknowledge(answer);
      overtaken();
      continue;
    }
    if (answer.type !== MessageType.ACK || answer.id !== request.id)
      throw new Nonconformity(`an Acknowledgement of message ${request.id}`, `${describe(answer)} with message id ${answer.id}`);
    return answer;
  }
  throw new Nonconformity('an Acknowledgement', 'nothing');
}

/** The separate response to a request that was acknowledged, as it first comes; it is not acknowledged here. */
async function separateResponse(line: DatagramLine, request: Message): Promise<Message> {
  let isOvertaken = false;
  const acknowledged = await acknowledgement(line, request, () => {
    isOvertaken = true;
  });
  if (acknowledged.code !== 0) throw new NotApplicable('the response came with the acknowledgement');
  if (isOvertaken) throw new NotApplicable('the response came before the acknowledgement');
  // It takes what the target takes for it, and may be lost on its first way.
  const response = await line.message(line.patience.answer + line.patience.retransmission);
  if (response === undefined) throw new Nonconformity('a separate response', 'nothing');
  return response;
}

/** A separate response that is Confirmable and not acknowledged yet. @throws {NotApplicable} it is none */
async function confirmableResponse(bench: Bench): Promise<{ readonly line: DatagramLine; readonly response: Message }> {
  const line = await bench.udp();
  const request = bench.request(bench.target.resources!.separate!);
  line.send(request);
  const response = await separateResponse(line, request);
  if (response.type !== MessageType.CON) throw new NotApplicable('the separate response is not Confirmable');
  return { line, response };
}

/** Acknowledgements, Resets and duplicates (RFC 7252, Section 4), and the messages of a response (Section 5.2). */
export const reliabilityCases: readonly ConformanceCase[] = [
  {
    ...rfc7252,
    id: 'coap-msg-01',
    section: '4.2',
    title: 'an Empty Confirmable message, the CoAP ping, is answered by a Reset with its message id',
    async run(bench) {
      const line = await bench.udp();
      const id = bench.messageId();
      line.send(empty(MessageType.CON, id));
      await expectReset(line, id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-02',
    section: '4.2',
    title: 'a Confirmable request is acknowledged with its message id, by an Empty message or with a response',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath);
      line.send(request);
      const answer = await acknowledgement(line, request);
      if (answer.code !== 0 && codeClass(answer.code) < 2) throw new Nonconformity('an Acknowledgement that is Empty or carries a response', describe(answer));
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-03',
    section: '4.5',
    level: 'SHOULD',
    title: 'each copy of a Confirmable request is acknowledged',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath);
      for (let copy = 1; copy <= 3; copy++) {
        line.send(request);
        await acknowledgement(line, request);
      }
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-04',
    section: '4.5',
    level: 'SHOULD',
    needs: ['udp', 'put'],
    title: 'copies of a request are answered by the same Acknowledgement, and it is processed once: a PUT whose copy comes late does not undo a later PUT',
    async run(bench) {
      const path = bench.target.resources!.put!;
      const line = await bench.udp();
      const put = (text: string): Message => bench.request(path, { code: 3, payload: utf8(text), contentFormat: 0 });
      const first = put('1');
      line.send(first);
      const once = await line.answer(first);
      expectSuccess(once, 'PUT');
      expectSuccess(await line.ask(put('2')), 'PUT');
      if (toHex((await line.ask(bench.request(path))).payload) !== '32') throw new NotApplicable('GET does not give what was put');
      line.send(first);
      // Of a response in a message of its own nothing comes again but the Acknowledgement of its request.
      const again = once.type === MessageType.ACK ? await line.answer(first) : await acknowledgement(line, first);
      if (again.code !== 0 && again.code !== once.code) throw new Nonconformity(`the same Acknowledgement, ${describe(once)}`, describe(again));
      const { payload } = await line.ask(bench.request(path));
      if (toHex(payload) !== '32')
        throw new Nonconformity('what the later PUT wrote', 'another representation: the copy was processed as a request of its own');
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-05',
    section: '4.5',
    level: 'SHOULD',
    title: 'a copy of a Non-confirmable request is ignored in silence',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath, { type: MessageType.NON });
      line.send(request);
      await line.answer(request);
      line.send(request);
      const responses = await line.responses(request);
      if (responses.length > 0) throw new Nonconformity('no second response', describe(responses[0]!));
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-06',
    section: '4.3',
    title: 'a Non-confirmable request is not acknowledged',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath, { type: MessageType.NON });
      const { type } = await line.ask(request);
      if (type === MessageType.ACK) throw new Nonconformity('a response in a NON or CON message', 'an Acknowledgement');
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-07',
    section: '5.2.3',
    level: 'SHOULD',
    title: 'the response to a Non-confirmable request is Non-confirmable',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.somePath, { type: MessageType.NON });
      const answer = await line.ask(request);
      if (answer.type !== MessageType.NON) throw new Nonconformity('a NON response', describe(answer));
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-08',
    section: '4.2',
    title: 'an Acknowledgement or a Reset that nothing awaits is ignored in silence',
    async run(bench) {
      const line = await bench.udp();
      line.send(empty(MessageType.ACK, bench.messageId()));
      line.send(empty(MessageType.RST, bench.messageId()));
      await line.silence('silence after an Acknowledgement and a Reset');
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-09',
    section: '4.2',
    title: 'a Confirmable response that nobody has asked for is acknowledged or reset',
    async run(bench) {
      const line = await bench.udp();
      const message: Message = { type: MessageType.CON, code: 0x45, id: bench.messageId(), token: bench.token(), options: [], payload: emptyBytes };
      line.send(message);
      const answer = await line.message();
      if (answer === undefined) throw new Nonconformity('a Reset or an Acknowledgement', 'nothing');
      const isOne = answer.type === MessageType.RST || answer.type === MessageType.ACK;
      if (!isOne || answer.code !== 0 || answer.id !== message.id)
        throw new Nonconformity('an Empty Reset or Acknowledgement with its message id', describe(answer));
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-10',
    section: '4.3',
    title: 'a Non-confirmable response that nobody has asked for is ignored; at most a Reset comes',
    async run(bench) {
      const line = await bench.udp();
      const message: Message = { type: MessageType.NON, code: 0x45, id: bench.messageId(), token: bench.token(), options: [], payload: emptyBytes };
      line.send(message);
      await expectRejection(line, message.id);
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-11',
    section: '5.3.1',
    title: 'the response echoes a token of each length from 0 to 8 bytes',
    async run(bench) {
      const line = await bench.udp();
      for (let length = 0; length <= 8; length++) {
        const request = bench.request(bench.somePath, { token: bench.token(length) });
        line.send(request);
        let isEchoed = false;
        const acknowledged = await acknowledgement(line, request, () => {
          isEchoed = true;
        });
        if (isEchoed) continue;
        const response = acknowledged.code === 0 ? await line.message() : acknowledged;
        if (response === undefined) throw new Nonconformity('a response', 'nothing');
        if (response.type === MessageType.CON) line.acknowledge(response);
        if (!equalBytes(response.token, request.token)) throw new Nonconformity(`the token ${toHex(request.token)}`, `the token ${toHex(response.token)}`);
      }
    },
  },
  {
    ...rfc7252,
    id: 'coap-msg-12',
    section: '4.2',
    title: 'requests of two clients with one message id and one token are both answered',
    async run(bench) {
      const [one, other] = [await bench.udp(), await bench.udp()];
      const request = bench.request(bench.somePath);
      for (const line of [one, other]) line.send(request);
      for (const line of [one, other]) await line.answer(request);
    },
  },
  {
    ...rfc7252,
    id: 'coap-sep-01',
    section: '5.2.2',
    needs: ['udp', 'separate'],
    title: 'a separate response has the token of its request, and is no Acknowledgement',
    async run(bench) {
      const line = await bench.udp();
      const request = bench.request(bench.target.resources!.separate!);
      line.send(request);
      const response = await separateResponse(line, request);
      if (response.type === MessageType.CON) line.acknowledge(response);
      if (response.type !== MessageType.CON && response.type !== MessageType.NON)
        throw new Nonconformity('a response in a CON or NON message', describe(response));
      if (!equalBytes(response.token, request.token)) throw new Nonconformity(`the token ${toHex(request.token)}`, `the token ${toHex(response.token)}`);
    },
  },
  {
    ...rfc7252,
    id: 'coap-sep-02',
    section: '4.2',
    needs: ['udp', 'separate'],
    title: 'a separate Confirmable response that is not acknowledged is sent again with its message id, until it is',
    async run(bench) {
      const { line, response } = await confirmableResponse(bench);
      const again = await line.message(line.patience.retransmission);
      if (again === undefined) throw new Nonconformity('the response once more', `nothing within ${line.patience.retransmission} ms`);
      if (again.type !== MessageType.CON || again.id !== response.id || again.code !== response.code)
        throw new Nonconformity(`${describe(response)} with message id ${response.id} once more`, `${describe(again)} with message id ${again.id}`);
      line.acknowledge(again);
      await line.silence('no further copy of an acknowledged response', line.patience.retransmission);
    },
  },
  {
    ...rfc7252,
    id: 'coap-sep-03',
    section: '4.2',
    needs: ['udp', 'separate'],
    title: 'a separate Confirmable response that is reset is not sent again',
    async run(bench) {
      const { line, response } = await confirmableResponse(bench);
      line.reset(response);
      await line.silence('no further copy of a response that was reset', line.patience.retransmission);
    },
  },
];
