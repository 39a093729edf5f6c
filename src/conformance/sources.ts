import type { DatagramTransport } from '../coap/index.ts';
import { udp } from '../transport/index.ts';

/** How many ports in use before are let go by until one is used again, on a machine that has no others. */
const attempts = 64;

/**
 * Sockets for UDP that a run sends from, no two from the same port. A system gives a port again that a case before had, and with it comes what the target still
 * keeps for that address: an association whose end it did not hear, message ids that it takes for duplicates.
 */
export class Sources {
  readonly #address: string;
  readonly #used = new Set<number>();

  /** @param address - numeric, to send from */
  constructor(address: string) {
    this.#address = address;
  }

  /** A fresh socket. The caller closes it. */
  async open(): Promise<DatagramTransport> {
    const passed: DatagramTransport[] = [];
    try {
      for (;;) {
        const transport = await udp({ address: this.#address, sourcePorts: 1 });
        const { port } = transport.local;
        if (!this.#used.has(port) || passed.length === attempts) {
          this.#used.add(port);
          return transport;
        }
        passed.push(transport);
      }
    } finally {
      await Promise.all(passed.map((transport) => transport.close()));
    }
  }
}
