import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';

/** A datagram that passed a relay. `from` and `to` are the client's address and the name of the server. */
export interface RelayedDatagram {
  readonly from: string;
  readonly to: string;
  readonly datagram: Uint8Array;
}

/**
 * A UDP relay on 127.0.0.1 that keeps a copy of every datagram, also of those that it loses. Each client gets an upstream socket of its own, so that the server sees as many clients as there are.
 */
export class Relay {
  /** Where clients send to. */
  readonly port: number;
  readonly wire: RelayedDatagram[] = [];
  readonly #name: string;
  readonly #upstreamPort: number;
  readonly #socket: Socket;
  readonly #upstream = new Map<string, Socket>();

  readonly #lose: (datagram: RelayedDatagram) => boolean;

  private constructor(name: string, upstreamPort: number, socket: Socket, lose: (datagram: RelayedDatagram) => boolean) {
    this.#lose = lose;
    this.#name = name;
    this.#upstreamPort = upstreamPort;
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (datagram, client) => this.#fromClient(datagram, client));
    socket.on('error', () => {});
  }

  /**
   * @param name of the server, for the recording
   * @param lose whether a datagram does not go on
   */
  static async open(name: string, upstreamPort: number, lose: (datagram: RelayedDatagram) => boolean = () => false): Promise<Relay> {
    // Twenty clients at once are more than the usual buffer takes when the machine is busy.
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((bound, failed) => {
      socket.once('error', failed);
      socket.bind(0, '127.0.0.1', bound);
    });
    return new Relay(name, upstreamPort, socket, lose);
  }

  /** From now on the server sees all clients at other addresses, as behind a NAT that has forgotten them. */
  move(): void {
    for (const socket of this.#upstream.values()) socket.close();
    this.#upstream.clear();
  }

  close(): void {
    for (const socket of this.#upstream.values()) socket.close();
    this.#socket.close();
  }

  #fromClient(datagram: Uint8Array, client: RemoteInfo): void {
    const from = `${client.address}:${client.port}`;
    if (!this.#passes({ from, to: this.#name, datagram: Uint8Array.from(datagram) })) return;
    this.#socketOf(from, client).send(datagram, this.#upstreamPort, '127.0.0.1');
  }

  #passes(datagram: RelayedDatagram): boolean {
    this.wire.push(datagram);
    return !this.#lose(datagram);
  }

  #socketOf(from: string, client: RemoteInfo): Socket {
    const known = this.#upstream.get(from);
    if (known !== undefined) return known;
    const socket = createSocket('udp4');
    this.#upstream.set(from, socket);
    socket.on('error', () => {});
    socket.on('message', (answer) => {
      if (!this.#passes({ from: this.#name, to: from, datagram: Uint8Array.from(answer) })) return;
      this.#socket.send(answer, client.port, client.address);
    });
    return socket;
  }
}
