import { ByteWriter, concat, concatAll } from '../../src/core/bytes.ts';
import type { Entry } from '../../src/inspect/index.ts';
import { encodeUdpPacket, type Frame, Inspector, Keyring, type Keys, LinkType, type Packet, PacketReader, type Place } from '../../src/inspect/index.ts';
import type { InspectorOptions } from '../../src/inspect/inspector.ts';
import type { Packet as SimulatedPacket } from '../support/simulator.ts';

export const client: Place = { address: '192.0.2.1', port: 40_000 };
export const server: Place = { address: '192.0.2.2', port: 5683 };
export const client6: Place = { address: '2001:db8::1', port: 40_000 };
export const server6: Place = { address: '2001:db8::2', port: 5683 };

/** Numbers of 16 and 32 bits in one byte order. */
class Fields {
  readonly #bytes: number[] = [];
  readonly #littleEndian: boolean;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  #put(value: number, size: number): this {
    const bytes = Array.from({ length: size }, (_, index) => Math.floor(value / 2 ** (8 * (size - 1 - index))) & 0xff);
    this.#bytes.push(...(this.#littleEndian ? bytes.reverse() : bytes));
    return this;
  }

  u16(value: number): this {
    return this.#put(value, 2);
  }

  u32(value: number): this {
    return this.#put(value, 4);
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.push(...bytes);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export interface FileOptions {
  readonly littleEndian?: boolean;
  /** Times in nanoseconds. */
  readonly nano?: boolean;
}

export function pcapOf(frames: readonly Frame[], { littleEndian = false, nano = false }: FileOptions = {}): Uint8Array {
  const fields = (): Fields => new Fields(littleEndian);
  const header = fields()
    .u32(nano ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2)
    .u16(4)
    .u32(0)
    .u32(0)
    .u32(0x4_0000)
    .u32(frames[0]?.linkType ?? LinkType.RAW);
  const records = frames.map(({ time, bytes, length }) => {
    const units = nano ? 1e9 : 1e6;
    const fraction = Math.round(((time % 1000) / 1000) * units);
    return fields()
      .u32(Math.floor(time / 1000))
      .u32(fraction)
      .u32(bytes.length)
      .u32(length)
      .bytes(bytes)
      .finish();
  });
  return concatAll([header.finish(), ...records]);
}

export type PacketBlock = 'enhanced' | 'packet' | 'simple';

export function pcapngOf(
  frames: readonly Frame[],
  { littleEndian = false, nano = false }: FileOptions = {},
  kind: PacketBlock = 'enhanced',
  keyLog?: string,
): Uint8Array {
  const fields = (): Fields => new Fields(littleEndian);
  const block = (type: number, body: Uint8Array): Uint8Array => {
    const padding = new Uint8Array((4 - (body.length % 4)) % 4);
    const size = 12 + body.length + padding.length;
    return fields().u32(type).u32(size).bytes(body).bytes(padding).u32(size).finish();
  };
  const description = fields()
    .u16(frames[0]?.linkType ?? LinkType.RAW)
    .u16(0)
    .u32(0);
  // if_tsresol: 10^-9.
  if (nano)
    description
      .u16(9)
      .u16(1)
      .bytes(Uint8Array.of(9, 0, 0, 0))
      .u16(0)
      .u16(0);
  const blocks = [block(0x0a0d0d0a, fields().u32(0x1a2b3c4d).u16(1).u16(0).u32(0xffff_ffff).u32(0xffff_ffff).finish()), block(1, description.finish())];
  if (keyLog !== undefined) blocks.push(block(10, fields().u32(0x544c534b).u32(keyLog.length).bytes(new TextEncoder().encode(keyLog)).finish()));
  // Interface statistics, which nobody reads.
  blocks.push(block(5, fields().u32(0).u32(0).u32(0).finish()));
  for (const { time, bytes, length } of frames) {
    const ticks = Math.round(time * (nano ? 1e6 : 1e3));
    const [high, low] = [Math.floor(ticks / 0x1_0000_0000), ticks % 0x1_0000_0000];
    if (kind === 'simple') blocks.push(block(3, fields().u32(length).bytes(bytes).finish()));
    else {
      const head = kind === 'enhanced' ? fields().u32(0) : fields().u16(0).u16(0);
      blocks.push(block(kind === 'enhanced' ? 6 : 2, head.u32(high).u32(low).u32(bytes.length).u32(length).bytes(bytes).finish()));
    }
  }
  return concatAll(blocks);
}

const u16s = (...values: readonly number[]): Uint8Array => values.reduce((writer, value) => writer.u16(value), new ByteWriter()).finish();

/** A packet of IP with the header of each link type before it. */
export const wrappings: Readonly<Record<string, readonly [linkType: number, wrap: (ip: Uint8Array) => Uint8Array]>> = {
  Ethernet: [LinkType.ETHERNET, (ip) => concat(new Uint8Array(12), u16s(etherType(ip)), ip)],
  'Ethernet, VLAN': [LinkType.ETHERNET, (ip) => concat(new Uint8Array(12), u16s(0x8100, 7, etherType(ip)), ip)],
  'Ethernet, VLAN in VLAN': [LinkType.ETHERNET, (ip) => concat(new Uint8Array(12), u16s(0x88a8, 7, 0x8100, 8, etherType(ip)), ip)],
  'raw IP': [LinkType.RAW, (ip) => ip],
  'NULL, little endian': [LinkType.NULL, (ip) => concat(Uint8Array.of(ip[0]! >>> 4 === 4 ? 2 : 30, 0, 0, 0), ip)],
  'NULL, big endian': [LinkType.NULL, (ip) => concat(Uint8Array.of(0, 0, 0, ip[0]! >>> 4 === 4 ? 2 : 24), ip)],
  LOOP: [LinkType.LOOP, (ip) => concat(Uint8Array.of(0, 0, 0, ip[0]! >>> 4 === 4 ? 2 : 24), ip)],
  'Linux cooked': [LinkType.LINUX_SLL, (ip) => concat(new Uint8Array(14), u16s(etherType(ip)), ip)],
  'Linux cooked, version 2': [LinkType.LINUX_SLL2, (ip) => concat(u16s(etherType(ip)), new Uint8Array(18), ip)],
};

function etherType(ip: Uint8Array): number {
  return ip[0]! >>> 4 === 4 ? 0x0800 : 0x86dd;
}

export function udpFrame(from: Place, to: Place, bytes: Uint8Array, time = 0): Frame {
  const packet = encodeUdpPacket({ from, to, bytes });
  return { time, linkType: LinkType.RAW, bytes: packet, length: packet.length };
}

/** A segment of TCP over IPv4. */
export function tcpFrame(from: Place, to: Place, sequence: number, flags: number, payload: Uint8Array, time = 0): Frame {
  const segment = concat(new ByteWriter().u16(from.port).u16(to.port).u32(sequence).u32(0).u8(0x50).u8(flags).u16(0xffff).u16(0).u16(0).finish(), payload);
  const addresses = [from, to].flatMap(({ address }) => address.split('.').map(Number));
  const bytes = concat(
    new ByteWriter()
      .u16(0x4500)
      .u16(20 + segment.length)
      .u32(0)
      .u16(0x4006)
      .u16(0)
      .finish(),
    Uint8Array.from(addresses),
    segment,
  );
  return { time, linkType: LinkType.RAW, bytes, length: bytes.length };
}

export function packetsOf(frames: Iterable<Frame>): readonly Packet[] {
  const reader = new PacketReader();
  return [...frames].flatMap((frame) => reader.take(frame));
}

const placeOf = (name: string): Place => ({ address: name.slice(0, name.lastIndexOf(':')), port: Number(name.slice(name.lastIndexOf(':') + 1)) });

/** What passed on the simulated network, as packets. */
export function simulatedPackets(wire: readonly SimulatedPacket[]): readonly Packet[] {
  return wire.map(({ time, from, to, datagram }) => ({ time, transport: 'udp', from: placeOf(from), to: placeOf(to), bytes: datagram, missing: 0 }));
}

export interface Inspected {
  readonly entries: readonly Entry[];
  readonly inspector: Inspector;
}

export function inspect(packets: readonly Packet[], keys: Keys = {}, options: InspectorOptions = {}): Inspected {
  const inspector = new Inspector(new Keyring(keys), options);
  const entries = packets.flatMap((packet) => inspector.packet(packet));
  inspector.finish();
  return { entries, inspector };
}
