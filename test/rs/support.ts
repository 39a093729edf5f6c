import { AceError, credential, decodeHints, type Hints, type Profile, type RsIo } from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  codeClass,
  Endpoint,
  findOption,
  formatCode,
  type Layer,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  pathOptions,
  queryOptions,
  type Response,
  type SecurityAssociation,
  sortOptions,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { type ClaimsSet, protectCwt, type TokenKey } from '../../src/core/cwt.ts';
import { ResourceServer, type ResourceServerEvent, type ResourceServerOptions } from '../../src/rs/index.ts';
import { memoryStore, type Store } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

/** Elective, and nobody's: says who protects a message, in the clear. */
const protectedBy = 65_000;

/** A channel that keeps nothing secret: `<credential> <number>` names the association that the upload of this number led to, from 1. */
export class FakeProfile {
  readonly restored: Map<string, string> = new Map<string, string>();
  readonly released: string[] = [];
  /** When set, what `accept` throws. */
  refusal: AceError | undefined;
  /** When set, what `accept` waits for. */
  wait: (() => Promise<unknown>) | undefined;
  readonly #associations = new Map<string, SecurityAssociation>();
  readonly #uploads = new Map<string, number>();

  readonly profile: Profile = { id: 9, name: 'fake', rs: (io) => this.#atRs(io) };

  #association(name: string): SecurityAssociation {
    let association = this.#associations.get(name);
    if (association === undefined) {
      association = { kind: 'fake', id: name, credential: name.split(' ')[0] };
      this.#associations.set(name, association);
    }
    return association;
  }

  #atRs(_io: RsIo): ReturnType<NonNullable<Profile['rs']>> {
    const layer: Layer = {
      name: 'fake',
      outbound: (next) => next,
      inbound: (next) => (request, reply) => {
        const name = findOption(request.options, protectedBy);
        next(name === undefined ? request : { ...request, association: this.#association(fromUtf8(name.value)) }, reply);
      },
    };
    return {
      layers: [layer],
      decodeUpload: (request) => {
        if (uintOf(request.options, OptionNumber.ContentFormat) !== ContentFormat.Cwt) return undefined;
        return { token: request.payload, ...(request.association === undefined ? {} : { association: request.association, refusedWith: Code.Unauthorized }) };
      },
      accept: async (claims, issuer, upload) => {
        await this.wait?.();
        if (this.refusal !== undefined) throw this.refusal;
        if (claims.cnf?.kid === undefined) throw new AceError('ERR_FAKE_KEY', 'expected a kid', { responseCode: Code.BadRequest });
        const name = credential('fake', issuer, claims.cnf.kid);
        const response = { code: Code.Created, options: [], payload: emptyBytes };
        if (upload.association !== undefined) return { credential: name, association: upload.association, response, update: true };
        const number = (this.#uploads.get(name) ?? 0) + 1;
        this.#uploads.set(name, number);
        return { credential: name, association: this.#association(`${name} ${number}`), response, update: false, saved: utf8(`${name} ${number}`) };
      },
      restore: async (name, saved) => {
        this.restored.set(name, fromUtf8(saved));
        return this.#association(fromUtf8(saved));
      },
      release: (name) => this.released.push(name),
      stats: () => ({}),
      close: async () => {},
    };
  }
}

export const asUri: string = 'coap://as.example/token';
export const tokenKey: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } };
export const macKey: TokenKey = { use: 'mac0', algorithm: 5, key: { kty: 4, k: new Uint8Array(32).fill(8) } };

const scopes = { all: { '/temp': ['GET'], '/led': ['GET', 'PUT'] }, r_temp: { '/temp': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] } };

export interface BenchOptions {
  readonly rs?: Partial<ResourceServerOptions>;
  readonly store?: Store;
  readonly simulator?: Simulator;
  /** `false`: scopes are AIFs. */
  readonly names?: boolean;
}

export interface Ask {
  readonly method?: keyof typeof Method;
  readonly by?: string;
  readonly payload?: Uint8Array;
  readonly options?: readonly Option[];
}

/** The key that token 1 is bound to. */
export const kid: Uint8Array = Uint8Array.of(1);

