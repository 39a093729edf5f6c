import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { encodeTokenRequest, type TokenRequest } from '../../src/ace/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent, type AuthorizationServerOptions } from '../../src/as/index.ts';
import { Endpoint, echo, Method, OptionNumber, pathOptions, type Response, uintOption } from '../../src/coap/index.ts';
import { ContextTable, deriveContext, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';
import { clients, rs1, rs2 } from './support.ts';

export const asPeer = { key: '10.0.0.1:5684', address: '10.0.0.1', port: 5684 };

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
  async start(): Promise<AuthorizationServer> {
    await this.server?.close();
    this.server = new AuthorizationServer({
      store: this.store,
      profiles: [oscoreProfile],
      clients,
      resourceServers: [rs1, rs2],
      env: this.sim.env(`as ${this.#starts++}`),
      emit: (event) => this.events.push(event),
      ...this.#options,
    });
    await this.server.listen(this.sim.transport(asPeer.address, asPeer.port));
    return this.server;
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
    const { masterSecret, senderId, recipientId } = credentials;
    this.#context = deriveContext({ masterSecret: masterSecret!, senderId: recipientId!, recipientId: senderId! });
    contexts.add(this.#context);
    const layer = oscore({ contexts, store: { reserve: (id, count) => store.increment(id, count) }, env });
    this.#flow = flow;
    this.#endpoint = new Endpoint({ transport: flow.sim.transport('10.0.0.3', port), env, layers: [echo({}, env), layer] });
  }

  post(path: string, payload: Uint8Array, contentFormat = 19, code: number = Method.POST): Promise<Response> {
    return this.#flow.sim.finish(this.#send(path, payload, contentFormat, code));
  }

  #send(path: string, payload: Uint8Array, contentFormat: number, code: number): Promise<Response> {
    const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, contentFormat)];
    return this.#endpoint.request({ code, peer: asPeer, options, payload, association: this.#context });
  }

  token(request: TokenRequest): Promise<Response> {
    return this.post('token', encodeTokenRequest(request));
  }

  /** A token request that a test does not wait for: it lets time pass by itself. */
  tokenLater(request: TokenRequest): Promise<Response> {
    return this.#send('token', encodeTokenRequest(request), 19, Method.POST);
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }
}
