import type { Simulator } from './simulator.ts';

/** Bytes of a datagram on the wire, with the headers of Ethernet, IP and UDP. */
export function frameLength(address: string, bytes: number): number {
  return Math.max(60, bytes + (address.split(':').length > 2 ? 62 : 42));
}

export interface Traffic {
  readonly received: number;
  readonly sent: number;
  /** The most that was sent beyond three times what had come until then; below 0: never. */
  readonly excess: number;
}

/** What a server got from one address and sent there, with headers, as an observer at the server sees it. */
export function trafficOf(sim: Simulator, server: string, address: string, until: number = Number.POSITIVE_INFINITY): Traffic {
  const events: { time: number; bytes: number }[] = [];
  for (const { time, from, to, datagram, arrivals } of sim.wire) {
    if (from === server && to === address) events.push({ time, bytes: -frameLength(address, datagram.length) });
    else if (from === address && to === server) for (const arrival of arrivals) events.push({ time: arrival, bytes: frameLength(address, datagram.length) });
  }
  // What arrives at the moment of an answer came before it.
  events.sort((a, b) => a.time - b.time || b.bytes - a.bytes);
  let received = 0;
  let sent = 0;
  let excess = Number.NEGATIVE_INFINITY;
  for (const { time, bytes } of events) {
    if (time > until) break;
    if (bytes > 0) received += bytes;
    else sent -= bytes;
    excess = Math.max(excess, sent - 3 * received);
  }
  return { received, sent, excess };
}
