import { encodeMessage, isResponse, type Message, MessageType } from '../coap/index.ts';
import { emptyBytes, equalBytes } from '../core/bytes.ts';
import { type ClientConfig, type Connection, clientConnection, type DtlsError, decodeRecords, encodeSpki } from '../dtls/index.ts';
import type { Bench } from './bench.ts';
import { type DatagramLine, messageIn } from './datagram-line.ts';
import { Nonconformity } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { DtlsTarget } from './target.ts';

/** What becomes of a datagram on its way: another one, several, or none. */
export type Mutation = (datagram: Uint8Array) => readonly Uint8Array[];

export interface DtlsLineOptions {
  /** In place of the credentials that the target knows. */
  readonly credentials?: DtlsTarget;
  readonly config?: Omit<ClientConfig, 'psk' | 'rawPublicKey' | 'certificate'>;
  /** The association takes the place of this one, at its address, which it has forgotten without a word. */
  readonly over?: DtlsLine;
  /** For what our side sends, and for what it is given of what comes in. */
  readonly outgoing?: Mutation;
  readonly incoming?: Mutation;
}

/** How a handshake ended. */
export type HandshakeOutcome = 'connected' | DtlsError | undefined;

/** A DTLS association of one case with the target: our own engine, and between it and the socket whatever breaks the rules. */
export class DtlsLine {
  /** The socket below. What comes in goes to the engine as well. */
  readonly raw: DatagramLine;
  readonly connection: Connection;
  readonly #bench: Bench;
  readonly #ends: Inbox<'connected' | DtlsError>;
  readonly #data: Inbox<Uint8Array>;

  private constructor(
    bench: Bench,
    raw: DatagramLine,
    { credentials, config = {}, outgoing = (datagram) => [datagram], incoming = (datagram) => [datagram] }: DtlsLineOptions,
  ) {
    const { psk, rawPublicKey, certificate } = credentials ?? bench.target.dtls!;
    this.#bench = bench;
    this.raw = raw;
    this.#ends = new Inbox(bench.env);
    this.#data = new Inbox(bench.env);
    const own = rawPublicKey?.own;
    const offered = {
      ...(psk === undefined ? {} : { psk }),
      ...(rawPublicKey === undefined ? {} : { rawPublicKey: own === undefined ? {} : { own } }),
      ...(certificate === undefined ? {} : { certificate }),
    };
    this.connection = clientConnection({ ...offered, ...config }, bench.env, {
      send: (datagram) => {
        for (const one of outgoing(datagram)) raw.send(one);
      },
      emit: (event) => {
        if (event.type === 'connected') this.#ends.put('connected');
        else if (event.type === 'closed' && event.error !== undefined) this.#ends.put(event.error);
        else if (event.type === 'data') this.#data.put(event.data.slice());
        else if (event.type === 'peer-certificate') this.connection.acceptPeer();
        else if (event.type === 'peer-key') {
          if (rawPublicKey !== undefined && equalBytes(event.spki, encodeSpki(rawPublicKey.server)!)) this.connection.acceptPeer();
          else this.connection.rejectPeer();
        }
      },
    });
    raw.onDatagram = (datagram) => {
      for (const one of incoming(datagram)) this.connection.receive(one.slice());
    };
  }

  static async open(bench: Bench, options: DtlsLineOptions = {}): Promise<DtlsLine> {
    const line = new DtlsLine(bench, options.over?.raw ?? (await bench.dtlsSocket()), options);
    await bench.keep({ close: async () => line.close() });
    return line;
  }

  /** Shake hands; `undefined` when that comes to no end. */
  async handshake(within: number = this.#bench.patience.handshake): Promise<HandshakeOutcome> {
    this.connection.start();
    return this.#ends.next(within);
  }

  /** An association that stands. @throws {Nonconformity} the handshake fails */
  static async connected(bench: Bench, options: DtlsLineOptions = {}): Promise<DtlsLine> {
    const line = await DtlsLine.open(bench, options);
    const outcome = await line.handshake();
    if (outcome !== 'connected') throw new Nonconformity('a handshake that succeeds', outcome === undefined ? 'no end of it' : outcome.message);
    return line;
  }

  /** The next data that the association carries; `undefined` when none comes. */
  data(within: number = this.#bench.patience.answer): Promise<Uint8Array | undefined> {
    return this.#data.next(within);
  }

  /** Ask over the association, twice if need be: that a datagram gets lost is nobody's fault. @throws {Nonconformity} nothing comes, or what is no message */
  async ask(request: Message): Promise<Message> {
    for (let attempt = 0; attempt < 2; attempt++) {
      this.connection.send(encodeMessage(request));
      const response = await this.#response(request);
      if (response !== undefined) return response;
    }
    throw new Nonconformity('a response over the association', 'nothing');
  }

  async #response(request: Message): Promise<Message | undefined> {
    for await (const data of this.#data.during(this.#bench.patience.answer / 2)) {
      const message = messageIn(data);
      if (!isResponse(message.code) || !equalBytes(message.token, request.token)) continue;
      if (message.type === MessageType.CON)
        this.connection.send(encodeMessage({ type: MessageType.ACK, code: 0, id: message.id, token: emptyBytes, options: [], payload: emptyBytes }));
      return message;
    }
    return undefined;
  }

  close(): void {
    if (!this.connection.isClosed) this.connection.close();
  }
}

/** A mutation that makes each record of a datagram something else. */
export function eachRecord(change: (record: Uint8Array, type: number, epoch: number) => readonly Uint8Array[]): Mutation {
  return (datagram) => {
    const { records } = decodeRecords(datagram);
    let at = 0;
    return records.flatMap(({ type, epoch, fragment }) => {
      const end = at + 13 + fragment.length;
      const record = datagram.subarray(at, end);
      at = end;
      return change(record, type, epoch);
    });
  };
}
