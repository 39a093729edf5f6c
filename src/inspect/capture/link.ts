import { viewOf } from './frame.ts';

/** Link-layer header types, registry of tcpdump as of 2026-11: those that are read. */
export const LinkType = { NULL: 0, ETHERNET: 1, RAW_12: 12, RAW_14: 14, RAW: 101, LOOP: 108, LINUX_SLL: 113, IPV4: 228, IPV6: 229, LINUX_SLL2: 276 } as const;

const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;
/** 802.1Q, 802.1ad, and what came before it. */
const vlanTags: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
const mostTags = 4;

/** Bytes of the headers of link types that end with an EtherType. */
const etherTypeAt: ReadonlyMap<number, readonly [etherType: number, header: number]> = new Map([
  [LinkType.ETHERNET, [12, 14]],
  [LinkType.LINUX_SLL, [14, 16]],
  [LinkType.LINUX_SLL2, [0, 20]],
]);

const withoutHeader: ReadonlySet<number> = new Set([LinkType.RAW_12, LinkType.RAW_14, LinkType.RAW, LinkType.IPV4, LinkType.IPV6]);

/** Whether packets of this link type can be read. */
export function isKnownLink(linkType: number): boolean {
  return withoutHeader.has(linkType) || etherTypeAt.has(linkType) || linkType === LinkType.NULL || linkType === LinkType.LOOP;
}

/** The IP packet in a frame, as a view of it; `undefined`: there is none. */
export function ipPacketIn(linkType: number, bytes: Uint8Array): Uint8Array | undefined {
  if (withoutHeader.has(linkType)) return isIp(bytes) ? bytes : undefined;
  // The family of the address, in the order of the machine that captured: what is behind it tells more.
  if (linkType === LinkType.NULL || linkType === LinkType.LOOP) return isIp(bytes.subarray(4)) ? bytes.subarray(4) : undefined;
  const places = etherTypeAt.get(linkType);
  return places === undefined ? undefined : behindEtherType(bytes, ...places);
}

function behindEtherType(bytes: Uint8Array, etherTypeStart: number, headerLength: number): Uint8Array | undefined {
  if (bytes.length < headerLength) return undefined;
  const view = viewOf(bytes);
  let etherType = view.getUint16(etherTypeStart);
  let at = headerLength;
  for (let tags = 0; vlanTags.has(etherType) && tags < mostTags && at + 4 <= bytes.length; tags++, at += 4) etherType = view.getUint16(at + 2);
  const packet = bytes.subarray(at);
  return (etherType === etherIpv4 || etherType === etherIpv6) && isIp(packet) ? packet : undefined;
}

function isIp(packet: Uint8Array): boolean {
  const version = (packet[0] ?? 0) >>> 4;
  return version === 4 || version === 6;
}
