/** Our endpoint with a resource of 1 MiB. */
import { Endpoint, Router } from '../../src/coap/index.ts';
import { udp } from '../../src/transport/index.ts';
import { mebibyte } from '../requests.ts';
import { serve } from './serve.ts';

const router = new Router();
const body = new Uint8Array(mebibyte).fill(0x61);
router.resource('/large', { get: () => body });
const transport = await udp({ bufferSize: 1 << 21 });
const endpoint = new Endpoint({ transport, handler: router.handler, blockwise: { maxBody: mebibyte, maxBytes: 4 * mebibyte }, amplification: 'unlimited' });
serve(endpoint.local.port, () => endpoint.close());
