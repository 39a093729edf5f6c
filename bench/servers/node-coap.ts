/** The package `coap`, as its README has it. */
import { createSocket } from 'node:dgram';
import { createServer } from 'coap';
import { mebibyte, temperature } from '../requests.ts';
import { serve } from './serve.ts';

const probe = createSocket('udp4');
probe.bind(0, '127.0.0.1', () => {
  const { port } = probe.address();
  probe.close(() => {
    const body = Buffer.alloc(mebibyte, 0x61);
    const server = createServer((request, response) => response.end(request.url === '/large' ? body : temperature));
    server.listen(port, '127.0.0.1', () => serve(port, () => {}));
  });
});
