import { concat, emptyBytes } from '../../core/bytes.ts';
import { badCapture, type CaptureFormat, type Frame } from './frame.ts';
import { pcapFormatOf } from './pcap.ts';
import { pcapngFormatOf } from './pcapng.ts';

/**
 * The packets of a capture file, pcap or pcapng in either byte order, however the file is cut.
 *
 * Of a packet whose end has not come no more is held than what came.
 */
export class CaptureReader {
  #format: CaptureFormat | undefined;
  #rest: Uint8Array = emptyBytes;
  readonly #keyLog: (lines: string) => void;

  /** `keyLog` takes what a pcapng file has of a key log. */
  constructor(keyLog: (lines: string) => void = () => {}) {
    this.#keyLog = keyLog;
  }

  /** Bytes of a packet whose end has not come; at the end of a file they are what was cut off. */
  get pending(): number {
    return this.#rest.length;
  }

  /** Whether the file is one of the formats; of too short a beginning it is not known. */
  get isRecognised(): boolean {
    return this.#format !== undefined;
  }

  /**
   * The packets that these bytes complete. A fault comes after the packets before it.
   *
   * @throws {InspectError} `ERR_INSPECT_CAPTURE`
   */
  *push(chunk: Uint8Array): Generator<Frame> {
    // A slice of a Buffer of Node would be no copy.
    const fresh = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#rest.length === 0 ? fresh : concat(this.#rest, fresh);
    this.#rest = emptyBytes;
    let offset = 0;
    if (this.#format === undefined) {
      if (bytes.length < 4) {
        this.#rest = bytes.slice();
        return;
      }
      this.#format = pcapFormatOf(bytes) ?? pcapngFormatOf(bytes);
      if (this.#format === undefined) throw badCapture('a file of pcap or pcapng', 'one that begins otherwise');
    }
    for (;;) {
      const piece = this.#format.next(bytes, offset);
      if (piece === undefined) break;
      offset += piece.size;
      if (piece.keyLog !== undefined) this.#keyLog(piece.keyLog);
      if (piece.frame !== undefined) yield piece.frame;
    }
    this.#rest = bytes.slice(offset);
  }
}
