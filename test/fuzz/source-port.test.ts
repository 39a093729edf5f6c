import assert from 'node:assert/strict';
import dgram, { type RemoteInfo, type Socket } from 'node:dgram';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Parties } from '../flows/parties.ts';
import { Simulator } from '../support/simulator.ts';

test('RFC 768: a datagram with source port 0 is dropped by the UDP transport, and the next is not', async () => {
  // Sockets cannot send from port 0, so the socket is made to tell of such a datagram.
  const createSocket = dgram.createSocket;
  let socket: Socket | undefined;
  dgram.createSocket = ((...args: Parameters<typeof createSocket>) => (socket = createSocket(...args))) as typeof createSocket;
  syncBuiltinESMExports();
  const { udp } = await import('../../src/transport/index.ts');
  const transport = await udp();
  try {
    const received: number[] = [];
    transport.start((_, peer) => received.push(peer.port));
    const remote: RemoteInfo = { address: '127.0.0.1', family: 'IPv4', port: 0, size: 4 };
    for (const port of [0, 5683, 0]) socket!.emit('message', Buffer.from('40010001', 'hex'), { ...remote, port });
    await turn();
    assert.deepEqual(received, [5683]);
  } finally {
    await transport.close();
    dgram.createSocket = createSocket;
    syncBuiltinESMExports();
  }
});

test('RFC 768: AS and RS answer no datagram with source port 0, whatever the transport lets through, and keep nothing of it', async () => {
  const parties = await new Parties(new Simulator({ seed: 1 })).start();
  const { simulator } = parties;
  const before = [parties.as.stats(), parties.rs.stats()];
  // A ping, a request, a request with an unknown critical option, something that is no message.
  for (const hex of ['40000001', '4001000201ff', '40010003bb2e77656c6c2d6b6e6f776e04636f7265', '400100047100', 'ff']) {
    for (const target of ['10.0.0.1:5683', '10.0.0.2:5683']) simulator.inject(Uint8Array.from(Buffer.from(hex, 'hex')), '192.0.2.1:0', target);
  }
  await simulator.sleep(1000);
  assert.equal(simulator.wire.filter(({ to }) => to === '192.0.2.1:0').length, 0);
  assert.deepEqual([parties.as.stats(), parties.rs.stats()], before);
  await parties.close();
});
