import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe, test } from 'node:test';
import { type EchoLayer, Endpoint, echo, type Layer, Method, type Request, type Upstream } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { udp } from '../../src/transport/index.ts';
import { deviceRouter, type Got, sendHttp } from './support.ts';

const masterSecret = new Uint8Array(16).fill(7);
const [gatewayId, deviceId] = [Uint8Array.of(1), Uint8Array.of(2)];

function protection(senderId: Uint8Array, recipientId: Uint8Array) {
  const association = deriveContext({ masterSecret, senderId, recipientId });
  const contexts = new ContextTable();
  contexts.add(association);
  let sequence = 0;
  const store = { reserve: async (_key: string, count: number): Promise<number> => (sequence += count) - count };
  return { association, layer: oscore({ contexts, store, env: systemEnv }) };
}

/** A device that takes a PUT only when it is fresh, and a gateway before it whose clock can be put on. */
async function net(isProtected: boolean) {
  const shift = { milliseconds: 0 };
  const env = { ...systemEnv, now: () => systemEnv.now() + shift.milliseconds };
  const seen: string[] = [];
  const echoes: EchoLayer[] = [];
  const echoing = (...args: Parameters<typeof echo>): EchoLayer => {
    const layer = echo(...args);
    echoes.push(layer);
    return layer;
  };
  const required = ({ code }: Request): boolean => code === Method.PUT;
  const router = deviceRouter();
  const [ofDevice, ofGateway] = [protection(deviceId, gatewayId), protection(gatewayId, deviceId)];
  const deviceLayers: Layer[] = isProtected
    ? [echoing({ freshness: { required } }, systemEnv), ofDevice.layer]
    : [echoing({ name: 'outer', freshness: { required } }, systemEnv)];
  const device = new Endpoint({
    transport: await udp({ address: '127.0.0.1' }),
    layers: deviceLayers,
    handler: (request, reply) => {
      seen.push(request.code === Method.PUT ? 'PUT' : 'GET');
      router.handler(request, reply);
    },
  });
  const endpoint = new Endpoint({
    transport: await udp({ address: '127.0.0.1' }),
    layers: isProtected ? [echoing({}, systemEnv), ofGateway.layer] : [],
  });
  const coap: Upstream = {
    requester: (request, listener) => endpoint.requester(isProtected ? { association: ofGateway.association, ...request } : request, listener),
    resolve: (host, port) => endpoint.resolve(host, port),
  };
  const gateway = new Gateway({
    authorize: false,
    reverse: [{ path: '/things', target: `coap://127.0.0.1:${device.local.port}` }],
    upstreams: { coap },
    cache: false,
    env,
  });
  const listener = await gateway.listen();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method: string): Promise<Got> => sendHttp(listener.port, '/things/light', { method, agent });
  const close = async (): Promise<void> => {
    agent.destroy();
    await listener.close();
    gateway.close();
    for (const layer of echoes) layer.close();
    await endpoint.close();
    await device.close();
  };
  return { shift, seen, send, close };
}

describe('RFC 9175 2.3: challenges behind a gateway', () => {
  for (const isProtected of [true, false]) {
    test(`${isProtected ? 'over OSCORE' : 'without protection'}: answered for who has just connected; an unsafe request that may be old is not repeated, and its connection ends`, async (t) => {
      const { shift, seen, send, close } = await net(isProtected);
      t.after(close);
      assert.equal((await send('PUT')).status, 204);
      assert.deepEqual(seen, ['PUT']);
      shift.milliseconds += 11_000;
      assert.equal((await send('GET')).status, 200);
      const refused = await send('PUT');
      assert.deepEqual([refused.status, refused.headers['retry-after'], refused.headers.connection], [503, '0', 'close']);
      assert.deepEqual(seen, ['PUT', 'GET']);
      // What it does next is on a new connection.
      assert.equal((await send('PUT')).status, 204);
      assert.deepEqual(seen, ['PUT', 'GET', 'PUT']);
    });
  }
});
