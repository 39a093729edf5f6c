/** Our gateway before a device that takes OSCORE only, whose port on 127.0.0.1 is the argument. Nothing is stored, so that each request goes through. */
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
const endpoint = new Endpoint({ transport: await udp({ address: '127.0.0.1' }), layers: [challenges, oscore({ contexts, store, env: systemEnv })] });
const coap: Upstream = {
  requester: (request, listener) => endpoint.requester({ association, ...request }, listener),
  resolve: (host, port) => endpoint.resolve(host, port),
};
const gateway = new Gateway({
  authorize: false,
  reverse: [{ path: '/device', target: `coap://127.0.0.1:${process.argv[2]}` }],
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
