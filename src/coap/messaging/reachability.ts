import type { Env } from '../../core/env.ts';
import { checkParameters } from '../bounds.ts';
import { type EchoEndpoint, EchoTimestamps } from '../echo/value.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Peer } from '../layer.ts';
import { findOption, type Option, OptionNumber, opaqueOption, withoutOptions } from '../message/option.ts';
import type { Received } from './message-layer.ts';
import type { PeerState } from './peer-state.ts';

/** How addresses show themselves, and how long it is remembered that they did (RFC 9175, Section 2.4). */
export interface AmplificationOptions {
  /** Milliseconds that an address which has shown itself is remembered after it was last seen. Default 3,600,000. */
  readonly lifetime?: number;
  /** Addresses that are remembered; the one that was longest not seen goes first. Default 8,192. */
  readonly addresses?: number;
  /** Milliseconds between our making an Echo value and its coming back. Default 300,000. */
  readonly window?: number;
}

/** How many times what an address sent it may be sent, until it has shown itself. */
const factor = 3;
/** Headers of Ethernet, IP and UDP; and the least that an Ethernet frame without its checksum has. */
const headers = { ipv4: 42, ipv6: 62 };
const leastFrame = 60;

/**
 * Whether clients are at the addresses from which they seem to send, and how much they are sent until they show it: three times what came from there, counted
 * with the headers of each datagram, as the 136 bytes of the standard are.
 *
 * An address shows itself by an Echo value of ours, and by a response to a request of ours, whose token nobody else can know. An acknowledgement does less, since
 * one in 65,536 guesses hits: what was sent to elicit it counts no more, and it counts as received.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9175#section-2.4
 */
export class Reachability {
  readonly #shown: ExpiringTable<true>;
  readonly #values: EchoTimestamps;
  readonly #window: number;

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(env: Env, options: AmplificationOptions = {}) {
    checkParameters('amplification', options);
    this.#shown = new ExpiringTable(env, { lifetime: options.lifetime ?? 3_600_000, entries: options.addresses ?? 8192 });
    this.#window = options.window ?? 300_000;
    this.#values = new EchoTimestamps(env, this.#window);
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#shown.size;
  }

  /** Forget all addresses. */
  close(): void {
    this.#shown.clear();
  }

  /** Look up a peer of which nothing is known otherwise. One with a session has shown its address by the handshake. */
  enter(state: PeerState): void {
    state.reachable = state.peer.association !== undefined || this.#shown.get(state.peer.key) === true;
  }

  /** The peer is no longer where it has shown to be. */
  doubt(state: PeerState): void {
    this.forget(state);
    state.reachable = false;
    state.credit = 0;
  }

  /** The peer has to show itself again when it is met next. */
  forget(state: PeerState): void {
    this.#shown.delete(state.peer.key);
  }

  /** The peer has shown that it is at its address. */
  show(state: PeerState): void {
    state.reachable = true;
    this.#shown.set(state.peer.key, '', true);
  }

  /** A datagram of so many bytes came from a peer; the result is what may be sent for it. */
  earn(state: PeerState, bytes: number): number {
    const earned = factor * frame(state, bytes);
    state.credit += earned;
    return earned;
  }

  /** A datagram of so many bytes is to be sent. The result is what it takes from the credit; 0: it may not be sent. */
  spend(state: PeerState, bytes: number): number {
    const cost = frame(state, bytes);
    if (cost > state.credit) return 0;
    state.credit -= cost;
    return cost;
  }

  /** Bytes that options and payload of an answer may have together (`Reply.room`); `first`: the one that is counted against its own request. */
  room({ state, allowance = 0 }: Received, token: Uint8Array, first: boolean): number | undefined {
    if (state === undefined || state.reachable) return undefined;
    const credit = first ? Math.min(allowance, state.credit) : state.credit;
    return credit < leastFrame ? 0 : Math.max(0, credit - headersOf(state) - 4 - token.length);
  }

  /** A new value for this peer. */
  echoOption(peer: Peer): Option {
    return opaqueOption(OptionNumber.Echo, this.#values.issue(boundTo(peer)));
  }

  /**
   * Look at the Echo option of a request: a value of ours that is fresh shows the address. The result is the options without it when it is ours, fresh or not,
   * since a proxy must not pass it on (RFC 9175, Section 2.3).
   */
  readEcho({ state }: Received, options: readonly Option[]): readonly Option[] {
    if (state === undefined) return options;
    const echo = findOption(options, OptionNumber.Echo);
    const age = echo === undefined ? undefined : this.#values.age(echo.value, boundTo(state.peer));
    if (age === undefined) return options;
    if (age < this.#window && !state.reachable) this.show(state);
    return withoutOptions(options, OptionNumber.Echo);
  }
}

/** What a value is bound to: the peer, and where it is if that can change. */
function boundTo(peer: Peer): EchoEndpoint {
  const { key, address, port, association } = peer;
  return { peer: association === undefined ? peer : { key: `${key} at ${address} port ${port}`, address, port } };
}

function headersOf({ peer: { address } }: PeerState): number {
  return address.includes(':') && !address.startsWith('::ffff:') ? headers.ipv6 : headers.ipv4;
}

/** Bytes that a datagram takes on the wire. */
function frame(state: PeerState, bytes: number): number {
  return Math.max(leastFrame, bytes + headersOf(state));
}
