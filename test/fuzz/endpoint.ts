import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Code, Endpoint, encodeMessage, type Message, MessageType, Method, OptionNumber, pathOptions, Router, uintOption } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { udp } from '../../src/transport/index.ts';
import { mutateDatagram } from './mutate.ts';
import type { Target } from './target.ts';

const con = { type: MessageType.CON, id: 1, token: Uint8Array.of(1, 2), payload: new Uint8Array(0) };
const requests: readonly Message[] = [
  { ...con, code: Method.GET, options: pathOptions(['.well-known', 'core']) },
  { ...con, code: Method.GET, options: [uintOption(OptionNumber.Observe, 0), ...pathOptions(['value'])] },
  { ...con, code: Method.GET, options: [...pathOptions(['large']), uintOption(OptionNumber.Block2, (3 << 4) | 2)] },
  { ...con, code: Method.PUT, options: [...pathOptions(['value']), uintOption(OptionNumber.Block1, 8)], payload: utf8('sixteen bytes...') },
  { ...con, code: Method.POST, type: MessageType.NON, options: pathOptions(['value']), payload: utf8('more') },
  { ...con, code: Method.FETCH, options: [...pathOptions(['value']), uintOption(OptionNumber.ContentFormat, 60)], payload: utf8('a') },
  { ...con, code: 0, token: new Uint8Array(0), options: [] },
  { ...con, code: Code.Content, type: MessageType.ACK, options: [uintOption(OptionNumber.MaxAge, 5)], payload: utf8('answer') },
];

/** A whole endpoint behind a socket: it has to answer a well-behaved client after each handful of mutated datagrams. */
export async function endpointTarget(): Promise<Target> {
  const faults: unknown[] = [];
  const router = new Router({ emit: (event) => faults.push(event) });
  let value = 'value';
  router.resource('/value', {
    get: () => value,
    put: (request) => {
      value = `put ${request.payload.length}`;
      return undefined;
    },
    post: () => undefined,
    fetch: () => 'fetched',
    observable: true,
  });
  router.resource('/large', { get: () => new Uint8Array(5000) });
  router.resource('/alive', { get: () => 'alive' });
  const emit = (event: { readonly type: string }): void => {
    if (event.type === 'failed') faults.push(event);
  };
  const endpoint = new Endpoint({ transport: await udp({ bufferSize: 1 << 21 }), handler: router.handler, emit });
  const client = new Endpoint({ transport: await udp() });
  const server = await client.resolve('127.0.0.1', endpoint.local.port);
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    name: 'endpoint behind a socket',
    seeds: requests.map((message) => encodeMessage(message)),
    mutate: mutateDatagram,
    run: (input) => {
      if (input.length > 0 && input.length < 60_000) socket.send(input, server.port, '127.0.0.1');
    },
    settle: async () => {
      const response = await client.request({ peer: server, options: pathOptions(['alive']) });
      assert.equal(fromUtf8(response.payload), 'alive');
      assert.deepEqual(faults, []);
    },
    close: async () => {
      socket.close();
      await client.close();
      await endpoint.close();
    },
  };
}
