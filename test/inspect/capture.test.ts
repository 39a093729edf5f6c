import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, concatAll, utf8 } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { formatAddress, fromAddress } from '../../src/inspect/capture/ip.ts';
import { CaptureReader, encodePcapngPacket, encodePcapngStart, encodeUdpPacket, type Frame, LinkType, PacketReader } from '../../src/inspect/index.ts';
import { client, client6, type PacketBlock, packetsOf, pcapngOf, pcapOf, server, server6, tcpFrame, udpFrame, wrappings } from './captures.ts';

const datagram = utf8('a datagram of some length');
const frames = [udpFrame(client, server, datagram, 1_700_000_000_123.456), udpFrame(server, client, utf8('back'), 1_700_000_000_125.5)];

function read(file: Uint8Array, cut = file.length): readonly Frame[] {
  const reader = new CaptureReader();
  const found: Frame[] = [];
  for (let at = 0; at < file.length; at += cut) found.push(...reader.push(file.slice(at, at + cut)));
  assert.equal(reader.pending, 0);
  return found;
}

const refusedAs = (code: string, said: RegExp) => (error: unknown) => error instanceof ProtocolError && error.code === code && said.test(error.message);

for (const littleEndian of [false, true])
  for (const nano of [false, true]) {
    const order = `${littleEndian ? 'little' : 'big'} endian, ${nano ? 'nanoseconds' : 'microseconds'}`;
    test(`pcap, ${order}: packets and times, however the file is cut`, () => {
      const file = pcapOf(frames, { littleEndian, nano });
      for (const cut of [1, 7, file.length]) assert.deepEqual(read(file, cut).map(closeTo), frames.map(closeTo));
    });
    for (const kind of ['enhanced', 'packet'] as const)
      test(`pcapng, ${order}, ${kind} packet blocks`, () => {
        const file = pcapngOf(frames, { littleEndian, nano }, kind);
        for (const cut of [1, 5, file.length]) assert.deepEqual(read(file, cut).map(closeTo), frames.map(closeTo));
      });
  }

/** A time in binary is as near as it can be. */
const closeTo = ({ time, ...frame }: Frame): object => ({ ...frame, time: time.toFixed(3) });

test('pcapng: simple packet blocks have no time', () => {
  const kind: PacketBlock = 'simple';
  assert.deepEqual(
    read(pcapngOf(frames, {}, kind)),
    frames.map((frame) => ({ ...frame, time: 0 })),
  );
});

test('pcapng: a second section has a byte order and interfaces of its own', () => {
  const file = concat(pcapngOf(frames, { littleEndian: true }), pcapngOf(frames));
  assert.equal(read(file).length, 4);
});

test('pcapng: a decryption secrets block gives its key log', () => {
  const lines: string[] = [];
  const reader = new CaptureReader((text) => lines.push(text));
  assert.equal([...reader.push(pcapngOf(frames, {}, 'enhanced', 'CLIENT_RANDOM 00 11\n'))].length, 2);
  assert.deepEqual(lines, ['CLIENT_RANDOM 00 11\n']);
});

test('pcapng: a key log of more than 65,535 bytes is read whole, and several blocks of one are', () => {
  const line = (index: number): string => `CLIENT_RANDOM ${index.toString(16).padStart(64, '0')} ${'ab'.repeat(48)}\n`;
  const [long, short] = [Array.from({ length: 500 }, (_, index) => line(index)).join(''), line(500)];
  assert.ok(long.length > 0xffff);
  const texts: string[] = [];
  const reader = new CaptureReader((text) => texts.push(text));
  const file = concat(pcapngOf(frames, {}, 'enhanced', long), pcapngOf(frames, { littleEndian: true }, 'enhanced', short));
  assert.equal([...reader.push(file)].length, 4);
  assert.deepEqual(
    texts.map((text) => text.length),
    [long.length, short.length],
  );
  assert.deepEqual(texts, [long, short]);
});

test('pcapng: what we write we read, IPv4 and IPv6', () => {
  const packets = [
    { from: client, to: server, bytes: datagram },
    { from: server6, to: client6, bytes: datagram },
  ];
  const file = concatAll([
    encodePcapngStart(LinkType.RAW),
    ...packets.map((packet, index) => {
      const bytes = encodeUdpPacket(packet);
      return encodePcapngPacket({ time: 1_700_000_000_000 + index, bytes, length: bytes.length });
    }),
  ]);
  assert.deepEqual(
    packetsOf(read(file)).map(({ from, to, bytes, time }) => ({ from, to, bytes, time })),
    packets.map((packet, index) => ({ ...packet, time: 1_700_000_000_000 + index })),
  );
});

