import {
  accessTokenVerifier,
  Guard,
  type GuardEvent,
  type HttpsEndpoint,
  keyManagementEndpoint,
  keyRecordsEndpoint,
  type SealHttpsEvent,
  SealHttpsServer,
} from '../../../../profiles/seal/https/index.ts';
import type { KeyManagementServer, SealService } from '../../../../profiles/seal/index.ts';
import { systemEnv } from '../../../core/env.ts';
import type { SealHttpsRsConfig, SealRsConfig, ServerEvent } from '../../../operate/index.ts';
import { checkCredentials, type HttpBounds, type HttpsCredentials, type HttpsServer } from '../../../transport/index.ts';
import { watchHttp } from '../../http-watch.ts';
import type { Place } from '../../listen.ts';
import type { Face } from '../faces.ts';
import { fieldsOf } from './events.ts';
import { clientsBy, type KeySet, keySetOf } from './known.ts';

/** What a SEAL server has on both of its faces. */
export interface SharedServices {
  readonly services: readonly SealService[];
  /** Its path is the same over CoAP. */
  readonly keyManagement?: { readonly server: KeyManagementServer; readonly path: string };
}

export interface FaceOptions {
  readonly audience: string;
  readonly valSystem: string;
  /** Seconds. */
  readonly leeway: number;
  readonly isRevoked?: (tokenHash: string) => boolean | Promise<boolean>;
  readonly emit: (event: ServerEvent) => void;
  /** What others than `httpBounds` has. */
  readonly bounds?: Partial<HttpBounds>;
}

/** The face of a SEAL server over HTTPS. */
export class HttpsFace implements Face {
  readonly #server: SealHttpsServer;
  #config: SealHttpsRsConfig;
  #listening: HttpsServer | undefined;

  constructor(
    config: SealHttpsRsConfig,
    { services, keyManagement }: SharedServices,
    { audience, valSystem, leeway, isRevoked, emit, bounds = {} }: FaceOptions,
  ) {
    this.#config = config;
    const { issuer, certificates, listen, cert, key, clientCa, crl, rate, failures = {} } = config;
    const keys = (): Promise<KeySet> => keySetOf(this.#config.keys, this.#config.ca === undefined ? {} : { ca: this.#config.ca });
    const verifier = accessTokenVerifier({ issuer, audience, valSystem, keys, leeway, env: systemEnv, ...(isRevoked === undefined ? {} : { isRevoked }) });
    const told = (event: SealHttpsEvent | GuardEvent): void => emit({ type: 'service', service: 'https', event: fieldsOf(event) });
    const clientOf = (names: readonly string[]): readonly string[] => clientsBy(this.#config.clients, names);
    const known = { verifier, clientOf, failures, emit: told, ...(config.certificateProfile ? { certificateProfile: systemEnv } : {}) };
    const guard = new Guard({ ...known, certificates });
    const forValServers = new Guard({ ...known, certificates: 'required' });
    this.#server = new SealHttpsServer({
      listen: {
        ...listen,
        cert,
        key,
        ...(clientCa === undefined ? {} : { clientCa, clientCertificate: certificates === 'required' ? ('required' as const) : ('wanted' as const) }),
        ...(crl === undefined ? {} : { crl }),
        refused: guard.refused,
        bounds,
        ...watchHttp('seal-server', () => this.#server.paths, emit),
      },
      guard,
      services,
      endpoints: keyManagement === undefined ? [] : endpointsOf(config, keyManagement, forValServers),
      leeway,
      ...(rate?.client === undefined ? {} : { rate: rate.client }),
      ...(rate?.address === undefined ? {} : { addressRate: rate.address }),
      emit: told,
    });
  }

  async listen(): Promise<void> {
    this.#listening = await this.#server.listen();
  }

  get place(): Place {
    const { address, port } = this.#listening!;
    return { scheme: 'https', local: { address, port } };
  }

  /** Why nobody would be served now. */
  fault(): string | undefined {
    return this.#listening?.fault(systemEnv.epoch());
  }

  /**
   * Whether `renew` would take it.
   *
   * @throws {TransportError} `ERR_TRANSPORT_TLS`
   */
  check({ https }: SealRsConfig): void {
    if (https !== undefined) checkCredentials(credentialsOf(https));
  }

  /** Take the certificates, keys and clients of another configuration. */
  renew({ https }: SealRsConfig): void {
    if (https === undefined) return;
    this.#listening?.renew(credentialsOf(https));
    this.#config = https;
  }

  drain(milliseconds: number): Promise<boolean> {
    return this.#server.drain(milliseconds);
  }

  stats(): Readonly<Record<string, number>> {
    return this.#server.stats();
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

/** Key management over HTTPS, and the face of VAL servers where there are certificates that they could show. */
function endpointsOf(
  { listen: { address, port }, clientCa, sKmsUri }: SealHttpsRsConfig,
  { server, path }: NonNullable<SharedServices['keyManagement']>,
  forValServers: Guard,
): readonly HttpsEndpoint[] {
  const host = address.includes(':') ? `[${address}]` : address;
  return [
    keyManagementEndpoint({ server, path, sKmsUri: sKmsUri ?? `https://${host}:${port}${path}` }),
    ...(clientCa === undefined ? [] : [keyRecordsEndpoint({ server, guard: forValServers })]),
  ];
}

function credentialsOf({ cert, key, clientCa, crl }: SealHttpsRsConfig): HttpsCredentials {
  return { cert, key, ...(clientCa === undefined ? {} : { clientCa }), ...(crl === undefined ? {} : { crl }) };
}
