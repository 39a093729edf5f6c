import { dtlsProfileWith } from '../../../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import {
  AanfClient,
  AanfSimulator,
  type AanfSimulatorOptions,
  type AfId,
  type AkmaEvent,
  ApplicationKeys,
  type ApplicationKeysOptions,
  akmaAuthenticator,
  akmaCredentials,
  akmaHint,
  deriveAnchor,
  type EstablishOscoreOptions,
  establishOscore,
  Msgin5gClient,
  type Msgin5gClientOptions,
  type Msgin5gEvent,
  Msgin5gRegistration,
  OscoreBootstrap,
  serveAanf,
  type UeAnchor,
  uaStarTls12,
  ueAssociations,
} from '../../../../profiles/seal/akma/index.ts';
import { SealServer } from '../../../../profiles/seal/index.ts';
import {
  CoapResponse,
  Code,
  ContentFormat,
  Endpoint,
  type EndpointOptions,
  Method,
  OptionNumber,
  parseUri,
  Router,
  sortOptions,
  uintOption,
  uriOptions,
} from '../../../../src/coap/index.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { symmetricKey } from '../../../../src/core/cwt.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import { ContextTable, oscore, type SecurityContext } from '../../../../src/oscore/index.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { type CoapRequestInit, type DtlsTransport, dtls, dtlsOver } from '../../../../src/transport/index.ts';
import { Relay, type RelayedDatagram } from '../../../support/relay.ts';
import { Simulator } from '../../../support/simulator.ts';

export const homeNetwork = '5gc.mnc001.mcc001.3gppnetwork.org';
/** K_AUSF of the example in the fixtures: 00 01 02 ... 1f. */
export const kAusf: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index);
export const afId: AfId = { fqdn: 'msgin5g.example.com', protocol: uaStarTls12(0xd001) };
/** The same for OSCORE, with a protocol identifier of our own. */
export const oscoreAfId: AfId = { fqdn: afId.fqdn, protocol: Uint8Array.of(0xff, 0, 0, 0, 1) };
export const uri = 'coaps://10.0.0.2/msgin5g';
const configurations = '/su-uc/v1/val-services/msgin5g/ue-configurations';

/** A UE of the home network, as its subscription and its last authentication make it. */
export interface Subscriber {
  readonly supi: string;
  readonly gpsi?: string;
  readonly kAusf?: Uint8Array;
}

export const anna: Subscriber = { supi: 'imsi-001010000000001', gpsi: 'msisdn-491710000001' };
export const bert: Subscriber = { supi: 'imsi-001010000000002', kAusf: new Uint8Array(32).fill(0xb) };

export function anchorOfSubscriber({ supi, kAusf: key = kAusf }: Subscriber): UeAnchor {
  return deriveAnchor({ kAusf: key, supi, routingIndicator: '0', homeNetwork });
}

export interface AkmaLabOptions {
  readonly aanf?: AanfSimulatorOptions;
  /** In the place of the simulator's own answers. */
  readonly retrieve?: ApplicationKeysOptions['aanf']['retrieveApplicationKey'];
  readonly lifetime?: number;
  readonly limit?: number;
}

/** An AAnF, an MSGin5G server, a configuration management server and UEs on a simulated network with a simulated clock; DTLS between UEs and server. */
export class AkmaLab {
  readonly simulator: Simulator = new Simulator();
  readonly aanf: AanfSimulator;
  readonly keys: ApplicationKeys;
  readonly msgin5g: Msgin5gRegistration;
  /** UE service IDs by UE ID, as the configuration management server has them. */
  readonly associations: Map<string, string[]> = new Map();
  readonly events: (AkmaEvent | Msgin5gEvent)[] = [];
  /** How often the AAnF and the configuration management server were asked. */
  asked = { aanf: 0, configuration: 0 };
  /** What the configuration management server answers in the place of what it has. */
  configurationFails: number | undefined = undefined;
  readonly #server: SealServer;
  readonly #sessions: DtlsTransport;
  readonly #parties: Endpoint[] = [];

