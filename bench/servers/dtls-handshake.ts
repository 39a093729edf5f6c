/** Our DTLS server. Its argument is the key exchange: `psk`, or `rpk` with raw public keys of both sides. */
import { createSocket } from 'node:dgram';
import { systemEnv } from '../../src/core/env.ts';
import { DtlsServer, type DtlsServerConfig } from '../../src/dtls/index.ts';
import { type KeyExchangeName, pskOf, serverConfigs } from '../handshake-keys.ts';
import { serve } from './serve.ts';

// Handshakes with keys and identities that are wrong are measured, too.
const config: DtlsServerConfig = { ...serverConfigs[process.argv[2] as KeyExchangeName], failures: false };
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: (host, _options, done) => done(null, host, 4) });
const server = new DtlsServer<{ readonly key: string; readonly address: string; readonly port: number }>(config, systemEnv, {
  send: (datagram, { port, address }) => socket.send(datagram, port, address),
  emit: (event) => {
    if (event.type === 'psk-identity') {
      const key = pskOf(event.identity);
      if (key === undefined) event.connection.rejectPsk();
      else event.connection.providePsk(key);
    } else if (event.type === 'peer-key') event.connection.acceptPeer();
  },
});
socket.on('message', (datagram, { address, port }) => server.receive(datagram, { key: `${address}:${port}`, address, port }));
socket.bind(0, '127.0.0.1', () => serve(socket.address().port, () => server.close()));
