/** The floor: what a datagram in and a datagram out cost on Node, with nothing between. */
import { createSocket } from 'node:dgram';
import { serve } from './serve.ts';

const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 21, sendBufferSize: 1 << 21, lookup: (host, _options, done) => done(null, host, 4) });
socket.on('message', (datagram, remote) => socket.send(datagram, remote.port, remote.address));
socket.bind(0, '127.0.0.1', () => serve(socket.address().port, () => void socket.close()));
