/** The package `coap`, as its README has it. */
import { createSocket } from 'node:dgram';
import { createServer } from 'coap';
import { temperature } from '../requests.ts';
import { serve } from './serve.ts';

const probe = createSocket('udp4');
probe.bind(0, '127.0.0.1', () => {
  const { port } = probe.address();
  probe.close(() => {
    const server = createServer((_request, response) => response.end(temperature));
    server.listen(port, '127.0.0.1', () => serve(port, () => {}));
  });
});
