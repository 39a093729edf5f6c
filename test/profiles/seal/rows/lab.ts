import { dtlsProfileWith } from '../../../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import {
  encodeValClaims,
  SealServer,
  type SealServerOptions,
  type SealService,
  SimC,
  type SimCOptions,
  SimS,
  type SimSOptions,
  type ValClaims,
  type ValIdentity,
} from '../../../../profiles/seal/index.ts';
import { GrantType, type Profile, type ScopeTable } from '../../../../src/ace/index.ts';
import type { AddedClaims, AuthorizationServerEvent, ClientRegistration, ResourceServerRegistration } from '../../../../src/as/index.ts';
import { AceClient, type AceClientEvent, type AceRequestInit, type AceResponse } from '../../../../src/client/index.ts';
import {
  ContentFormat,
  type DatagramTransport,
  Endpoint,
  formatCode,
  type Layer,
  Method,
  OptionNumber,
  pathOptions,
  type Response,
  sortOptions,
  uintOption,
} from '../../../../src/coap/index.ts';
import { emptyBytes, utf8 } from '../../../../src/core/bytes.ts';
import { encode } from '../../../../src/core/cbor.ts';
import { type ClaimsSet, protectCwt, symmetricKey, type TokenKey } from '../../../../src/core/cwt.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { ResourceServerEvent } from '../../../../src/rs/index.ts';
import { memoryStore, type Store } from '../../../../src/store/index.ts';
import { dtlsOver } from '../../../../src/transport/index.ts';
import { Simulator, type SimulatorOptions } from '../../../support/simulator.ts';

/** The check of each row of the requirements that a file holds: it throws an AssertionError when the rule is broken. */
export type Rows = Readonly<Record<string, () => Promise<void> | void>>;

export const valSystem = 'val.example';
export const audience = 'seal1';
export const tokenKey: TokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(7));
export const simSAddress = '10.0.0.1:5683';
export const serverAddress = '10.0.0.2:5683';

/** A SIM-C, and what the SIM-S says of its user and its device. */
export interface LabClient extends ValClaims {
  readonly id: string;
  /** What it may have; every scope of the server when absent. */
  readonly scope?: string;
}

export interface LabOptions {
  readonly simulator?: SimulatorOptions;
  /** The profile of all channels. */
  readonly profile?: 'oscore' | 'dtls';
  /** One UE `ue1` of `anna@val.example` with the VAL service `v2x` when absent. */
  readonly clients?: readonly LabClient[];
  /** What the SEAL server offers, made anew each time that it starts. */
  readonly services?: (lab: Lab) => readonly SealService[];
  readonly scopes?: ScopeTable;
  /** Put resources on the SEAL server, each time that it starts. `/note` answers GET and PUT when there are neither these nor services. */
  readonly resources?: (server: SealServer, lab: Lab) => void;
  readonly simS?: Partial<SimSOptions>;
  /** What else is registered with the SIM-S: of each client, of the SEAL server, and servers beside it. */
  readonly registered?: {
    readonly client?: Partial<ClientRegistration>;
    readonly server?: Partial<ResourceServerRegistration>;
    readonly others?: readonly ResourceServerRegistration[];
  };
  readonly server?: Partial<SealServerOptions>;
  readonly simC?: Partial<SimCOptions>;
  /** `false`: SIM-Cs ask for no scope of themselves. Else for every scope of the server. */
  readonly namesScope?: boolean;
}

interface PlainRequest {
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  /** The SEAL server when absent. */
  readonly to?: string;
}

const defaultClients: readonly LabClient[] = [{ id: 'ue1', valUserId: 'anna@val.example', valUeId: 'ue1', valServiceIds: ['v2x'] }];
const noteScopes: ScopeTable = { 'note:read': { '/note': ['GET'] }, 'note:write': { '/note': ['PUT'] } };

const secret = (number: number): Uint8Array => new Uint8Array(16).fill(0x10 + number);

