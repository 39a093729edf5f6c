import {
  accessTokenVerifier,
  aefSecurityEndpoints,
  CapifAef,
  capifContexts,
  type GuardEvent,
  type HttpsCaller,
  type HttpsEndpoint,
  keyRecordsEndpoint,
  type SealHttpsEvent,
  SealHttpsServer,
  targetOwner,
} from '../../../../profiles/seal/https/index.ts';
import { systemEnv } from '../../../core/env.ts';
import type { CapifAefConfig, SealRsConfig, ServiceEvent } from '../../../operate/index.ts';
import type { HttpsServer, TlsClientOptions } from '../../../transport/index.ts';
import type { Place } from '../../listen.ts';
import type { Face } from '../faces.ts';
import { fieldsOf } from '../https/events.ts';
import { keySetOf } from '../https/known.ts';
import type { SharedServices } from '../https/server.ts';

/** Seconds that a token may be late (TS 33.122, C.2.2). */
const leeway = 30;

/** The face of a SEAL server to API invokers of CAPIF, where it is an API exposing function. */
export class CapifFace implements Face {
  readonly #server: SealHttpsServer;
  readonly #aef: CapifAef;
  #config: CapifAefConfig;
  #listening: HttpsServer | undefined;

  constructor(config: CapifAefConfig, { services, keyManagement }: SharedServices, emit: (event: ServiceEvent) => void) {
    this.#config = config;
    const { listen, cert, key, clientCa, core, aefId, apis, methods, rnaa, actForOwner, fresh, failures = {} } = config;
    const told = (event: SealHttpsEvent | GuardEvent): void => emit({ type: 'service', service: 'capif', event: fieldsOf(event) });
    const invokerOf = (names: readonly string[]): string | undefined => this.#invokerOf(names);
    this.#aef = new CapifAef({
      aefId,
      apis,
      methods,
      contexts: { contextOf: (apiInvokerId) => capifContexts({ apiRoot: core.uri, tls: this.#tls() }).contextOf(apiInvokerId) },
      verifier: accessTokenVerifier({
        issuer: core.issuer,
        audience: aefId,
        keys: () => keySetOf(this.#config.core.keys, this.#tls()),
        leeway,
        profile: 'capif',
        env: systemEnv,
      }),
      invokerOf,
      valServiceIdsOf: (apiInvokerId) => this.#config.invokers[apiInvokerId]?.services ?? [],
      ...(rnaa ? { ownerOf: targetOwner } : {}),
      actsForOwner: actForOwner,
      ...(fresh === undefined ? {} : { fresh }),
      failures,
      emit: told,
    });
    const endpoints: readonly HttpsEndpoint[] = [
      // Keys are for VAL servers: whoever agreed, the invoker stays one.
      ...(keyManagement === undefined ? [] : [keyRecordsEndpoint({ server: keyManagement.server, guard: asItself(this.#aef) })]),
      ...aefSecurityEndpoints({ aef: this.#aef, coreNames: core.names, invokerOf }),
    ];
    this.#server = new SealHttpsServer({
      listen: { ...listen, cert, key, clientCa, refused: this.#aef.refused },
      guard: this.#aef,
      services,
      endpoints,
      leeway,
      emit: told,
    });
  }

  get place(): Place {
    const { address, port } = this.#listening!;
    return { scheme: 'https', local: { address, port } };
  }

  async listen(): Promise<void> {
    this.#listening = await this.#server.listen();
  }

  /** Take the certificates, keys and invokers of another configuration. */
  renew({ capif }: SealRsConfig): void {
    if (capif === undefined) return;
    this.#listening?.renew(capif);
    this.#config = capif;
  }

  drain(milliseconds: number): Promise<boolean> {
    return this.#server.drain(milliseconds);
  }

  stats(): Readonly<Record<string, number>> {
    const { requests = 0, clients = 0 } = this.#server.stats();
    return { 'capif.requests': requests, 'capif.clients': clients, 'capif.contexts': this.#aef.stats().contexts };
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  /** What it shows to the core function, and whom it believes to be one. */
  #tls(): TlsClientOptions {
    const { cert, key, core } = this.#config;
    return { cert, key, ...(core.ca === undefined ? {} : { ca: core.ca }) };
  }

  #invokerOf(names: readonly string[]): string | undefined {
    return Object.entries(this.#config.invokers).find(([, invoker]) => invoker.names.some((name) => names.includes(name)))?.[0];
  }
}

/** Who asks, and not the owner for whom. */
function asItself(aef: CapifAef): { check(...request: Parameters<CapifAef['check']>): Promise<HttpsCaller> } {
  return {
    check: async (request) => {
      const { valUserId: _owner, ...caller } = await aef.check(request);
      return caller;
    },
  };
}
