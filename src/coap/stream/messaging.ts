import { emptyBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import { Deadlines, Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import { formatCode, isRequest } from '../message/code.ts';
import { type Body, longestPlainToken, type Message, type MessageFormat } from '../message/message.ts';
import type { MessageLayer, PeerWatcher, Received, Underway } from '../messaging/message-layer.ts';
import type { DerivedParameters } from '../messaging/parameters.ts';
import type { DiscardedEvent } from '../messaging/port.ts';
import { RandomPool } from '../messaging/random-pool.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';
import type { StreamTransport, Wire, WireListener } from '../messaging/transport.ts';
import { type ConnectionConfig, type ConnectionPort, StreamConnection } from './connection.ts';
import { encodeFrame } from './framing.ts';
import { type StreamRequest, Waiting } from './handles.ts';
import type { StreamLimits } from './limits.ts';
import { StreamPeer } from './peer.ts';
import { encodePing, type Release, SignalingCode } from './signaling.ts';

/** What becomes of connections. The code of `error` tells why one ended; a `Release` is what the peer said before. */
export type ConnectionEvent =
  | { readonly type: 'connection'; readonly state: 'closed'; readonly peer: Peer; readonly error: CoapError }
  | { readonly type: 'connection'; readonly state: 'released'; readonly peer: Peer; readonly release: Release };

/** What the message layer of connections tells and asks. */
export interface StreamMessagingPort extends PeerWatcher {
  /** Connections that open and close, and what was discarded. */
  emit(event: ConnectionEvent | DiscardedEvent): void;
  /** A request; to be answered by `incoming`, now or later. */
  request(message: Message, peer: Peer, incoming: Received): void;
  /** Returns whether the response was expected. */
  response(message: Message, peer: Peer): boolean;
}

/** What a message layer of connections is made with. */
export interface StreamMessagingConfig {
  readonly parameters: DerivedParameters;
  readonly limits: StreamLimits;
  readonly format?: MessageFormat;
  /** The longest token that a request may have. Default 8. */
  readonly longestToken?: number;
}

/** Peers of which is remembered that they want no connection for some time. */
const mostHoldOffs = 1024;

/**
 * The layer below exchanges over connections: opens one for each peer when it is needed, and accepts those that come.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-3.3
 */
export class StreamMessaging implements MessageLayer, ConnectionPort {
  readonly parameters: DerivedParameters;
  readonly deadlines: Deadlines;
  readonly random: RandomPool;
  readonly reachability = undefined;
  readonly #transport: StreamTransport;
  readonly #limits: StreamLimits;
  readonly #port: StreamMessagingPort;
  readonly #env: Env;
  readonly #config: ConnectionConfig;
  readonly #connections: Map<string, StreamConnection> = new Map();
  /** Times until which a peer wants no connection, by key. */
  readonly #holdOffs: Map<string, number> = new Map();
  /** No connection is opened or accepted any more. */
  #releasing = false;
  /** To be told when there is no connection left. */
  #released: (() => void) | undefined = undefined;
  #closed = false;

  constructor(transport: StreamTransport, config: StreamMessagingConfig, env: Env, port: StreamMessagingPort) {
    this.#transport = transport;
    this.parameters = config.parameters;
    this.#limits = config.limits;
    this.#env = env;
    this.#port = port;
    this.deadlines = new Deadlines(env);
    this.random = new RandomPool(env);
    const { framing, maxMessageSize } = transport;
    const { limits, longestToken = longestPlainToken, format = {} } = config;
    const announced = { maxMessageSize, blockwise: true, extendedTokenLength: longestToken };
    this.#config = { framing, format, announced, limits, deadlines: this.deadlines, now: () => env.now() };
  }

  /** Entries of each kind that its connections hold, and how many those are. */
  stats(): Readonly<Record<string, number>> {
    const sums = { held: 0, waiting: 0, unanswered: 0, buffered: 0 };
    for (const connection of this.#connections.values()) {
      const { held, waiting, unanswered, buffered } = connection.stats();
      sums.held += held;
      sums.waiting += waiting;
      sums.unanswered += unanswered;
      sums.buffered += buffered;
    }
    return { connections: this.#connections.size, ...sums, deadlines: this.deadlines.size };
  }

  /** A connection came in. */
  accept(wire: Wire, peer: Peer): WireListener {
    const connection = new StreamConnection(peer, this.#config, this);
    connection.attach(wire);
    if (peer instanceof StreamPeer) peer.capabilities = connection.capabilities;
    const full = this.#connections.size >= this.#limits.connections;
    this.#connections.set(peer.key, connection);
    if (this.#releasing) connection.close(closedError());
    else if (full) connection.abort(new CoapError('ERR_COAP_BUSY', `expected at most ${this.#limits.connections} connections, got more`));
    return connection;
  }

  answer(incoming: Received, token: Uint8Array, body: Body, _hold: number, listener: TransmissionListener): Underway | undefined {
    const request = incoming as StreamRequest;
    const { connection } = request;
    if (connection.stage === 'closed') return undefined;
    connection.send(token, body);
    connection.answered(request);
    return this.#underway(connection, listener);
  }

  acknowledge(incoming: Received): void {
    const request = incoming as StreamRequest;
    request.connection.answered(request);
  }

  transmit(peer: Peer, _confirmable: boolean, token: Uint8Array, body: Body, _hold: number, listener: TransmissionListener): Underway | undefined {
    const connection = this.#connections.get(peer.key);
    if (connection?.takes(body.code)) {
      if (peer instanceof StreamPeer) peer.capabilities = connection.capabilities;
      connection.send(token, body);
      return this.#underway(connection, listener);
    }
    if (this.#closed) return undefined;
    const { framing, format } = this.#config;
    const frame = encodeFrame(framing, body.code, token, body.options, body.payload, undefined, format);
    return this.#hold(peer, new Waiting(listener, frame, isRequest(body.code) ? token : undefined));
  }

  /** The sender of a message that filled the connection waits until there is room again. */
  #underway(connection: StreamConnection, listener: TransmissionListener): Underway | undefined {
    if (!connection.congested) return undefined;
    const waiting = new Waiting(listener, undefined);
    return connection.hold(waiting) ? waiting : undefined;
  }

  /** Keep a message until the connection is there, which is opened if need be. */
  #hold(peer: Peer, waiting: Waiting): Waiting {
    const error = this.#connectFor(peer, waiting);
    if (error !== undefined) {
      // Listeners hear nothing before the call has returned.
      this.deadlines.set(
        new Task(() => {
          if (waiting.settled) return;
          waiting.settled = true;
          waiting.listener.failed(error);
        }),
        0,
      );
    }
    return waiting;
  }

  #connectFor(peer: Peer, waiting: Waiting): CoapError | undefined {
    const { key, address, port } = peer;
    let connection = this.#connections.get(key);
    if (connection === undefined) {
      if (this.#releasing) return closedError();
      if (!(peer instanceof StreamPeer) || peer.accepted) {
        return new CoapError('ERR_COAP_CONNECTION', `expected a connection with ${address} port ${port}, got none that is open or can be opened`);
      }
      const until = this.#holdOffs.get(key) ?? 0;
      if (until > this.#env.now()) return new CoapError('ERR_COAP_HOLD_OFF', `expected to connect to ${address} port ${port}, which asked not to be`);
      this.#holdOffs.delete(key);
      if (this.#connections.size >= this.#limits.connections) return this.#busy(`${this.#limits.connections} connections`);
      connection = new StreamConnection(peer, this.#config, this);
      this.#connections.set(key, connection);
      connection.attach(this.#transport.connect(peer, connection));
    }
    if (peer instanceof StreamPeer) peer.capabilities = connection.capabilities;
    return connection.hold(waiting) ? undefined : this.#busy(`${this.#limits.queue} waiting messages`);
  }

  #busy(most: string): CoapError {
    return new CoapError('ERR_COAP_BUSY', `expected at most ${most}, got more`);
  }

  /** There are no message ids that could run out. */
  sourceFor(peer: Peer): Peer {
    return peer;
  }

  /** Nothing is sent again on a connection. */
  settleToken(): void {}

  /** Nothing is paced on a connection. */
  probingTime(): number {
    return 0;
  }

  settle(underway: Underway): void {
    const waiting = underway as Waiting;
    if (waiting.settled) return;
    waiting.settled = true;
    waiting.holder?.settle(waiting);
  }

  ping(peer: Peer, listener: TransmissionListener): Underway | undefined {
    if (this.#closed) return undefined;
    const { code, options, payload } = encodePing(SignalingCode.Ping, false);
    return this.#hold(peer, new Waiting(listener, encodeFrame(this.#config.framing, code, emptyBytes, options, payload), undefined, true));
  }

  release(grace: number | undefined, done: () => void): void {
    this.#releasing = true;
    this.#released = done;
    for (const connection of [...this.#connections.values()]) connection.release({}, grace);
    this.#checkReleased();
  }

  #checkReleased(): void {
    const done = this.#released;
    if (done === undefined || this.#connections.size > 0) return;
    this.#released = undefined;
    done();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#releasing = true;
    for (const connection of [...this.#connections.values()]) connection.close(closedError());
    this.#holdOffs.clear();
    this.deadlines.clearAll();
  }

  // ---- what connections tell

  /** Of a connection: a request has come. */
  request(message: Message, incoming: StreamRequest): void {
    this.#port.request(message, incoming.connection.peer, incoming);
  }

  response(message: Message, connection: StreamConnection): boolean {
    return this.#port.response(message, connection.peer);
  }

  /** Of a connection: a response has come that nobody waits for. */
  unexpected(connection: StreamConnection, code: number): void {
    this.#port.emit({ type: 'discarded', reason: 'unexpected-response', peer: connection.peer, detail: formatCode(code) });
  }

  released(connection: StreamConnection, release: Release): void {
    const { peer } = connection;
    if (release.holdOff > 0 && peer instanceof StreamPeer && !peer.accepted) {
      const oldest = this.#holdOffs.keys().next();
      if (this.#holdOffs.size >= mostHoldOffs && oldest.done !== true) this.#holdOffs.delete(oldest.value);
      this.#holdOffs.set(peer.key, this.#env.now() + 1000 * release.holdOff);
    }
    this.#port.emit({ type: 'connection', state: 'released', peer, release });
  }

  needs(connection: StreamConnection, observations: boolean): boolean {
    return this.#port.needs(connection.peer, observations);
  }

  closed(connection: StreamConnection, error: CoapError): void {
    const { peer, successors } = connection;
    if (this.#connections.get(peer.key) === connection) this.#connections.delete(peer.key);
    this.#port.lost(peer, error);
    this.#port.emit({ type: 'connection', state: 'closed', peer, error });
    for (const waiting of successors) {
      if (waiting.settled) continue;
      if (this.#releasing) waiting.listener.failed(error);
      else this.#hold(peer, waiting);
    }
    successors.clear();
    this.#checkReleased();
  }
}

function closedError(): CoapError {
  return new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed');
}
