import { dtlsProfileWith } from '../../../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import { keyManagement, SealedRecords, SealServer, type SealService, SimC, SimS, SpatialService } from '../../../../profiles/seal/index.ts';
import type { Profile } from '../../../ace/index.ts';
import type { ClientRegistration, Policy } from '../../../as/index.ts';
import { allowTargets, type DatagramTransport, Endpoint, ProxyServer } from '../../../coap/index.ts';
import { symmetricKey, type TokenKey } from '../../../core/cwt.ts';
import { type Env, systemEnv } from '../../../core/env.ts';
import { createLogger } from '../../../operate/index.ts';
import { memoryStore, type Store } from '../../../store/index.ts';
import { dtls, dtlsOver, udp } from '../../../transport/index.ts';
import { logProxied } from '../../proxy.ts';
import { freePort } from '../ports.ts';
import { Recorder } from '../recorder.ts';
import { freshSigningKey, HttpsFaces, httpsClients } from './https-faces.ts';

export const valSystem = 'val.example';
export const issuer = 'sims.val.example';
/** The audience of the spatial anchors server. */
export const spatialAudience = 'spatial';
const skmsAudience = 'skms';

const host = '127.0.0.1';
const coapDtls = 1;
const coapOscore = 2;

/** Seconds that the tokens of `ue3` are good for. */
export const shortLife = 3;

const anchorScopes = (...operations: readonly string[]): string => operations.map((operation) => `spatial-anchor:${operation}`).join(' ');
/** What there is at the SKM-S beside key management, so that a token for it need not be one for keys. */
export const statusScope = 'status:read';

type DeviceName = 'ue1' | 'ue2' | 'ue3';

/** What each VAL UE, which is a client of its name, may have; and what protects its messages with SEAL servers. */
const devices: Readonly<Record<DeviceName, { readonly profile: number; readonly anchors: string }>> = {
  ue1: { profile: coapOscore, anchors: anchorScopes('create', 'read', 'update', 'delete', 'discover', 'subscribe') },
  ue2: { profile: coapDtls, anchors: anchorScopes('read', 'discover') },
  ue3: { profile: coapOscore, anchors: anchorScopes('discover') },
};

/** A VAL UE: its SIM-C, and what went out of it and came in. */
export interface Device {
  readonly simC: SimC;
  readonly recorder: Recorder;
}

interface Sockets {
  readonly transports: DatagramTransport[];
  readonly profiles: Profile[];
}

/** A SIM-S, an SKM-S, a spatial anchors server and a proxy on sockets of this machine, and the VAL UEs that use them. */
export class SealParties {
  readonly simS: SimS;
  readonly simSUri: string;
  readonly skmsUri: string;
  readonly spatialUri: string;
  readonly proxyUri: string;
  readonly records: SealedRecords = new SealedRecords(memoryStore(), systemEnv.random(32));
  /** What protects the tokens for the spatial anchors server. */
  readonly spatialTokenKey: TokenKey;
  /** What the proxy has logged, a line for each request. */
  readonly proxyLog: string[] = [];
  /** The same system over HTTPS. */
  https!: HttpsFaces;
  readonly #store: Store = memoryStore();
  readonly #skmsTokenKey: TokenKey;
  /** The pre-shared secret of each VAL UE and the SIM-S. */
  readonly #secrets: Readonly<Record<DeviceName, Uint8Array>>;
  readonly #closing: (() => Promise<void>)[] = [];

