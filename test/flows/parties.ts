import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import type { TransmissionParameters } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { symmetricKey } from '../../src/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import type { Simulator } from '../support/simulator.ts';

export const asUri = 'coap://10.0.0.1:5683/token';
export const rsUri = 'coap://10.0.0.2:5683';

const tokenKey = symmetricKey('AES-CCM-16-64-128', fromHex('000102030405060708090a0b0c0d0e0f'));

/** A client's key with the AS, from the side of the AS. */
function clientKey(number: number): { masterSecret: Uint8Array; senderId: Uint8Array; recipientId: Uint8Array } {
  return { masterSecret: new Uint8Array(16).fill(0x10 + number), senderId: Uint8Array.of(0x80 + number), recipientId: Uint8Array.of(number) };
}

export interface PartiesOptions {
  readonly parameters?: Partial<TransmissionParameters>;
  readonly clients?: number;
  readonly tokenLifetime?: number;
  readonly cnonce?: boolean;
  /** What each client may have; the same for all by default. */
  readonly scopes?: readonly string[];
}

/** The three roles on one simulated network, each with a store that outlives it, so that it can be restarted. */
export class Parties {
  readonly simulator: Simulator;
  readonly options: PartiesOptions;
  readonly stores: { readonly as: Store; readonly rs: Store; readonly clients: readonly Store[] };
  /** How often each handler of the RS ran, by method and path. */
  readonly handled: Map<string, number> = new Map();
  readonly temperature: { value: string; changed(): void } = { value: '21.5', changed: () => {} };
  led = 'off';
  as!: AuthorizationServer;
  rs!: ResourceServer;
  clients: AceClient[] = [];

  constructor(simulator: Simulator, options: PartiesOptions = {}) {
    this.simulator = simulator;
    this.options = options;
    this.stores = { as: memoryStore(), rs: memoryStore(), clients: Array.from({ length: options.clients ?? 1 }, () => memoryStore()) };
  }

  #count(what: string): void {
    this.handled.set(what, (this.handled.get(what) ?? 0) + 1);
  }

  async startAs(): Promise<void> {
    this.as = new AuthorizationServer({
      store: this.stores.as,
      profiles: [oscoreProfile],
      env: this.simulator.env('as'),
      clients: this.stores.clients.map((_, index) => ({
        id: `client${index + 1}`,
        credentials: clientKey(index + 1),
        grants: [{ audience: 'rs1', scope: this.options.scopes?.[index] ?? 'r_temp r_led w_led' }],
      })),
      resourceServers: [
        {
          id: 'rs1',
          audiences: ['rs1'],
          tokenKeys: [tokenKey],
          ...(this.options.tokenLifetime === undefined ? {} : { tokenLifetime: this.options.tokenLifetime }),
        },
      ],
      ...(this.options.parameters === undefined ? {} : { parameters: this.options.parameters }),
    });
    await this.as.listen(this.simulator.transport('10.0.0.1', 5683));
  }

  async startRs(): Promise<void> {
    this.rs = new ResourceServer({
      audience: 'rs1',
      issuers: [{ uri: asUri, tokenKeys: [tokenKey] }],
      store: this.stores.rs,
      profiles: [oscoreProfile],
      env: this.simulator.env('rs'),
      scopes: { r_temp: { '/temperature': ['GET'] }, r_led: { '/led': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] } },
      ...(this.options.cnonce === undefined ? {} : { cnonce: this.options.cnonce }),
      ...(this.options.parameters === undefined ? {} : { parameters: this.options.parameters }),
    });
    const handle = this.rs.resource('/temperature', {
      observable: true,
      get: () => {
        this.#count('GET /temperature');
        return this.temperature.value;
      },
    });
    this.temperature.changed = () => handle.changed();
    this.rs.resource('/led', {
      get: () => {
        this.#count('GET /led');
        return this.led;
      },
      put: (request) => {
        this.#count('PUT /led');
        this.led = request.text();
        return undefined;
      },
    });
    await this.rs.listen(this.simulator.transport('10.0.0.2', 5683));
  }

  startClient(index = 0, port = 40000 + index): AceClient {
    const { masterSecret, senderId, recipientId } = clientKey(index + 1);
    const client = new AceClient({
      transport: this.simulator.transport('10.0.0.3', port),
      store: this.stores.clients[index]!,
      profiles: [oscoreProfile],
      env: this.simulator.env(`client${index + 1}`),
      authorizationServers: [{ uri: asUri, credentials: { masterSecret, senderId: recipientId, recipientId: senderId } }],
      ...(this.options.parameters === undefined ? {} : { parameters: this.options.parameters }),
    });
    this.clients[index] = client;
    return client;
  }

  async start(): Promise<this> {
    await this.startAs();
    await this.startRs();
    for (let index = 0; index < this.stores.clients.length; index++) this.startClient(index);
    return this;
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client.close();
    await this.rs.close();
    await this.as.close();
  }
}
