import { createSocket, type Socket } from 'node:dgram';
import type { TestContext } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import {
  type ClientConfig,
  type Connection,
  type ConnectionEvent,
  clientConnection,
  type DatagramPeer,
  DtlsServer,
  type DtlsServerConfig,
  type ServerEvent,
} from '../../src/dtls/index.ts';
import { until } from '../support/wait.ts';

interface UdpPeer extends DatagramPeer {
  readonly address: string;
  readonly port: number;
}

async function bind(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((bound, failed) => {
    socket.once('error', failed);
    socket.bind(0, '127.0.0.1', bound);
  });
  return socket;
}

export interface OurServer {
  readonly port: number;
  readonly events: ServerEvent<UdpPeer>[];
}

/** A DTLS server of ours on 127.0.0.1. What it is asked, and what it does with data, is for `handle`. */
export async function dtlsServer(t: TestContext, config: DtlsServerConfig, handle: (event: ServerEvent<UdpPeer>) => void): Promise<OurServer> {
  const socket = await bind();
  const events: ServerEvent<UdpPeer>[] = [];
  const server = new DtlsServer<UdpPeer>(config, systemEnv, {
    send: (datagram, peer) => socket.send(datagram, peer.port, peer.address),
    emit: (event) => {
      events.push(event);
      handle(event);
    },
  });
  socket.on('message', (datagram, { address, port }) => server.receive(datagram, { key: `${address}:${port}`, address, port }));
  t.after(() => {
    server.close();
    socket.close();
  });
  return { port: socket.address().port, events };
}

export interface OurClient {
  readonly connection: Connection;
  readonly events: ConnectionEvent[];
  /** Wait for an event of this type. */
  next<T extends ConnectionEvent['type']>(type: T): Promise<Extract<ConnectionEvent, { readonly type: T }>>;
}

/** A DTLS client of ours that goes to a port of 127.0.0.1 and takes any raw public key, and any certificate that is right. */
export async function dtlsClient(t: TestContext, port: number, config: ClientConfig): Promise<OurClient> {
  const socket = await bind();
  const events: ConnectionEvent[] = [];
  const connection = clientConnection(config, systemEnv, {
    send: (datagram) => socket.send(datagram, port, '127.0.0.1'),
    emit: (event) => {
      events.push(event);
      if (event.type === 'peer-key' || event.type === 'peer-certificate') connection.acceptPeer();
    },
  });
  socket.on('message', (datagram) => connection.receive(datagram));
  t.after(() => {
    connection.close();
    socket.close();
  });
  connection.start();
  return {
    connection,
    events,
    next: async (type) => {
      const find = (): ConnectionEvent | undefined => events.find((event) => event.type === type || event.type === 'closed');
      await until(() => find() !== undefined);
      const event = find()!;
      if (event.type !== type) throw new Error(`the connection ended: ${event.type === 'closed' ? event.error?.message : ''}`);
      return event as Extract<ConnectionEvent, { readonly type: typeof type }>;
    },
  };
}
