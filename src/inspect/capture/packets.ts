import { type Frame, viewOf } from './frame.ts';
import { type IpPayload, IpProtocol, IpReassembly } from './ip.ts';
import { ipPacketIn, isKnownLink } from './link.ts';
import { readSegment, TcpReassembly } from './tcp.ts';

/** Where a message comes from or goes to. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** `127.0.0.1:5683`, `[::1]:5683`. */
export function formatPlace({ address, port }: Place): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A datagram of UDP, or bytes of TCP in their order. */
export interface Packet {
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  readonly transport: 'udp' | 'tcp';
  readonly from: Place;
  readonly to: Place;
  readonly bytes: Uint8Array;
  /** UDP: bytes at the end that the capture has not. TCP: bytes before these. */
  readonly missing: number;
  /** TCP: the connection begins anew. */
  readonly isStart?: boolean;
}

/** What of a capture is not shown, and how often. */
export interface Skipped {
  /** Link types that are not read. */
  readonly links: ReadonlyMap<number, number>;
  /** Neither UDP nor TCP over IP. */
  readonly others: number;
  /** Packets of which a fragment is missing. */
  readonly incomplete: number;
}

/** The datagrams and bytes that the frames of a capture carry. */
export class PacketReader {
  readonly #ip = new IpReassembly();
  readonly #tcp = new TcpReassembly();
  readonly #links = new Map<number, number>();
  #others = 0;

  /** What was left out so far. */
  get skipped(): Skipped {
    return { links: this.#links, others: this.#others, incomplete: this.#ip.incomplete };
  }

  /** Datagrams and bytes that this frame completes; none while a fragment or a segment is missing. */
  take({ time, linkType, bytes }: Frame): readonly Packet[] {
    if (!isKnownLink(linkType)) {
      this.#links.set(linkType, (this.#links.get(linkType) ?? 0) + 1);
      return [];
    }
    const packet = ipPacketIn(linkType, bytes);
    const carried = packet === undefined ? undefined : this.#ip.take(packet);
    if (carried?.protocol === IpProtocol.UDP) return datagramOf(time, carried);
    if (carried?.protocol === IpProtocol.TCP) return this.#segment(time, carried);
    if (packet === undefined || carried !== undefined) this.#others++;
    return [];
  }

  #segment(time: number, { source, destination, payload }: IpPayload): readonly Packet[] {
    const segment = readSegment(payload);
    if (segment === undefined) return [];
    const from = { address: source, port: segment.sourcePort };
    const to = { address: destination, port: segment.destinationPort };
    return this.#tcp
      .take(`${formatPlace(from)} ${formatPlace(to)}`, segment)
      .map(({ bytes, lost, isStart }) => ({ time, transport: 'tcp', from, to, bytes, missing: lost, ...(isStart ? { isStart } : {}) }));
  }
}

function datagramOf(time: number, { source, destination, payload }: IpPayload): readonly Packet[] {
  if (payload.length < 8) return [];
  const view = viewOf(payload);
  const length = view.getUint16(4);
  const whole = length < 8 ? payload.length : length;
  return [
    {
      time,
      transport: 'udp',
      from: { address: source, port: view.getUint16(0) },
      to: { address: destination, port: view.getUint16(2) },
      bytes: payload.slice(8, whole),
      missing: Math.max(0, whole - payload.length),
    },
  ];
}