  constructor({ aanf, retrieve, lifetime, limit }: AkmaLabOptions = {}) {
    const env = this.simulator.env('server');
    this.aanf = new AanfSimulator({ env: this.simulator.env('aanf'), ...aanf });
    const ask = retrieve ?? ((aKid, af) => this.aanf.retrieveApplicationKey(aKid, af));
    this.keys = new ApplicationKeys({
      aanf: {
        retrieveApplicationKey: (aKid, af) => {
          this.asked.aanf++;
          return ask(aKid, af);
        },
      },
      afId,
      env,
      emit: (event) => this.events.push(event),
    });
    this.#sessions = dtlsOver(this.simulator.transport('10.0.0.2', 5684), {
      env: this.simulator.env('server dtls'),
      server: { psk: { hint: akmaHint }, suites: 'seal-strict' },
    });
    const configurationClient = this.#endpoint('10.0.0.2', 40_000);
    this.msgin5g = new Msgin5gRegistration({
      keys: [this.keys],
      dtls: { sessions: this.#sessions, keys: this.keys },
      associations: ueAssociations({ get: (at) => requestFrom(configurationClient, at), uri: `coap://10.0.0.3${configurations}` }),
      env,
      emit: (event) => this.events.push(event),
      ...(lifetime === undefined ? {} : { lifetime }),
      ...(limit === undefined ? {} : { limit }),
    });
    this.#server = new SealServer({
      audience: 'msgin5g',
      simS: { uri: 'coap://10.0.0.1/token', tokenKeys: [symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(7))] },
      valSystem: 'val.example',
      store: memoryStore(),
      profiles: [oscoreProfile, dtlsProfileWith({ sessions: this.#sessions })],
      services: [this.msgin5g],
      env,
    });
  }

  async start(): Promise<this> {
    const router = new Router();
    router.resource(configurations, {
      get: (request) => {
        this.asked.configuration++;
        if (this.configurationFails !== undefined) return { code: this.configurationFails };
        const ueId = request.query.find((item) => item.startsWith('val-tgt-ue='))?.slice('val-tgt-ue='.length) ?? '';
        const found = this.associations.get(ueId);
        if (found === undefined) return { code: Code.NotFound };
        const list = found.map(
          (ueServiceId) =>
            new Map<string, unknown>([
              ['valTgtUe', new Map([['valUeId', ueId]])],
              ['ueServiceId', ueServiceId],
            ]),
        );
        return { payload: encode(list as never), contentFormat: ContentFormat.Cbor };
      },
    });
    this.#parties.push(new Endpoint({ transport: this.simulator.transport('10.0.0.3', 5683), env: this.simulator.env('cm'), handler: router.handler }));
    await this.#server.listen([this.simulator.transport('10.0.0.2', 5683), this.#sessions]);
    return this;
  }

  /** Primary authentication: the AUSF and the UE have the anchor key from now on. */
  async authenticate(subscriber: Subscriber): Promise<UeAnchor> {
    const anchor = anchorOfSubscriber(subscriber);
    const { supi, gpsi } = subscriber;
    await this.aanf.registerAnchorKey({ ...anchor, supi, ...(gpsi === undefined ? {} : { gpsi }) });
    return anchor;
  }

  /** The MSGin5G client of a UE. */
  client(anchor: UeAnchor | undefined, ueServiceId: string, contentFormat: 50 | 60 = ContentFormat.Json): Msgin5gClient {
    const request = this.channel(anchor);
    return new Msgin5gClient({ request, uri, anchor: () => anchor, ueServiceId, contentFormat });
  }

  /** Requests of a UE over DTLS with its K_AF. */
  channel(anchor: UeAnchor | undefined): (to: string, init?: CoapRequestInit) => Promise<CoapResponse> {
    const number = this.#parties.length;
    const env = this.simulator.env(`ue ${number}`);
    const below = this.simulator.transport(`10.0.1.${number}`, 5683);
    const credentials = akmaCredentials({ anchor: () => anchor, protocol: afId.protocol, fqdn: afId.fqdn });
    const endpoint = new Endpoint({ transport: dtlsOver(below, { env, credentials, client: { suites: 'seal-strict' } }), env });
    this.#parties.push(endpoint);
    return (to, init) => requestFrom(endpoint, to, init);
  }

  /** Requests that nothing protects. */
  plain(): (to: string, init?: CoapRequestInit) => Promise<CoapResponse> {
    const endpoint = this.#endpoint('10.0.9.9', 5683);
    return (to, init) => requestFrom(endpoint, to, init);
  }

  #endpoint(address: string, port: number): Endpoint {
    const endpoint = new Endpoint({ transport: this.simulator.transport(address, port), env: this.simulator.env(`${address}:${port}`) });
    this.#parties.push(endpoint);
    return endpoint;
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  /** Why requests were refused, so far. */
  refusals(): (string | undefined)[] {
    return this.events.flatMap((event) => (event.type === 'registration-refused' ? [event.reason] : []));
  }

  async close(): Promise<void> {
    await Promise.all(this.#parties.map((endpoint) => endpoint.close()));
    await this.#server.close();
  }
}

