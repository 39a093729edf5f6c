import { emptyBytes, utf8 } from '../src/core/bytes.ts';
import { type Env, systemEnv } from '../src/core/env.ts';
import { clientConnection, type DatagramPeer, DtlsServer } from '../src/dtls/index.ts';

const key = utf8('a key of sixteen');
const suites = ['TLS_PSK_WITH_AES_128_CCM_8'] as const;

/** A peer as a socket has it. */
export interface BenchPeer extends DatagramPeer {
  readonly address: string;
  readonly port: number;
}

export const peerOf = (index: number): BenchPeer => {
  const address = `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`;
  return { key: `${address}:40000`, address, port: 40_000 };
};

/** Nothing here waits so long, and timers would keep the clients. */
const noTimers: Env = { ...systemEnv, schedule: () => () => {} };

/** A server for so many clients, which knows their key and answers nothing. */
export function benchServer(count: number, send: (datagram: Uint8Array, peer: BenchPeer) => void): DtlsServer<BenchPeer> {
  return new DtlsServer<BenchPeer>({ suites, psk: {}, connectionIdLength: 8, maxConnections: count }, noTimers, {
    send,
    emit: (event) => {
      if (event.type === 'psk-identity') event.connection.providePsk(key);
    },
  });
}

/** A server with so many idle connections with connection IDs, whose clients are gone. */
export function connectedServer(count: number): DtlsServer<BenchPeer> {
  let toClient: (datagram: Uint8Array) => void = () => {};
  const server = benchServer(count, (datagram) => toClient(datagram));
  for (let index = 0; index < count; index++) {
    const peer = peerOf(index);
    const identity = Uint8Array.of(index >>> 16, index >>> 8, index);
    const port = { send: (datagram: Uint8Array) => server.receive(datagram, peer), emit: () => {} };
    const client = clientConnection({ suites, psk: { identity, key }, connectionIdLength: 0 }, noTimers, port);
    toClient = (datagram) => client.receive(datagram);
    client.start();
    client.send(emptyBytes);
    if (!client.isConnected) throw new Error(`expected connection ${index}, got none`);
  }
  if (server.stats().connections !== count) throw new Error(`expected ${count} connections, got ${server.stats().connections}`);
  return server;
}
