import { join } from 'node:path';
import { Code, Endpoint, Method, pathOptions } from '../src/coap/index.ts';
import { utf8 } from '../src/core/bytes.ts';
import { udp } from '../src/transport/index.ts';
import { classPath, coapServer, python } from '../test/interop/tools.ts';
import { root } from '../test/support/fixtures.ts';
import { freePort } from '../test/support/ports.ts';
import { ForeignServer } from './foreign-server.ts';
import { temperature } from './requests.ts';
import type { Contender } from './throughput.ts';

const source = (name: string): string => join(root, 'bench', 'servers', name);

/** What starts servers of Californium, and its client; compiled as it starts. */
export const californium: readonly string[] = ['-cp', classPath, source('Californium.java')];

export type Foreign = Pick<Contender, 'name' | 'start' | 'prepare' | 'share'>;

/** libcoap's example server keeps what it is given. */
const libcoap: Foreign = {
  name: 'libcoap',
  start: async () => {
    const port = await freePort();
    return ForeignServer.start(coapServer, ['-A', '127.0.0.1', '-p', `${port}`, '-d', '10'], port, 'ping');
  },
  prepare: async (port) => {
    const endpoint = new Endpoint({ transport: await udp() });
    try {
      const peer = await endpoint.resolve('127.0.0.1', port);
      const { code } = await endpoint.request({ code: Method.PUT, options: pathOptions(['temperature']), payload: utf8(temperature), peer });
      if (code !== Code.Created) throw new Error(`expected 2.01 from libcoap, got code ${code}`);
    } finally {
      await endpoint.close();
    }
  },
};

const aiocoap: Foreign = {
  name: 'aiocoap',
  start: async () => {
    const port = await freePort();
    return ForeignServer.start(python, ['-W', 'ignore', source('aiocoap_get.py'), `${port}`, temperature], port, 'ping');
  },
  share: 0.1,
};

/** Its server has `/benchmark` too. */
export const californiumServer: Foreign = {
  name: 'californium',
  start: async () => {
    const port = await freePort();
    return ForeignServer.start('java', [...californium, 'serve', `${port}`, temperature], port, 'ping');
  },
};

export const foreignServers: readonly Foreign[] = [libcoap, aiocoap, californiumServer];
