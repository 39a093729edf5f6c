import {
  ConfigurationService,
  decodeKmResponseJson,
  encodeKmRequestJson,
  KeyManagementServer,
  type KmRequest,
  type KmResponse,
  SealedRecords,
  type SealService,
  SpatialService,
} from '../../../../profiles/seal/index.ts';
import { HttpsFace } from '../../../../src/cli/seal/https/server.ts';
import { fromUtf8, utf8 } from '../../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import type { SealHttpsRsConfig, ServerEvent, ServiceEvent } from '../../../../src/operate/index.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../src/pki/index.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { fetchHttps, type HttpServerOptions, type HttpsRequestInit, type HttpsResponse } from '../../../../src/transport/index.ts';
import { audience, type Changes, claims, issuer, TokenLab } from './guard/token-lab.ts';

export const sKmsUri = 'https://seal1.val.example/km';
export const user = 'anna@val.example';
const coapUri = 'coap://seal1.val.example/km';

/** The authority of a VAL system, certificates of its servers, and keys of its SIM-S. */
export interface Trust {
  readonly authority: LabAuthority;
  readonly server: IssuedCertificate;
  /** VAL servers, by name. */
  readonly clients: Readonly<Record<'val1' | 'val2', IssuedCertificate>>;
  readonly tokens: TokenLab;
}

let trust: Promise<Trust> | undefined;

/** Made once. */
export function sharedTrust(): Promise<Trust> {
  trust ??= makeTrust();
  return trust;
}

async function makeTrust(): Promise<Trust> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const client = (name: string): Promise<IssuedCertificate> =>
    authority.issue({ commonName: name, names: [{ type: 'dns', value: `${name}.val.example` }], usage: ['client'] });
  const [server, val1, val2, tokens] = await Promise.all([
    authority.issue({ commonName: 'seal1', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] }),
    client('val1'),
    client('val2'),
    TokenLab.make(),
  ]);
  return { authority, server, clients: { val1, val2 }, tokens };
}

/** Claims of anna with ue1, who has the scope for key management. */
export const anna: Changes = { sub: user, client_id: 'app', scope: 'openid km', val_user_id: user, val_ue_id: 'ue1', val_service_ids: ['v2x', 'empty'] };
/** Claims of a VAL server. */
export const val1: Changes = { sub: 'val1', client_id: 'val1', scope: 'km', val_service_ids: ['v2x', 'empty'] };

/** Who asks, and with what. */
export interface Asker extends Pick<HttpsRequestInit, 'method' | 'body' | 'headers'> {
  /** Claims of the token; `null`: there is none. Those of anna when absent. */
  readonly claims?: Changes | null;
  /** Whose certificate is shown. */
  readonly as?: 'val1' | 'val2';
}

export interface FaceLabOptions {
  readonly config?: Partial<SealHttpsRsConfig>;
  readonly services?: readonly SealService[];
  readonly listen?: Pick<HttpServerOptions, 'bounds'>;
}

/** A SEAL server over HTTPS as `ace-coap rs` runs it: key management, configuration and spatial services. */
export class FaceLab {
  readonly records: SealedRecords = new SealedRecords(memoryStore(), new Uint8Array(32).fill(3));
  readonly events: ServiceEvent['event'][] = [];
  readonly keyManagement: KeyManagementServer;
  /** The time, in whole seconds, which for key management stands still: a KM request is good for a few seconds only. */
  readonly now: number = Math.floor(systemEnv.epoch());
  readonly env: Env = { ...systemEnv, epoch: () => this.now };
  readonly #trust: Trust;
  readonly #face: HttpsFace;

  private constructor(given: Trust, { config, services, listen }: FaceLabOptions) {
    this.#trust = given;
    const emit = (event: ServerEvent): void => {
      if (event.type === 'service') this.events.push(event.event);
    };
    this.keyManagement = new KeyManagementServer({
      sKmsUri: coapUri,
      records: this.records,
      userHost: 'val.example',
      env: this.env,
      emit: (event) => this.events.push(event),
    });
    const store = memoryStore();
    this.#face = new HttpsFace(
      {
        listen: { address: '127.0.0.1', port: 0 },
        cert: utf8(given.server.cert),
        key: utf8(given.server.key),
        clientCa: utf8(given.authority.cert),
        issuer,
        keys: { jwks: given.tokens.keys },
        certificates: 'none',
        certificateProfile: false,
        clients: { val1: ['val1.val.example'], val2: ['val2.val.example'] },
        sKmsUri,
        ...config,
      },
      {
        services: services ?? [new ConfigurationService({ store }), new SpatialService({ store })],
        keyManagement: { server: this.keyManagement, path: '/km' },
      },
      { audience, valSystem: 'val.example', leeway: 0, emit, ...listen },
    );
  }

  static async within(options: FaceLabOptions, use: (lab: FaceLab) => Promise<void>): Promise<void> {
    const lab = new FaceLab(await sharedTrust(), options);
    await lab.records.put({ serviceId: 'v2x' }, utf8('service keys'));
    await lab.records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue1' } }, utf8('keys of ue1'));
    await lab.records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: 'ue2' } }, utf8('keys of ue2'));
    await lab.#face.listen();
    try {
      await use(lab);
    } finally {
      await lab.#face.close();
    }
  }

  get face(): HttpsFace {
    return this.#face;
  }

  get port(): number {
    return this.#face.place.local.port;
  }

  get authority(): LabAuthority {
    return this.#trust.authority;
  }

  token(changes: Changes = anna): Promise<string> {
    return this.#trust.tokens.token({ ...claims(Math.floor(systemEnv.epoch())), val_system_id: 'val.example', ...changes });
  }

  async fetch(path: string, { claims: changes = anna, as, headers, ...init }: Asker = {}): Promise<HttpsResponse> {
    const authorization = changes === null ? {} : { authorization: `Bearer ${await this.token(changes)}` };
    return fetchHttps(`https://127.0.0.1:${this.port}${path}`, {
      ca: this.authority.cert,
      ...(as === undefined ? {} : this.#trust.clients[as]),
      headers: { ...authorization, ...headers },
      ...init,
    });
  }

  /** JSON to a path. */
  send(method: string, path: string, value: unknown, asker: Asker = {}): Promise<HttpsResponse> {
    const body = value instanceof Uint8Array || typeof value === 'string' ? value : JSON.stringify(value);
    return this.fetch(path, { ...asker, method, body, headers: { 'content-type': 'application/json', ...asker.headers } });
  }

  /** A KM request that is right unless a test says otherwise. */
  async km(fields: { readonly [K in keyof KmRequest]?: KmRequest[K] | undefined } = {}, asker: Asker = {}): Promise<{ status: number; response: KmResponse }> {
    const request = { version: '1.0.0', sKmsUri, serviceId: 'v2x', dateTime: this.now, ...fields } as KmRequest;
    const { status, body, headers } = await this.send('POST', '/km', encodeKmRequestJson(request), asker);
    if (headers['content-type'] !== 'application/json') throw new Error(`${status} ${fromUtf8(body)}`);
    return { status, response: decodeKmResponseJson(body) };
  }

  /** Why requests were refused so far; they start anew. */
  refusals(): string[] {
    return this.events.splice(0).flatMap(({ type, reason }) => (type.endsWith('-refused') ? [reason!] : []));
  }
}

/** What an answer holds in JSON. */
export function jsonOf({ body }: HttpsResponse): Record<string, unknown> {
  return JSON.parse(fromUtf8(body)) as Record<string, unknown>;
}
