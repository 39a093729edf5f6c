import type { DatagramTransport, Peer } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import type { Simulator } from './simulator.ts';

/** A peer on the simulated network that is no CoAP endpoint: it sends the bytes it is told and keeps what it gets, as hexadecimal. */
export class RawPeer {
  readonly received: string[] = [];
  readonly peer: Peer;
  readonly #transport: DatagramTransport;
  readonly #simulator: Simulator;
  readonly #other: Peer;
  /** Called with each datagram, after it was kept. */
  onDatagram: ((hex: string) => void) | undefined = undefined;

  constructor(simulator: Simulator, address: string, other: Peer, port = 5683) {
    this.#simulator = simulator;
    this.#other = other;
    this.#transport = simulator.transport(address, port);
    this.peer = simulator.peer(address, port);
    this.#transport.start((datagram) => {
      const hex = toHex(datagram);
      this.received.push(hex);
      this.onDatagram?.(hex);
    });
  }

  send(hex: string): void {
    this.#transport.send(fromHex(hex), this.#other);
  }

  /** Send, let 100 ms pass, and return what came in meanwhile. */
  async exchange(hex: string): Promise<string[]> {
    const before = this.received.length;
    this.send(hex);
    await this.#simulator.sleep(100);
    return this.received.slice(before);
  }
}
