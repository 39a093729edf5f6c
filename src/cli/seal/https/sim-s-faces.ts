import { type OpenIdFace, openIdEndpoints, openIdFace } from '../../../../profiles/seal/https/index.ts';
import type { SimS } from '../../../../profiles/seal/index.ts';
import type { AuthorizationServer, Reconfiguration } from '../../../as/index.ts';
import type { Endpoint, Transports } from '../../../coap/index.ts';
import { systemEnv } from '../../../core/env.ts';
import type { AsConfig, SealHttpsAsConfig, ServerEvent } from '../../../operate/index.ts';
import type { Store } from '../../../store/index.ts';
import { checkCredentials, type HttpServer, type HttpsServer, serveHttp, serveHttps } from '../../../transport/index.ts';
import { watchHttp } from '../../http-watch.ts';
import type { Place } from '../../listen.ts';
import { crlOf, serveCrl } from './crl.ts';

export interface SimSFacesOptions {
  readonly simS: SimS;
  readonly https: SealHttpsAsConfig;
  readonly store: Store;
  readonly refreshTokens: AsConfig['refreshTokens'];
  readonly emit: (event: ServerEvent) => void;
}

/** A SIM-S over CoAP and over HTTPS, which start and end together. */
export class SimSFaces {
  readonly #options: SimSFacesOptions;
  #face: OpenIdFace | undefined;
  #server: HttpServer | HttpsServer | undefined;
  /** In DER. */
  #crl: Uint8Array | undefined;
  #crlServer: HttpServer | undefined;

  constructor(options: SimSFacesOptions) {
    this.#options = options;
  }

  /** Where it listens beside its CoAP transports. */
  get places(): readonly Place[] {
    const { address, port } = this.#server!;
    return [{ scheme: this.#options.https.tls === undefined ? 'http' : 'https', local: { address, port } }];
  }

  start(): Promise<void> {
    return this.#options.simS.start();
  }

  async listen(transports: Transports): Promise<Endpoint> {
    const { simS, store, https, refreshTokens = {}, emit } = this.#options;
    const { issuer, signingKeys, listen, tls, proxy, failures = {} } = https;
    if (https.crl !== undefined) {
      this.#crl = await crlOf(https.crl.list);
      this.#crlServer = await serveCrl(https.crl.listen, () => this.#crl!);
    }
    const { lifetime: refreshToken, familyLifetime: grant } = refreshTokens;
    await simS.start();
    const lifetimes = { ...(refreshToken === undefined ? {} : { refreshToken }), ...(grant === undefined ? {} : { grant }) };
    const proxies = proxy === undefined ? {} : { proxies: proxy };
    this.#face = await openIdFace({ simS, store, issuer, signingKeys, env: systemEnv, lifetimes, failures, ...proxies });
    const refused = (from: string, reason: string): void =>
      emit({ type: 'service', service: 'sim-s', event: { type: 'handshake-refused', reason, peer: from } as Told });
    const options = { ...listen, ...watchHttp('sim-s', () => openIdEndpoints, emit) };
    const { handler } = this.#face;
    this.#server = await (tls === undefined ? serveHttp(options, handler) : serveHttps({ ...options, ...tls, refused }, handler));
    return simS.listen(transports);
  }

  /** Why nobody would be served over HTTPS now. */
  fault(): string | undefined {
    return this.#server?.fault(systemEnv.epoch());
  }

  /** Take the peers, users, certificate and signing keys of another configuration; where it rejects, all is as it was. */
  async reconfigure(next: Reconfiguration, seal: AsConfig['seal']): ReturnType<AuthorizationServer['reconfigure']> {
    const { simS } = this.#options;
    const server = this.#server;
    const { tls, signingKeys } = seal?.https ?? {};
    if (tls !== undefined) checkCredentials(tls);
    if (signingKeys !== undefined) this.#face?.check(signingKeys);
    const crl = seal?.https?.crl && (await crlOf(seal.https.crl.list));
    const changes = await simS.reconfigure(next);
    if (seal !== undefined) simS.identities.configure(seal.identities);
    if (crl !== undefined) this.#crl = crl;
    if (tls !== undefined && server !== undefined && 'renew' in server) server.renew(tls);
    if (signingKeys !== undefined) await this.#face?.renew(signingKeys);
    return changes;
  }

  async drain(milliseconds: number): Promise<boolean> {
    const drained = await Promise.all([this.#options.simS.drain(milliseconds), this.#server?.drain(milliseconds) ?? true]);
    return drained.every(Boolean);
  }

  stats(): Readonly<Record<string, number>> {
    const { connections = 0 } = this.#server?.stats() ?? {};
    const { pending = 0 } = this.#face?.stats() ?? {};
    return { ...this.#options.simS.stats(), 'https.pending': pending, 'https.connections': connections };
  }

  async close(): Promise<void> {
    await this.#crlServer?.close();
    await this.#server?.close();
    await this.#options.simS.close();
  }
}

type Told = Extract<ServerEvent, { readonly type: 'service' }>['event'];
