import { WebSocket } from 'ws';
import type { Wire, WireListener } from '../coap/index.ts';
import { grace } from './socket-wire.ts';

/** Close codes of RFC 6455, Section 7.4.1. */
const normalClosure = 1000;
const unsupportedData = 1003;

/** A WebSocket connection: a message for each binary frame. */
export class WebSocketWire implements Wire {
  readonly #socket: WebSocket;
  #drained: () => void = () => {};

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Tell the listener what happens from now on. */
  attach(listener: WireListener): void {
    const socket = this.#socket;
    let failure: Error | undefined;
    this.#drained = () => {
      if (socket.bufferedAmount === 0) listener.drained();
    };
    socket.on('message', (data: Uint8Array, isBinary) => {
      // RFC 8323 §4.2: CoAP travels in binary frames.
      if (isBinary) listener.received(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      else socket.close(unsupportedData);
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => listener.closed(failure));
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes, { binary: true }, this.#drained);
  }

  pause(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.resume();
  }

  end(): void {
    const socket = this.#socket;
    if (socket.readyState === WebSocket.CONNECTING) {
      socket.terminate();
      return;
    }
    if (socket.isPaused) socket.resume();
    socket.close(normalClosure);
    const timer = setTimeout(() => socket.terminate(), grace);
    socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.terminate();
  }
}
