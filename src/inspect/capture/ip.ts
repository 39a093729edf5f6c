import { viewOf } from './frame.ts';

/** Protocol Numbers, IANA registry as of 2026-11. */
export const IpProtocol = { TCP: 6, UDP: 17 } as const;
const hopByHop = 0;
const routing = 43;
const fragmentHeader = 44;
const authentication = 51;
const destinationOptions = 60;

/** What an IP packet carries, once it is whole. */
export interface IpPayload {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly payload: Uint8Array;
  /** Bytes at the end that the capture has not. */
  readonly missing: number;
}

interface Header extends IpPayload {
  /** A part of a packet. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly more: boolean };
}

/** More extension headers has no packet that is meant well. */
const mostExtensions = 16;

/** The address as it is written, for IPv6 with the longest run of zeros left out (RFC 5952). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16));
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

function ipv4(packet: Uint8Array): Header | undefined {
  if (packet.length < 20) return undefined;
  const view = viewOf(packet);
  const headerLength = (packet[0]! & 0x0f) * 4;
  // Zero: the network card was to cut the packet.
  const total = view.getUint16(2) || packet.length;
  if (headerLength < 20 || total < headerLength || packet.length < headerLength) return undefined;
  const flags = view.getUint16(6);
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & 0x2000) !== 0;
  return {
    protocol: packet[9]!,
    source: formatAddress(packet.subarray(12, 16)),
    destination: formatAddress(packet.subarray(16, 20)),
    payload: packet.subarray(headerLength, Math.min(total, packet.length)),
    missing: Math.max(0, total - packet.length),
    ...(more || offset > 0 ? { fragment: { id: view.getUint16(4), offset, more } } : {}),
  };
}

function ipv6(packet: Uint8Array): Header | undefined {
  if (packet.length < 40) return undefined;
  const view = viewOf(packet);
  const length = view.getUint16(4);
  const total = length === 0 ? packet.length : 40 + length;
  const end = Math.min(total, packet.length);
  const addresses = { source: formatAddress(packet.subarray(8, 24)), destination: formatAddress(packet.subarray(24, 40)) };
  const missing = Math.max(0, total - packet.length);
  let protocol = packet[6]!;
  let at = 40;
  for (let extensions = 0; extensions < mostExtensions; extensions++) {
    if (![hopByHop, routing, fragmentHeader, authentication, destinationOptions].includes(protocol))
      return { protocol, ...addresses, payload: packet.subarray(at, end), missing };
    if (at + 8 > end) return undefined;
    const next = packet[at]!;
    if (protocol === fragmentHeader) {
      const field = view.getUint16(at + 2);
      const fragment = { id: view.getUint32(at + 4), offset: field & 0xfff8, more: (field & 1) !== 0 };
      // An atomic fragment is a packet (RFC 6946).
      if (fragment.more || fragment.offset > 0) return { protocol: next, ...addresses, payload: packet.subarray(at + 8, end), missing, fragment };
      at += 8;
    } else at += protocol === authentication ? 4 * (packet[at + 1]! + 2) : 8 * (packet[at + 1]! + 1);
    if (at > end) return undefined;
    protocol = next;
  }
  return undefined;
}

/** Packets that are put together at one time, and bytes of them. */
const mostPartial = 64;
const mostBytes = 1 << 20;
const mostFragments = 128;

interface Partial {
  readonly pieces: { readonly offset: number; readonly bytes: Uint8Array }[];
  bytes: number;
  /** Length of the whole, once the last fragment is there. */
  total: number | undefined;
}

/**
 * What IP packets carry, their fragments put together.
 *
 * What is begun is bounded: the oldest goes first. Fragments that overlap, or lie behind the last one, end their packet (RFC 5722): nobody can tell what its receiver made of it.
 */
export class IpReassembly {
  readonly #partials = new Map<string, Partial>();
  #bytes = 0;

  /** Packets of which a fragment is missing. */
  get incomplete(): number {
    return this.#partials.size;
  }

  /** `undefined`: no IP, or a fragment of what is not whole yet. */
  take(packet: Uint8Array): IpPayload | undefined {
    const header = (packet[0] ?? 0) >>> 4 === 6 ? ipv6(packet) : ipv4(packet);
    if (header?.fragment === undefined) return header;
    // What the capture has cut has no place in a whole.
    return header.missing > 0 ? undefined : this.#add(header, header.fragment);
  }

  #add(header: Header, { id, offset, more }: NonNullable<Header['fragment']>): IpPayload | undefined {
    const { protocol, source, destination, payload } = header;
    const key = `${source} ${destination} ${protocol} ${id}`;
    const partial = this.#partials.get(key) ?? { pieces: [], bytes: 0, total: undefined };
    this.#partials.set(key, partial);
    const end = offset + payload.length;
    const at = partial.pieces.findIndex((piece) => piece.offset >= offset);
    const place = at < 0 ? partial.pieces.length : at;
    const [before, after] = [partial.pieces[place - 1], partial.pieces[place]];
    // Seen twice, as a capture of all interfaces sees it.
    if (after?.offset === offset && after.bytes.length === payload.length) return undefined;
    const overlaps = (before !== undefined && before.offset + before.bytes.length > offset) || (after !== undefined && after.offset < end);
    const total = more ? partial.total : end;
    const last = partial.pieces.at(-1);
    const isBeyond = total !== undefined && Math.max(end, last === undefined ? 0 : last.offset + last.bytes.length, partial.total ?? 0) > total;
    if (overlaps || isBeyond || end > 0xffff || partial.pieces.length >= mostFragments) {
      this.#remove(key, partial);
      return undefined;
    }
    partial.pieces.splice(place, 0, { offset, bytes: payload.slice() });
    partial.bytes += payload.length;
    this.#bytes += payload.length;
    partial.total = total;
    if (partial.bytes === total) {
      const whole = new Uint8Array(total);
      for (const piece of partial.pieces) whole.set(piece.bytes, piece.offset);
      this.#remove(key, partial);
      return { protocol, source, destination, payload: whole, missing: 0 };
    }
    while (this.#partials.size > mostPartial || this.#bytes > mostBytes) {
      const [oldest, gone] = this.#partials.entries().next().value!;
      this.#remove(oldest, gone);
    }
    return undefined;
  }

  #remove(key: string, { bytes }: Partial): void {
    this.#partials.delete(key);
    this.#bytes -= bytes;
  }
}

/** The bytes of an address as it is written. */
export function fromAddress(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.'), Number);
  const [front, back] = text.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - front!.length - (back?.length ?? 0) }, () => '0');
  const groups = [...front!, ...(back === undefined ? [] : zeros), ...(back ?? [])].map((group) => Number.parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}
