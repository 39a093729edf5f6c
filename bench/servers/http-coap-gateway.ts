/**
 * Our gateway before a device that takes OSCORE only. Nothing is stored, so that each request goes through. Arguments: the device's port on 127.0.0.1, and up to
 * what NSTART adjusts; without it NSTART is 1.
 */
import { Endpoint, echo, type Upstream } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { udp } from '../../src/transport/index.ts';
import { firstSequence, oscoreKeys } from '../requests.ts';
import { serve } from './serve.ts';

const association = deriveContext(oscoreKeys(0));
const contexts = new ContextTable();
contexts.add(association);
let sequence = firstSequence;
const store = { reserve: async (_key: string, count: number): Promise<number> => (sequence += count) - count };
const challenges = echo({}, systemEnv);
const [, , device, nstartLimit = '1'] = process.argv;
const endpoint = new Endpoint({
  transport: await udp({ address: '127.0.0.1' }),
  layers: [challenges, oscore({ contexts, store, env: systemEnv })],
  parameters: { nstartLimit: Number(nstartLimit) },
});
const coap: Upstream = {
  requester: (request, listener) => endpoint.requester({ association, ...request }, listener),
  resolve: (host, port) => endpoint.resolve(host, port),
};
const gateway = new Gateway({
  authorize: false,
  reverse: [{ path: '/device', target: `coap://127.0.0.1:${device}` }],
  upstreams: { coap },
  cache: false,
});
const listener = await gateway.listen();
serve(listener.port, async () => {
  await listener.close();
  gateway.close();
  challenges.close();
  await endpoint.close();
});
