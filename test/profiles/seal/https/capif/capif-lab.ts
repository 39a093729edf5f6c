import {
  accessTokenVerifier,
  aefSecurityEndpoints,
  CapifAef,
  CapifCoreSimulator,
  type CapifCoreSimulatorOptions,
  CapifInvoker,
  capifContexts,
  type GuardEvent,
  type HttpsEndpoint,
  type KeyRecordsEndpointOptions,
  keyRecordsEndpoint,
  type SealHttpsEvent,
  SealHttpsServer,
  type SecurityMethod,
  targetOwner,
} from '../../../../../profiles/seal/https/index.ts';
import { KeyManagementServer, SealedRecords, SpatialService } from '../../../../../profiles/seal/index.ts';
import { utf8 } from '../../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore } from '../../../../../src/store/index.ts';
import { fetchHttps, type HttpsResponse, type HttpsServer, serveHttps } from '../../../../../src/transport/index.ts';
import { deliveryPath, nef, san, skms } from './names.ts';

/** The clocks of a lab stand still: seconds since 1970. */
const now = Math.floor(systemEnv.epoch());

/** Parties with a certificate; `stranger` is onboarded nowhere. */
type Party = 'core' | 'aef' | 'val1' | 'san-client' | 'sm-client' | 'stranger';
/** API invokers that are onboarded. */
export type Invoker = 'val1' | 'san-client' | 'sm-client';

interface Trust {
  readonly authority: LabAuthority;
  readonly certificates: Readonly<Record<Party, IssuedCertificate>>;
}

let trust: Promise<Trust> | undefined;

async function makeTrust(): Promise<Trust> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const issue = (name: Party): Promise<IssuedCertificate> => {
    const isServer = name === 'core' || name === 'aef';
    const dns = { type: 'dns', value: `${name}.example` } as const;
    return authority.issue({
      commonName: name,
      names: isServer ? [{ type: 'ip', value: '127.0.0.1' }, dns] : [dns],
      usage: isServer ? ['server', 'client'] : ['client'],
    });
  };
  const names = ['core', 'aef', 'val1', 'san-client', 'sm-client', 'stranger'] as const;
  const issued = await Promise.all(names.map(async (name) => [name, await issue(name)] as const));
  return { authority, certificates: Object.fromEntries(issued) as Record<Party, IssuedCertificate> };
}

const anchorScopes = ['create', 'read', 'update', 'delete', 'discover'];
const scopesOf = (kind: string, operations: readonly string[]): string => operations.map((operation) => `${kind}:${operation}`).join(' ');

/** What the AEF of the spatial services exposes, by API. */
const apis = {
  'spatial-anchors': scopesOf('spatial-anchor', anchorScopes),
  'spatial-anchors-read': scopesOf('spatial-anchor', ['read', 'discover']),
  'spatial-maps': scopesOf('spatial-map', anchorScopes),
};

const invokers = {
  val1: { names: ['val1.example'], rights: { [san]: ['spatial-anchors'], [skms]: ['ss-kir'], [nef]: ['msgin5g-delivery'] }, owners: ['anna', 'ue1'] },
  'san-client': { names: ['san-client.example'], rights: { [san]: ['spatial-anchors-read'] } },
  'sm-client': { names: ['sm-client.example'], rights: { [san]: ['spatial-maps'] } },
};

const invokerOf = (names: readonly string[]): string | undefined =>
  Object.entries(invokers).find(([, invoker]) => invoker.names.some((name) => names.includes(name)))?.[0];

export interface CapifLabOptions {
  /** What the operator lets AEFs take; OAuth first when absent. */
  readonly methods?: readonly Exclude<SecurityMethod, 'PSK'>[];
  /** What AEFs take of that; all of it when absent. */
  readonly allowed?: readonly Exclude<SecurityMethod, 'PSK'>[];
}

interface LabParts extends Pick<CapifLabOptions, 'allowed'> {
  readonly aefs: CapifCoreSimulatorOptions['aefs'];
}

/** A core function, and a SEAL server that is three AEFs: for spatial services, for keys, and one that stands for a NEF. */
export class CapifLab {
  readonly events: GuardEvent[] = [];
  /** What the server itself tells. */
  readonly told: SealHttpsEvent[] = [];
  readonly aef: CapifAef;
  readonly core: CapifCoreSimulator;
  readonly aefs: LabParts['aefs'];
  /** Seconds by which the clocks of the AEFs are ahead of the core function's. */
  ahead = 0;
  /** How often AEFs have asked the core function for a security context. */
  asked = 0;
  readonly #trust: Trust;
  readonly #coreServer: HttpsServer;
  readonly #server: SealHttpsServer;