/** UE service IDs by UE ID. */
export type Associations = Map<string, readonly string[]>;

/** The registration of an MSGin5G server, on a router. */
export function registration(
  keys: ApplicationKeys,
  env: Env,
): { readonly associations: Associations; readonly msgin5g: Msgin5gRegistration; readonly router: Router } {
  const associations: Associations = new Map();
  const msgin5g = new Msgin5gRegistration({ keys: [keys], associations: { serviceIdsOf: async (ueId) => associations.get(ueId) ?? [] }, env });
  const router = new Router();
  msgin5g.mount(router);
  return { associations, msgin5g, router };
}

/** Run `use` with the MSGin5G client of a UE on a transport of its own. */
export async function asUeOver<T>(
  transport: EndpointOptions['transport'],
  at: string,
  anchor: UeAnchor,
  ueServiceId: string,
  use: (client: Msgin5gClient) => Promise<T>,
): Promise<T> {
  const ue = new Endpoint({ transport });
  try {
    return await use(new Msgin5gClient({ request: (to, init) => requestFrom(ue, to, init), uri: at, anchor: () => anchor, ueServiceId }));
  } finally {
    await ue.close();
  }
}

export interface SocketLab {
  readonly aanf: AanfSimulator;
  readonly keys: ApplicationKeys;
  readonly msgin5g: Msgin5gRegistration;
  readonly associations: Associations;
  /** What became of application keys. */
  readonly states: string[];
  /** Seconds by which the clocks of AAnF and server are ahead. */
  ahead: number;
  /** What has passed between UEs and server. */
  readonly wire: readonly RelayedDatagram[];
  /** Run `use` with the MSGin5G client of a UE that has sockets of its own. */
  asUe<T>(anchor: UeAnchor, ueServiceId: string, use: (client: Msgin5gClient) => Promise<T>): Promise<T>;
}

/** An AAnF over HTTP, an MSGin5G server on DTLS, and UEs that reach it through a relay that records: all of them on sockets. */
export async function inSocketLab(check: (lab: SocketLab) => Promise<void>): Promise<void> {
  const env: Env = { ...systemEnv, epoch: () => systemEnv.epoch() + lab.ahead };
  const aanf = new AanfSimulator({ lifetime: 100, env });
  const anchorFunction = await serveAanf(aanf);
  const states: string[] = [];
  const keys = new ApplicationKeys({
    aanf: new AanfClient({ apiRoot: anchorFunction.apiRoot }),
    afId,
    env,
    emit: (event) => states.push(event.type),
  });
  const { associations, msgin5g, router } = registration(keys, env);
  const loopback = { address: '127.0.0.1', port: 0 };
  const authenticator = akmaAuthenticator(keys);
  const server = new Endpoint({
    transport: await dtls({ ...loopback, server: { psk: { hint: akmaHint }, suites: 'seal-strict', maxSessions: 0 }, authenticator }),
    handler: router.handler,
  });
  const relay = await Relay.open('server', server.local.port);
  const lab: SocketLab = {
    aanf,
    keys,
    msgin5g,
    associations,
    states,
    ahead: 0,
    wire: relay.wire,
    asUe: async (anchor, ueServiceId, use) => {
      const credentials = akmaCredentials({ anchor: () => anchor, protocol: afId.protocol, fqdn: afId.fqdn });
      const transport = await dtls({ ...loopback, credentials, client: { suites: 'seal-strict' } });
      return asUeOver(transport, `coaps://127.0.0.1:${relay.port}/msgin5g`, anchor, ueServiceId, use);
    },
  };
  try {
    await check(lab);
  } finally {
    relay.close();
    await server.close();
    await msgin5g.close();
    await anchorFunction.close();
  }
}

