import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type Env, systemEnv } from '../core/env.ts';
import type { Packet, Place } from './capture/packets.ts';
import { InspectError } from './errors.ts';

/** From where to where, and who is shown what passes. */
export interface TapOptions {
  /** Where clients come to; port 0 takes a free one. */
  readonly listen: Place;
  /** Where everything goes. */
  readonly to: Place;
  /** Hears of each datagram that passes. */
  readonly on: (packet: Packet) => void;
  readonly env?: Env;
}

/** Clients at one time; the one that came first goes first. */
const mostClients = 1024;

interface Client {
  readonly socket: Socket;
  readonly place: Place;
}

/**
 * A relay of UDP that shows what passes. Each client has a socket of its own towards the server, which so sees as many clients as there are; what is shown names
 * the clients and the server.
 */
export class Tap {
  readonly #socket: Socket;
  readonly #options: TapOptions;
  readonly #env: Env;
  /** By place. */
  readonly #clients = new Map<string, Client>();
  /** Milliseconds since 1970 at the zero of the clock. */
  readonly #zero: number;
  #isClosed = false;

  private constructor(socket: Socket, options: TapOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    this.#zero = this.#env.epoch() * 1000 - this.#env.now();
    socket.on('message', (datagram, client) => this.#fromClient(datagram, client));
    socket.on('error', () => {});
  }

  /** @throws {InspectError} `ERR_INSPECT_TAP` */
  static async open(options: TapOptions): Promise<Tap> {
    const { address, port } = options.listen;
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((bound, failed) => {
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        failed(new InspectError('ERR_INSPECT_TAP', `${address}:${port}: expected a port that is free, got ${cause.code}`, { cause }));
      });
      socket.bind(port, address, bound);
    });
    socket.removeAllListeners('error');
    return new Tap(socket, options);
  }

  /** Where it listens. */
  get local(): Place {
    return this.#socket.address();
  }

  /** Nothing passes any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { socket } of this.#clients.values()) socket.close();
    await new Promise<void>((closed) => this.#socket.close(closed));
  }

  #show(from: Place, to: Place, datagram: Uint8Array): void {
    this.#options.on({ time: this.#zero + this.#env.now(), transport: 'udp', from, to, bytes: Uint8Array.from(datagram), missing: 0 });
  }

  #fromClient(datagram: Uint8Array, { address, port }: RemoteInfo): void {
    const { to } = this.#options;
    const client = this.#clientAt({ address, port });
    this.#show(client.place, to, datagram);
    client.socket.send(datagram, to.port, to.address, () => {});
  }

  #clientAt(place: Place): Client {
    const key = `${place.address} ${place.port}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { to } = this.#options;
    const socket = createSocket(isIPv6(to.address) ? 'udp6' : 'udp4');
    const client = { socket, place };
    this.#clients.set(key, client);
    socket.on('error', () => {});
    socket.on('message', (answer) => {
      if (this.#isClosed) return;
      this.#show(to, place, answer);
      this.#socket.send(answer, place.port, place.address, () => {});
    });
    if (this.#clients.size > mostClients) {
      const [oldest, gone] = this.#clients.entries().next().value!;
      this.#clients.delete(oldest);
      gone.socket.close();
    }
    return client;
  }
}
