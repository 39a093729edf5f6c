import { type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { allowTargets, Code, Endpoint, Router } from '../../src/coap/index.ts';
import { concatAll, emptyBytes } from '../../src/core/bytes.ts';
import { Gateway, type GatewayEvent, type GatewayListener, type GatewayListenOptions, type GatewayOptions } from '../../src/gateway/index.ts';
import { udp } from '../../src/transport/index.ts';

export interface Got {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly text: string;
}

/** A server of CoAP that counts, and a gateway before it. */
export class GatewayNet {
  readonly events: GatewayEvent[] = [];
  readonly device: Endpoint;
  readonly upstream: Endpoint;
  readonly gateway: Gateway;
  readonly listener: GatewayListener;
  /** Requests that have come to the device. */
  asked = 0;

  private constructor(device: Endpoint, upstream: Endpoint, gateway: Gateway, listener: GatewayListener) {
    this.device = device;
    this.upstream = upstream;
    this.gateway = gateway;
    this.listener = listener;
  }

  static async open(options: Partial<GatewayOptions> = {}, listening: GatewayListenOptions = {}, router: Router = deviceRouter()): Promise<GatewayNet> {
    let net: GatewayNet | undefined;
    const device = new Endpoint({
      transport: await udp({ address: '127.0.0.1' }),
      handler: (request, reply) => {
        if (net !== undefined) net.asked++;
        router.handler(request, reply);
      },
    });
    const upstream = new Endpoint({ transport: await udp({ address: '127.0.0.1' }) });
    const gateway = new Gateway({
      authorize: false,
      allow: allowTargets(`127.0.0.1:${device.local.port}`),
      reverse: [{ path: '/things', target: `coap://127.0.0.1:${device.local.port}` }],
      upstreams: { coap: upstream },
      emit: (event) => net?.events.push(event),
      ...options,
    });
    net = new GatewayNet(device, upstream, gateway, await gateway.listen(listening));
    return net;
  }

  /** The request target that stands for a resource of the device. */
  hosting(path: string): string {
    return `/hc/coap://127.0.0.1:${this.device.local.port}${path}`;
  }

  send(path: string, options: ToSend = {}): Promise<Got> {
    return sendHttp(this.listener.port, path, options);
  }

  async close(): Promise<void> {
    await this.listener.close();
    this.gateway.close();
    await this.upstream.close();
    await this.device.close();
  }
}

/** A request of HTTP, on a connection of its own where no agent is named. */
export interface ToSend {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
  readonly agent?: Agent;
}

export function sendHttp(port: number, path: string, { method = 'GET', headers = {}, body, agent }: ToSend = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? false }, (incoming) => {
      const parts: Uint8Array[] = [];
      incoming.on('data', (part: Uint8Array) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const whole = concatAll(parts);
        resolve({
          status: incoming.statusCode!,
          reason: incoming.statusMessage!,
          headers: incoming.headers,
          body: whole,
          text: new TextDecoder().decode(whole),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export function deviceRouter(): Router {
  const router = new Router();
  let count = 0;
  let large: Uint8Array = emptyBytes;
  router.resource('/count', { get: () => `${++count}` });
  router.resource('/light', {
    get: () => ({ payload: 'on', contentFormat: 0, maxAge: 30, etag: Uint8Array.of(0xab) }),
    put: () => ({ code: Code.Changed }),
    delete: () => ({ code: Code.Deleted }),
  });
  router.resource('/large', {
    get: () => ({ payload: large, contentFormat: 42, maxAge: 0 }),
    put: ({ payload }) => {
      large = payload.slice();
      return { code: Code.Changed };
    },
  });
  router.resource('/log', { post: () => ({ code: Code.Created, location: '/log/7?v=2', payload: 'made' }) });
  router.resource('/silent', { get: () => new Promise(() => {}) });
  return router;
}
