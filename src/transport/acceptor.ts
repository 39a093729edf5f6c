import type { Server, Socket } from 'node:net';
import { networkOf } from '../coap/index.ts';
import { boundsWith } from '../core/bounds.ts';
import { Tally } from '../core/tally.ts';
import { badOption, TransportError } from './errors.ts';
import { checkPort } from './resolve.ts';

/** How many connections a server takes. */
export interface AcceptorLimits {
  /** Connections that came in and are held at once. Default 1,024. */
  readonly connections?: number;
  /** The same for one address; all of an IPv6 network are one. Default 256. */
  readonly connectionsPerAddress?: number;
}

const usual: Required<AcceptorLimits> = { connections: 1024, connectionsPerAddress: 256 };

/** Counts the connections of a server from their first byte on, and closes those that are too many. */
export class Acceptor {
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  readonly #byAddress: Tally = new Tally();
  #closing: Promise<void> | undefined;

  /** @throws {TransportError} `ERR_TRANSPORT_OPTION` */
  constructor(server: Server, limits: AcceptorLimits) {
    const { connections, connectionsPerAddress } = boundsWith(usual, limits, badOption);
    this.#server = server;
    // First of all listeners, so that none sees what is refused.
    server.prependListener('connection', (socket: Socket) => {
      const address = networkOf(socket.remoteAddress ?? '');
      if (this.#sockets.size >= connections || this.#byAddress.of(address) >= connectionsPerAddress || address === '') {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      this.#byAddress.add(address);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#byAddress.remove(address);
      });
    });
  }

  /** @throws {TransportError} `ERR_TRANSPORT_BIND` */
  async listen(address: string, port: number): Promise<{ readonly address: string; readonly port: number }> {
    const server = this.#server;
    checkPort(port);
    await new Promise<void>((bound, failed) => {
      const fail = (error: Error): void =>
        failed(new TransportError('ERR_TRANSPORT_BIND', `cannot bind ${address} port ${port}: ${error.message}`, { cause: error }));
      server.once('error', fail);
      server.listen({ host: address, port, exclusive: true }, () => {
        server.off('error', fail);
        bound();
      });
    });
    // One connection that cannot be accepted (no descriptor is left) must not end the server.
    server.on('error', () => {});
    const bound = server.address() as { readonly address: string; readonly port: number };
    return { address: bound.address, port: bound.port };
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** No more connections; those that are there are closed when what was written has left, or after `grace` milliseconds. */
  close(grace: number): Promise<void> {
    this.#closing ??= new Promise((closed) => {
      this.#server.close(() => closed());
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, grace);
      this.#server.once('close', () => clearTimeout(timer));
    });
    return this.#closing;
  }
}
