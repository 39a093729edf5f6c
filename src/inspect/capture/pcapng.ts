import { ByteWriter, concat } from '../../core/bytes.ts';
import { badCapture, type CaptureFormat, type Frame, largestPiece, type Piece, viewOf } from './frame.ts';

/** Block types, draft-ietf-opsawg-pcapng as of 2026-11: those that are read. */
const BlockType = { SectionHeader: 0x0a0d0d0a, InterfaceDescription: 1, Packet: 2, SimplePacket: 3, EnhancedPacket: 6, DecryptionSecrets: 10 } as const;

const byteOrderMagic = 0x1a2b3c4d;
/** Type and length before the body, the length again behind it. */
const blockOverhead = 12;
const optionEnd = 0;
const optionTimeResolution = 9;
const optionTimeOffset = 14;
/** "TLSK": secrets in the form of a key log. */
const tlsKeyLog = 0x544c534b;
/** More interfaces has no machine. */
const mostInterfaces = 4096;

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Units in a second. */
  readonly resolution: number;
  /** Seconds that are added to each time. */
  readonly offset: number;
}

/** Whether a file begins as pcapng does; `undefined`: it does not. */
export function pcapngFormatOf(bytes: Uint8Array): PcapngFormat | undefined {
  return viewOf(bytes).getUint32(0) === BlockType.SectionHeader ? new PcapngFormat() : undefined;
}

/** The next generation of the format: blocks of sections, each section with its byte order and its interfaces. */
class PcapngFormat implements CaptureFormat {
  #littleEndian = false;
  #interfaces: Interface[] = [];

