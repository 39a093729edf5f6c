import { ByteWriter, concat } from '../../core/bytes.ts';
import { fromAddress } from './ip.ts';
import type { Packet, Place } from './packets.ts';

/** The checksum of the Internet: ones' complement of the sum of 16-bit words (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function udpOf(from: Place, to: Place, payload: Uint8Array, sum: number): Uint8Array {
  return concat(
    new ByteWriter()
      .u16(from.port)
      .u16(to.port)
      .u16(8 + payload.length)
      .u16(sum)
      .finish(),
    payload,
  );
}

/** A datagram with the headers of UDP and IP, as a capture of raw IP holds it. */
export function encodeUdpPacket({ from, to, bytes }: Pick<Packet, 'from' | 'to' | 'bytes'>): Uint8Array {
  const [source, destination] = [fromAddress(from.address), fromAddress(to.address)];
  const length = 8 + bytes.length;
  if (source.length === 4) {
    // Version and header length, total length, no identification, no fragment, a time to live of 64, UDP.
    const header = new ByteWriter()
      .u16(0x4500)
      .u16(20 + length)
      .u32(0x4000)
      .u16(0x4011);
    const sum = checksum(concat(header.finish(), source, destination));
    return concat(header.u16(sum).bytes(source).bytes(destination).finish(), udpOf(from, to, bytes, 0));
  }
  const pseudo = new ByteWriter().bytes(source).bytes(destination).u32(length).u32(17).finish();
  // RFC 8200 §8.1: zero says that there is none.
  const sum = checksum(concat(pseudo, udpOf(from, to, bytes, 0))) || 0xffff;
  return concat(new ByteWriter().u32(0x6000_0000).u16(length).u16(0x1140).bytes(source).bytes(destination).finish(), udpOf(from, to, bytes, sum));
}
