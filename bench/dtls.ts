import type { Socket } from 'node:dgram';
import { emptyBytes, utf8 } from '../src/core/bytes.ts';
import { systemEnv } from '../src/core/env.ts';
import { type CipherSuiteName, type ClientPsk, type Connection, clientConnection } from '../src/dtls/index.ts';
import type { LoadSession } from './load.ts';

export const suite: CipherSuiteName = 'TLS_PSK_WITH_AES_128_CCM_8';
export const psk: ClientPsk = { identity: utf8('bench'), key: new Uint8Array(16).fill(0x42) };

/** Bytes that such a record has more than the message in it: header, explicit nonce and tag. */
const expansion = 13 + 8 + 8;

/** As many bytes as the record of a message has. */
export function asRecord(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(message.length + expansion);
  bytes.set(message);
  return bytes;
}

/** A session with a server, established. */
export async function openDtls(socket: Socket, port: number, credentials: ClientPsk = psk): Promise<LoadSession> {
  let sent: Uint8Array = emptyBytes;
  let received: Uint8Array = emptyBytes;
  let shaking = true;
  const receive = (datagram: Uint8Array): void => void connection.receive(datagram);
  let connection!: Connection;
  await new Promise<void>((opened, failed) => {
    connection = clientConnection({ suites: [suite], psk: credentials }, systemEnv, {
      send: (datagram) => {
        sent = datagram;
        if (shaking) socket.send(datagram, port, '127.0.0.1');
      },
      emit: (event) => {
        if (event.type === 'data') received = event.data;
        else if (event.type === 'connected') opened();
        else if (event.type === 'closed') failed(event.error ?? new Error('the server ended the session'));
      },
    });
    socket.on('message', receive);
    connection.start();
  });
  socket.off('message', receive);
  shaking = false;
  return {
    seal: (message) => {
      connection.send(message);
      return sent;
    },
    open: (datagram) => {
      received = emptyBytes;
      connection.receive(datagram);
      return received;
    },
    // Its timer would keep the process for minutes.
    close: () => connection.close(),
  };
}
