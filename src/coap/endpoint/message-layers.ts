import type { Env } from '../../core/env.ts';
import { CoapError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import type { Body, Message } from '../message/message.ts';
import type { UriScheme } from '../message/uri-scheme.ts';
import type { MessageLayer, PeerWatcher, Received, Underway } from '../messaging/message-layer.ts';
import { Messaging } from '../messaging/messaging.ts';
import { placeOf } from '../messaging/peer-state.ts';
import type { DiscardedEvent, MessagingConfig } from '../messaging/port.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';
import { type DatagramTransport, isStream, type StreamTransport, type Transport } from '../messaging/transport.ts';
import { StreamRequest, Waiting } from '../stream/handles.ts';
import type { StreamLimits } from '../stream/limits.ts';
import { type ConnectionEvent, StreamMessaging } from '../stream/messaging.ts';

/** What an endpoint gives to the layer below its exchanges. */
export interface MessageLayerPort extends PeerWatcher {
  emit(event: DiscardedEvent | ConnectionEvent): void;
  request(message: Message, peer: Peer, incoming: Received, group?: string): void;
  response(message: Message, peer: Peer, underway: Underway | undefined): boolean;
  isGroupToken(token: Uint8Array): boolean;
  needsSource(number: number): boolean;
}

export interface MessageLayerConfig extends MessagingConfig {
  readonly connections: StreamLimits;
  /** The longest token that a request may have. */
  readonly longestToken: number;
}

/** The layer for these transports, and what starts them. With one transport, nothing stands between it and the exchanges. */
export function messageLayerOf(
  transports: readonly Transport[],
  config: MessageLayerConfig,
  env: Env,
  port: MessageLayerPort,
): { readonly messaging: MessageLayer; start(): void } {
  const datagrams = transports.filter((transport): transport is DatagramTransport => !isStream(transport));
  const streams = transports.filter(isStream);
  const messaging = datagrams.length === 0 ? undefined : overDatagrams(datagrams, config, env, port);
  const { parameters, connections: limits, longestToken, format = {} } = config;
  const connected = new Map(
    streams.map((transport): [UriScheme, StreamMessaging] => [
      transport.scheme,
      new StreamMessaging(transport, { parameters, limits, longestToken, format }, env, {
        emit: (event) => port.emit(event),
        request: port.request,
        response: (message, peer) => port.response(message, peer, undefined),
        lost: (peer: Peer, error: CoapError) => port.lost(peer, error),
        needs: (peer: Peer, observations: boolean) => port.needs(peer, observations),
      }),
    ]),
  );
  const layers = [...(messaging === undefined ? [] : [messaging]), ...connected.values()];
  return {
    messaging: layers.length === 1 ? layers[0]! : new SeveralMessaging(messaging, connected),
    start: () => {
      for (const transport of datagrams) {
        transport.start((datagram, peer, group) => messaging!.receive(datagram, peer, group), {
          lost: (peer, reason) => {
            const error = new CoapError('ERR_COAP_SESSION', `the session with ${placeOf(peer)} has ended`, { cause: reason });
            messaging!.lost(peer, error);
            port.lost(peer, error);
          },
          moved: (peer) => messaging!.moved(peer),
        });
      }
      for (const transport of streams) startStream(transport, connected.get(transport.scheme)!);
    },
  };
}

function startStream(transport: StreamTransport, messaging: StreamMessaging): void {
  transport.start((wire, peer) => messaging.accept(wire, peer));
}

/** One message layer for all datagram transports; the scheme of a peer tells the transport. */
function overDatagrams(transports: readonly DatagramTransport[], config: MessageLayerConfig, env: Env, port: MessageLayerPort): Messaging {
  const [first] = transports;
  const bySchemes = new Map(transports.map((transport): [UriScheme, DatagramTransport] => [transport.scheme ?? 'coap', transport]));
  const send =
    transports.length === 1
      ? (datagram: Uint8Array, peer: Peer): void => first!.send(datagram, peer)
      : (datagram: Uint8Array, peer: Peer): void => bySchemes.get(peer.scheme ?? 'coap')?.send(datagram, peer);
  const { request, response, isGroupToken, needsSource } = port;
  const { sources } = bySchemes.get('coap') ?? {};
  return new Messaging({ ...config, sources }, env, {
    send,
    emit: (event) => port.emit(event),
    request,
    response,
    isGroupToken,
    needsSource,
    unanswered: (peer) => bySchemes.get(peer.scheme ?? 'coap')?.unanswered?.(peer),
  });
}

/** Several transports under the same exchanges: what a peer's scheme names carries the message. */
class SeveralMessaging implements MessageLayer {
  readonly parameters: MessageLayer['parameters'];
  readonly deadlines: MessageLayer['deadlines'];
  readonly random: MessageLayer['random'];
  readonly reachability: MessageLayer['reachability'];
  readonly #datagrams: Messaging | undefined;
  readonly #streams: ReadonlyMap<UriScheme, StreamMessaging>;
  readonly #anyStream: StreamMessaging;

  constructor(datagrams: Messaging | undefined, streams: ReadonlyMap<UriScheme, StreamMessaging>) {
    this.#datagrams = datagrams;
    this.#streams = streams;
    this.#anyStream = streams.values().next().value!;
    const first = datagrams ?? this.#anyStream;
    this.parameters = first.parameters;
    this.deadlines = first.deadlines;
    this.random = first.random;
    this.reachability = datagrams?.reachability;
  }

  /** What the peer's transport has no layer for, the layer of the first one refuses or drops. */
  #for(peer: Peer): MessageLayer {
    return this.#streams.get(peer.scheme ?? 'coap') ?? this.#datagrams ?? this.#anyStream;
  }

  answer(...args: Parameters<MessageLayer['answer']>): Underway | undefined {
    return this.#of(args[0]).answer(...args);
  }

  acknowledge(incoming: Received): void {
    this.#of(incoming).acknowledge(incoming);
  }

  /** A request on a connection knows its connection, so that any stream layer answers it. */
  #of(incoming: Received): MessageLayer {
    return incoming instanceof StreamRequest ? this.#anyStream : this.#datagrams!;
  }

  transmit(...args: Parameters<MessageLayer['transmit']>): Underway | undefined {
    return this.#for(args[0]).transmit(...args);
  }

  sourceFor(peer: Peer): Peer {
    return this.#for(peer).sourceFor(peer);
  }

  probingTime(token: Uint8Array, body: Body): number {
    return this.#datagrams?.probingTime(token, body) ?? 0;
  }

  settle(underway: Underway, answered?: boolean): void {
    if (underway instanceof Waiting) this.#anyStream.settle(underway);
    else this.#datagrams?.settle(underway as Parameters<Messaging['settle']>[0], answered);
  }

  settleToken(peer: Peer, token: Uint8Array): void {
    this.#for(peer).settleToken(peer, token);
  }

  ping(peer: Peer, listener: TransmissionListener): Underway | undefined {
    return this.#for(peer).ping(peer, listener);
  }

  stats(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const layer of this.#layers()) for (const [name, value] of Object.entries(layer.stats())) sums[name] = (sums[name] ?? 0) + value;
    return sums;
  }

  release(grace: number | undefined, done: () => void): void {
    const layers = this.#layers();
    let left = layers.length;
    for (const layer of layers) {
      layer.release(grace, () => {
        if (--left === 0) done();
      });
    }
  }

  close(): void {
    for (const layer of this.#layers()) layer.close();
  }

  #layers(): readonly MessageLayer[] {
    return [...(this.#datagrams === undefined ? [] : [this.#datagrams]), ...this.#streams.values()];
  }
}
