import { InspectError } from '../errors.ts';

/** A packet as a capture holds it: from the link layer on. */
export interface Frame {
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  /** LINKTYPE_ of the registry of tcpdump. */
  readonly linkType: number;
  /** As many bytes as were captured. */
  readonly bytes: Uint8Array;
  /** Bytes on the wire. */
  readonly length: number;
}

/** What one piece of a capture file is. `size`: its bytes in the file. */
export interface Piece {
  readonly size: number;
  readonly frame?: Frame;
  /** Lines of a key log that the file brings. */
  readonly keyLog?: string;
}

/** The pieces of a capture file, one after the other. */
export interface CaptureFormat {
  /**
   * The piece that begins at `offset`; `undefined`: its end has not come.
   *
   * @throws {InspectError} `ERR_INSPECT_CAPTURE`
   */
  next(bytes: Uint8Array, offset: number): Piece | undefined;
}

/** No piece of a capture is larger: a packet has 64 KiB, what a file may say beside packets is short. */
export const largestPiece = 0x100_0000;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function badCapture(expected: string, got: string): InspectError {
  return new InspectError('ERR_INSPECT_CAPTURE', `capture: expected ${expected}, got ${got}`);
}