export async function requestFrom(endpoint: Endpoint, at: string, { method = 'GET', payload, contentFormat }: CoapRequestInit = {}): Promise<CoapResponse> {
  const target = parseUri(at);
  const peer = await endpoint.resolve(target.host, target.port, { scheme: target.scheme });
  const options = uriOptions(target, peer);
  if (contentFormat !== undefined) options.push(uintOption(OptionNumber.ContentFormat, Number(contentFormat)));
  const body = payload === undefined ? {} : { payload: payload as Uint8Array };
  return new CoapResponse(await endpoint.request({ peer, code: Method[method], options: sortOptions(options), ...body }));
}

/** An MSGin5G server and UEs that have OSCORE by AKMA, on a simulated network. */
export class OscoreLab {
  readonly simulator: Simulator = new Simulator();
  readonly aanf: AanfSimulator;
  readonly associations: Associations;
  readonly msgin5g: Msgin5gRegistration;
  readonly bootstrap: OscoreBootstrap;
  readonly #server: Endpoint;
  readonly #parties: Endpoint[] = [];

  constructor(aanf: AanfSimulatorOptions = {}) {
    const env = this.simulator.env('server');
    this.aanf = new AanfSimulator({ env: this.simulator.env('aanf'), ...aanf });
    const keys = new ApplicationKeys({ aanf: this.aanf, afId: oscoreAfId, env });
    this.bootstrap = new OscoreBootstrap({ experimental: true, keys, env });
    const { associations, msgin5g, router } = registration(keys, env);
    this.associations = associations;
    this.msgin5g = msgin5g;
    this.bootstrap.mount(router);
    this.#server = new Endpoint({ transport: this.simulator.transport('10.0.0.2', 5683), env, handler: router.handler, layers: [this.bootstrap.layer] });
  }

  /** A UE's own endpoint: what it posts to /akma, and requests over the context that came of it. */
  ue(anchor: UeAnchor | undefined): {
    readonly establish: (options?: Partial<EstablishOscoreOptions>) => Promise<SecurityContext>;
    readonly request: (context?: SecurityContext) => Msgin5gClientOptions['request'];
  } {
    const number = this.#parties.length + 1;
    const env = this.simulator.env(`ue ${number}`);
    const contexts = new ContextTable();
    const numbers = memoryStore();
    const endpoint = new Endpoint({
      transport: this.simulator.transport(`10.0.1.${number}`, 5683),
      env,
      layers: [oscore({ contexts, store: { reserve: (key, count) => numbers.increment(key, count) }, env })],
    });
    this.#parties.push(endpoint);
    const request =
      (context?: SecurityContext): Msgin5gClientOptions['request'] =>
      async (to, { payload, contentFormat }) => {
        const peer = this.simulator.peer('10.0.0.2', 5683);
        const options = sortOptions([...uriOptions(parseUri(to), peer), uintOption(OptionNumber.ContentFormat, Number(contentFormat))]);
        const protection = context === undefined ? {} : { association: context };
        return new CoapResponse(await endpoint.request({ peer, code: Method.POST, options, payload: payload as Uint8Array, ...protection }));
      };
    const post: EstablishOscoreOptions['post'] = (payload) => request()('coap://10.0.0.2/akma', { payload, contentFormat: ContentFormat.Cbor });
    return {
      request,
      establish: (options) => establishOscore({ experimental: true, anchor: () => anchor, afId: oscoreAfId, post, contexts, env, ...options }),
    };
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  async close(): Promise<void> {
    await Promise.all(this.#parties.map((endpoint) => endpoint.close()));
    await this.#server.close();
    this.bootstrap.close();
    await this.msgin5g.close();
  }
}

/** Run a check in a lab that is closed afterwards. */
export async function inOscoreLab(options: AanfSimulatorOptions, check: (lab: OscoreLab) => Promise<void>): Promise<void> {
  const lab = new OscoreLab(options);
  try {
    await check(lab);
  } finally {
    await lab.close();
  }
}

/** Run a check in a lab that is closed afterwards. */
export async function inAkmaLab(options: AkmaLabOptions, check: (lab: AkmaLab) => Promise<void>): Promise<void> {
  const lab = await new AkmaLab(options).start();
  try {
    await check(lab);
  } finally {
    await lab.close();
  }
}