  private constructor(given: Trust, core: CapifCoreSimulator, coreServer: HttpsServer, records: SealedRecords, options: LabParts) {
    this.#trust = given;
    this.core = core;
    this.#coreServer = coreServer;
    this.aefs = options.aefs;
    const { allowed } = options;
    const env = { ...systemEnv, epoch: () => now + this.ahead };
    const aefOf = (aefId: string, exposed: Readonly<Record<string, string>>): CapifAef =>
      new CapifAef({
        aefId,
        apis: exposed,
        ...(allowed === undefined ? {} : { methods: allowed }),
        contexts: {
          contextOf: (apiInvokerId) => {
            this.asked++;
            return capifContexts({ apiRoot: this.apiRoot, tls: this.tls('aef') }).contextOf(apiInvokerId);
          },
        },
        verifier: accessTokenVerifier({ issuer: 'https://core.example', audience: aefId, keys: core.keys, leeway: 30, env }),
        invokerOf,
        valServiceIdsOf: () => ['v2x'],
        ownerOf: targetOwner,
        actsForOwner: aefId === san,
        env,
        emit: (event) => this.events.push(event),
      });
    this.aef = aefOf(san, apis);
    const keyManagement = new KeyManagementServer({ sKmsUri: 'https://seal1.example/km', records, userHost: 'val.example' });
    const keys: KeyRecordsEndpointOptions = { server: keyManagement, guard: aefOf(skms, { 'ss-kir': 'km' }) };
    const delivery: HttpsEndpoint = {
      path: deliveryPath,
      methods: ['POST'],
      largest: 1024,
      guard: aefOf(nef, { 'msgin5g-delivery': 'msgin5g' }),
      answer: async (request) => ({ status: 200, body: utf8(request.callerOf()!.clientId) }),
    };
    const { cert, key } = given.certificates.aef;
    this.#server = new SealHttpsServer({
      listen: { cert, key, clientCa: given.authority.cert },
      guard: this.aef,
      services: [new SpatialService({ store: memoryStore() })],
      endpoints: [keyRecordsEndpoint(keys), delivery, ...aefSecurityEndpoints({ aef: this.aef, coreNames: ['core.example'], invokerOf })],
      leeway: 30,
      env,
      emit: (event) => this.told.push(event),
    });
  }

  static async within({ methods = ['OAUTH', 'PKI'], allowed }: CapifLabOptions, use: (lab: CapifLab) => Promise<void>): Promise<void> {
    trust ??= makeTrust();
    const given = await trust;
    const { cert, key } = given.certificates.core;
    const aefs = {
      [san]: { names: ['aef.example'], methods, uri: '' },
      [skms]: { names: ['aef.example'], methods },
      [nef]: { names: ['aef.example'], methods },
    };
    const core = await CapifCoreSimulator.make({
      issuer: 'https://core.example',
      invokers,
      aefs,
      tls: { ca: given.authority.cert, cert, key },
      env: { ...systemEnv, epoch: () => now },
    });
    const coreServer = await serveHttps({ cert, key, clientCa: given.authority.cert }, core.handler);
    const records = new SealedRecords(memoryStore(), new Uint8Array(32).fill(3));
    await records.put({ serviceId: 'v2x' }, utf8('service keys'));
    await records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } }, utf8('keys of ue1'));
    await records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue2' } }, utf8('keys of ue2'));
    const lab = new CapifLab(given, core, coreServer, records, { aefs, ...(allowed === undefined ? {} : { allowed }) });
    await lab.#server.listen();
    aefs[san]!.uri = lab.uri;
    try {
      await use(lab);
    } finally {
      await lab.#server.close();
      await coreServer.close();
    }
  }

  get uri(): string {
    return `https://127.0.0.1:${this.#server.port}`;
  }

  get apiRoot(): string {
    return `https://127.0.0.1:${this.#coreServer.port}`;
  }

  tls(party: Party): { readonly ca: string; readonly cert: string; readonly key: string } {
    return { ca: this.#trust.authority.cert, ...this.#trust.certificates[party] };
  }

  /** An invoker that has negotiated. */
  async invoker(apiInvokerId: Invoker, prefSecurityMethods: readonly SecurityMethod[] = ['PKI', 'OAUTH'], ...aefs: readonly string[]): Promise<CapifInvoker> {
    const invoker = new CapifInvoker({ apiInvokerId, apiRoot: this.apiRoot, tls: this.tls(apiInvokerId) });
    await invoker.negotiate((aefs.length === 0 ? [san] : aefs).map((aefId) => ({ aefId, prefSecurityMethods })));
    return invoker;
  }

  /** A request that shows a certificate, and a token if there is one. */
  bare(path: string, as: Party, token?: string, more: { readonly method?: string; readonly value?: unknown } = {}): Promise<HttpsResponse> {
    const { method = 'GET', value } = more;
    return fetchHttps(`${this.uri}${path}`, {
      ...this.tls(as),
      method,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
      ...(value === undefined ? {} : { body: JSON.stringify(value) }),
    });
  }

  /** Why requests were refused so far; they start anew. */
  refusals(): string[] {
    return this.events.splice(0).map(({ reason }) => reason);
  }
}
