import assert from 'node:assert/strict';
import { encodeFrame, encodeMessage, MessageType, Method, pathOptions } from '../../src/coap/index.ts';
import { ByteWriter, concat, emptyBytes } from '../../src/core/bytes.ts';
import {
  CaptureReader,
  type Entry,
  encodePcapngPacket,
  encodePcapngStart,
  encodeUdpPacket,
  Inspector,
  Keyring,
  LinkType,
  ladderPage,
  PacketReader,
} from '../../src/inspect/index.ts';
import { clientAddress, serverAddress } from '../dtls/parties.ts';
import { datagrams } from './decoders.ts';
import { datagramsOf, suites } from './dtls.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';

const client = { address: '10.0.0.2', port: 40_000 };
const server = { address: '10.0.0.1', port: 5683 };
const get = encodeMessage({ type: MessageType.CON, code: Method.GET, id: 1, token: Uint8Array.of(1), options: pathOptions(['a']), payload: emptyBytes });

function packetsOf(payloads: readonly Uint8Array[], port: number): Uint8Array[] {
  return payloads.map((bytes, i) =>
    encodeUdpPacket(i % 2 === 0 ? { from: client, to: { ...server, port }, bytes } : { from: { ...server, port }, to: client, bytes }),
  );
}

/** A segment of TCP in a packet of IPv4. */
function segment(sequence: number, flags: number, payload: Uint8Array): Uint8Array {
  const ip = new ByteWriter()
    .u16(0x4500)
    .u16(40 + payload.length)
    .u32(0x4000)
    .u8(64)
    .u8(6)
    .u16(0);
  const tcp = new ByteWriter()
    .u16(client.port)
    .u16(server.port)
    .u32(sequence)
    .u32(0)
    .u16(0x5000 | flags)
    .u16(0xffff)
    .u32(0);
  return concat(ip.bytes(Uint8Array.of(10, 0, 0, 2, 10, 0, 0, 1)).finish(), tcp.finish(), payload);
}

const csm = encodeFrame('length', 0xe1, emptyBytes, [], emptyBytes);
const connection = [
  segment(1, 2, emptyBytes),
  segment(2, 0x18, csm),
  segment(2 + csm.length, 0x18, encodeFrame('length', 1, Uint8Array.of(1), pathOptions(['a']), emptyBytes)),
];

function pcapng(packets: readonly Uint8Array[], linkType: number = LinkType.RAW): Uint8Array {
  return concat(encodePcapngStart(linkType), ...packets.map((bytes, i) => encodePcapngPacket({ time: 1000 + i, bytes, length: bytes.length })));
}

/** The older format, in microseconds. */
function pcap(packets: readonly Uint8Array[]): Uint8Array {
  const start = new ByteWriter().u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(LinkType.RAW).finish();
  const records = packets.map((bytes, i) => new ByteWriter().u32(1).u32(i).u32(bytes.length).u32(bytes.length).bytes(bytes).finish());
  return concat(start, ...records);
}

const handshake = await datagramsOf(suites[0]!, clientAddress);
const answered = await datagramsOf(suites[0]!, serverAddress);
const flights = handshake.flatMap((datagram, i) => [datagram, answered[i] ?? datagram]);

/** A capture file, cut in two, as far as the picture. */
export const captureTarget: Target = {
  name: 'capture file',
  seeds: [
    pcapng(packetsOf([get, ...datagrams.slice(0, 4)], 5683)),
    pcapng(packetsOf(flights, 5684)),
    pcap(packetsOf([get], 5683)),
    pcapng(connection),
    pcapng([concat(new Uint8Array(12), Uint8Array.of(8, 0), packetsOf([get], 5683)[0]!)], LinkType.ETHERNET),
  ],
  mutate: mutateBytes,
  run: (input) => {
    const capture = new CaptureReader();
    const packets = new PacketReader();
    const inspector = new Inspector(new Keyring());
    const entries: Entry[] = [];
    const half = input.length >> 1;
    for (const part of [input.subarray(0, half), input.subarray(half)])
      for (const frame of capture.push(part)) for (const packet of packets.take(frame)) entries.push(...inspector.packet(packet));
    inspector.finish();
    assert.ok(capture.pending <= input.length);
    ladderPage(entries, { title: '<capture>', roles: inspector.roles });
  },
};
