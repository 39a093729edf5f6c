import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { encodeTokenRequest, type TokenRequest } from '../../src/ace/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent, type AuthorizationServerOptions } from '../../src/as/index.ts';
import { Endpoint, echo, Method, OptionNumber, type Peer, pathOptions, type Response, uintOption } from '../../src/coap/index.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { clients, rs1, rs2 } from './support.ts';

export const asPeer: Peer = { key: '10.0.0.1:5684', address: '10.0.0.1', port: 5684 };

/** An AS on a simulated network. */
export class Flow {
  readonly sim: Simulator;
  readonly store: Store;
  readonly events: AuthorizationServerEvent[] = [];
  readonly #options: Partial<AuthorizationServerOptions>;
  #starts = 0;
  server: AuthorizationServer | undefined;

  constructor(options: Partial<AuthorizationServerOptions> = {}, simulation: SimulatorOptions = {}) {
    this.#options = options;
    this.sim = new Simulator(simulation);
    this.store = memoryStore({ env: this.sim.env() });
  }

  /** Start the AS, or start it again. */
  start(): Promise<AuthorizationServer> {
    return this.startWith({});
  }

  /** The same with other options. */
  async startWith(options: Partial<AuthorizationServerOptions>): Promise<AuthorizationServer> {
    await this.server?.close();
    this.server = await this.startAt(asPeer, options);
    return this.server;
  }

  /** Another process of the AS, with the same store. */
  async startAt({ address, port }: Peer, options: Partial<AuthorizationServerOptions> = {}): Promise<AuthorizationServer> {
    const server = new AuthorizationServer({
      store: this.store,
      profiles: [oscoreProfile],
      clients,
      resourceServers: [rs1, rs2],
      env: this.sim.env(`as ${this.#starts++}`),
      emit: (event) => this.events.push(event),
      ...this.#options,
      ...options,
    });
    await server.listen(this.sim.transport(address, port));
    return server;
  }

  stranger(port: number): Endpoint {
    return new Endpoint({ transport: this.sim.transport('10.0.0.2', port), env: this.sim.env(`stranger ${port}`) });
  }

  /** A peer of the AS with its half of the pre-established context. */
  peer(credentials: unknown, port: number): Party {
    return new Party(this, credentials as Readonly<Record<string, Uint8Array>>, port);
  }

  reasons(): string[] {
    return this.events.flatMap((event) => ('reason' in event ? [`${event.type} ${event.reason}`] : []));
  }
}

export class Party {
  readonly #flow: Flow;
  readonly #endpoint: Endpoint;
  readonly #context: SecurityContext;

  constructor(flow: Flow, credentials: Readonly<Record<string, Uint8Array>>, port: number) {
    const env = flow.sim.env(`party ${port}`);
    const store = memoryStore();
    const contexts = new ContextTable();
    const { masterSecret, senderId, recipientId, idContext } = credentials;
    this.#context = deriveContext({
      masterSecret: masterSecret!,
      senderId: recipientId!,
      recipientId: senderId!,
      ...(idContext === undefined ? {} : { idContext }),
    });
    contexts.add(this.#context);
    const layer = oscore({ contexts, store: { reserve: (id, count) => store.increment(id, count) }, env });
    this.#flow = flow;
    this.#endpoint = new Endpoint({ transport: flow.sim.transport('10.0.0.3', port), env, layers: [echo({}, env), layer] });
  }

  post(path: string, payload: Uint8Array, contentFormat = 19, code: number = Method.POST, peer: Peer = asPeer): Promise<Response> {
    return this.#flow.sim.finish(this.#send(path, payload, contentFormat, code, peer));
  }

  #send(path: string, payload: Uint8Array, contentFormat: number, code: number, peer: Peer): Promise<Response> {
    const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, contentFormat)];
    return this.#endpoint.request({ code, peer, options, payload, association: this.#context });
  }

  token(request: TokenRequest, peer?: Peer): Promise<Response> {
    return this.post('token', encodeTokenRequest(request), 19, Method.POST, peer);
  }

  /** A token request that a test does not wait for: it lets time pass by itself. */
  tokenLater(request: TokenRequest): Promise<Response> {
    return this.#send('token', encodeTokenRequest(request), 19, Method.POST, asPeer);
  }

  /** Observe a resource of the AS. */
  observe(path: string, heard: (response: Response) => void): void {
    const stream = this.#endpoint.observe({ peer: asPeer, options: pathOptions(path.split('/')), association: this.#context });
    void (async () => {
      for await (const response of stream) heard(response);
    })().catch(() => {});
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }
}
