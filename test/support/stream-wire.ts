import { encodeFrame, FrameReader, type Framing, type Message, type Option, type Wire, type WireListener } from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';

const format = { extendedTokens: true };

/** The end of a connection that a test holds: it writes what the other side receives, and reads what that sends. */
export class TestWire implements Wire {
  readonly framing: Framing;
  readonly sent: Message[] = [];
  /** Bytes that the other side has not taken; a test sets it. */
  buffered = 0;
  /** When set, what is written counts as buffered. */
  stuck = false;
  paused = false;
  state: 'open' | 'ended' | 'destroyed' = 'open';
  listener: WireListener | undefined;
  readonly #reader: FrameReader;

  constructor(framing: Framing = 'length') {
    this.framing = framing;
    this.#reader = new FrameReader(framing, 10_000_000, format);
  }

  write(bytes: Uint8Array): void {
    if (this.state !== 'open') throw new Error('written after the end');
    if (this.stuck) this.buffered += bytes.length;
    this.#reader.push(bytes);
    for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) this.sent.push(message);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    if (this.state === 'open') this.state = 'ended';
  }

  destroy(): void {
    if (this.state === 'open') this.state = 'destroyed';
  }

  /** What was sent since the last call. */
  take(): Message[] {
    return this.sent.splice(0);
  }

  /** Let the other side receive a message. */
  say(code: number, options: readonly Option[] = [], token: Uint8Array = emptyBytes, payload: Uint8Array = emptyBytes): void {
    this.listener!.received(encodeFrame(this.framing, code, token, options, payload, undefined, format));
  }
}
