import type { Socket } from 'node:dgram';
import type { Peer, SourcePorts } from '../coap/index.ts';
import { PeerTable } from './peers.ts';

export interface UdpSourcesOptions {
  readonly most: number;
  /** Peers of which an object is kept for each source port. */
  readonly peers: number;
  create(): Socket;
  /** Bind a socket to a free port of the same address. It is bound, or has told an error, by the end of the call. */
  bind(socket: Socket): void;
  /** The peer as it is reached from the first source port. */
  first(address: string, port: number): Peer;
  /** Deliver what comes in, from peers of this table. */
  listen(socket: Socket, peers: PeerTable): void;
}

interface Source {
  readonly socket: Socket;
  readonly peers: PeerTable;
}

/** UDP sockets beside the first, each with a source port of its own. */
export class UdpSources implements SourcePorts {
  readonly most: number;
  readonly #options: UdpSourcesOptions;
  readonly #sources: Map<number, Source> = new Map();

  constructor(options: UdpSourcesOptions) {
    this.most = options.most;
    this.#options = options;
  }

  peer({ address, port }: Peer, number: number): Peer {
    return (this.#sources.get(number) ?? this.#open(number)).peers.get(address, port);
  }

  /** `undefined` for one that is closed: what would leave there is as good as lost. */
  socket(number: number): Socket | undefined {
    return this.#sources.get(number)?.socket;
  }

  close(number: number): void {
    this.#sources.get(number)?.socket.close();
    this.#sources.delete(number);
  }

  closeAll(): Promise<unknown> {
    const closed = [...this.#sources.values()].map(({ socket }) => new Promise<void>((done) => socket.close(() => done())));
    this.#sources.clear();
    return Promise.all(closed);
  }

  #open(number: number): Source {
    const { peers: capacity, first, create, bind, listen } = this.#options;
    const peers = new PeerTable(capacity, (address, port) => {
      const at = first(address, port);
      return { key: `${at.key} from ${number}`, address, port, source: { number, first: at } };
    });
    const socket = create();
    const source = { socket, peers };
    this.#sources.set(number, source);
    // One that cannot be bound is tried again with the next operation. One that is bound lives through errors of single datagrams.
    const failed = (): void => {
      if (this.#sources.get(number) === source) this.close(number);
    };
    socket.once('error', failed);
    socket.once('listening', () => {
      socket.off('error', failed);
      socket.on('error', () => {});
    });
    bind(socket);
    listen(socket, peers);
    return source;
  }
}
