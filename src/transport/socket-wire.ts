import type { Socket } from 'node:net';
import type { Wire, WireListener } from '../coap/index.ts';

/** Milliseconds for what was written to leave once a connection is being closed. */
export const grace = 1000;
/** Milliseconds without traffic after which the system asks whether the other end is there. */
const keepAlive = 60_000;

/** A TCP or TLS connection. What is written in one turn of the event loop leaves together. */
export class SocketWire implements Wire {
  readonly #socket: Socket;
  #corked = false;
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Tell the listener what happens from now on. */
  attach(listener: WireListener): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAlive);
    let failure: Error | undefined;
    socket.on('data', (chunk: Uint8Array) => listener.received(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
    socket.on('drain', () => listener.drained());
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => listener.closed(failure));
  }

  get buffered(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    const socket = this.#socket;
    if (socket.connecting) {
      socket.destroy();
      return;
    }
    socket.end();
    // What still comes is of no interest, but its end is.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), grace);
    socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
