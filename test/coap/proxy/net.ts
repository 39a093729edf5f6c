import {
  allowTargets,
  Code,
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  type Handler,
  Method,
  type Option,
  OptionNumber,
  type OutgoingRequest,
  opaqueOption,
  type Peer,
  type ProxyEvent,
  type ProxyOptions,
  ProxyServer,
  pathOptions,
  type Reply,
  type Request,
  type Response,
  sortOptions,
  stringOption,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { Simulator, type SimulatorOptions } from '../../support/simulator.ts';

export const originUri = 'coap://10.0.0.9';
export const proxyUri = 'coap://10.0.0.5';

/** A response as an origin server writes it. */
export function answer(payload: string | Uint8Array, fields: { code?: number; maxAge?: number; etag?: string; options?: readonly Option[] } = {}): Response {
  const { code = Code.Content, maxAge, etag, options = [] } = fields;
  const more = [
    ...(maxAge === undefined ? [] : [uintOption(OptionNumber.MaxAge, maxAge)]),
    ...(etag === undefined ? [] : [opaqueOption(OptionNumber.ETag, utf8(etag))]),
  ];
  return { code, options: sortOptions([...options, ...more]), payload: typeof payload === 'string' ? utf8(payload) : payload };
}

export const etag = (text: string): Option => opaqueOption(OptionNumber.ETag, utf8(text));

export function text(response: Response): string {
  return fromUtf8(response.payload);
}

export function maxAgeOf(response: Response): number | undefined {
  return uintOf(response.options, OptionNumber.MaxAge);
}

/** An origin server whose answers nobody may keep. */
export const ok = (_request: Request, reply: Reply): void => reply.respond(answer('ok', { maxAge: 0 }));

/** A client, a proxy and an origin server on a simulated network. */
export class ProxyNet {
  readonly sim: Simulator;
  readonly client: Endpoint;
  readonly proxy: ProxyServer;
  readonly proxyEndpoint: Endpoint;
  readonly origin: Endpoint;
  readonly events: ProxyEvent[] = [];
  readonly faults: EndpointEvent[] = [];
  /** What the origin server was asked. */
  readonly asked: Request[] = [];
  readonly proxyPeer: Peer;

  constructor(
    serve: Handler,
    options: {
      readonly proxy?: ProxyOptions;
      readonly endpoint?: Partial<EndpointOptions>;
      readonly network?: SimulatorOptions;
      readonly origin?: string;
    } = {},
  ) {
    this.sim = new Simulator({ seed: 3, ...options.network });
    const emit = (event: EndpointEvent): void => {
      if (event.type === 'failed') this.faults.push(event);
    };
    this.client = this.endpoint('10.0.0.1');
    this.proxy = new ProxyServer({
      forward: { allow: allowTargets('10.0.0.9', 'origin.example', '10.0.0.8') },
      env: this.sim.env('cache'),
      emit: (event) => this.events.push(event),
      ...options.proxy,
    });
    this.proxyEndpoint = this.endpoint('10.0.0.5', { proxying: this.proxy, emit, ...options.endpoint });
    this.origin = this.endpoint(options.origin ?? '10.0.0.9', {
      emit,
      handler: (request, reply) => {
        this.asked.push(request);
        serve(request, reply);
      },
    });
    this.proxyPeer = this.sim.peer('10.0.0.5', 5683);
  }

  endpoint(address: string, options: Partial<EndpointOptions> = {}, port = 5683): Endpoint {
    return new Endpoint({ transport: this.sim.transport(address, port), env: this.sim.env(address), parameters: { nstart: 16 }, ...options });
  }

  /** A request by Proxy-Uri. */
  ask(uri: string, fields: Partial<Omit<OutgoingRequest, 'peer'>> = {}, client: Endpoint = this.client): Promise<Response> {
    const options = sortOptions([stringOption(OptionNumber.ProxyUri, uri), ...(fields.options ?? [])]);
    return this.sim.finish(client.request({ ...fields, peer: this.proxyPeer, options }), 1_000_000);
  }

  /** A request for a path of the origin, by Proxy-Scheme. */
  get(path: string, ...options: readonly Option[]): Promise<Response> {
    return this.send(Method.GET, path, '', ...options);
  }

  send(code: number, path: string, payload: string | Uint8Array = '', ...options: readonly Option[]): Promise<Response> {
    const body = typeof payload === 'string' ? utf8(payload) : payload;
    const segments = path === '' ? [] : path.split('/');
    const request = { code, peer: this.sim.peer('10.0.0.9', 5683), options: sortOptions([...pathOptions(segments), ...options]), payload: body };
    return this.sim.finish(this.client.request(request, { proxy: proxyUri }), 1_000_000);
  }

  /** A request that the proxy gets as it is. */
  plain(fields: Partial<Omit<OutgoingRequest, 'peer'>>): Promise<Response> {
    return this.sim.finish(this.client.request({ payload: emptyBytes, ...fields, peer: this.proxyPeer }), 1_000_000);
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.proxyEndpoint.close();
    await this.origin.close();
  }
}