/** A resource server behind a fake profile, and a peer that sends what a test wants. */
export class Bench {
  readonly simulator: Simulator;
  readonly store: Store;
  readonly fake: FakeProfile = new FakeProfile();
  readonly events: ResourceServerEvent[] = [];
  readonly handled: string[] = [];
  readonly peer: Endpoint;
  readonly cancelled: string[] = [];
  rs!: ResourceServer;
  changed: () => void = () => {};
  readonly #options: BenchOptions;

  constructor(options: BenchOptions = {}) {
    this.#options = options;
    this.simulator = options.simulator ?? new Simulator();
    this.store = options.store ?? memoryStore();
    this.peer = new Endpoint({ transport: this.simulator.transport('10.0.0.9', 5683), env: this.simulator.env('peer') });
  }

  async start(): Promise<this> {
    this.rs = new ResourceServer({
      audience: ['rs1', 'group1'],
      issuers: [{ issuer: 'as1', uri: asUri, tokenKeys: [tokenKey] }],
      profiles: [this.fake.profile],
      store: this.store,
      ...(this.#options.names === false ? {} : { scopes }),
      env: this.simulator.env('rs'),
      emit: (event) => this.events.push(event),
      ...this.#options.rs,
    });
    const handle = this.rs.resource('/temp', {
      observable: true,
      get: () => {
        this.handled.push('GET /temp');
        return '21.5';
      },
    });
    this.changed = () => handle.changed();
    this.rs.resource('/led', { get: () => 'off', put: (request) => void this.handled.push(`PUT /led ${request.payload.length}`) });
    this.rs.resource('/open', { get: () => 'open' });
    await this.rs.listen(this.simulator.transport('10.0.0.2', 5683));
    return this;
  }

  get now(): number {
    return 1_700_000_000 + this.simulator.now / 1000;
  }

  /** A token as the AS would make it, with claims that are right unless a test says otherwise. */
  token(claims: Partial<Record<keyof ClaimsSet, unknown>> = {}, key: TokenKey = tokenKey): Uint8Array {
    const usual = { aud: 'rs1', exp: this.now + 100, scope: 'r_temp', cnf: { kid } };
    const wanted = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
    return protectCwt(Object.fromEntries(wanted) as ClaimsSet, key, this.simulator.env('token').random);
  }

  request(path: string, ask: Ask = {}): Promise<Response> {
    const { method = 'GET', by, payload = emptyBytes, options = [] } = ask;
    const [segments, query] = path.split('?');
    return this.peer.request({
      code: Method[method],
      options: sortOptions([
        ...pathOptions(segments!.split('/').filter((segment) => segment !== '')),
        ...(query === undefined ? [] : queryOptions(query.split('&'))),
        ...options,
        ...(by === undefined ? [] : [opaqueOption(protectedBy, utf8(by))]),
      ]),
      payload,
      peer: this.simulator.peer('10.0.0.2', 5683),
    });
  }

  observe(path: string, by: string): AsyncIterableIterator<Response> {
    return this.peer.observe({
      options: sortOptions([...pathOptions(path.split('/').slice(1)), opaqueOption(protectedBy, utf8(by))]),
      peer: this.simulator.peer('10.0.0.2', 5683),
    });
  }

  /** The code of the answer. */
  async code(path: string, ask: Ask = {}): Promise<string> {
    return formatCode((await this.simulator.finish(this.request(path, ask))).code);
  }

  upload(token: Uint8Array, ask: Omit<Ask, 'payload'> = {}): Promise<string> {
    return this.code('/authz-info', { method: 'POST', payload: token, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cwt)], ...ask });
  }

  async hints(path: string, ask: Ask = {}): Promise<Hints> {
    const response = await this.simulator.finish(this.request(path, ask));
    if (codeClass(response.code) !== 4) throw new Error(`expected an error, got ${formatCode(response.code)}`);
    return decodeHints(response.payload);
  }

  /** The reasons of the refusals so far. */
  refusals(): string[] {
    return this.events.flatMap((event) => (event.type === 'token-refused' || event.type === 'request-refused' ? [event.reason] : []));
  }

  async restart(): Promise<void> {
    await this.rs.close();
    await this.start();
  }

  async close(): Promise<void> {
    await this.peer.close();
    await this.rs.close();
  }
}

/** The credential of the key `kid` at issuer `as1`. */
export const holder: string = credential('fake', 'as1', kid);
