import assert from 'node:assert/strict';
import { type DtlsAtClientOptions, type DtlsProfileOptions, dtlsProfileWith } from '../../../profiles/dtls/index.ts';
import { AuthorizationServer, type AuthorizationServerOptions, type ClientRegistration, type ResourceServerRegistration } from '../../../src/as/index.ts';
import { AceClient, type AceRequestInit } from '../../../src/client/index.ts';
import { fromHex, utf8 } from '../../../src/core/bytes.ts';
import { type CoseKey, Curve, KeyType } from '../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../src/core/crypto/index.ts';
import type { TokenKey } from '../../../src/core/cwt.ts';
import type { Env } from '../../../src/core/env.ts';
import type { ClientConfig, ClientPsk, DtlsAssociation, SessionCredentials } from '../../../src/dtls/index.ts';
import { keepSessions, type TakenSessions, takeSessions } from '../../../src/operate/index.ts';
import { ResourceServer, type ResourceServerEvent } from '../../../src/rs/index.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { type DtlsTransport, dtlsOver } from '../../../src/transport/index.ts';
import { Simulator } from '../../support/simulator.ts';
import type { Party, Place } from '../compliance.ts';

/** A raw public key on P-256 that is the same in every run. */
export function rawKey(number: number): CoseKey {
  return { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(number)) };
}

export const clientKey: CoseKey = rawKey(1);
export const serverKey: CoseKey = rawKey(2);
/** Of the AS, for sessions that it opens. */
const asKey: CoseKey = rawKey(9);
/** RFC 9202, Figure 9. */
export const figure9: Uint8Array = fromHex('a108a101a2010402483d027833fc6267ce');

/** A party, and its sessions. */
export interface OwnParty extends Party {
  readonly sessions: DtlsTransport;
  readonly env: Env;
}

/** A party with plain CoAP on its port and sessions on the one above. */
export function partyAt({ role, simulator, env, address, port }: Place, options: Omit<DtlsProfileOptions, 'sessions'>): OwnParty {
  const plain = simulator.transport(address, port);
  const own = serverKey as CoseKey & { readonly crv: number; readonly x: Uint8Array; readonly y: Uint8Array; readonly d: Uint8Array };
  const server = { psk: {}, rawPublicKey: { own, client: 'require' } } as const;
  const sessions = dtlsOver(simulator.transport(address, port + 1), { env, ...(role === 'client' ? {} : { server }) });
  return { profile: dtlsProfileWith({ sessions, ...options }), transport: [plain, sessions], sessions, env };
}

export type Mode = 'psk' | 'psk-identity' | 'derived' | 'rpk';

export const tokenKey: TokenKey = { use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(7) } };
const derivationKeys = { as1: new Uint8Array(16).fill(9) };
const channel = (name: string): ClientPsk => ({ identity: utf8(name), key: new Uint8Array(16).fill(name.charCodeAt(1)) });
const scopes = { r_temp: { '/temperature': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] } };

/** An AS, an RS and clients, all of DTLS, in one process on a simulated network. */
export class DtlsParties {
  readonly simulator: Simulator = new Simulator();
  readonly stores: { readonly as: Store; readonly rs: Store; readonly client: Store } = {
    as: memoryStore({ env: this.simulator.env() }),
    rs: memoryStore({ env: this.simulator.env() }),
    client: memoryStore(),
  };
  readonly mode: Mode;
  readonly steps: string[] = [];
  readonly rsEvents: ResourceServerEvent[] = [];
  /** Token hashes of what the AS has issued. */
  readonly issued: string[] = [];
  led = 'off';
  changed: () => void = () => {};
  as!: AuthorizationServer;
  rs!: ResourceServer;
  rsSessions!: DtlsTransport;
  asSessions!: DtlsTransport;
  client!: AceClient;
  /** Seconds. */
  readonly tokenLifetime: number;
  readonly #follow: boolean;
  readonly #upload: 'psk' | 'rpk' | undefined;
  readonly #as: Pick<AuthorizationServerOptions, 'grantTypes' | 'refreshTokens'>;
  /** `uploaded`, `refused` or `unreachable`, for each token that the AS has tried to upload. */
  readonly outcomes: string[] = [];
  #follower: AceClient | undefined;
  #runs = 0;

