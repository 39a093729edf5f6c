/** Our endpoint with a resource. */
import { Endpoint, Router } from '../../src/coap/index.ts';
import { udp } from '../../src/transport/index.ts';
import { temperature } from '../requests.ts';
import { serve } from './serve.ts';

const router = new Router();
router.resource('/temperature', { get: () => temperature });
const endpoint = new Endpoint({ transport: await udp({ bufferSize: 1 << 21 }), handler: router.handler });
serve(endpoint.local.port, () => endpoint.close());
