import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createServer, type IncomingMessage, type OutgoingMessage } from 'coap';
import type { Resources, Target } from '../../src/conformance/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { root } from '../support/fixtures.ts';
import { freePort, freePortPair } from '../support/ports.ts';
import type { Californium } from './californium.ts';
import { Background } from './processes.ts';
import { coapServer, python } from './tools.ts';

/** A peer that is checked: how it is started, what the checker is told of it, and what of that is not the peer's but its application's. */
export interface ConformancePeer {
  /** As in the findings. */
  readonly name: string;
  /** Cases about what the peer leaves to the application, which is ours here. */
  readonly except: readonly string[];
  start(t: TestContext): Promise<Target>;
}

const psk = { identity: utf8('client'), key: utf8('sesame') };

const libcoapResources: Resources = {
  get: '/',
  put: '/example_data',
  observe: '/time',
  large: '/example_data',
  largePut: '/example_data',
  separate: '/async?1',
};

const plainResources: Resources = {
  get: '/hello',
  put: '/value',
  observe: '/value',
  change: '/value',
  large: '/large',
  largePut: '/large',
  separate: '/separate',
};

async function libcoapDtls(t: TestContext, build: string): Promise<Target> {
  const port = await freePortPair();
  new Background(t, `coap-server-${build}`, ['-A', '127.0.0.1', '-p', String(port), '-k', 'sesame', '-h', 'hint']);
  return { coaps: `coaps://127.0.0.1:${port + 1}`, dtls: { psk }, resources: { get: '/' } };
}

/** A node-coap program with a resource of each kind that the checker asks for. */
function nodeCoap(t: TestContext): Promise<number> {
  const values = new Map<string, Buffer>([
    ['/value', Buffer.from('empty')],
    ['/large', Buffer.from('x'.repeat(300))],
  ]);
  const observers = new Set<OutgoingMessage>();
  const server = createServer((request: IncomingMessage, response: OutgoingMessage) => {
    const [path] = request.url.split('?') as [string];
    const value = path === '/hello' ? Buffer.from('Hello World!') : values.get(path);
    if (path === '/separate') setTimeout(() => response.end('late'), 500);
    else if (value === undefined) finish(response, '4.04');
    else if (request.method === 'PUT' && path !== '/hello') {
      values.set(path, request.payload);
      finish(response, '2.04');
      if (path === '/value') for (const observer of observers) observer.write(request.payload);
    } else if (request.method !== 'GET') finish(response, '4.05');
    else if (!['text/plain', undefined].includes(request.headers.Accept as string | undefined)) finish(response, '4.06');
    else {
      response.setOption('Content-Format', 'text/plain');
      if (path !== '/value' || request.headers.Observe !== 0) response.end(value);
      else {
        observers.add(response);
        response.on('finish', () => observers.delete(response));
        response.write(value);
      }
    }
  });
  return freePort().then(
    (port) =>
      new Promise((resolve) => {
        server.listen(port, '127.0.0.1', () => resolve(port));
        t.after(() => new Promise<void>((closed) => server.close(() => closed())));
      }),
  );
}

function finish(response: OutgoingMessage, code: string): void {
  response.code = code;
  response.end();
}

export function conformancePeers(californium: Californium): readonly ConformancePeer[] {
  return [
    {
      name: 'libcoap',
      // Formats, conditions and entity-tags are the example program's.
      except: ['coap-opt-12', 'coap-opt-13', 'coap-opt-14', 'block-04'],
      start: async (t) => {
        const port = await freePort();
        new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
        return { coap: `coap://127.0.0.1:${port}`, tcp: `coap+tcp://127.0.0.1:${port}`, resources: libcoapResources };
      },
    },
    { name: 'libcoap with OpenSSL', except: [], start: (t) => libcoapDtls(t, 'openssl') },
    { name: 'libcoap with GnuTLS', except: [], start: (t) => libcoapDtls(t, 'gnutls') },
    {
      name: 'aiocoap',
      except: [],
      start: async (t) => {
        const port = await freePort();
        const server = new Background(t, python, [join(root, 'test', 'interop', 'aiocoap', 'conformance_server.py'), '--port', String(port)]);
        await server.line();
        return { coap: `coap://127.0.0.1:${port}`, tcp: `coap+tcp://127.0.0.1:${port}`, resources: { ...plainResources, etag: '/hello' } };
      },
    },
    {
      name: 'node-coap',
      // Conditions and discovery are the program's.
      except: ['coap-opt-13', 'coap-opt-14', 'disc-01'],
      start: async (t) => ({ coap: `coap://127.0.0.1:${await nodeCoap(t)}`, resources: plainResources }),
    },
    {
      name: 'Californium',
      // The formats and entity-tags of a resource are the program's.
      except: ['coap-opt-12', 'block-04'],
      start: async (t) => ({
        coap: `coap://127.0.0.1:${await californium.serve(t)}`,
        tcp: `coap+tcp://127.0.0.1:${await californium.serve(t, undefined, { transport: 'tcp' })}`,
        resources: { get: '/oscore/hello/coap', put: '/value', observe: '/clock', large: '/large', largePut: '/large', separate: '/slow' },
      }),
    },
    {
      name: 'Scandium',
      except: [],
      start: async (t) => {
        const dtls = { suite: 'TLS_PSK_WITH_AES_128_CCM_8', psk: { identity: 'client', key: '736573616d65' }, connectionIdLength: 4 };
        return { coaps: `coaps://127.0.0.1:${await californium.serve(t, undefined, { dtls })}`, dtls: { psk }, resources: { get: '/oscore/hello/coap' } };
      },
    },
  ];
}