  static async start(): Promise<SealParties> {
    const ports: number[] = [];
    while (ports.length < 4) {
      const port = await freePort();
      if (ports.every((other) => Math.abs(other - port) > 1)) ports.push(port);
    }
    const [simS, skms, spatial, proxy] = ports as [number, number, number, number];
    const sockets = await socketsAt(simS);
    const parties = new SealParties(sockets, { simS, skms, spatial, proxy }, await httpsClients(skmsAudience, `km ${statusScope}`));
    try {
      parties.#closing.push(() => parties.simS.close(), ...sockets.transports.map((transport) => () => transport.close()));
      await parties.simS.listen(sockets.transports);
      const { records, skmsUri } = parties;
      await parties.#serve(skmsAudience, skms, parties.#skmsTokenKey, [keyManagement({ sKmsUri: skmsUri, records }), status]);
      await parties.#serve(spatialAudience, spatial, parties.spatialTokenKey, [new SpatialService({ store: memoryStore() })]);
      await parties.#relay(proxy);
      parties.https = await HttpsFaces.start({ simS: parties.simS, store: parties.#store, audience: skmsAudience, valSystem, skmsUri, records });
      parties.#closing.push(() => parties.https.close());
      return parties;
    } catch (error) {
      await parties.close();
      throw error;
    }
  }

  private constructor(
    { profiles }: Sockets,
    ports: Readonly<Record<'simS' | 'skms' | 'spatial' | 'proxy', number>>,
    clientsOverHttps: readonly ClientRegistration[],
  ) {
    this.simSUri = `coap://${host}:${ports.simS}/token`;
    this.skmsUri = `coap://${host}:${ports.skms}/km`;
    this.spatialUri = `coap://${host}:${ports.spatial}`;
    this.proxyUri = `coap://${host}:${ports.proxy}`;
    this.spatialTokenKey = freshTokenKey();
    this.#skmsTokenKey = freshTokenKey();
    this.#secrets = { ue1: systemEnv.random(16), ue2: systemEnv.random(16), ue3: systemEnv.random(16) };
    this.simS = new SimS({
      issuer,
      valSystem,
      store: this.#store,
      profiles,
      policy: shortenForUe3,
      clients: [
        ...clientsOverHttps,
        ...names.map((id) => ({
          id,
          profile: coapOscore,
          credentials: this.#secretOf(id, 'SIM-S'),
          profiles: [devices[id].profile],
          grants: [
            { audience: skmsAudience, scope: `km ${statusScope}` },
            { audience: spatialAudience, scope: devices[id].anchors },
          ],
        })),
      ],
      resourceServers: [
        { id: skmsAudience, audiences: [skmsAudience], tokenKeys: [this.#skmsTokenKey, freshSigningKey()] },
        { id: spatialAudience, audiences: [spatialAudience], tokenKeys: [this.spatialTokenKey] },
      ],
    });
  }

  /** A VAL UE that goes through the proxy, over OSCORE. */
  async behindProxy(name: DeviceName): Promise<Device> {
    return this.#device(name, [oscoreProfile], [], { proxy: this.proxyUri });
  }

  /** A VAL UE that reaches all others by itself: over DTLS where it may, else over OSCORE. */
  async direct(name: DeviceName, env: Env = systemEnv): Promise<Device> {
    if (devices[name].profile === coapOscore) return this.#device(name, [oscoreProfile], [], { env });
    const recorder = new Recorder();
    const sessions = dtlsOver(recorder.wrapBelow(await udp({ address: host, sourcePorts: 1 })));
    return this.#device(name, [dtlsProfileWith({ sessions }), oscoreProfile], [sessions], { env }, recorder);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  async #device(
    name: DeviceName,
    profiles: readonly Profile[],
    sessions: readonly DatagramTransport[],
    options: { readonly proxy?: string; readonly env?: Env },
    recorder: Recorder = new Recorder(),
  ): Promise<Device> {
    const plain = await udp({ address: host });
    const simC = new SimC({
      transport: [plain, ...sessions].map(recorder.wrap),
      store: memoryStore(),
      profiles,
      simS: { uri: this.simSUri, profile: coapOscore, credentials: this.#secretOf(name, 'SIM-C') },
      emit: recorder.emit,
      ...options,
    });
    this.#closing.push(() => simC.close());
    return { simC, recorder };
  }

  /** The security context of a VAL UE and the SIM-S (TS 33.434, B.3.1), from one side. */
  #secretOf(name: DeviceName, side: 'SIM-S' | 'SIM-C'): unknown {
    const [simSId, ueId] = [Uint8Array.of(0), Uint8Array.of(1 + names.indexOf(name))];
    const [senderId, recipientId] = side === 'SIM-S' ? [simSId, ueId] : [ueId, simSId];
    return { masterSecret: this.#secrets[name], senderId, recipientId };
  }

  async #serve(audience: string, port: number, tokenKey: TokenKey, services: readonly SealService[]): Promise<void> {
    const { transports, profiles } = await socketsAt(port);
    const simS = { uri: this.simSUri, issuer, tokenKeys: [tokenKey] };
    const server = new SealServer({ audience, simS, valSystem, store: memoryStore(), profiles, services });
    this.#closing.push(() => server.close(), ...transports.map((transport) => () => transport.close()));
    await server.listen(transports);
  }

  async #relay(port: number): Promise<void> {
    const logger = createLogger({ level: 'debug', base: {}, write: (line) => this.proxyLog.push(line) });
    const upstream = new Endpoint({ transport: await udp({ address: host }) });
    this.#closing.push(() => upstream.close());
    const proxying = new ProxyServer({
      forward: { allow: allowTargets(`${host}:*`) },
      upstreams: { coap: upstream },
      emit: (event) => logProxied(logger, event),
    });
    const front = new Endpoint({ transport: await udp({ address: host, port }), proxying });
    this.#closing.push(() => front.close());
  }
}

const names = Object.keys(devices) as DeviceName[];

const status: SealService = {
  scopes: { [statusScope]: { '/status': ['GET'] } },
  mount: (server) => void server.resource('/status', { get: () => 'in order' }),
};

function shortenForUe3(registered: Policy): Policy {
  return {
    decide: async (request) => {
      const decision = await registered.decide(request);
      return decision.permit && request.client === 'ue3' ? { ...decision, lifetime: shortLife } : decision;
    },
  };
}

function freshTokenKey(): TokenKey {
  return symmetricKey('AES-CCM-16-64-128', systemEnv.random(16));
}

/** Plain CoAP, with the sessions of DTLS at the port above. */
async function socketsAt(port: number): Promise<Sockets> {
  const plain = await udp({ address: host, port });
  const sessions = await dtls({ address: host, port: port + 1, server: { psk: {} } });
  return { transports: [plain, sessions], profiles: [dtlsProfileWith({ sessions }), oscoreProfile] };
}
