import { type ApplicationKeys, akmaTlsServer, type Msgin5gRegistration } from '../../../../profiles/seal/akma/index.ts';
import { Endpoint, Router } from '../../../coap/index.ts';
import type { Msgin5gConfig } from '../../../operate/index.ts';
import type { Place } from '../../listen.ts';
import type { Face } from '../faces.ts';

/** Where UEs reach the registration of MSGin5G over TLS with K_AF. Nothing else is there. */
export class Msgin5gTlsFace implements Face {
  readonly #tls: NonNullable<Msgin5gConfig['tls']>;
  readonly #keys: ApplicationKeys;
  readonly #identityPrefix: string | undefined;
  readonly #router: Router = new Router();
  #endpoint: Endpoint | undefined;

  /** @param keys - with the protocol identifier of the suite */
  constructor(tls: NonNullable<Msgin5gConfig['tls']>, keys: ApplicationKeys, registration: Msgin5gRegistration, identityPrefix: string | undefined) {
    this.#tls = tls;
    this.#keys = keys;
    this.#identityPrefix = identityPrefix;
    registration.serveOn(this.#router);
  }

  get place(): Place {
    return { scheme: 'coaps+tcp', local: this.#endpoint!.local };
  }

  async listen(): Promise<void> {
    const { listen, suite } = this.#tls;
    const transport = await akmaTlsServer({
      ...listen,
      keys: this.#keys,
      ...(suite === undefined ? {} : { suite }),
      ...(this.#identityPrefix === undefined ? {} : { identityPrefix: this.#identityPrefix }),
    });
    this.#endpoint = new Endpoint({ transport, handler: this.#router.handler });
  }

  drain(): Promise<boolean> {
    this.#endpoint?.drain();
    return Promise.resolve(true);
  }

  stats(): Readonly<Record<string, number>> {
    return { 'msgin5g.tls.connections': this.#endpoint?.stats()['connections'] ?? 0 };
  }

  async close(): Promise<void> {
    await this.#endpoint?.close();
  }
}
