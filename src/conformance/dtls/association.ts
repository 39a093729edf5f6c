import { encodeMessage, type Message, MessageType } from '../../coap/index.ts';
import { toHex } from '../../core/bytes.ts';
import { ContentType, decodeRecords, encodePlaintextRecord } from '../../dtls/index.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { DtlsLine, type DtlsLineOptions } from '../dtls-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { clientHello, helloDatagram } from './hello.ts';

const rfc6347 = { standard: 'RFC 6347', level: 'MUST', needs: ['dtls', 'dtlsKeys'] } as const;

/** An association, and the datagrams that our side has sent in it. */
async function recorded(bench: Bench, options: DtlsLineOptions = {}): Promise<{ readonly line: DtlsLine; readonly sent: readonly Uint8Array[] }> {
  const sent: Uint8Array[] = [];
  const line = await DtlsLine.connected(bench, {
    ...options,
    outgoing: (datagram) => {
      sent.push(datagram.slice());
      return options.outgoing?.(datagram) ?? [datagram];
    },
  });
  return { line, sent };
}

/** An association, and what protects a message in it without sending it: the result is its datagram. */
async function withholding(bench: Bench): Promise<{ readonly line: DtlsLine; withhold(message: Message): Uint8Array }> {
  let held: Uint8Array | undefined;
  let hold = false;
  const line = await DtlsLine.connected(bench, {
    outgoing: (datagram) => {
      if (!hold) return [datagram];
      held = datagram;
      return [];
    },
  });
  const withhold = (message: Message): Uint8Array => {
    hold = true;
    line.connection.send(encodeMessage(message));
    hold = false;
    return held!;
  };
  return { line, withhold };
}

/** Nothing that the association carries comes for a while. */
async function nothingComes(line: DtlsLine, wanted: string): Promise<void> {
  const data = await line.data(line.raw.patience.silence);
  if (data !== undefined) throw new Nonconformity(wanted, toHex(data));
}

/** The association stands still. */
async function stands(bench: Bench, line: DtlsLine): Promise<void> {
  await line.ask(bench.request(bench.somePath));
}

function nonRequest(bench: Bench): Message {
  return bench.request(bench.somePath, { type: MessageType.NON });
}

