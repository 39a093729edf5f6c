import { badCapture, type CaptureFormat, type Frame, largestPiece, type Piece, viewOf } from './frame.ts';

/** Magic numbers in the order of the file: units of a second that the fraction of a time counts. */
const fractions: ReadonlyMap<number, number> = new Map([
  [0xa1b2c3d4, 1e6],
  [0xa1b23c4d, 1e9],
]);

const fileHeaderLength = 24;
const recordHeaderLength = 16;

/** Whether a file begins as pcap does; `undefined`: it does not. */
export function pcapFormatOf(bytes: Uint8Array): PcapFormat | undefined {
  const view = viewOf(bytes);
  for (const littleEndian of [false, true]) {
    const fraction = fractions.get(view.getUint32(0, littleEndian));
    if (fraction !== undefined) return new PcapFormat(littleEndian, fraction);
  }
  return undefined;
}

/** The classic format of libpcap: a header, and records with one link type. @see https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ */
class PcapFormat implements CaptureFormat {
  readonly #littleEndian: boolean;
  readonly #fraction: number;
  #linkType: number | undefined;

  constructor(littleEndian: boolean, fraction: number) {
    this.#littleEndian = littleEndian;
    this.#fraction = fraction;
  }

  next(bytes: Uint8Array, offset: number): Piece | undefined {
    return this.#linkType === undefined ? this.#fileHeader(bytes, offset) : this.#record(bytes, offset, this.#linkType);
  }

  #fileHeader(bytes: Uint8Array, offset: number): Piece | undefined {
    if (bytes.length - offset < fileHeaderLength) return undefined;
    const view = viewOf(bytes);
    const major = view.getUint16(offset + 4, this.#littleEndian);
    if (major !== 2) throw badCapture('version 2 of pcap', `version ${major}`);
    // The upper bits tell of frame check sequences.
    this.#linkType = view.getUint32(offset + 20, this.#littleEndian) & 0xffff;
    return { size: fileHeaderLength };
  }

  #record(bytes: Uint8Array, offset: number, linkType: number): Piece | undefined {
    if (bytes.length - offset < recordHeaderLength) return undefined;
    const view = viewOf(bytes);
    const [seconds, fraction, captured, length] = [0, 4, 8, 12].map((at) => view.getUint32(offset + at, this.#littleEndian)) as [
      number,
      number,
      number,
      number,
    ];
    if (captured > largestPiece) throw badCapture(`a packet of at most ${largestPiece} bytes`, `one of ${captured}`);
    const size = recordHeaderLength + captured;
    if (bytes.length - offset < size) return undefined;
    const time = seconds * 1000 + (fraction * 1000) / this.#fraction;
    const frame: Frame = { time, linkType, bytes: bytes.slice(offset + recordHeaderLength, offset + size), length: Math.max(captured, length) };
    return { size, frame };
  }
}
