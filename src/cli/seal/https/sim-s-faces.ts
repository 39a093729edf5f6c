import { type LoginEvent, type OpenIdFace, openIdFace } from '../../../../profiles/seal/https/index.ts';
import type { SimS } from '../../../../profiles/seal/index.ts';
import type { AuthorizationServer, Reconfiguration } from '../../../as/index.ts';
import type { Endpoint, Transports } from '../../../coap/index.ts';
import { systemEnv } from '../../../core/env.ts';
import type { AsConfig, SealHttpsAsConfig, ServerEvent } from '../../../operate/index.ts';
import type { Store } from '../../../store/index.ts';
import { type HttpsServer, serveHttps } from '../../../transport/index.ts';
import type { Place } from '../../listen.ts';
import { serveCrl } from './crl.ts';

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
  #server: HttpsServer | undefined;
  /** In PEM. */
  #crl: Uint8Array | undefined;
  #crlServer: Awaited<ReturnType<typeof serveCrl>> | undefined;

  constructor(options: SimSFacesOptions) {
    this.#options = options;
  }

  /** Where it listens beside its CoAP transports. */
  get places(): readonly Place[] {
    const { address, port } = this.#server!;
    return [{ scheme: 'https', local: { address, port } }];
  }

  async listen(transports: Transports): Promise<Endpoint> {
    const { simS, store, https, refreshTokens = {}, emit } = this.#options;
    const { issuer, signingKeys, listen, cert, key } = https;
    if (https.crl !== undefined) {
      this.#crl = https.crl.list;
      this.#crlServer = await serveCrl(https.crl.listen, () => this.#crl!);
    }
    const { lifetime: refreshToken, familyLifetime: grant } = refreshTokens;
    await simS.start();
    const told = (event: LoginEvent): void => emit(toldOf(event));
    const lifetimes = { ...(refreshToken === undefined ? {} : { refreshToken }), ...(grant === undefined ? {} : { grant }) };
    this.#face = await openIdFace({ simS, store, issuer, signingKeys, env: systemEnv, lifetimes, emit: told });
    const refused = (from: string, reason: string): void =>
      emit({ type: 'service', service: 'https', event: { type: 'handshake-refused', reason, peer: from } as Told });
    this.#server = await serveHttps({ ...listen, cert, key, refused }, this.#face.handler);
    return simS.listen(transports);
  }

  /** Take the peers, users, certificate and signing keys of another configuration. */
  async reconfigure(next: Reconfiguration, seal: AsConfig['seal']): ReturnType<AuthorizationServer['reconfigure']> {
    const { simS } = this.#options;
    if (seal !== undefined) simS.identities.configure(seal.identities);
    const changes = await simS.reconfigure(next);
    if (seal?.https !== undefined) {
      const { cert, key } = seal.https;
      this.#server?.renew({ cert, key });
      if (seal.https.crl !== undefined) this.#crl = seal.https.crl.list;
      await this.#face?.renew(seal.https.signingKeys);
    }
    return changes;
  }

  async drain(milliseconds: number): Promise<boolean> {
    const [drained] = await Promise.all([this.#options.simS.drain(milliseconds), this.#server?.close(milliseconds)]);
    this.#server = undefined;
    return drained;
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#options.simS.stats(), 'https.pending': this.#face?.stats()['pending'] ?? 0 };
  }

  async close(): Promise<void> {
    await this.#crlServer?.close();
    await this.#server?.close();
    await this.#options.simS.close();
  }
}

type Told = Extract<ServerEvent, { readonly type: 'service' }>['event'];

/** What logs tell refusals by is the end of their type. */
function toldOf(event: LoginEvent): ServerEvent {
  if (event.type === 'fault') return event;
  return { type: 'service', service: 'login', event: event.type === 'login-failed' ? { ...event, type: 'login-refused' } : event };
}
