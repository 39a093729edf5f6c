import {
  accessTokenVerifier,
  Guard,
  type GuardEvent,
  keyManagementEndpoint,
  keyRecordsEndpoint,
  keysAt,
  type SealHttpsEvent,
  SealHttpsServer,
} from '../../../../profiles/seal/https/index.ts';
import type { KeyManagementServer, SealService } from '../../../../profiles/seal/index.ts';
import { systemEnv } from '../../../core/env.ts';
import type { SealHttpsRsConfig, ServiceEvent } from '../../../operate/index.ts';
import type { HttpsServer } from '../../../transport/index.ts';

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
  readonly emit: (event: ServiceEvent) => void;
}

/** The face of a SEAL server over HTTPS. */
export class HttpsFace {
  readonly #server: SealHttpsServer;
  #config: SealHttpsRsConfig;
  #listening: HttpsServer | undefined;

  constructor(config: SealHttpsRsConfig, { services, keyManagement }: SharedServices, { audience, valSystem, leeway, isRevoked, emit }: FaceOptions) {
    this.#config = config;
    const { issuer, certificates, listen, cert, key, clientCa } = config;
    const keys = 'uri' in config.keys ? keysAt(config.keys.uri, config.ca === undefined ? {} : { ca: config.ca }) : () => this.#keySet();
    const verifier = accessTokenVerifier({ issuer, audience, valSystem, keys, leeway, env: systemEnv, ...(isRevoked === undefined ? {} : { isRevoked }) });
    const told = (event: SealHttpsEvent | GuardEvent): void => emit({ type: 'service', service: 'https', event: fieldsOf(event) });
    const clientOf = (names: readonly string[]): readonly string[] => this.#clientsOf(names);
    const guard = new Guard({ verifier, certificates, clientOf, emit: told });
    const forValServers = new Guard({ verifier, certificates: 'required', certificateProfile: systemEnv, clientOf, emit: told });
    this.#server = new SealHttpsServer({
      listen: {
        ...listen,
        cert,
        key,
        ...(clientCa === undefined ? {} : { clientCa, clientCertificate: certificates === 'required' ? ('required' as const) : ('wanted' as const) }),
        refused: guard.refused,
      },
      guard,
      services,
      endpoints: keyManagement === undefined ? [] : endpointsOf(config, keyManagement, forValServers),
      leeway,
      emit: told,
    });
  }

  async listen(): Promise<void> {
    this.#listening = await this.#server.listen();
  }

  /** Where it listens. */
  get local(): { readonly address: string; readonly port: number } {
    const { address, port } = this.#listening!;
    return { address, port };
  }

  /** Take the certificates, keys and clients of another configuration. */
  renew(config: SealHttpsRsConfig): void {
    const { cert, key, clientCa } = config;
    this.#listening?.renew({ cert, key, ...(clientCa === undefined ? {} : { clientCa }) });
    this.#config = config;
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

  #clientsOf(names: readonly string[]): readonly string[] {
    return Object.entries(this.#config.clients).flatMap(([client, own]) => (own.some((name) => names.includes(name)) ? [client] : []));
  }

  #keySet(): Promise<ReturnType<ReturnType<typeof keysAt>> extends Promise<infer Keys> ? Keys : never> {
    return Promise.resolve('jwks' in this.#config.keys ? (this.#config.keys.jwks as never) : (undefined as never));
  }
}
