import {
  type DatagramTransport,
  encodeFrame,
  FrameReader,
  type Framing,
  isStream,
  type Message,
  type Peer,
  type StreamTransport,
  type Transport,
  type Wire,
  type WireListener,
} from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** A datagram that passes, or on a connection a message. It is borrowed: whoever keeps it copies it. */
export interface TapEvent {
  readonly direction: 'in' | 'out';
  readonly datagram: Uint8Array;
  readonly peer: Peer;
  /** On a connection, what the bytes say: they have no type and no message id. */
  readonly message?: Message;
}

/** What is told of each message that passes. */
export type TapListener = (event: TapEvent) => void;

/** The same transport, with a look at every datagram, or message, before it goes on. */
export function tap(transport: DatagramTransport, on: TapListener): DatagramTransport;
export function tap(transport: StreamTransport, on: TapListener): StreamTransport;
export function tap(transport: Transport, on: TapListener): Transport;
export function tap(transport: Transport, on: TapListener): Transport {
  return isStream(transport) ? tapStream(transport, on) : tapDatagrams(transport, on);
}

function tapDatagrams(transport: DatagramTransport, on: TapListener): DatagramTransport {
  return {
    ...(transport.scheme === undefined ? {} : { scheme: transport.scheme }),
    ...(transport.sources === undefined ? {} : { sources: transport.sources }),
    start: (receive, watcher) =>
      transport.start((datagram, peer, group) => {
        on({ direction: 'in', datagram, peer });
        receive(datagram, peer, group);
      }, watcher),
    unanswered: (peer) => transport.unanswered?.(peer),
    drain: () => transport.drain?.(),
    send: (datagram, peer) => {
      on({ direction: 'out', datagram, peer });
      transport.send(datagram, peer);
    },
    resolve: (host, port, scheme) => transport.resolve(host, port, scheme),
    local: transport.local,
    close: () => transport.close(),
  };
}

function tapStream(transport: StreamTransport, on: TapListener): StreamTransport {
  const { framing, scheme, maxMessageSize } = transport;
  return {
    framing,
    scheme,
    maxMessageSize,
    start: (accept) => transport.start((wire, peer) => watched(accept(watching(wire, framing, peer, on), peer), framing, maxMessageSize, peer, on)),
    connect: (peer, listener) => watching(transport.connect(peer, watched(listener, framing, maxMessageSize, peer, on)), framing, peer, on),
    resolve: (host, port, asked) => transport.resolve(host, port, asked),
    local: transport.local,
    close: () => transport.close(),
  };
}

/** Whatever the endpoint takes, it is to be seen. */
const format = { extendedTokens: true };

/** What goes out is written message by message. */
function watching(wire: Wire, framing: Framing, peer: Peer, on: TapListener): Wire {
  return {
    get buffered() {
      return wire.buffered;
    },
    write: (bytes) => {
      const reader = new FrameReader(framing, bytes.length, format);
      reader.push(bytes);
      const message = reader.next();
      if (message !== undefined) on({ direction: 'out', datagram: bytes, peer, message });
      wire.write(bytes);
    },
    pause: () => wire.pause(),
    resume: () => wire.resume(),
    end: () => wire.end(),
    destroy: () => wire.destroy(),
  };
}

/** What comes in is cut anyhow, and may be anything: at the first fault the look ends, as the connection will. */
function watched(listener: WireListener, framing: Framing, most: number, peer: Peer, on: TapListener): WireListener {
  const reader = new FrameReader(framing, most, format);
  let broken = false;
  return {
    opened: () => listener.opened(),
    received: (bytes) => {
      if (!broken) {
        try {
          reader.push(bytes);
          for (let message = reader.next(); message !== undefined; message = reader.next()) {
            on({
              direction: 'in',
              datagram: encodeFrame(framing, message.code, message.token, message.options, message.payload, undefined, format),
              peer,
              message,
            });
          }
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          broken = true;
        }
      }
      listener.received(bytes);
    },
    drained: () => listener.drained(),
    closed: (error) => listener.closed(error),
  };
}