/** What is provisioned in the SIM-S for a client: a UE with its user, a user, or a server. */
function identitiesOf({ id, scope: _, valUserId, valUeId, valSystemId: __, ...rest }: LabClient): readonly ValIdentity[] {
  const user: readonly ValIdentity[] =
    valUserId === undefined ? [] : [{ kind: 'user', id: valUserId, ...(valUeId === undefined ? { client: id, ...rest } : {}) }];
  if (valUeId !== undefined)
    return [...user, { kind: 'ue', id: valUeId, client: id, ...(valUserId === undefined ? {} : { valUserIds: [valUserId] }), ...rest }];
  return valUserId === undefined ? [{ kind: 'server', id, ...rest }] : user;
}

/** A SIM-S, a SEAL server and SIM-Cs on a simulated network with a simulated clock, each with a store that outlives it. */
export class Lab {
  readonly simulator: Simulator;
  readonly options: LabOptions;
  readonly profile: 'oscore' | 'dtls';
  readonly clients: readonly LabClient[];
  readonly stores: { readonly simS: Store; readonly server: Store; readonly clients: readonly Store[] };
  readonly simSEvents: AuthorizationServerEvent[] = [];
  readonly serverEvents: ResourceServerEvent[] = [];
  readonly clientEvents: AceClientEvent[] = [];
  /** `PUT /note`, in the order in which the handlers of the default resource ran. */
  readonly handled: string[] = [];
  note = 'nothing';
  simS!: SimS;
  server!: SealServer;
  readonly #simCs: (SimC | undefined)[] = [];
  readonly #strangers: Endpoint[] = [];
  readonly #others: AceClient[] = [];
  #scopes: ScopeTable = {};
  #runs = 0;

  constructor(options: LabOptions = {}) {
    this.options = options;
    this.profile = options.profile ?? 'oscore';
    this.clients = options.clients ?? defaultClients;
    this.simulator = new Simulator(options.simulator ?? {});
    this.stores = { simS: memoryStore({ env: this.simulator.env() }), server: memoryStore(), clients: this.clients.map(() => memoryStore()) };
  }

  get simSUri(): string {
    return this.profile === 'oscore' ? 'coap://10.0.0.1/token' : 'coaps://10.0.0.1/token';
  }

  /** The SEAL server as SIM-Cs name it. */
  get serverUri(): string {
    return 'coap://10.0.0.2';
  }

  /** Seconds since 1970. */
  get epoch(): number {
    return this.simulator.env().epoch();
  }

  /** The SIM-C of the first client. */
  get simC(): SimC {
    return this.simCOf(0);
  }

  simCOf(index: number): SimC {
    return (this.#simCs[index] ??= this.#newSimC(index));
  }

  async start(): Promise<this> {
    await this.startServer();
    await this.startSimS();
    return this;
  }

  /** The scope names of the SEAL server. */
  get scopeNames(): readonly string[] {
    return Object.keys(this.#scopes);
  }

  #scopesOf(services: readonly SealService[]): ScopeTable {
    const { scopes } = this.options;
    return Object.assign({}, services.length === 0 ? (scopes ?? noteScopes) : scopes, ...services.map((service) => service.scopes));
  }

  async startSimS(): Promise<void> {
    const { env, transport, profiles } = this.#party('10.0.0.1', 5683, `SIM-S ${++this.#runs}`);
    const all = this.scopeNames.join(' ');
    const { client, server, others = [] } = this.options.registered ?? {};
    this.simS = new SimS({
      issuer: this.simSUri,
      valSystem,
      // A user may be at several devices.
      identities: [...new Map(this.clients.flatMap(identitiesOf).map((identity) => [`${identity.kind} ${identity.id}`, identity])).values()],
      store: this.stores.simS,
      profiles,
      env,
      clients: this.clients.map(({ id, scope = all }, index) => ({
        id,
        credentials: this.channelOf(index, 'SIM-S'),
        grants: [{ audience, scope }],
        ...client,
      })),
      resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [tokenKey], ...this.#ofServer(), ...server }, ...others],
      emit: (event) => this.simSEvents.push(event),
      ...this.options.simS,
    });
    await this.simS.listen(transport);
  }

  /** What the SIM-S says of a client. */
  claimsOf({ id, scope: _, ...val }: LabClient): AddedClaims {
    return { sub: val.valUserId ?? id, unknown: encodeValClaims({ valSystemId: valSystem, ...val }) };
  }

  async startServer(): Promise<void> {
    const { env, transport, profiles } = this.#party('10.0.0.2', 5683, `SEAL server ${++this.#runs}`);
    const services = this.options.services?.(this) ?? [];
    this.#scopes = this.#scopesOf(services);
    this.server = new SealServer({
      audience,
      simS: { uri: this.simSUri, issuer: this.simSUri, tokenKeys: [tokenKey] },
      valSystem,
      store: this.stores.server,
      profiles,
      scopes: this.#scopes,
      services,
      env,
      emit: (event) => this.serverEvents.push(event),
      ...this.options.server,
    });
    if (this.options.resources !== undefined) this.options.resources(this.server, this);
    else if (services.length === 0) this.#addNote();
    await this.server.listen(transport);
  }

  #addNote(): void {
    this.server.resource('/note', {
      get: () => {
        this.handled.push('GET /note');
        return this.note;
      },
      put: (request) => {
        this.handled.push('PUT /note');
        this.note = request.text();
        return undefined;
      },
    });
  }

