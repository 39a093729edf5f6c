/** Our endpoint with a resource, for requests in DTLS sessions. */
import { Endpoint, Router } from '../../src/coap/index.ts';
import { authenticatorOf, dtls } from '../../src/transport/index.ts';
import { psk, suite } from '../dtls.ts';
import { temperature } from '../requests.ts';
import { serve } from './serve.ts';

const router = new Router();
router.resource('/temperature', { get: () => temperature });
const transport = await dtls({ bufferSize: 1 << 21, server: { suites: [suite], psk: {} }, authenticator: authenticatorOf({ psk: [psk] }) });
const endpoint = new Endpoint({ transport, handler: router.handler });
serve(endpoint.local.port, () => endpoint.close());
