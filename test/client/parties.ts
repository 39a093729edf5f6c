import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent, type AuthorizationServerOptions, type ResourceServerRegistration } from '../../src/as/index.ts';
import { AceClient, type AceClientEvent, type AceClientOptions } from '../../src/client/index.ts';
import type { TokenKey } from '../../src/core/cwt.ts';
import { ResourceServer, type ResourceServerEvent, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator, type SimulatorOptions } from '../support/simulator.ts';

export const asUri = 'coap://10.0.0.1/token';
export const rsUri = 'coap://10.0.0.2';
export const tokenKey: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } };

const scopes = { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] }, p_log: { '/log': ['POST'] } };

export interface PartiesOptions {
  readonly simulator?: SimulatorOptions;
  readonly grant?: string | readonly (readonly [string, number])[];
  readonly rs?: Partial<ResourceServerOptions>;
  readonly rsAtAs?: Partial<ResourceServerRegistration>;
  readonly as?: Partial<AuthorizationServerOptions>;
  readonly client?: Partial<AceClientOptions>;
}

/** An AS, an RS and clients in one process, on a simulated network; each role can be stopped and started anew with what its store has. */
export class Parties {
  readonly simulator: Simulator;
  readonly stores: { as: Store; rs: Store; client: Store };
  readonly asEvents: AuthorizationServerEvent[] = [];
  readonly rsEvents: ResourceServerEvent[] = [];
  readonly clientEvents: AceClientEvent[] = [];
  /** `GET /temperature`, in the order in which the handlers ran. */
  readonly handled: string[] = [];
  led = 'off';
  temperature = '21.5';
  changed: () => void = () => {};
  as!: AuthorizationServer;
  rs!: ResourceServer;
  client!: AceClient;
  readonly #options: PartiesOptions;
  #runs = 0;
  #ports = 40_000;

  constructor(options: PartiesOptions = {}) {
    this.#options = options;
    this.simulator = new Simulator(options.simulator ?? {});
    this.stores = { as: memoryStore({ env: this.simulator.env() }), rs: memoryStore(), client: memoryStore() };
  }

  async start(): Promise<this> {
    await this.startAs();
    await this.startRs();
    this.client = this.newClient();
    return this;
  }

  async startAs(): Promise<void> {
    const grant = this.#options.grant ?? 'r_temp w_led';
    this.as = new AuthorizationServer({
      store: this.stores.as,
      profiles: [oscoreProfile],
      clients: [
        {
          id: 'c1',
          profile: 2,
          credentials: { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(0xa0), recipientId: Uint8Array.of(0xc0) },
          grants: [{ audience: 'rs1', scope: grant }],
        },
      ],
      resourceServers: [
        {
          id: 'rs1',
          audiences: ['rs1'],
          profiles: [2],
          tokenKeys: [tokenKey],
          profile: 2,
          credentials: { masterSecret: new Uint8Array(16).fill(2), senderId: Uint8Array.of(0xa0), recipientId: Uint8Array.of(0xd0) },
          ...this.#options.rsAtAs,
        },
      ],
      // A process that starts anew has other randomness than the one before.
      env: this.simulator.env(`as ${++this.#runs}`),
      emit: (event) => this.asEvents.push(event),
      ...this.#options.as,
    });
    await this.as.listen(this.simulator.transport('10.0.0.1', 5683));
  }

  async startRs(): Promise<void> {
    this.rs = new ResourceServer({
      audience: 'rs1',
      issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
      profiles: [oscoreProfile],
      store: this.stores.rs,
      scopes,
      env: this.simulator.env(`rs ${++this.#runs}`),
      emit: (event) => this.rsEvents.push(event),
      ...this.#options.rs,
    });
    const handle = this.rs.resource('/temperature', {
      observable: true,
      get: () => {
        this.handled.push('GET /temperature');
        return this.temperature;
      },
    });
    this.changed = () => handle.changed();
    this.rs.resource('/led', {
      get: () => this.led,
      put: (request) => {
        this.handled.push('PUT /led');
        this.led = request.text();
        return undefined;
      },
    });
    this.rs.resource('/log', {
      post: () => {
        this.handled.push('POST /log');
        return undefined;
      },
    });
    this.rs.resource('/open', { get: () => 'for all' });
    await this.rs.listen(this.simulator.transport('10.0.0.2', 5683));
  }

  /** A client process: the same keys and store as every other. */
  newClient(options: Partial<AceClientOptions> = {}): AceClient {
    return new AceClient({
      transport: this.simulator.transport('10.0.0.3', this.#ports++),
      store: this.stores.client,
      profiles: [oscoreProfile],
      authorizationServers: [
        { uri: asUri, credentials: { masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(0xc0), recipientId: Uint8Array.of(0xa0) } },
      ],
      env: this.simulator.env(`client ${++this.#runs}`),
      emit: (event) => this.clientEvents.push(event),
      ...this.#options.client,
      ...options,
    });
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  /** The steps of the client so far; they start anew. */
  steps(): string[] {
    const steps = this.clientEvents.flatMap((event) => (event.type === 'step' ? [event.step as string] : []));
    this.clientEvents.length = 0;
    return steps;
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.rs.close();
    await this.as.close();
  }
}
