import { ClientHandshake } from '../../src/dtls/client-flights.ts';
import { type ClientConfig, clientSettings, type ServerConfig, serverSettings } from '../../src/dtls/config.ts';
import type { ConnectionEvent } from '../../src/dtls/events.ts';
import { type HandshakeMessage, HandshakeType } from '../../src/dtls/handshake.ts';
import { decodeClientHello } from '../../src/dtls/messages.ts';
import type { Handshake, HandshakePort, Outcome } from '../../src/dtls/negotiation.ts';
import { ServerHandshake } from '../../src/dtls/server-flights.ts';
import { Simulator } from '../support/simulator.ts';
import { psk } from './parties.ts';

/** One side without records: its messages in the clear. */
export interface Side {
  readonly handshake: Handshake;
  readonly sent: HandshakeMessage[];
  readonly events: ConnectionEvent[];
  outcome: Outcome | undefined;
  /** What a server began with. */
  readonly hello?: HandshakeMessage;
}

function side(name: string, make: (port: HandshakePort) => Handshake): Side {
  const sent: HandshakeMessage[] = [];
  const events: ConnectionEvent[] = [];
  const result: Side = {
    sent,
    events,
    outcome: undefined,
    handshake: make({
      env: new Simulator().env(name),
      send: (items) => sent.push(...items.flatMap(({ message }) => (message === undefined ? [] : [message]))),
      protect: () => {},
      emit: (event) => events.push(event),
      complete: (outcome) => {
        result.outcome = outcome;
      },
    }),
  };
  return result;
}

/** Let a side have a message, and answer what it asks. */
export function give({ handshake, events }: Side, message: HandshakeMessage): void {
  handshake.receive({ ...message, epoch: message.type === HandshakeType.finished ? 1 : 0 });
  if (!handshake.isPaused) return;
  if (events.at(-1)?.type === 'psk-identity') handshake.providePsk(psk);
  else handshake.acceptPeer();
}

export function clientSide(config: ClientConfig): Side {
  return side('client', (port) => new ClientHandshake(clientSettings(config), port));
}

/** `hello`: the ClientHello whose cookie was right. */
export function serverSide(config: ServerConfig, hello: HandshakeMessage): Side {
  return Object.assign(
    side('server', (port) => new ServerHandshake(serverSettings(config), { ...hello, epoch: 0 }, decodeClientHello(hello.body), undefined, port)),
    { hello },
  );
}
