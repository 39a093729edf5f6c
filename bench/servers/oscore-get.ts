/** Our endpoint with a resource, for requests over OSCORE only. */
import { Code, Endpoint, type Handler, Router } from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../../src/oscore/index.ts';
import { udp } from '../../src/transport/index.ts';
import { oscoreKeys, otherSide, temperature } from '../requests.ts';
import { serve } from './serve.ts';

const router = new Router();
router.resource('/temperature', { get: () => temperature });
const handler: Handler = (request, reply) => {
  if (request.association === undefined) reply.respond({ code: Code.Unauthorized, options: [], payload: emptyBytes });
  else router.handler(request, reply);
};

const contexts = new ContextTable();
contexts.add(deriveContext(otherSide(oscoreKeys(0))));
// The answers use the nonces of their requests; a number of its own is never asked for.
const store = { reserve: (): Promise<number> => Promise.reject(new Error('the bench reserves no sequence numbers')) };
const endpoint = new Endpoint({ transport: await udp({ bufferSize: 1 << 21 }), handler, layers: [oscore({ contexts, store, env: systemEnv })] });
serve(endpoint.local.port, () => endpoint.close());
