import type { SealServer } from '../../../profiles/seal/index.ts';
import type { Endpoint, Resource, ResourceHandle, Transport } from '../../coap/index.ts';
import type { SealRsConfig } from '../../operate/index.ts';
import type { Place } from '../listen.ts';

/** Where a SEAL server is reached beside its CoAP transports: over HTTPS, by API invokers of CAPIF, or by UEs over TLS with K_AF. */
export interface Face {
  /** Once it listens. */
  readonly place: Place;
  listen(): Promise<void>;
  /** Why nobody would be served now. */
  fault?(): string | undefined;
  /** @throws {TransportError} `ERR_TRANSPORT_TLS` for what `renew` would not take */
  check?(seal: SealRsConfig): void;
  /** Take what of another configuration takes effect while it runs. */
  renew?(seal: SealRsConfig): void;
  drain(milliseconds: number): Promise<boolean>;
  stats(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** A SEAL server over CoAP and its other faces, which start and end together. */
export class SealFaces {
  readonly #coap: SealServer;
  readonly #others: readonly Face[];

  constructor(coap: SealServer, others: readonly Face[]) {
    this.#coap = coap;
    this.#others = others;
  }

  /** Where it listens beside its CoAP transports. */
  get places(): readonly Place[] {
    return this.#others.map(({ place }) => place);
  }

  resource(path: string, resource: Resource): ResourceHandle {
    return this.#coap.resource(path, resource);
  }

  start(): Promise<void> {
    return this.#coap.start();
  }

  async listen(transports: readonly Transport[]): Promise<Endpoint> {
    for (const face of this.#others) await face.listen();
    return this.#coap.listen(transports);
  }

  reconfigure(next: Parameters<SealServer['reconfigure']>[0]): void {
    this.#coap.reconfigure(next);
  }

  fault(): string | undefined {
    return this.#others.map((face) => face.fault?.()).find((fault) => fault !== undefined);
  }

  /** @throws {TransportError} `ERR_TRANSPORT_TLS` for what `renew` would not take */
  check(seal: SealRsConfig): void {
    for (const face of this.#others) face.check?.(seal);
  }

  renew(seal: SealRsConfig): void {
    for (const face of this.#others) face.renew?.(seal);
  }

  async drain(milliseconds: number): Promise<boolean> {
    const drained = await Promise.all([this.#coap, ...this.#others].map((face) => face.drain(milliseconds)));
    return drained.every(Boolean);
  }

  stats(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.#others.map((face) => face.stats()), this.#coap.stats());
  }

  async close(): Promise<void> {
    for (const face of this.#others) await face.close();
    await this.#coap.close();
  }
}