  /** `follow`: the RS follows the revocation list of the AS. `upload`: the AS uploads tokens, over a channel of this kind. */
  constructor(
    mode: Mode,
    {
      tokenLifetime = 100,
      follow = false,
      upload,
      as = {},
    }: {
      readonly tokenLifetime?: number;
      readonly follow?: boolean;
      readonly upload?: 'psk' | 'rpk';
      readonly as?: Pick<AuthorizationServerOptions, 'grantTypes' | 'refreshTokens'>;
    } = {},
  ) {
    this.#as = as;
    this.mode = mode;
    this.#upload = upload;
    this.#follow = follow;
    this.tokenLifetime = tokenLifetime;
  }

  async start(): Promise<this> {
    await this.startAs();
    await this.startRs();
    this.client = this.newClient('c1');
    return this;
  }

  async stopAs(): Promise<void> {
    await this.finish(this.as.drain(5000));
    await keepSessions(this.stores.as, 'as', this.asSessions);
    await this.as.close();
  }

  /** `clients`: those that the AS still knows. The result: what became of the sessions in its store. */
  async startAs(clients: readonly ('c1' | 'c2')[] = ['c1', 'c2']): Promise<TakenSessions> {
    const env = this.simulator.env(`as ${++this.#runs}`);
    const sessions = dtlsOver(this.simulator.transport('10.0.0.1', 5684), { env, server: { psk: {} } });
    this.asSessions = sessions;
    const grants = [{ audience: 'rs1', scope: 'r_temp w_led' }];
    const client = (id: string): ClientRegistration => ({
      id,
      credentials: { psk: channel(id) },
      grants,
      ...(this.#as.grantTypes && { grantTypes: this.#as.grantTypes }),
    });
    const audience = (id: string): ResourceServerRegistration => ({ id, audiences: [id], tokenKeys: [tokenKey], tokenLifetime: this.tokenLifetime });
    const keys = {
      ownKey: asKey,
      clientKeys: { c1: [clientKey], c2: [rawKey(3)] },
      serverKeys: { rs1: serverKey },
      ...(this.mode === 'derived' ? { derivationKeys: { rs1: derivationKeys.as1 } } : {}),
    };
    this.as = new AuthorizationServer({
      issuer: 'as1',
      store: this.stores.as,
      profiles: [dtlsProfileWith({ sessions, as: keys })],
      clients: clients.map(client),
      resourceServers: [
        {
          ...audience('rs1'),
          credentials: this.#upload === 'rpk' ? { rawPublicKey: serverKey } : { psk: channel('rs1') },
          ...(this.#upload === undefined ? {} : { authzInfo: 'coaps://10.0.0.2/authz-info' }),
        },
        audience('rs2'),
      ],
      ...this.#experimental,
      ...this.#as,
      env,
      emit: (event) => {
        if (event.type === 'token-issued') this.issued.push(event.token);
        if (event.type === 'token-uploaded') this.outcomes.push(event.outcome);
      },
    });
    await this.as.start();
    const taken = await takeSessions(this.stores.as, 'as', sessions);
    await this.as.listen(sessions);
    return taken;
  }

  /** End the RS in order: what its store keeps of its sessions. */
  async stopRs(): Promise<void> {
    await this.finish(this.rs.drain(5000));
    await keepSessions(this.stores.rs, 'rs', this.rsSessions);
    await this.rs.close();
  }

  /** The result: what became of the sessions in its store. */
  async startRs(): Promise<TakenSessions> {
    const { transport, sessions, profile, env } = this.#partyOf('rs', '10.0.0.2', 5683, { rs: this.mode === 'derived' ? { derivationKeys } : {} });
    this.rsSessions = sessions;
    if (this.#follow) this.#follower = this.newClient('rs1', this.stores.rs);
    this.rs = new ResourceServer({
      ...(this.#follower === undefined ? {} : { revocation: { lists: { as1: this.#follower.revocationList() } } }),
      audience: 'rs1',
      issuers: [
        {
          issuer: 'as1',
          uri: 'coaps://10.0.0.1/token',
          tokenKeys: [tokenKey],
          credentials: this.#upload === 'rpk' ? { rawPublicKey: { server: asKey, own: serverKey } } : { psk: channel('rs1') },
        },
      ],
      ...this.#experimental,
      profiles: [profile],
      store: this.stores.rs,
      scopes,
      env,
      emit: (event) => this.rsEvents.push(event),
    });
    const handle = this.rs.resource('/temperature', { observable: true, get: () => '21.5' });
    this.changed = () => handle.changed();
    this.rs.resource('/led', {
      get: () => this.led,
      put: (request) => {
        this.led = request.text();
        return undefined;
      },
    });
    await this.rs.start();
    const taken = await takeSessions(this.stores.rs, 'rs', sessions);
    await this.rs.listen(transport);
    return taken;
  }

  newClient(id: 'c1' | 'c2' | 'rs1', store: Store = id === 'c1' ? this.stores.client : memoryStore()): AceClient {
    const ownKey = this.mode !== 'rpk' ? {} : { ownKey: id === 'c1' ? clientKey : rawKey(3) };
    const client: DtlsAtClientOptions = { ...ownKey, ...(this.mode === 'psk-identity' ? { token: 'psk-identity' } : {}) };
    const { transport, profile, env } = this.#partyOf('client', '10.0.0.3', 40_000 + 2 * this.#runs, { client });
    return new AceClient({
      transport,
      store,
      profiles: [profile],
      authorizationServers: [{ uri: 'coaps://10.0.0.1/token', credentials: { psk: channel(id) } }],
      env,
      ...this.#experimental,
      emit: (event) => event.type === 'step' && this.steps.push(event.detail.startsWith('by the AS') ? 'upload by the AS' : event.step),
    });
  }

  /** Open a session with the RS as somebody, with no profile around it. `own`: what it has, in place of the defaults. */
  async knock(credentials: SessionCredentials, own: Pick<ClientConfig, 'suites'> = {}): Promise<DtlsAssociation> {
    const env = this.simulator.env(`stranger ${++this.#runs}`);
    const sessions = dtlsOver(this.simulator.transport('10.0.0.4', 50_000 + this.#runs), { env, client: own });
    sessions.start(() => {});
    try {
      return (await this.finish(sessions.connect(this.simulator.peer('10.0.0.2', 5684), credentials))).association;
    } finally {
      await sessions.close();
    }
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  /** GET or PUT of an RS by its coap URI; the code and the text of the answer. */
  async fetch(path: string, init: AceRequestInit = {}, client: AceClient = this.client): Promise<string> {
    const response = await this.finish(client.fetch(`coap://10.0.0.2${path}`, init));
    assert.equal(response.protected, true);
    return response.codeText.startsWith('2') ? `${response.codeText} ${response.text()}`.trim() : response.codeText;
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#follower?.close();
    await this.rs.close();
    await this.as.close();
  }

  get #experimental(): { readonly experimental?: readonly ['token-upload'] } {
    return this.#upload === undefined ? {} : { experimental: ['token-upload'] };
  }

  #partyOf(role: 'client' | 'rs', address: string, port: number, options: Omit<DtlsProfileOptions, 'sessions'>): OwnParty {
    return partyAt({ role, simulator: this.simulator, env: this.simulator.env(`${role} ${++this.#runs}`), address, port }, options);
  }
}