  /** Stop the SEAL server and start it with what its store has. */
  async restartServer(): Promise<void> {
    await this.finish(this.server.close());
    await this.startServer();
  }

  /** Stop a SIM-C and start it with what its store has. */
  async restartSimC(index = 0): Promise<void> {
    await this.#simCs[index]?.close();
    this.#simCs[index] = this.#newSimC(index);
  }

  /** Stop the SIM-S and start it with what its store has. */
  async restartSimS(): Promise<void> {
    await this.finish(this.simS.close());
    await this.startSimS();
  }

  #newSimC(index: number): SimC {
    const { env, transport, profiles } = this.#party('10.0.0.3', 40_000 + 2 * this.#runs, `SIM-C ${++this.#runs}`);
    return new SimC({
      transport,
      store: this.stores.clients[index]!,
      profiles,
      env,
      simS: { uri: this.simSUri, credentials: this.channelOf(index, 'SIM-C') },
      ...(this.options.namesScope === false ? {} : { scope: this.scopeNames.join(' ') }),
      emit: (event) => this.clientEvents.push(event),
      ...this.options.simC,
    });
  }

  /** Who asks the SIM-S what the SEAL server may ask, over OSCORE. */
  introspector(): AceClient {
    return this.otherClient({ masterSecret: secret(0x60), senderId: Uint8Array.of(0xe1), recipientId: Uint8Array.of(0xe0) });
  }

  /** A client that shows the SIM-S these credentials. */
  otherClient(credentials: unknown): AceClient {
    const { env, transport, profiles } = this.#party('10.0.0.6', 40_000 + 2 * this.#runs, `SIM-C ${++this.#runs}`);
    const tokenRequest = { grantType: GrantType.client_credentials };
    const client = new AceClient({ transport, store: memoryStore(), profiles, env, tokenRequest, authorizationServers: [{ uri: this.simSUri, credentials }] });
    this.#others.push(client);
    return client;
  }

  #party(
    address: string,
    port: number,
    name: string,
  ): { readonly env: Env; readonly transport: DatagramTransport | DatagramTransport[]; readonly profiles: Profile[] } {
    const env = this.simulator.env(name);
    const plain = this.simulator.transport(address, port);
    if (this.profile === 'oscore') return { env, transport: plain, profiles: [oscoreProfile] };
    const sessions = dtlsOver(this.simulator.transport(address, port + 1), { env, ...(name.startsWith('SIM-C') ? {} : { server: { psk: {} } }) });
    return { env, transport: [plain, sessions], profiles: [dtlsProfileWith({ sessions }), oscoreProfile] };
  }

  /** The pre-shared secrets of a SIM-C and the SIM-S (TS 33.434, B.3.1), from one side. */
  channelOf(index: number, side: 'SIM-S' | 'SIM-C'): unknown {
    if (this.profile === 'dtls') return { psk: { identity: Uint8Array.of(0x80 + index), key: secret(index) } };
    const [atSimS, atSimC] = [Uint8Array.of(0x80 + index), Uint8Array.of(index)];
    const [senderId, recipientId] = side === 'SIM-S' ? [atSimS, atSimC] : [atSimC, atSimS];
    return { masterSecret: secret(index), senderId, recipientId };
  }

  /** The channel of the SEAL server to the SIM-S, for introspection. */
  #ofServer(): { readonly credentials?: unknown } {
    return this.profile === 'dtls' ? {} : { credentials: { masterSecret: secret(0x60), senderId: Uint8Array.of(0xe0), recipientId: Uint8Array.of(0xe1) } };
  }

  finish<T>(promise: Promise<T>, limit?: number): Promise<T> {
    return this.simulator.finish(promise, limit);
  }

  /** A request of a SIM-C, the first one when none is named. */
  fetch(path: string, init: AceRequestInit = {}, simC: AceClient = this.simC): Promise<AceResponse> {
    return this.finish(simC.fetch(`${this.serverUri}${path}`, init));
  }

  /** A token as the SIM-S would make it for the first client; `undefined` takes a claim out. It is bound to a key that nobody has to show for an upload. */
  token(claims: { readonly [Name in keyof ClaimsSet]?: ClaimsSet[Name] | undefined } = {}, key: TokenKey = tokenKey): Uint8Array {
    const usual: ClaimsSet = {
      iss: this.simSUri,
      aud: audience,
      exp: this.epoch + 100,
      scope: this.scopeNames.join(' '),
      cnf: {
        osc: new Map<number, Uint8Array>([
          [0, Uint8Array.of(1)],
          [2, new Uint8Array(16).fill(9)],
        ]),
      },
      ...this.claimsOf(this.clients[0]!),
    };
    const wanted = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
    return protectCwt(Object.fromEntries(wanted) as ClaimsSet, key, this.simulator.env('token').random);
  }

  /** POST a token to authz-info of the SEAL server as the OSCORE profile does it; the code of the answer. */
  async upload(token: Uint8Array): Promise<string> {
    return formatCode((await this.finish(this.uploadFrom(this.stranger(), token))).code);
  }

  uploadFrom(endpoint: Endpoint, token: Uint8Array): Promise<Response> {
    const payload = encode(
      new Map<number, Uint8Array>([
        [1, token],
        [40, new Uint8Array(8).fill(5)],
        [43, Uint8Array.of(0xaa)],
      ]),
    );
    return this.#send(endpoint, 'POST', '/authz-info', { payload, contentFormat: ContentFormat.AceCbor });
  }

  /** A request that nothing protects, from an address of its own. */
  plain(method: keyof typeof Method, path: string, init: PlainRequest = {}): Promise<Response> {
    return this.finish(this.#send(this.stranger(), method, path, init));
  }

  #send(endpoint: Endpoint, method: keyof typeof Method, path: string, init: PlainRequest): Promise<Response> {
    const { payload = emptyBytes, contentFormat, to = serverAddress } = init;
    const [address, port] = to.split(':');
    const options = pathOptions(path.split('/').slice(1));
    if (contentFormat !== undefined) options.push(uintOption(OptionNumber.ContentFormat, contentFormat));
    return endpoint.request({ code: Method[method], options: sortOptions(options), payload, peer: this.simulator.peer(address!, Number(port)) });
  }

  /** A CoAP endpoint at an address that nobody knows. */
  stranger(layers: readonly Layer[] = []): Endpoint {
    const address = `10.0.1.${this.#strangers.length + 1}`;
    const endpoint = new Endpoint({ transport: this.simulator.transport(address, 5683), env: this.simulator.env(address), layers });
    this.#strangers.push(endpoint);
    return endpoint;
  }

  /** Whether bytes, or a text, stand in any datagram that has passed. */
  wireHas(what: Uint8Array | string): boolean {
    const wanted = Buffer.from(typeof what === 'string' ? utf8(what) : what);
    return this.simulator.wire.some(({ datagram }) => Buffer.from(datagram).includes(wanted));
  }

  /** Why the SEAL server refused, so far. */
  refusals(): string[] {
    return this.serverEvents.flatMap((event) => (event.type === 'token-refused' || event.type === 'request-refused' ? [event.reason] : []));
  }

  async close(): Promise<void> {
    for (const stranger of this.#strangers) await stranger.close();
    for (const client of [...this.#simCs, ...this.#others]) await client?.close();
    await this.server.close();
    await this.simS.close();
  }
}

/** Run a check in a lab that is closed afterwards. */
export async function inLab(options: LabOptions, check: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await new Lab(options).start();
  try {
    await check(lab);
  } finally {
    await lab.close();
  }
}
