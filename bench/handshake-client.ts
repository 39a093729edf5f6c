import { createSocket, type Socket } from 'node:dgram';
import { systemEnv } from '../src/core/env.ts';
import { type ClientConfig, clientConnection } from '../src/dtls/index.ts';

/** A server may be between two associations: it is asked again soon. */
const retransmission = { initialTimeout: 1000, maxRetransmissions: 10 };
/** Milliseconds that the answer to close_notify is waited for. */
const patience = 50;

async function bind(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  return socket;
}

export interface Shaken {
  /** Of all datagrams, both ways. */
  readonly bytes: number;
  /** Milliseconds from the first datagram to the end of the handshake. */
  readonly time: number;
  /** Why there is no association. */
  readonly error?: Error;
}

/** One handshake from a fresh port, and the end of what came of it. */
export async function shakeHands(port: number, config: ClientConfig): Promise<Shaken> {
  const socket = await bind();
  const started = performance.now();
  let bytes = 0;
  let result: Shaken | undefined;
  try {
    return await new Promise<Shaken>((resolve) => {
      const connection = clientConnection({ ...config, retransmission }, systemEnv, {
        send: (datagram) => {
          bytes += datagram.length;
          socket.send(datagram, port, '127.0.0.1');
        },
        emit: (event) => {
          if (event.type === 'peer-key') connection.acceptPeer();
          else if (event.type === 'connected') {
            result = { bytes, time: performance.now() - started };
            connection.close();
            setTimeout(() => resolve(result!), patience);
          } else if (event.type === 'closed' && result === undefined) {
            resolve({ bytes, time: performance.now() - started, error: event.error ?? new Error('the server closed') });
          }
        },
      });
      socket.on('message', (datagram) => {
        if (result !== undefined) {
          resolve(result);
          return;
        }
        bytes += datagram.length;
        connection.receive(datagram);
      });
      connection.start();
    });
  } finally {
    await new Promise<void>((closed) => socket.close(() => closed()));
  }
}

/** So many handshakes, one after the other with each of the ports. */
export async function shakeHandsOften(ports: readonly number[], config: ClientConfig, count: number): Promise<readonly Shaken[]> {
  const shaken: Shaken[] = [];
  let left = count;
  await Promise.all(
    ports.map(async (port) => {
      while (left-- > 0) shaken.push(await shakeHands(port, config));
    }),
  );
  return shaken;
}