/** What an association carries, and what it does not let in (RFC 6347, Section 4.1), its end, and connection IDs (RFC 9146). */
export const associationCases: readonly ConformanceCase[] = [
  {
    ...rfc6347,
    id: 'dtls-record-01',
    section: '4.1',
    title: 'application data of epoch 0, which nothing protects, is not taken: neither before a handshake nor within an association',
    async run(bench) {
      const plain = encodePlaintextRecord(ContentType.application_data, 100, encodeMessage(nonRequest(bench)));
      const before = await bench.dtlsSocket();
      before.send(plain);
      const answer = await before.next(bench.patience.silence);
      const [record] = answer === undefined ? [] : decodeRecords(answer).records;
      if (record?.type === ContentType.application_data) throw new Nonconformity('no application data', toHex(answer!));
      const line = await DtlsLine.connected(bench);
      line.raw.send(plain);
      await nothingComes(line, 'no answer to application data of epoch 0');
      await stands(bench, line);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-record-02',
    section: '4.1',
    title: 'CoAP that stands in no record is not answered',
    async run(bench) {
      const line = await bench.dtlsSocket();
      line.send(bench.request(bench.somePath));
      const answer = await line.next(bench.patience.silence);
      if (answer !== undefined) throw new Nonconformity('no answer', toHex(answer));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-record-03',
    section: '4.1.2.6',
    level: 'SHOULD',
    title: 'a record that comes twice is taken once',
    async run(bench) {
      const { line, sent } = await recorded(bench);
      await stands(bench, line);
      line.raw.send(sent.at(-1)!);
      await nothingComes(line, 'no answer to a record that was replayed');
      await stands(bench, line);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-record-04',
    section: '4.1.2.6',
    title: 'a record that does not verify is not taken, and does not keep out those behind it: the window moves only with what verifies',
    async run(bench) {
      const { line, sent } = await recorded(bench);
      await stands(bench, line);
      const forged = sent.at(-1)!.slice();
      // Far ahead: a window that moved would leave the next records behind.
      forged.set([0, 0, 0, 1, 0, 0], 5);
      line.raw.send(forged);
      await nothingComes(line, 'no answer to a record that was forged');
      await stands(bench, line);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-record-05',
    section: '4.1.2.7',
    level: 'SHOULD',
    title: 'a record with a bad MAC is dropped in silence, and the association goes on',
    async run(bench) {
      let spoil = false;
      const { line } = await recorded(bench, {
        outgoing: (datagram) => {
          if (!spoil) return [datagram];
          const spoilt = datagram.slice();
          spoilt[spoilt.length - 1]! ^= 1;
          return [spoilt];
        },
      });
      spoil = true;
      line.connection.send(encodeMessage(nonRequest(bench)));
      spoil = false;
      const answer = await line.raw.next(bench.patience.silence);
      const received = answer === undefined ? undefined : decodeRecords(answer).records.find(({ type }) => type === ContentType.alert);
      if (received !== undefined) throw new Nonconformity('silence', 'an alert');
      await stands(bench, line);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-record-06',
    section: '4.1',
    title: 'records that come out of order are taken',
    async run(bench) {
      const { line, withhold } = await withholding(bench);
      const late = withhold(bench.request(bench.somePath));
      await stands(bench, line);
      line.raw.send(late);
      if ((await line.data()) === undefined) throw new Nonconformity('an answer to the record that came late', 'nothing');
    },
  },
  {
    ...rfc6347,
    id: 'dtls-end-01',
    section: '4.2.8',
    title: 'a ClientHello from the address of an association does not end it before a cookie or a handshake has shown who sent it',
    async run(bench) {
      const line = await DtlsLine.connected(bench);
      line.raw.send(helloDatagram(clientHello(bench), 0));
      await line.raw.next(bench.patience.silence);
      await stands(bench, line);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-end-02',
    section: '4.2.8',
    level: 'SHOULD',
    title: 'a client that has lost its association gets a new one from the same address',
    async run(bench) {
      const first = await DtlsLine.connected(bench);
      const second = await DtlsLine.connected(bench, { over: first });
      await stands(bench, second);
    },
  },
  {
    ...rfc6347,
    id: 'dtls-end-03',
    standard: 'RFC 5246',
    section: '7.2.1',
    title: 'close_notify is answered by a close_notify',
    async run(bench) {
      const line = await DtlsLine.connected(bench);
      await stands(bench, line);
      for (let late = await line.raw.next(0); late !== undefined; late = await line.raw.next(0));
      line.close();
      // Application data may have been on its way.
      for await (const answer of line.raw.datagrams(bench.patience.answer))
        if (decodeRecords(answer).records.some(({ type }) => type === ContentType.alert || type === ContentType.tls12_cid)) return;
      throw new Nonconformity('an alert in return', 'none');
    },
  },
  {
    ...rfc6347,
    id: 'dtls-end-04',
    standard: 'RFC 5246',
    section: '7.2.1',
    title: 'what comes after close_notify is ignored',
    async run(bench) {
      const { line, withhold } = await withholding(bench);
      await stands(bench, line);
      // One that was not there yet, so that no replay window keeps it out.
      const held = withhold(nonRequest(bench));
      line.close();
      await bench.pause(bench.patience.silence);
      for (let late = await line.raw.next(0); late !== undefined; late = await line.raw.next(0));
      line.raw.send(held);
      for await (const answer of line.raw.datagrams(bench.patience.silence))
        if (decodeRecords(answer).records.some(({ type }) => type === ContentType.application_data))
          throw new Nonconformity('no application data', toHex(answer));
    },
  },
  {
    ...rfc6347,
    id: 'dtls-cid-01',
    standard: 'RFC 9146',
    section: '6',
    level: 'SHOULD',
    title: 'with a connection ID the association goes on when the address of the client changes',
    async run(bench) {
      const moved = await bench.dtlsSocket();
      let isMoved = false;
      const line = await DtlsLine.connected(bench, {
        config: { connectionIdLength: 0 },
        outgoing: (datagram) => {
          if (!isMoved) return [datagram];
          moved.send(datagram);
          return [];
        },
      });
      moved.onDatagram = (datagram) => void line.connection.receive(datagram.slice());
      isMoved = true;
      line.connection.send(encodeMessage(bench.request(bench.somePath)));
      isMoved = false;
      const [last] = bench.exchanged.filter(({ direction }) => direction === 'out').slice(-1);
      if (last?.bytes[0] !== ContentType.tls12_cid) throw new NotApplicable('the target takes no connection IDs');
      if ((await line.data()) === undefined) throw new Nonconformity('an answer at the old address or the new one', 'nothing');
    },
  },
];