test('a capture that is none, or is broken, is refused with what was expected; what came before is there', () => {
  const all = (bytes: Uint8Array): readonly Frame[] => [...new CaptureReader().push(bytes)];
  assert.throws(() => all(utf8('GET / HTTP/1.1')), refusedAs('ERR_INSPECT_CAPTURE', /expected a file of pcap or pcapng/));
  const broken = pcapOf([...frames, { ...frames[0]!, bytes: datagram }]);
  new DataView(broken.buffer).setUint32(broken.length - datagram.length - 8, 0xffff_ffff);
  const found: Frame[] = [];
  assert.throws(
    () => {
      for (const frame of new CaptureReader().push(broken)) found.push(frame);
    },
    refusedAs('ERR_INSPECT_CAPTURE', /expected a packet of at most/),
  );
  assert.equal(found.length, 2);
  const ng = pcapngOf(frames);
  new DataView(ng.buffer).setUint32(ng.length - 4, 8);
  assert.throws(() => all(ng), refusedAs('ERR_INSPECT_CAPTURE', /again behind a block, got 8/));
  const noInterface = concat(pcapngOf([]).subarray(0, 28), pcapngOf(frames).subarray(48));
  assert.throws(() => all(noInterface), refusedAs('ERR_INSPECT_CAPTURE', /interface 0 of 0/));
});

test('a capture that ends within a packet gives those before it, and says how much is left', () => {
  const reader = new CaptureReader();
  assert.equal([...reader.push(pcapOf(frames).subarray(0, -5))].length, 1);
  assert.equal(reader.pending, 16 + frames[1]!.bytes.length - 5);
});

for (const [name, [linkType, wrap]] of Object.entries(wrappings))
  test(`link type ${name}: IPv4 and IPv6`, () => {
    for (const [from, to] of [
      [client, server],
      [server6, client6],
    ] as const) {
      const bytes = wrap(encodeUdpPacket({ from, to, bytes: datagram }));
      assert.deepEqual(packetsOf([{ time: 5, linkType, bytes, length: bytes.length }]), [{ time: 5, transport: 'udp', from, to, bytes: datagram, missing: 0 }]);
    }
  });

test('link types that are not read, and frames without IP, are counted', () => {
  const reader = new PacketReader();
  for (const linkType of [195, 195, LinkType.ETHERNET]) assert.deepEqual(reader.take({ time: 0, linkType, bytes: new Uint8Array(60), length: 60 }), []);
  assert.deepEqual([...reader.skipped.links], [[195, 2]]);
  assert.equal(reader.skipped.others, 1);
});

/** The parts of a packet of IPv4, cut at multiples of 8 bytes. */
function fragments(packet: Uint8Array, size: number): Uint8Array[] {
  const payload = packet.subarray(20);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const part = payload.subarray(at, at + size);
    const bytes = concat(packet.subarray(0, 20), part);
    const view = new DataView(bytes.buffer);
    view.setUint16(2, bytes.length);
    view.setUint16(4, 99);
    view.setUint16(6, (at / 8) | (at + size < payload.length ? 0x2000 : 0));
    parts.push(bytes);
  }
  return parts;
}

const raw = (bytes: Uint8Array, length = bytes.length): Frame => ({ time: 0, linkType: LinkType.RAW, bytes, length });

test('RFC 791 3.2: fragments of IPv4 in any order become the packet; one that overlaps ends it', () => {
  const large = new Uint8Array(100).map((_, index) => index);
  const parts = fragments(encodeUdpPacket({ from: client, to: server, bytes: large }), 32);
  assert.equal(parts.length, 4);
  for (const order of [parts, parts.toReversed(), [parts[2]!, parts[0]!, parts[2]!, parts[3]!, parts[1]!]])
    assert.deepEqual(packetsOf(order.map((part) => raw(part)))[0]?.bytes, large);
  const shifted = parts[1]!.slice();
  new DataView(shifted.buffer).setUint16(6, 2 | 0x2000);
  assert.deepEqual(packetsOf([parts[0]!, shifted, parts[1]!, parts[2]!, parts[3]!].map((part) => raw(part))), []);
});

test('RFC 5722: fragments behind the last one end their packet', () => {
  const parts = fragments(encodeUdpPacket({ from: client, to: server, bytes: new Uint8Array(100) }), 32);
  const place = (part: Uint8Array, field: number): Frame => {
    const moved = part.slice();
    new DataView(moved.buffer).setUint16(6, field);
    return raw(moved);
  };
  const more = 0x2000;
  // As many bytes as the last one says, of which some lie behind it; and two that each say that they are the last.
  assert.deepEqual(packetsOf([place(parts[0]!, 16 | more), place(parts[1]!, 4)]), []);
  assert.deepEqual(packetsOf([place(parts[0]!, 4), place(parts[1]!, 16 | more)]), []);
  assert.deepEqual(packetsOf([place(parts[0]!, 12), place(parts[1]!, 4), raw(parts[0]!)]), []);
});

