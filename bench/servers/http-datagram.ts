/** The floor of a gateway: what HTTP in and out and a datagram out and in cost on Node, with nothing between. The argument is the port of who answers on 127.0.0.1. */
import { createSocket } from 'node:dgram';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from './serve.ts';

const device = Number(process.argv[2]);
/** As long as a protected request. */
const datagram = new Uint8Array(36);
const waiting: ServerResponse[] = [];
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 21, sendBufferSize: 1 << 21, lookup: (host, _options, done) => done(null, host, 4) });
socket.on('message', () => waiting.shift()!.writeHead(200, { 'content-type': 'text/plain' }).end('21.5'));
const server = createServer((_request, response) => {
  waiting.push(response);
  socket.send(datagram, device, '127.0.0.1');
});
socket.bind(0, '127.0.0.1', () =>
  server.listen(0, '127.0.0.1', () =>
    serve((server.address() as AddressInfo).port, () => {
      server.close();
      socket.close();
    }),
  ),
);
