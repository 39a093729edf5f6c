import assert from 'node:assert/strict';
import type { Peer } from '../../src/coap/index.ts';
import { equalBytes, utf8 } from '../../src/core/bytes.ts';
import { type CurveKeyPair, keyPair } from '../../src/core/crypto/index.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import {
  type CipherSuiteName,
  type ClientConfig,
  type Connection,
  type ConnectionEvent,
  clientConnection,
  type DtlsError,
  DtlsServer,
  type DtlsServerConfig,
  type ServerEvent,
} from '../../src/dtls/index.ts';
import { SeededRandom } from '../support/random.ts';
import type { Simulator } from '../support/simulator.ts';

const random = new SeededRandom('dtls parties');
const bytes = (length: number): Uint8Array => random.bytes(length);

export const identity: Uint8Array = Uint8Array.of(0x00, 0xff, 0x0a, 0x80, 0x31);
export const psk: Uint8Array = utf8('sixteen bytes ok');
export const serverKey: CurveKeyPair = keyPair(1, bytes);
export const clientKey: CurveKeyPair = keyPair(1, bytes);

export const serverAddress = '10.0.0.1';
export const clientAddress = '10.0.0.2';
export const port = 5684;

/** Both sides with one suite and the credentials that it needs; raw public keys on both. */
export function configsOf(suite: CipherSuiteName): { readonly client: ClientConfig; readonly server: DtlsServerConfig } {
  const suites = [suite];
  if (suitesOf(suites)[0]!.keyExchange !== 'ECDHE_ECDSA') return { client: { suites, psk: { identity, key: psk } }, server: { suites, psk: {} } };
  return { client: { suites, rawPublicKey: { own: clientKey } }, server: { suites, rawPublicKey: { own: serverKey, client: 'require' } } };
}

export const allSuites: readonly CipherSuiteName[] = suitesOf('default').map(({ name }) => name);

type Of<E, T> = Extract<E, { readonly type: T }>;

/** A client on the simulated network. It takes any key of a server. */
export class ClientParty {
  readonly events: ConnectionEvent[] = [];
  readonly connection: Connection;
  /** Called with each event, after the usual answers. */
  onEvent: (event: ConnectionEvent) => void = () => {};
  acceptsPeer = true;
  /** As the network has it. */
  readonly address: string;

  constructor(sim: Simulator, config: ClientConfig, address: string = clientAddress, name: string = address, from: number = port) {
    this.address = `${address}:${from}`;
    const transport = sim.transport(address, from);
    const server = sim.peer(serverAddress, port);
    this.connection = clientConnection(config, sim.env(name), {
      send: (datagram) => transport.send(datagram, server),
      emit: (event) => {
        this.events.push(event);
        if (event.type === 'peer-key' && this.acceptsPeer) this.connection.acceptPeer();
        this.onEvent(event);
      },
    });
    transport.start((datagram) => this.connection.receive(datagram));
    this.close = () => transport.close();
  }

  readonly close: () => Promise<void>;

  all<T extends ConnectionEvent['type']>(type: T): readonly Of<ConnectionEvent, T>[] {
    return this.events.filter((event): event is Of<ConnectionEvent, T> => event.type === type);
  }

  get data(): readonly Uint8Array[] {
    return this.all('data').map(({ data }) => data);
  }

  /** The code of the error that ended it; empty when it ended in order. */
  get end(): string | undefined {
    const [closed] = this.all('closed');
    return closed === undefined ? undefined : (closed.error?.code ?? '');
  }

  get error(): DtlsError | undefined {
    return this.all('closed')[0]?.error;
  }
}

/** What a server holds when it holds nothing. */
export const nothingHeld: ReturnType<DtlsServer['stats']> = {
  connections: 0,
  handshakes: 0,
  addresses: 0,
  connectionIds: 0,
  sessions: 0,
  handshakeBytes: 0,
  failures: 0,
};

/** A server on the simulated network that knows `identity`, takes any key of a client, and sends back what it gets. */
export class ServerParty {
  readonly events: ServerEvent<Peer>[] = [];
  readonly server: DtlsServer<Peer>;
  onEvent: (event: ServerEvent<Peer>) => void = () => {};
  /** Answers questions by itself. */
  answers = true;
  readonly close: () => Promise<void>;

  constructor(sim: Simulator, config: DtlsServerConfig) {
    const transport = sim.transport(serverAddress, port);
    // Sessions outlive their associations, failures their handshakes: who tests them asks for them.
    this.server = new DtlsServer<Peer>({ maxSessions: 0, failures: false, ...config }, sim.env('server'), {
      send: (datagram, peer) => transport.send(datagram, peer),
      emit: (event) => {
        this.events.push(event);
        if (this.answers) this.#answer(event);
        this.onEvent(event);
      },
    });
    transport.start((datagram, peer) => this.server.receive(datagram, peer));
    this.close = () => transport.close();
  }

  #answer(event: ServerEvent<Peer>): void {
    if (event.type === 'psk-identity') {
      if (equalBytes(event.identity, identity)) event.connection.providePsk(psk);
      else event.connection.rejectPsk();
    } else if (event.type === 'peer-key') event.connection.acceptPeer();
    else if (event.type === 'data') event.connection.send(event.data);
  }

  all<T extends ServerEvent<Peer>['type']>(type: T): readonly Of<ServerEvent<Peer>, T>[] {
    return this.events.filter((event): event is Of<ServerEvent<Peer>, T> => event.type === type);
  }

  get end(): string | undefined {
    const [closed] = this.all('closed');
    return closed === undefined ? undefined : (closed.error?.code ?? '');
  }

  get error(): DtlsError | undefined {
    return this.all('closed')[0]?.error;
  }
}

export interface Parties {
  readonly client: ClientParty;
  readonly server: ServerParty;
}

export function parties(sim: Simulator, suite: CipherSuiteName, client: Partial<ClientConfig> = {}, server: Partial<DtlsServerConfig> = {}): Parties {
  const configs = configsOf(suite);
  return { server: new ServerParty(sim, { ...configs.server, ...server }), client: new ClientParty(sim, { ...configs.client, ...client }) };
}

/** Both are connected with the same keys: what one sends the other gets, and the same material comes out of both. */
export async function expectSameKeys(sim: Simulator, { client, server }: Parties): Promise<void> {
  const [connected] = server.all('connected').slice(-1);
  assert.ok(client.connection.isConnected && connected !== undefined, 'both are connected');
  const material = (connection: Connection): Uint8Array => connection.exportKeyingMaterial('EXPORTER-test', 32);
  assert.deepEqual(material(client.connection), material(connected.connection));
  const before = client.data.length;
  client.connection.send(utf8('ping'));
  await sim.run(() => client.data.length > before, 60_000);
  assert.deepEqual(client.data.at(-1), utf8('ping'));
}
