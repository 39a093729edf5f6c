import type { Peer } from '../coap/index.ts';
import { isGroupAddress } from './groups.ts';

/**
 * One object for each address and port, so that no key is put together for every datagram and maps compare keys by identity.
 *
 * Bounded in two generations: when the young one is full it becomes the old one, and the old one is forgotten. A peer that is heard of in between moves up.
 */
export class PeerTable {
  readonly #capacity: number;
  readonly #make: (address: string, port: number) => Peer;
  #young: Map<string, Map<number, Peer>> = new Map();
  #old: Map<string, Map<number, Peer>> = new Map();
  #size = 0;
  #last: Peer | undefined;

  /** At most twice `capacity` peers are kept. */
  constructor(capacity: number, make: (address: string, port: number) => Peer = peerAt) {
    this.#capacity = capacity;
    this.#make = make;
  }

  get(address: string, port: number): Peer {
    const last = this.#last;
    if (last !== undefined && last.port === port && last.address === address) return last;
    const peer = this.#young.get(address)?.get(port) ?? this.#add(address, port);
    this.#last = peer;
    return peer;
  }

  #add(address: string, port: number): Peer {
    if (this.#size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#size = 0;
    }
    const peer = this.#old.get(address)?.get(port) ?? this.#make(address, port);
    let ports = this.#young.get(address);
    if (ports === undefined) {
      ports = new Map();
      this.#young.set(address, ports);
    }
    ports.set(port, peer);
    this.#size++;
    return peer;
  }
}

function peerAt(address: string, port: number): Peer {
  const key = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return isGroupAddress(address) ? { key, address, port, group: true } : { key, address, port };
}
