import { oscoreProfile } from '../../profiles/oscore/index.ts';
import type { ProfileEvent, ScopeTable } from '../../src/ace/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent, type AuthorizationServerOptions, type GrantRegistration } from '../../src/as/index.ts';
import { AceClient, type AceClientEvent, type AceClientOptions } from '../../src/client/index.ts';
import type { DatagramTransport, TransmissionParameters } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { symmetricKey, type TokenKey } from '../../src/core/cwt.ts';
import type { SecurityContext } from '../../src/oscore/index.ts';
import { ResourceServer, type ResourceServerEvent, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { SeededRandom } from '../support/random.ts';
import type { Simulator } from '../support/simulator.ts';
import { MortalStore } from './mortal-store.ts';

export const asUri = 'coap://10.0.0.1:5683/token';
export const rsUri = 'coap://10.0.0.2:5683';
export const asAddress = '10.0.0.1:5683';
export const rsAddress = '10.0.0.2:5683';

export const tokenKey: TokenKey = symmetricKey('AES-CCM-16-64-128', fromHex('000102030405060708090a0b0c0d0e0f'));

export const scopes: ScopeTable = {
  r_temp: { '/temperature': ['GET'] },
  r_led: { '/led': ['GET'] },
  w_led: { '/led': ['GET', 'PUT'] },
  p_log: { '/log': ['POST'] },
  large: { '/large': ['GET', 'PUT'] },
};
const allScopes = Object.keys(scopes).join(' ');

/** The parameters of a context with the AS. */
interface Credentials {
  readonly masterSecret: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
}

/** A client's key with the AS, from the side of the AS. */
export function clientKeyAtAs(number: number): Credentials {
  return { masterSecret: new Uint8Array(16).fill(0x10 + number), senderId: Uint8Array.of(0x80 + number), recipientId: Uint8Array.of(number) };
}

/** The RS's key with the AS, from the side of the AS. */
export const rsKey: Credentials = { masterSecret: new Uint8Array(16).fill(0x70), senderId: Uint8Array.of(0xe0), recipientId: Uint8Array.of(0xe1) };

export const mirrored = ({ masterSecret, senderId, recipientId }: Credentials): Credentials => ({ masterSecret, senderId: recipientId, recipientId: senderId });

export interface PartiesOptions {
  readonly parameters?: Partial<TransmissionParameters>;
  readonly clients?: number;
  readonly tokenLifetime?: number;
  readonly cnonce?: boolean;
  /** The RS knows no scope names, only AIF. */
  readonly aif?: boolean;
  /** What each client may have; everything by default. */
  readonly scopes?: readonly GrantRegistration['scope'][];
  readonly as?: Partial<AuthorizationServerOptions>;
  readonly rs?: Partial<ResourceServerOptions>;
  /** Put more resources on the RS, each time that it starts. */
  readonly resources?: (rs: ResourceServer) => void;
  readonly client?: Partial<AceClientOptions>;
}

/** `client1` and so on. */
type Role = 'as' | 'rs' | `client${number}` | 'introspector';

interface Life {
  readonly store: MortalStore;
  readonly transport: DatagramTransport;
}

/** The three roles on one simulated network, each with a store that outlives it, so that it can be restarted. */
export class Parties {
  readonly simulator: Simulator;
  readonly options: PartiesOptions;
  readonly stores: { readonly as: Store; readonly rs: Store; readonly clients: readonly Store[]; readonly introspector: Store };
  /** How often each handler of the RS ran, by method and path. */
  readonly handled: Map<string, number> = new Map();
  /** The payloads that PUT /led, POST /log and PUT /large got, in order. */
  readonly written: string[] = [];
  readonly temperature: { value: string; changed(): void } = { value: '21.5', changed: (): void => {} };
  /** What GET /large answers. */
  large: Uint8Array = new SeededRandom('large').bytes(5000);
  led = 'off';
  as!: AuthorizationServer;
  rs!: ResourceServer;
  clients: AceClient[] = [];
  readonly asEvents: AuthorizationServerEvent[] = [];
  readonly rsEvents: ResourceServerEvent[] = [];
  readonly clientEvents: AceClientEvent[] = [];
  /** Every Security Context that a client protected a message with, by the id of its Sender Key: see `auditWire`. */
  readonly contexts: Map<string, SecurityContext> = new Map();
  readonly #lives: Map<Role, Life> = new Map();
  #runs = 0;

  constructor(simulator: Simulator, options: PartiesOptions = {}) {
    this.simulator = simulator;
    this.options = options;
    const clients = Array.from({ length: options.clients ?? 1 }, () => memoryStore());
    this.stores = { as: memoryStore({ env: simulator.env() }), rs: memoryStore(), clients, introspector: memoryStore() };
  }

  #count(what: string): void {
    this.handled.set(what, (this.handled.get(what) ?? 0) + 1);
  }

  #live(role: Role, store: Store, address: string, port: number): Life {
    const life = { store: new MortalStore(store), transport: this.simulator.transport(address, port) };
    this.#lives.set(role, life);
    return life;
  }

  async startAs(): Promise<void> {
    const { parameters, tokenLifetime } = this.options;
    const { store, transport } = this.#live('as', this.stores.as, '10.0.0.1', 5683);
    this.as = new AuthorizationServer({
      store,
      profiles: [oscoreProfile],
      // A process that starts anew has other randomness than the one before.
      env: this.simulator.env(`as ${++this.#runs}`),
      clients: this.stores.clients.map((_, index) => ({
        id: `client${index + 1}`,
        credentials: clientKeyAtAs(index + 1),
        grants: [{ audience: 'rs1', scope: this.options.scopes?.[index] ?? allScopes }],
      })),
      resourceServers: [
        { id: 'rs1', audiences: ['rs1'], credentials: rsKey, tokenKeys: [tokenKey], ...(tokenLifetime === undefined ? {} : { tokenLifetime }) },
      ],
      ...(parameters === undefined ? {} : { parameters }),
      emit: (event) => this.asEvents.push(event),
      ...this.options.as,
    });
    await this.as.listen(transport);
  }

  async startRs(): Promise<void> {
    const { parameters, cnonce, aif, resources } = this.options;
    const { store, transport } = this.#live('rs', this.stores.rs, '10.0.0.2', 5683);
    this.rs = new ResourceServer({
      audience: 'rs1',
      issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
      store,
      profiles: [oscoreProfile],
      env: this.simulator.env(`rs ${++this.#runs}`),
      ...(aif === true ? {} : { scopes }),
      ...(cnonce === undefined ? {} : { cnonce }),
      ...(parameters === undefined ? {} : { parameters }),
      emit: (event) => this.rsEvents.push(event),
      ...this.options.rs,
    });
    const handle = this.rs.resource('/temperature', {
      observable: true,
      get: () => {
        this.#count('GET /temperature');
        return this.temperature.value;
      },
    });
    this.temperature.changed = (): void => handle.changed();
    this.rs.resource('/led', {
      get: () => {
        this.#count('GET /led');
        return this.led;
      },
      put: (request) => {
        this.#count('PUT /led');
        this.led = request.text();
        this.written.push(this.led);
        return undefined;
      },
    });
    this.rs.resource('/log', {
      post: (request) => {
        this.#count('POST /log');
        this.written.push(request.text());
        return { code: 65 };
      },
    });
    this.rs.resource('/large', {
      get: () => {
        this.#count('GET /large');
        return this.large;
      },
      put: (request) => {
        this.#count('PUT /large');
        this.large = request.payload.slice();
        return undefined;
      },
    });
    resources?.(this.rs);
    await this.rs.listen(transport);
  }

  startClient(index = 0, port: number = 40000 + index, options: Partial<AceClientOptions> = {}): AceClient {
    const client = this.#client(this.#live(`client${index + 1}`, this.stores.clients[index]!, '10.0.0.3', port), clientKeyAtAs(index + 1), options);
    this.clients[index] = client;
    return client;
  }

  /** A client that speaks to the AS as the resource server does: for introspection. */
  startIntrospector(): AceClient {
    return this.#client(this.#live('introspector', this.stores.introspector, '10.0.0.2', 6000), rsKey, {});
  }

  #client({ store, transport }: Life, key: Credentials, options: Partial<AceClientOptions>): AceClient {
    const { parameters, client } = this.options;
    return new AceClient({
      transport,
      store,
      profiles: [oscoreProfile],
      env: this.simulator.env(`client ${++this.#runs}`),
      authorizationServers: [{ uri: asUri, credentials: mirrored(key) }],
      ...(parameters === undefined ? {} : { parameters }),
      emit: (event) => {
        this.clientEvents.push(event);
        if (event.type === 'profile') this.#note(event.event);
      },
      ...client,
      ...options,
    });
  }

  /** The OSCORE layer tells the context of each message; a profile passes its events on as they are. */
  #note(event: ProfileEvent & { readonly context?: SecurityContext }): void {
    if (event.type === 'protected' && event.context !== undefined) this.contexts.set(event.context.senderKeyId, event.context);
  }

  async start(): Promise<this> {
    await this.startAs();
    await this.startRs();
    for (let index = 0; index < this.stores.clients.length; index++) this.startClient(index);
    return this;
  }

  /** Let a process die as by `kill -9`: nothing that it does from now on reaches the network or its store. */
  async kill(role: Role): Promise<void> {
    const { store, transport } = this.#lives.get(role)!;
    store.kill();
    await transport.close();
  }

  get client(): AceClient {
    return this.clients[0]!;
  }

  finish<T>(promise: Promise<T>, limit?: number): Promise<T> {
    return this.simulator.finish(promise, limit);
  }

  /** The steps of the clients so far; they start anew. */
  steps(): string[] {
    const steps = this.clientEvents.flatMap((event) => (event.type === 'step' ? [event.step as string] : []));
    this.clientEvents.length = 0;
    return steps;
  }

  /** What no peer may bring about: a handler, a layer or a role that threw. */
  faults(): readonly unknown[] {
    const broken = (event: { readonly type: string; readonly event?: unknown }): boolean =>
      event.type === 'fault' ||
      (event.type === 'endpoint' && (event.event as { type?: string }).type === 'failed') ||
      (event.type === 'profile' && (event.event as ProfileEvent).type === 'failed');
    return [...this.asEvents, ...this.rsEvents, ...this.clientEvents].filter(broken);
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client.close();
    await this.rs.close();
    await this.as.close();
  }
}
