import type { Env } from '../../src/core/env.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { suiteById } from '../../src/dtls/cipher-suites.ts';
import {
  type ClientConfig,
  type Connection,
  clientConnection,
  type DatagramPeer,
  DtlsError,
  DtlsServer,
  type DtlsServerConfig,
  type Session,
} from '../../src/dtls/index.ts';
import { keyPairOf } from './operations.ts';

/*
 * Two sides of DTLS whose chance, keys and identifiers are values that have names: the same configuration serves who makes a handshake and who replays it.
 */

/** The bytes of a name; `undefined` where a handshake has none of it. */
type Known = (name: string) => Uint8Array | undefined;

/** What is drawn in a full handshake, in the order in which each side draws it. Of the ephemeral keys there are some with ECDHE only. */
const draws = {
  client: ['clientCid', 'clientRandom', 'clientEphemeral'],
  server: ['cookieSecret', 'serverCid', 'serverRandom', 'sessionId', 'serverEphemeral'],
  resumedClient: ['resumedClientRandom'],
  resumedServer: ['resumedServerRandom'],
} as const;

/** Each connection comes from a port of its own. */
const firstPort = 49_152;

/** A clock that stands still, and chance that gives the named values in turn. */
function envOf(known: Known, names: readonly string[]): Env {
  const left = names.filter((name) => known(name) !== undefined);
  return {
    now: () => 0,
    epoch: () => 1_790_000_000,
    random: (length) => {
      const name = left.shift();
      const bytes = name === undefined ? undefined : known(name);
      if (bytes?.length !== length) throw new Error(`expected ${length} bytes for ${name ?? 'nothing that is left'}, got ${bytes?.length ?? 'none'}`);
      return bytes.slice();
    },
    schedule: () => () => {},
  };
}

interface Configs {
  readonly client: ClientConfig;
  readonly server: DtlsServerConfig;
}

function configsOf(known: Known, suiteId: number, group: 'x25519' | 'secp256r1'): Configs {
  const { name, keyExchange } = suiteById(suiteId)!;
  const shared = { suites: [name], groups: [group] } as const;
  const [clientCid, serverCid, psk, identity] = ['clientCid', 'serverCid', 'psk', 'pskIdentity'].map(known);
  const maxSessions = known('sessionId') === undefined ? 0 : 10;
  const client = { ...shared, ...(clientCid === undefined ? {} : { connectionIdLength: clientCid.length }) };
  const server = { ...shared, maxSessions, ...(serverCid === undefined ? {} : { connectionIdLength: serverCid.length }) };
  if (keyExchange !== 'ECDHE_ECDSA') return { client: { ...client, psk: { identity: identity!, key: psk! } }, server: { ...server, psk: {} } };
  const curve = known('serverKeyPoint') === undefined ? 'Ed25519' : 'P-256';
  return {
    client: { ...client, rawPublicKey: { own: keyPairOf(curve, known('clientKey')!) } },
    server: { ...server, rawPublicKey: { own: keyPairOf(curve, known('serverKey')!), client: 'require' } },
  };
}

/** What an endpoint drops without an error: the code is the reason. */
export class Discarded extends ProtocolError {}

/** One side: what it sends waits in `sent`, and what it refuses is thrown by `receive`. */
class Side {
  readonly sent: Uint8Array[] = [];
  readonly data: Uint8Array[] = [];
  readonly keyLog: string[] = [];
  connection: Connection | undefined;
  take: (datagram: Uint8Array) => void = () => {};
  refused: ProtocolError | undefined;

  receive(datagram: Uint8Array): void {
    this.take(datagram);
    const { refused } = this;
    this.refused = undefined;
    if (refused !== undefined) throw refused;
  }

  /** The next datagram that it has sent. */
  next(): Uint8Array {
    const datagram = this.sent.shift();
    if (datagram === undefined) throw new Error('expected a datagram, got none');
    return datagram;
  }

  /** The events of both roles. The end of the association says more than what was dropped, and what is dropped behind the first says no more. */
  note(event: { readonly type: string; readonly reason?: string; readonly error?: ProtocolError; readonly data?: Uint8Array }): void {
    if (event.type === 'data') this.data.push(event.data!);
    if (event.type === 'discarded') this.refused ??= new Discarded(event.reason!, `expected what belongs here, got ${event.reason}`);
    if (event.type === 'closed' && event.error !== undefined && !(this.refused instanceof DtlsError)) this.refused = event.error;
  }
}

/** Both sides of one suite. Nothing passes between them but what somebody gives to `receive`. */
export class Pair {
  readonly client: Side = new Side();
  readonly server: Side = new Side();
  readonly #known: Known;
  readonly #configs: Configs;
  #port = firstPort - 1;

  constructor(known: Known, suite: number, group: 'x25519' | 'secp256r1') {
    this.#known = known;
    this.#configs = configsOf(known, suite, group);
    const { server: side } = this;
    const env = envOf(known, [...draws.server, ...draws.resumedServer]);
    const server = new DtlsServer<DatagramPeer>(this.#configs.server, env, {
      send: (datagram) => side.sent.push(datagram.slice()),
      emit: (event) => {
        if (event.type === 'psk-identity') event.connection.providePsk(known('psk')!);
        if (event.type === 'peer-key') event.connection.acceptPeer();
        if (event.type === 'connected') side.connection = event.connection;
        if (event.type !== 'moved') side.note(event);
      },
    });
    side.take = (datagram) => server.receive(datagram, { key: `192.0.2.7:${this.#port}`, address: '192.0.2.7' });
  }

  /** Begin a handshake, with a session of the one before or without. */
  start(session?: Session): void {
    this.#port++;
    const { client: side } = this;
    const names = session === undefined ? draws.client : draws.resumedClient;
    const config = { ...this.#configs.client, ...(session === undefined ? {} : { session }), keyLog: (line: string) => side.keyLog.push(line) };
    const connection: Connection = clientConnection(config, envOf(this.#known, names), {
      send: (datagram) => side.sent.push(datagram.slice()),
      emit: (event) => {
        if (event.type === 'peer-key') connection.acceptPeer();
        side.note(event);
      },
    });
    side.connection = connection;
    side.take = (datagram) => connection.receive(datagram);
    connection.start();
  }
}
