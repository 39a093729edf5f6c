import type { TestContext } from 'node:test';
import { Code, type DatagramTransport, Endpoint, type EndpointEvent, type EndpointOptions, type Handler, type Peer } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { type CurveKeyPair, keyPair } from '../../src/core/crypto/index.ts';
import type { SessionCredentials } from '../../src/dtls/index.ts';
import { authenticatorOf, type DtlsTransport, type DtlsTransportEvent, type DtlsTransportOptions, dtls, dtlsOver } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';
import type { Simulator } from '../support/simulator.ts';

const random = new SeededRandom('dtls transports');
const bytes = (length: number): Uint8Array => random.bytes(length);

export const serverKey: CurveKeyPair = keyPair(1, bytes);
export const clientKey: CurveKeyPair = keyPair(1, bytes);

export const identity: Uint8Array = Uint8Array.of(0x00, 0xff, 0x0a, 0x80, 0x31);
const key = utf8('sixteen bytes ok');
/** Two clients with keys of their own, by PSK, and one by its raw public key. */
export const alice: SessionCredentials = { psk: { identity, key } };
export const bob: SessionCredentials = { psk: { identity: utf8('bob'), key: utf8('sixteen bytes no') } };
export const carol: SessionCredentials = { rawPublicKey: { server: serverKey, own: clientKey } };

/** A server that knows the three. */
export const known: DtlsTransportOptions = {
  server: { psk: {}, rawPublicKey: { own: serverKey, client: 'require' } },
  authenticator: authenticatorOf({
    psk: [
      { identity, key, credential: 'alice' },
      { identity: utf8('bob'), key: utf8('sixteen bytes no'), credential: 'bob' },
    ],
    rawPublicKeys: [{ key: clientKey, credential: 'carol' }],
  }),
};

/** Says who asks. */
export const whoami: Handler = ({ association }, reply) =>
  reply.respond({ code: Code.Content, options: [], payload: utf8(`${association?.kind} ${association?.credential}`) });

export interface Party {
  readonly endpoint: Endpoint;
  readonly transport: DtlsTransport;
  readonly events: (DtlsTransportEvent | EndpointEvent)[];
}

function partyOn(transport: DtlsTransport, events: Party['events'], options: Partial<EndpointOptions>): Party {
  return { transport, events, endpoint: new Endpoint({ transport, emit: (event) => events.push(event), ...options }) };
}

/** An endpoint on a socket of its own, until the test ends. */
export async function party(t: TestContext, options: DtlsTransportOptions, endpoint: Partial<EndpointOptions> = {}): Promise<Party> {
  const events: Party['events'] = [];
  const made = partyOn(await dtls({ emit: (event) => events.push(event), ...options }), events, endpoint);
  t.after(() => made.endpoint.close());
  return made;
}

export const serverAddress = '10.0.0.1';
export const clientAddress = '10.0.0.2';
export const port = 5684;

interface Simulated extends DtlsTransportOptions {
  /** Default: a transport of its own at the address. */
  readonly below?: DatagramTransport;
  /** What the tokens and message ids of the endpoint depend on. Default: the address. */
  readonly name?: string;
}

/** An endpoint on the simulated network. */
export function simulated(sim: Simulator, address: string, { below, name = address, ...options }: Simulated, endpoint: Partial<EndpointOptions> = {}): Party {
  const events: Party['events'] = [];
  // No two handshakes have the same randoms.
  const sessions = sim.env(`${address} ${sim.wire.length} ${sim.now}`);
  const transport = dtlsOver(below ?? sim.transport(address, port), { env: sessions, emit: (event) => events.push(event), ...options });
  return partyOn(transport, events, { env: sim.env(name), ...endpoint });
}

/** The server, in a session of this client. */
export function reach({ endpoint }: Party): Promise<Peer> {
  return endpoint.resolve(serverAddress, port);
}
