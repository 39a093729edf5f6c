import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { DatagramTransport, Peer, SourcePorts } from '../../src/coap/index.ts';
import type { Cancel, Env } from '../../src/core/env.ts';
import { SeededRandom } from './random.ts';

export interface SimulatorOptions {
  /** Decides every chance in the simulation. */
  readonly seed?: number;
  /** Probability that a datagram gets lost. */
  readonly loss?: number;
  /** Probability that a datagram arrives twice. */
  readonly duplication?: number;
  /** Milliseconds on the way: a number, or a range from which each copy draws its own, so that datagrams overtake each other. Default 10. */
  readonly delay?: number | readonly [low: number, high: number];
  /** Probability that a copy takes ten times as long. */
  readonly reorder?: number;
  /** Seconds since 1970 at virtual time 0. Default 1,700,000,000. */
  readonly epoch?: number;
  /** `false`: `wire` stays empty, so that millions of datagrams take no room. */
  readonly record?: boolean;
}

/** A datagram that was sent, in the order of sending; injected ones too. */
export interface Packet {
  /** Virtual milliseconds. */
  readonly time: number;
  /** `address:port`, as in `Peer.key`. */
  readonly from: string;
  readonly to: string;
  readonly datagram: Uint8Array;
  /** When its copies arrive; none: it is lost. */
  readonly arrivals: readonly number[];
}

interface Event {
  readonly at: number;
  readonly order: number;
  task: (() => void) | undefined;
}

/**
 * A network and a clock that exist in one process only. One seed determines everything, so that a failure can be run again.
 *
 * ```ts
 * const sim = new Simulator({ seed: 7, loss: 0.1 });
 * const client = new Endpoint({ transport: sim.transport('10.0.0.2', 5683), env: sim.env('client') });
 * const response = await sim.finish(client.request({ code: 1, peer }));
 * ```
 */
export class Simulator {
  readonly wire: Packet[] = [];
  /** When set, decides for every datagram that is sent: false loses it. Injected ones are not asked about. */
  filter: ((packet: Omit<Packet, 'arrivals'>) => boolean) | undefined = undefined;
  /** Seconds by which somebody set the wall clock, back when negative. */
  clockSet = 0;
  readonly #options: SimulatorOptions;
  readonly #random: SeededRandom;
  readonly #events: Event[] = [];
  /** How many events at the front are over. */
  #passed = 0;
  readonly #groups: Map<string, Set<string>> = new Map();
  readonly #transports: Map<string, Pick<SimulatedTransport, 'deliver'>> = new Map();
  #now = 0;
  #order = 0;

