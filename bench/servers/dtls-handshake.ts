/** Our DTLS server. Its argument is the key exchange: `psk`, or `rpk` with raw public keys of both sides. */
import { createSocket } from 'node:dgram';
import type { Peer } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { DtlsServer, type DtlsServerConfig } from '../../src/dtls/index.ts';
import { PeerTable } from '../../src/transport/peers.ts';
import { type KeyExchangeName, pskOf, serverConfigs } from '../handshake-keys.ts';
import { serve } from './serve.ts';

// Handshakes with keys and identities that are wrong are measured, too.
const config: DtlsServerConfig = { ...serverConfigs[process.argv[2] as KeyExchangeName], failures: false };
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: (host, _options, done) => done(null, host, 4) });
const server = new DtlsServer<Peer>(config, systemEnv, {
  send: (datagram, { port, address }) => socket.send(datagram, port, address),
  emit: (event) => {
    if (event.type === 'psk-identity') {
      const key = pskOf(event.identity);
      if (key === undefined) event.connection.rejectPsk();
      else event.connection.providePsk(key);
    } else if (event.type === 'peer-key') event.connection.acceptPeer();
  },
});
// As the transport coaps:// has them.
const peers = new PeerTable(8192);
socket.on('message', (datagram, { address, port }) => server.receive(datagram, peers.get(address, port)));
socket.bind(0, '127.0.0.1', () => serve(socket.address().port, () => server.close()));