test('RFC 8200 4.5: fragments of IPv6, behind other extension headers', () => {
  const whole = encodeUdpPacket({ from: client6, to: server6, bytes: datagram });
  const payload = whole.subarray(40);
  const part = (at: number, end: number, more: number): Frame => {
    const hopByHop = Uint8Array.of(44, 0, 1, 4, 0, 0, 0, 0);
    const header = Uint8Array.of(17, 0, at >>> 8, (at & 0xf8) | more, 0, 0, 0, 5);
    const bytes = concat(whole.subarray(0, 40), hopByHop, header, payload.subarray(at, end));
    bytes[6] = 0;
    new DataView(bytes.buffer).setUint16(4, bytes.length - 40);
    return raw(bytes);
  };
  assert.deepEqual(packetsOf([part(16, payload.length, 0), part(0, 16, 1)])[0]?.bytes, datagram);
});

test('what is begun is bounded: the oldest of many packets without their ends go first', () => {
  const reader = new PacketReader();
  for (let id = 0; id < 5000; id++) {
    const [first] = fragments(encodeUdpPacket({ from: client, to: server, bytes: new Uint8Array(1000) }), 512);
    new DataView(first!.buffer).setUint16(4, id);
    reader.take(raw(first!));
  }
  assert.ok(reader.skipped.incomplete <= 64, String(reader.skipped.incomplete));
});

test('a datagram that the capture has cut says how much is missing', () => {
  const { bytes } = udpFrame(client, server, datagram);
  const [packet] = packetsOf([raw(bytes.subarray(0, -10), bytes.length)]);
  assert.equal(packet?.missing, 10);
  assert.deepEqual(packet?.bytes, datagram.subarray(0, -10));
});

test('RFC 9293 3.4: bytes of a connection in order, whatever comes early, twice or overlaps, also where numbers wrap', () => {
  const text = utf8('the quick brown fox jumps over the lazy dog');
  const base = 0xffff_fff0;
  const at = (from: number, to: number): Frame => tcpFrame(client, server, (base + 1 + from) >>> 0, 0x18, text.subarray(from, to));
  const segments = [at(0, 10), at(20, 30), at(20, 30), at(5, 15), at(15, 20), at(30, 43)];
  const packets = packetsOf([tcpFrame(client, server, base, 2, new Uint8Array(0)), ...segments]);
  assert.equal(packets[0]?.isStart, true);
  assert.deepEqual(concatAll(packets.map(({ bytes }) => bytes)), text);
});

test('a gap in a connection is given up once too much waits behind it', () => {
  const frames = Array.from({ length: 70 }, (_, index) => tcpFrame(client, server, 1000 + index, 0x18, Uint8Array.of(index)));
  const packets = packetsOf([tcpFrame(client, server, 100, 0x18, Uint8Array.of(1)), ...frames]);
  assert.equal(packets.find(({ missing }) => missing > 0)?.missing, 899);
  assert.equal(
    packets.reduce((sum, { bytes }) => sum + bytes.length, 0),
    71,
  );
});

test('RFC 5952 4: addresses of IPv6 as they are written', () => {
  for (const text of ['2001:db8::1', '::1', '::', 'fe80::1:0:0:1', '1:2:3:4:5:6:7:8', '2001:db8:0:1:1:1:1:1', '1::', '127.0.0.1'])
    assert.equal(formatAddress(fromAddress(text)), text);
});

test('any bytes: packets or a typed error', () => {
  const run = (bytes: Uint8Array): void => {
    const packets = new PacketReader();
    try {
      for (const frame of new CaptureReader().push(bytes)) packets.take(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  };
  const files = [pcapOf(frames), pcapngOf(frames, { littleEndian: true })];
  const changed = fc.tuple(fc.constantFrom(...files), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(200));
  fc.assert(
    fc.property(changed, ([file, changes, cut]) => {
      const bytes = file.slice(0, Math.max(4, file.length - (cut % file.length)));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      run(bytes);
    }),
    { numRuns: 400 },
  );
  const links = fc.tuple(fc.constantFrom(...Object.values(LinkType)), fc.uint8Array({ maxLength: 120 }));
  fc.assert(
    fc.property(links, ([linkType, bytes]) => void new PacketReader().take({ time: 0, linkType, bytes, length: bytes.length })),
    { numRuns: 400 },
  );
});