  constructor(options: SimulatorOptions = {}) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed ?? 1);
  }

  /** Virtual milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  /** Events that are still to come. */
  get pending(): number {
    return this.#events.length - this.#passed;
  }

  /** An environment on the virtual clock. Its randomness depends on the seed and the name alone. */
  env(name = ''): Env {
    const random = new SeededRandom(`${this.#options.seed ?? 1} ${name}`);
    return {
      now: () => this.#now,
      epoch: () => (this.#options.epoch ?? 1_700_000_000) + this.clockSet + this.#now / 1000,
      random: (length) => random.bytes(length),
      schedule: (delay, task) => this.#schedule(delay, task),
    };
  }

  /** Bind an address, and with `sources` above 1 further ports of it from 40,001 on. It can be bound again once the transport is closed. */
  transport(address: string, port: number, sources = 1): DatagramTransport {
    const key = `${address}:${port}`;
    if (this.#transports.has(key)) throw new Error(`${key} is bound already`);
    const transport = new SimulatedTransport(this, { key, address, port }, () => this.#transports.delete(key));
    this.#transports.set(key, transport);
    return sources === 1 ? transport : Object.assign(transport, { sources: this.#sourcesOf(transport, sources) });
  }

  #sourcesOf(first: SimulatedTransport, most: number): SourcePorts {
    const { address } = first.local;
    const portOf = (number: number): string => `${address}:${40_000 + number}`;
    const from = (peer: Peer, number: number): Peer => ({ ...peer, key: `${peer.key} from ${number}`, source: { number, first: peer } });
    return {
      most,
      peer: (peer, number) => {
        const receiver = { deliver: (datagram: Uint8Array, sender: Peer) => first.deliver(datagram, from(sender, number)) };
        if (!this.#transports.has(portOf(number))) this.#transports.set(portOf(number), receiver);
        return from(peer, number);
      },
      close: (number) => this.#transports.delete(portOf(number)),
    };
  }

  /** Let what is sent to a group reach the transport at an `address:port`; the result is the group as a peer. */
  join(group: string, port: number, member: string): Peer {
    const key = `${group}:${port}`;
    const members = this.#groups.get(key) ?? new Set();
    this.#groups.set(key, members.add(member));
    return { key, address: group, port, group: true };
  }

  /** The peer at an address. */
  peer(address: string, port: number): Peer {
    return { key: `${address}:${port}`, address, port };
  }

  /** Deliver a datagram at once, as an attacker would: from any `address:port` to any other. */
  inject(datagram: Uint8Array, from: string, to: string): void {
    this.#carry(datagram.slice(), from, to, [this.#now]);
  }

  /** For transports: put a datagram on the wire. */
  transmit(datagram: Uint8Array, from: string, to: string): void {
    const copy = datagram.slice();
    const { loss = 0, duplication = 0 } = this.#options;
    const lost = this.#random.chance(loss);
    const copies = lost ? 0 : this.#random.chance(duplication) ? 2 : 1;
    const passes = this.filter === undefined || this.filter({ time: this.#now, from, to, datagram: copy });
    this.#carry(copy, from, to, passes ? Array.from({ length: copies }, () => this.#now + this.#delay()) : []);
  }

  /**
   * Advance the clock from event to event, with all promises settled in between.
   *
   * Without `until`: up to `limit` milliseconds from now, or until nothing is scheduled any more. With `until`: until it holds; it is an error when it does not
   * within the limit, or when nothing is scheduled that could make it hold.
   */
  async run(until?: () => boolean, limit: number = Number.POSITIVE_INFINITY): Promise<void> {
    const end = this.#now + limit;
    let patience = 20;
    for (;;) {
      await this.#drain();
      if (until?.()) return;
      const event = this.#next();
      if (event !== undefined && event.at <= end) {
        patience = 20;
        this.#passed++;
        this.#now = Math.max(this.#now, event.at);
        this.#fire(event);
        continue;
      }
      if (event === undefined && until !== undefined && patience-- > 0) {
        // Nothing is scheduled: only work outside the simulation (a file, a thread) can still bring it on.
        await sleep(5);
        continue;
      }
      if (until !== undefined)
        throw new Error(`simulator: at ${this.#now} ms ${event === undefined ? 'nothing is scheduled any more' : `the limit of ${limit} ms is over`}`);
      if (end !== Number.POSITIVE_INFINITY) this.#now = end;
      return;
    }
  }

  /** Run until a promise is settled, and return or throw what it holds. */
  async finish<T>(promise: Promise<T>, limit?: number): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.run(() => settled, limit);
    return promise;
  }

  /** Advance the clock by so many milliseconds. */
  async sleep(duration: number): Promise<void> {
    await this.run(undefined, duration);
  }

  /** Advance the clock, with no promise settled in between: for so much traffic that turns of the event loop would take too long. */
  rush(duration: number): void {
    const end = this.#now + duration;
    for (let event = this.#next(); event !== undefined && event.at <= end; event = this.#next()) {
      this.#passed++;
      this.#now = Math.max(this.#now, event.at);
      this.#fire(event);
    }
    this.#now = end;
  }

  #delay(): number {
    const { delay = 10, reorder = 0 } = this.#options;
    const usual = typeof delay === 'number' ? delay : this.#random.between(delay[0], delay[1]);
    return this.#random.chance(reorder) ? usual * 10 : usual;
  }

  #carry(datagram: Uint8Array, from: string, to: string, arrivals: readonly number[]): void {
    if (this.#options.record !== false) this.wire.push({ time: this.#now, from, to, datagram, arrivals });
    const at = from.lastIndexOf(':');
    const peer = this.peer(from.slice(0, at), Number(from.slice(at + 1)));
    // Each copy is the receiver's to keep.
    const members = this.#groups.get(to);
    const group = members === undefined ? undefined : to.slice(0, to.lastIndexOf(':'));
    for (const receiver of members ?? [to])
      for (const arrival of arrivals) this.#schedule(arrival - this.#now, () => this.#transports.get(receiver)?.deliver(datagram.slice(), peer, group));
  }

  #schedule(delay: number, task: () => void): Cancel {
    const event: Event = { at: this.#now + Math.max(0, delay), order: this.#order++, task };
    this.#events.splice(this.#placeOf(event), 0, event);
    return () => {
      if (event.task === undefined) return;
      event.task = undefined;
      this.#events.splice(this.#placeOf(event), 1);
    };
  }

  /** Where an event is, or belongs: they are sorted by time and order. */
  #placeOf({ at, order }: Event): number {
    let low = this.#passed;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#events[middle]!;
      if (other.at < at || (other.at === at && other.order < order)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #next(): Event | undefined {
    // To take each event off the front would move all that follow.
    if (this.#passed > 1000 && this.#passed > this.#events.length / 2) {
      this.#events.splice(0, this.#passed);
      this.#passed = 0;
    }
    return this.#events[this.#passed];
  }

  #fire(event: Event): void {
    const task = event.task;
    event.task = undefined;
    task?.();
  }

  /** Let promises and immediates run until they schedule nothing more at this moment. */
  async #drain(): Promise<void> {
    let before: number;
    do {
      before = this.#order;
      await turn();
      await turn();
    } while (this.#order !== before);
  }
}

class SimulatedTransport implements DatagramTransport {
  readonly local: Peer;
  readonly #simulator: Simulator;
  readonly #unbind: () => void;
  #receive: ((datagram: Uint8Array, peer: Peer, group?: string) => void) | undefined;
  #closed = false;

  constructor(simulator: Simulator, local: Peer, unbind: () => void) {
    this.#simulator = simulator;
    this.local = local;
    this.#unbind = unbind;
  }

  start(receive: (datagram: Uint8Array, peer: Peer, group?: string) => void): void {
    this.#receive = receive;
  }

  send(datagram: Uint8Array, peer: Peer): void {
    if (this.#closed) return;
    const { source } = peer;
    if (source === undefined) this.#simulator.transmit(datagram, this.local.key, peer.key);
    else this.#simulator.transmit(datagram, `${this.local.address}:${40_000 + source.number}`, source.first.key);
  }

  resolve(host: string, port: number): Promise<Peer> {
    return Promise.resolve(this.#simulator.peer(host, port));
  }

  deliver(datagram: Uint8Array, peer: Peer, group?: string): void {
    if (!this.#closed) this.#receive?.(datagram, peer, group);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#unbind();
    return Promise.resolve();
  }
}
