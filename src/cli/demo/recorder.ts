import type { AceClientEvent } from '../../client/index.ts';
import { type DatagramTransport, decodeMessage, findOption, formatCode, MessageType, OptionNumber, type Peer } from '../../coap/index.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import type { Packet } from '../../inspect/index.ts';
import { decodeOscoreOption } from '../../oscore/index.ts';
import { tap } from '../../transport/index.ts';

/** A datagram that passed, and what the client was at. */
interface Recorded {
  readonly stage: string;
  readonly direction: 'in' | 'out';
  readonly datagram: Uint8Array;
  readonly peer: Peer;
  /** What carries it: with DTLS another datagram. */
  wire: Carried;
}

/** A datagram as it is on the wire, and where it went or came from. */
interface Carried {
  readonly datagram: Uint8Array;
  readonly peer: Peer;
}

/** A request and its answer on the wire. */
export interface RecordedExchange {
  readonly request: Uint8Array;
  readonly response: Uint8Array | undefined;
  readonly peer: Peer;
  /** The datagram that carried the request, and bytes of those of both. */
  readonly wire: Carried;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** The code on the wire. */
  readonly outerCode: string | null;
  /** The code that was answered: the inner one where OSCORE protected it. */
  readonly code: string | null;
}

/** Stages that send something; the other steps of the client only tell. */
const stages: ReadonlySet<string> = new Set(['probe', 'token-request', 'upload', 'update', 'request']);

/** Watches one client: its datagrams, the messages inside them, and which step they belong to. */
export class Recorder {
  readonly #recorded: Recorded[] = [];
  readonly #innerCodes: { readonly at: number; readonly code: string }[] = [];
  #stage = 'start';
  #transport: DatagramTransport | undefined;
  /** The transport below DTLS, and what came there last. */
  #below: DatagramTransport | undefined;
  #received: Carried | undefined;
  #receivedBelow = 0;
  readonly #pass: ((packet: Packet) => void) | undefined;

  /** `pass` takes each datagram as it is on the wire. */
  constructor(pass?: (packet: Packet) => void) {
    this.#pass = pass;
  }

  readonly wrap = (transport: DatagramTransport): DatagramTransport => {
    this.#transport ??= transport;
    return tap(transport, ({ direction, datagram: borrowed, peer }) => {
      const datagram = Uint8Array.from(borrowed);
      const plain = { datagram, peer };
      const wire = peer.association !== undefined && direction === 'in' ? (this.#received ?? plain) : plain;
      this.#recorded.push({ stage: this.#stage, direction, datagram, peer, wire });
      if (peer.association === undefined) this.#show(transport, direction, plain);
    });
  };

  /** The same below DTLS: what goes out there carries the last message that went out above. */
  readonly wrapBelow = (transport: DatagramTransport): DatagramTransport => {
    this.#below = transport;
    return tap(transport, ({ direction, datagram: borrowed, peer }) => {
      const carried = { datagram: Uint8Array.from(borrowed), peer };
      const last = this.#recorded.at(-1);
      this.#show(transport, direction, carried);
      if (direction === 'in') {
        this.#received = carried;
        this.#receivedBelow++;
      } else if (last?.direction === 'out' && last.peer.association !== undefined && last.wire.datagram === last.datagram) last.wire = carried;
    });
  };

  #show({ local }: DatagramTransport, direction: 'in' | 'out', { datagram: bytes, peer: { address, port } }: Carried): void {
    const [here, there] = [
      { address: local.address, port: local.port },
      { address, port },
    ];
    const [from, to] = direction === 'out' ? [here, there] : [there, here];
    this.#pass?.({ time: systemEnv.epoch() * 1000, transport: 'udp', from, to, bytes, missing: 0 });
  }

  readonly emit = (event: AceClientEvent): void => {
    if (event.type === 'step' && stages.has(event.step)) this.#stage = event.step;
    if (event.type === 'profile' && event.event.direction === 'in' && event.event.inner !== undefined) {
      this.#innerCodes.push({ at: this.#recorded.length, code: formatCode(event.event.inner.code) });
    }
  };

  /** Where the recording stands now; `exchanges` takes it to look at what came since. */
  get mark(): number {
    return this.#recorded.length;
  }

  /** Put a datagram on the wire again, as it was, from the client's own socket; it is not recorded as one of the client's. */
  resend({ datagram, peer }: Carried): void {
    (this.#below ?? this.#transport)?.send(datagram, peer);
  }

  /** Datagrams that came in below DTLS so far. */
  get receivedBelow(): number {
    return this.#receivedBelow;
  }

  /** Datagrams that came in since `mark`. */
  received(mark: number): readonly Uint8Array[] {
    return this.#recorded.slice(mark).flatMap(({ direction, datagram }) => (direction === 'in' ? [datagram] : []));
  }

  /** Requests of a stage since `mark`, each with its answer, in order. */
  exchanges(stage: string, mark = 0): readonly RecordedExchange[] {
    const found: RecordedExchange[] = [];
    for (const [index, { direction, datagram, peer, ...entry }] of this.#recorded.entries()) {
      if (index < mark || direction !== 'out' || entry.stage !== stage) continue;
      const { type, code, token } = decodeMessage(datagram);
      const { wire } = entry;
      if (type > MessageType.NON || code === 0) continue;
      const answer = this.#recorded.findIndex(
        (other, at) => at > index && other.direction === 'in' && other.peer.key === peer.key && isAnswer(other.datagram, token),
      );
      const response = this.#recorded[answer]?.datagram;
      const outerCode = response === undefined ? null : formatCode(decodeMessage(response).code);
      // The inner message is reported right after its datagram came in.
      const inner = isProtected(response) ? this.#innerCodes.find(({ at }) => at > answer) : undefined;
      const bytes = { requestBytes: wire.datagram.length, responseBytes: this.#recorded[answer]?.wire.datagram.length ?? 0 };
      found.push({ request: datagram, response, peer, wire, ...bytes, outerCode, code: inner?.code ?? outerCode });
    }
    return found;
  }

  /** The sessions that requests went out in. */
  sessions(): string[] {
    return this.#recorded.flatMap(({ direction, peer }) => (direction === 'out' && peer.association !== undefined ? [peer.key] : []));
  }

  /** Sender ID and Partial IV of every protected request that went out: with one key, each may stand here once. */
  nonces(): string[] {
    return this.#recorded.flatMap(({ direction, datagram, peer }) => {
      const option = direction === 'out' ? findOption(decodeMessage(datagram).options, OptionNumber.Oscore) : undefined;
      if (option === undefined) return [];
      const { kid, partialIv } = decodeOscoreOption(option.value);
      return kid === undefined || partialIv === undefined ? [] : [`${peer.key} ${toHex(kid)} ${toHex(partialIv)}`];
    });
  }
}

function isAnswer(datagram: Uint8Array, token: Uint8Array): boolean {
  const message = decodeMessage(datagram);
  return message.code >= 64 && equalBytes(message.token, token);
}

function isProtected(response: Uint8Array | undefined): boolean {
  return response !== undefined && findOption(decodeMessage(response).options, OptionNumber.Oscore) !== undefined;
}
