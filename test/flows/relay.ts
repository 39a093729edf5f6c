import { Endpoint, OptionNumber, type Peer, type Request, type Response, type TransmissionParameters } from '../../src/coap/index.ts';
import type { Simulator } from '../support/simulator.ts';

/**
 * A CoAP forwarder: many clients reach one server through it, and the server sees a single address and port. It cannot read what OSCORE protects; it gives
 * each request a Message ID and a token of its own, as every hop does.
 */
export class Relay {
  readonly forwarded: { value: number } = { value: 0 };
  readonly endpoint: Endpoint;

  constructor(simulator: Simulator, address: string, server: Peer, parameters: Partial<TransmissionParameters> = {}) {
    this.endpoint = new Endpoint({
      transport: simulator.transport(address, 5683),
      env: simulator.env('relay'),
      parameters: { nstart: 64, ...parameters },
      // A relay passes OSCORE on without reading it (RFC 8613, Section 10).
      layers: [{ name: 'relay', understands: [OptionNumber.Oscore], outbound: (next) => next, inbound: (next) => next }],
      handler: (request, reply) => {
        this.forwarded.value++;
        this.#forward(request, server).then(reply.respond.bind(reply), () => reply.respond({ code: 163, options: [], payload: new Uint8Array(0) }));
      },
    });
  }

  async #forward({ code, options, payload }: Request, peer: Peer): Promise<Response> {
    const response = await this.endpoint.request({ code, options, payload, peer });
    return { code: response.code, options: response.options, payload: response.payload };
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }
}
