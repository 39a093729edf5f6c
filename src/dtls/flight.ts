import { concatAll } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { encodeFragment, type HandshakeMessage, HandshakeType, handshakeHeaderLength } from './handshake.ts';
import { ContentType } from './record.ts';

/** One thing in a flight, with the epoch that it belongs to when it is sent again too. Without `message` it is ChangeCipherSpec. */
export interface FlightItem {
  readonly epoch: number;
  readonly message?: HandshakeMessage;
}

/** Makes records, each with a new sequence number. */
export interface RecordWriter {
  /** Bytes that a record of the epoch has more than its content. */
  expansion(epoch: number): number;
  write(type: number, epoch: number, content: Uint8Array): Uint8Array;
}

const changeCipherSpec = Uint8Array.of(1);
/** A rest smaller than this is left empty, unless the message ends in it. */
const smallestFragment = 32;

/**
 * The datagrams of a flight: messages in fragments that fit the MTU, as many records in a datagram as there is room for.
 *
 * A ClientHello goes in one piece whatever its length is: a server that keeps no state before the cookie cannot put it together.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.3
 */
export function packFlight(items: readonly FlightItem[], mtu: number, writer: RecordWriter): readonly Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  let records: Uint8Array[] = [];
  let size = 0;
  const flush = (): void => {
    if (records.length > 0) datagrams.push(records.length === 1 ? records[0]! : concatAll(records));
    records = [];
    size = 0;
  };
  const put = (type: number, epoch: number, content: Uint8Array): void => {
    const record = writer.write(type, epoch, content);
    if (size + record.length > mtu) flush();
    records.push(record);
    size += record.length;
  };
  for (const { epoch, message } of items) {
    if (message === undefined) {
      put(ContentType.change_cipher_spec, epoch, changeCipherSpec);
      continue;
    }
    const overhead = writer.expansion(epoch) + handshakeHeaderLength;
    const { length } = message.body;
    let offset = 0;
    do {
      const rest = length - offset;
      let room = mtu - size - overhead;
      if (room < Math.min(rest, smallestFragment)) {
        flush();
        room = Math.max(1, mtu - overhead);
      }
      const part = message.type === HandshakeType.client_hello ? rest : Math.min(rest, room);
      put(ContentType.handshake, epoch, encodeFragment(message, offset, part));
      offset += part;
    } while (offset < length);
  }
  flush();
  return datagrams;
}

/** RFC 6347, Section 4.2.4.1, in milliseconds. */
export interface RetransmissionParameters {
  /** The first wait. Each later one is twice as long. */
  readonly initialTimeout: number;
  /** The longest wait, 60,000 or more. */
  readonly maxTimeout: number;
  /** How often a flight is sent again because nothing came; then the handshake fails. */
  readonly maxRetransmissions: number;
}

/** From this retransmission on the way may be narrower than was said (RFC 6347, Section 4.1.1.1). */
const retransmissionsBeforeSmaller = 3;
const smallMtu = 508;
/** A flight is repeated so often because the peer repeated its own: who forges its address makes us send no more. */
const mostRepeats = 16;

/** What a flight and its handshake have no more time for. */
export type Overdue = 'answer' | 'handshake';

/**
 * The flight that was sent last: sent again by timer until its answer is there, and when the peer repeats its own. And the time in which the handshake is to end.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4
 */
export class FlightTimer {
  readonly #parameters: RetransmissionParameters;
  readonly #env: Env;
  readonly #mtu: number;
  readonly #transmit: (items: readonly FlightItem[], mtu: number) => void;
  readonly #failed: (overdue: Overdue) => void;
  #items: readonly FlightItem[] = [];
  #timeout: number;
  #retransmissions = 0;
  #repeats = 0;
  /** When the flight is sent again, and when the handshake is to be over. */
  #due = Number.POSITIVE_INFINITY;
  #endsAt = Number.POSITIVE_INFINITY;
  readonly #lifetime: number;
  /** One timer of the host for both, which is not set anew for what comes later than it: that is looked at when it runs out. */
  #timer: Cancel | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  /** `lifetime`: milliseconds that the handshake may take. */
  constructor(
    parameters: RetransmissionParameters,
    lifetime: number,
    mtu: number,
    env: Env,
    transmit: (items: readonly FlightItem[], mtu: number) => void,
    failed: (overdue: Overdue) => void,
  ) {
    this.#parameters = parameters;
    this.#mtu = mtu;
    this.#env = env;
    this.#transmit = transmit;
    this.#failed = failed;
    this.#timeout = parameters.initialTimeout;
    this.#lifetime = lifetime;
  }

  /** Send a flight; it takes the place of the one before. The last one of a handshake has no answer, and no timer. */
  send(items: readonly FlightItem[], answered: boolean): void {
    this.#items = items;
    this.#retransmissions = 0;
    this.#repeats = 0;
    this.#due = answered ? this.#env.now() + this.#timeout : Number.POSITIVE_INFINITY;
    if (answered) this.watch();
    this.#send();
  }

  /** The peer sent its last flight again: it has not got ours. */
  repeat(): void {
    if (this.#items.length === 0 || this.#repeats >= mostRepeats) return;
    this.#repeats++;
    if (this.#due !== Number.POSITIVE_INFINITY) {
      this.#due = this.#env.now() + this.#timeout;
      this.watch();
    }
    this.#send();
  }

  /** Its answer is there: it is not sent again. */
  answered(): void {
    this.#items = [];
    this.#due = Number.POSITIVE_INFINITY;
  }

  /** The handshake is over. */
  stop(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#timer?.();
    this.#timer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
  }

  /** See to it that the time is noticed when it is there. */
  watch(): void {
    // The first time is the beginning.
    if (this.#endsAt === Number.POSITIVE_INFINITY) this.#endsAt = this.#env.now() + this.#lifetime;
    const at = Math.min(this.#due, this.#endsAt);
    if (this.#wakesAt <= at) return;
    this.#timer?.();
    this.#wakesAt = at;
    this.#timer = this.#env.schedule(at - this.#env.now(), () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
    const now = this.#env.now();
    if (now >= this.#endsAt) this.#failed('handshake');
    else if (now < this.#due) this.watch();
    else if (this.#retransmissions >= this.#parameters.maxRetransmissions) this.#failed('answer');
    else this.#again(now);
  }

  #again(now: number): void {
    this.#retransmissions++;
    this.#timeout = Math.min(2 * this.#timeout, this.#parameters.maxTimeout);
    this.#due = now + this.#timeout;
    this.watch();
    this.#send();
  }

  #send(): void {
    this.#transmit(this.#items, this.#retransmissions < retransmissionsBeforeSmaller ? this.#mtu : Math.min(this.#mtu, smallMtu));
  }
}
