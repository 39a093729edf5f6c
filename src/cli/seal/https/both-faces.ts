import type { SealServer } from '../../../../profiles/seal/index.ts';
import type { Endpoint, Resource, ResourceHandle, Transport } from '../../../coap/index.ts';
import type { SealHttpsRsConfig } from '../../../operate/index.ts';
import type { Place } from '../../listen.ts';
import type { HttpsFace } from './server.ts';

/** A SEAL server over CoAP and over HTTPS, which start and end together. */
export class BothFaces {
  readonly #coap: SealServer;
  readonly #https: HttpsFace;

  constructor(coap: SealServer, https: HttpsFace) {
    this.#coap = coap;
    this.#https = https;
  }

  /** Where it listens beside its CoAP transports. */
  get places(): readonly Place[] {
    return [{ scheme: 'https', local: this.#https.local }];
  }

  resource(path: string, resource: Resource): ResourceHandle {
    return this.#coap.resource(path, resource);
  }

  async listen(transports: readonly Transport[]): Promise<Endpoint> {
    await this.#https.listen();
    return this.#coap.listen(transports);
  }

  reconfigure(next: Parameters<SealServer['reconfigure']>[0]): void {
    this.#coap.reconfigure(next);
  }

  fault(): string | undefined {
    return this.#https.fault();
  }

  /** @throws {TransportError} `ERR_TRANSPORT_TLS` for what `renew` would not take */
  check(config: SealHttpsRsConfig): void {
    this.#https.check(config);
  }

  renew(config: SealHttpsRsConfig): void {
    this.#https.renew(config);
  }

  async drain(milliseconds: number): Promise<boolean> {
    const drained = await Promise.all([this.#coap.drain(milliseconds), this.#https.drain(milliseconds)]);
    return drained.every(Boolean);
  }

  stats(): Readonly<Record<string, number>> {
    const https = Object.entries(this.#https.stats()).map(([name, value]) => [`https.${name}`, value] as const);
    return { ...Object.fromEntries(https), ...this.#coap.stats() };
  }

  async close(): Promise<void> {
    await this.#https.close();
    await this.#coap.close();
  }
}
