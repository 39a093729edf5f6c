/** Our endpoint with the resource of Californium's benchmarks: `/benchmark?rlen=N` has N bytes. */
import { ContentFormat, Endpoint, Router } from '../../src/coap/index.ts';
import { udp } from '../../src/transport/index.ts';
import { serve } from './serve.ts';

const router = new Router();
router.resource('/benchmark', {
  get: ({ query }) => {
    const length = Number(query.find((item) => item.startsWith('rlen='))?.slice('rlen='.length) ?? 0);
    return { payload: new Uint8Array(length).fill(0x2a), contentFormat: ContentFormat.TextPlain };
  },
});
const endpoint = new Endpoint({ transport: await udp({ bufferSize: 1 << 21 }), handler: router.handler });
serve(endpoint.local.port, () => endpoint.close());