  next(bytes: Uint8Array, offset: number): Piece | undefined {
    if (bytes.length - offset < blockOverhead) return undefined;
    const view = viewOf(bytes);
    const type = view.getUint32(offset, this.#littleEndian);
    // The type of a section header is the same in both orders, and the order of its section stands behind the length.
    if (type === BlockType.SectionHeader) this.#startSection(view, offset);
    const size = view.getUint32(offset + 4, this.#littleEndian);
    if (size < blockOverhead || size % 4 !== 0) throw badCapture('a length of a block that is a multiple of 4', `${size}`);
    if (size > largestPiece) throw badCapture(`a block of at most ${largestPiece} bytes`, `one of ${size}`);
    if (bytes.length - offset < size) return undefined;
    const again = view.getUint32(offset + size - 4, this.#littleEndian);
    if (again !== size) throw badCapture(`the length ${size} again behind a block`, `${again}`);
    return { size, ...this.#block(type, bytes.subarray(offset + 8, offset + size - 4)) };
  }

  #startSection(view: DataView, offset: number): void {
    const isBig = view.getUint32(offset + 8) === byteOrderMagic;
    if (!isBig && view.getUint32(offset + 8, true) !== byteOrderMagic) throw badCapture('the byte-order magic of a section', 'another number');
    this.#littleEndian = !isBig;
    this.#interfaces = [];
  }

  #block(type: number, body: Uint8Array): Omit<Piece, 'size'> {
    switch (type) {
      case BlockType.SectionHeader:
        this.#checkSection(body);
        return {};
      case BlockType.InterfaceDescription:
        this.#describe(body);
        return {};
      case BlockType.EnhancedPacket:
        return { frame: this.#packet(body, this.#u32(body, 0)) };
      case BlockType.Packet:
        return { frame: this.#packet(body, this.#u16(body, 0)) };
      case BlockType.SimplePacket:
        return { frame: this.#simplePacket(body) };
      case BlockType.DecryptionSecrets:
        return this.#secrets(body);
      default:
        return {};
    }
  }

  #checkSection(body: Uint8Array): void {
    const major = this.#u16(body, 4);
    if (major !== 1) throw badCapture('version 1 of pcapng', `version ${major}`);
  }

  #describe(body: Uint8Array): void {
    if (this.#interfaces.length >= mostInterfaces) throw badCapture(`at most ${mostInterfaces} interfaces`, 'more');
    let resolution = 1e6;
    let offset = 0;
    for (const [code, value] of this.#options(body, 8)) {
      if (code === optionTimeResolution && value.length > 0) resolution = resolutionOf(value[0]!);
      else if (code === optionTimeOffset && value.length === 8) offset = Number(viewOf(value).getBigInt64(0, this.#littleEndian));
    }
    this.#interfaces.push({ linkType: this.#u16(body, 0), snapLength: this.#u32(body, 4), resolution, offset });
  }

  *#options(body: Uint8Array, start: number): Generator<readonly [code: number, value: Uint8Array]> {
    for (let at = start; at + 4 <= body.length; ) {
      const code = this.#u16(body, at);
      const end = at + 4 + this.#u16(body, at + 2);
      if (code === optionEnd || end > body.length) return;
      yield [code, body.subarray(at + 4, end)];
      at = end + ((4 - (end % 4)) % 4);
    }
  }

  #interface(index: number): Interface {
    const found = this.#interfaces[index];
    if (found === undefined) throw badCapture('a packet of an interface that is described', `interface ${index} of ${this.#interfaces.length}`);
    return found;
  }

  /** Both blocks have the fields at the same places but for the interface, and so for the drops beside it. */
  #packet(body: Uint8Array, index: number): Frame {
    const { linkType, resolution, offset } = this.#interface(index);
    const ticks = this.#u32(body, 4) * 0x1_0000_0000 + this.#u32(body, 8);
    const captured = this.#u32(body, 12);
    if (captured > body.length - 20) throw badCapture(`a packet of ${captured} bytes in its block`, `${body.length - 20}`);
    const time = offset * 1000 + (ticks / resolution) * 1000;
    return { time, linkType, bytes: body.slice(20, 20 + captured), length: Math.max(captured, this.#u32(body, 16)) };
  }

  /** It has no time. */
  #simplePacket(body: Uint8Array): Frame {
    const { linkType, snapLength } = this.#interface(0);
    const length = this.#u32(body, 0);
    const captured = Math.min(length, body.length - 4, snapLength === 0 ? length : snapLength);
    return { time: 0, linkType, bytes: body.slice(4, 4 + captured), length };
  }

  #secrets(body: Uint8Array): Omit<Piece, 'size'> {
    const length = this.#u32(body, 4);
    if (length > body.length - 8) throw badCapture(`secrets of ${length} bytes in their block`, `${body.length - 8}`);
    return this.#u32(body, 0) === tlsKeyLog ? { keyLog: new TextDecoder('latin1').decode(body.subarray(8, 8 + length)) } : {};
  }

  #u16(body: Uint8Array, at: number): number {
    if (at + 2 > body.length) throw badCapture('a block with all of its fields', `one whose body has ${body.length} bytes`);
    return viewOf(body).getUint16(at, this.#littleEndian);
  }

  #u32(body: Uint8Array, at: number): number {
    if (at + 4 > body.length) throw badCapture('a block with all of its fields', `one whose body has ${body.length} bytes`);
    return viewOf(body).getUint32(at, this.#littleEndian);
  }
}

/** A power of 10, or with the first bit set of 2, that is as fine as a clock can be. */
function resolutionOf(value: number): number {
  return value < 0x80 ? 10 ** Math.min(value, 18) : 2 ** Math.min(value & 0x7f, 62);
}

function block(type: number, body: Uint8Array): Uint8Array {
  const padding = new Uint8Array((4 - (body.length % 4)) % 4);
  const size = blockOverhead + body.length + padding.length;
  return concat(new ByteWriter().u32(type).u32(size).finish(), body, padding, new ByteWriter().u32(size).finish());
}

/** The beginning of a file with one interface, whose times are microseconds. */
export function encodePcapngStart(linkType: number): Uint8Array {
  const section = new ByteWriter().u32(byteOrderMagic).u16(1).u16(0).u32(0xffff_ffff).u32(0xffff_ffff).finish();
  const described = new ByteWriter().u16(linkType).u16(0).u32(0).finish();
  return concat(block(BlockType.SectionHeader, section), block(BlockType.InterfaceDescription, described));
}

/** A packet of that interface. */
export function encodePcapngPacket({ time, bytes, length }: Omit<Frame, 'linkType'>): Uint8Array {
  const micros = Math.round(time * 1000);
  const header = new ByteWriter()
    .u32(0)
    .u32(Math.floor(micros / 0x1_0000_0000))
    .u32(micros % 0x1_0000_0000)
    .u32(bytes.length)
    .u32(length)
    .finish();
  return block(BlockType.EnhancedPacket, concat(header, bytes));
}
