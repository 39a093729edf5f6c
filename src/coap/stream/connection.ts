import { emptyBytes } from '../../core/bytes.ts';
import { Roster } from '../../core/roster.ts';
import { baseCapabilities, type Capabilities } from '../capabilities.ts';
import { type Deadlines, Task } from '../deadline.ts';
import { CoapError, CoapFormatError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import { isRequest, isResponse } from '../message/code.ts';
import { type Body, longestPlainToken, type Message, type MessageFormat } from '../message/message.ts';
import type { Framing, Wire, WireListener } from '../messaging/transport.ts';
import { encodeFrame, FrameReader } from './framing.ts';
import { StreamRequest, type Waiting } from './handles.ts';
import type { StreamLimits } from './limits.ts';
import {
  applyCsm,
  decodeAbort,
  decodePing,
  decodeRelease,
  encodeAbort,
  encodeCsm,
  encodePing,
  encodeRelease,
  type Release,
  SignalingCode,
  SignalingError,
} from './signaling.ts';

/** What a connection tells and asks. */
export interface ConnectionPort {
  /** A request, to be answered by `incoming`, now or later. */
  request(message: Message, incoming: StreamRequest): void;
  /** Returns whether the response was expected. */
  response(message: Message, connection: StreamConnection): boolean;
  /** The peer has opted for the end. */
  released(connection: StreamConnection, release: Release): void;
  /** The last call. */
  closed(connection: StreamConnection, error: CoapError): void;
  /** Whether something of ours is under way; `observations` count, or do not. */
  needs(connection: StreamConnection, observations: boolean): boolean;
  /** A response that nobody waits for. */
  unexpected(connection: StreamConnection, code: number): void;
}

/** Pings with Custody whose Pong waits for answers. */
const mostCustodies = 16;
const mostPings = 64;

/**
 * One connection: framing, settings, signaling, and what bounds a peer that is slow, silent or hostile.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323
 */
export class StreamConnection implements WireListener {
  readonly peer: Peer;
  /** What the peer takes. */
  readonly capabilities: Capabilities;
  /** Messages for the connection that follows on this one. */
  readonly successors: Set<Waiting> = new Set();
  stage: 'opening' | 'ready' | 'releasing' | 'closed' = 'opening';
  readonly #config: ConnectionConfig;
  readonly #port: ConnectionPort;
  readonly #reader: FrameReader;
  readonly #waiting: Set<Waiting> = new Set();
  readonly #pings: Set<Waiting> = new Set();
  /** Requests of the peer that have no answer yet, in order of arrival. */
  readonly #unanswered = new Roster<StreamRequest>();
  readonly #custodies: { readonly token: Uint8Array; readonly before: number }[] = [];
  #wire: Wire | undefined;
  #saidCsm = false;
  #requests = 0;
  #peerReleased = false;
  #paused = false;
  #reading = false;
  #messages = 0;
  /** `#messages` when the timer of the incomplete message was set. */
  #incompleteAfter = -1;
  #lastHeard = 0;
  /** Until the peer's CSM, then until it closes after a Release. */
  readonly #patience: Task = new Task(() => this.#outOfPatience());
  readonly #incomplete: Task = new Task(() => this.abort(new CoapError('ERR_COAP_TIMEOUT', 'expected the rest of a message in time, got none')));
  readonly #stall: Task = new Task(() => this.#fail(this.#overflow ?? stalled('expected the peer to read what it was sent, and it did not')));
  readonly #idle: Task = new Task(() => this.#checkIdle());
  #overflow: CoapError | undefined;
  #probed = false;

  constructor(peer: Peer, config: ConnectionConfig, port: ConnectionPort) {
    this.peer = peer;
    this.#config = config;
    this.#port = port;
    this.capabilities = baseCapabilities();
    this.#reader = new FrameReader(config.framing, config.announced.maxMessageSize, config.format);
    config.deadlines.set(this.#patience, config.limits.handshake);
  }

  /** What carries it; to be called once, before anything else. */
  attach(wire: Wire): void {
    this.#wire = wire;
  }

  /**
   * `held`: bytes of messages that are not whole; `waiting`: messages that cannot leave yet; `unanswered`: requests; `buffered`: bytes that the system has not
   * taken.
   */
  stats(): { readonly held: number; readonly waiting: number; readonly unanswered: number; readonly buffered: number } {
    return {
      held: this.#reader.held,
      waiting: this.#waiting.size + this.#pings.size + this.successors.size,
      unanswered: this.#unanswered.size,
      buffered: this.#wire?.buffered ?? 0,
    };
  }

  // ---- out

  /** Whether more is written than the peer has taken. */
  get congested(): boolean {
    return this.#paused;
  }

  /** Whether a message with this code may leave at once. A connection that is to end gets no new requests (RFC 8323, Section 5.5). */
  takes(code: number): boolean {
    return !this.#paused && (this.stage === 'ready' || (this.stage === 'releasing' && !isRequest(code)));
  }

  /**
   * Write a message.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`, `ERR_COAP_TOKEN` when the peer takes no request with such a token, `ERR_COAP_MESSAGE_SIZE` when it takes none as large
   */
  send(token: Uint8Array, body: Body): void {
    if (token.length > longestPlainToken && isRequest(body.code)) this.#checkToken(token);
    this.#write(encodeFrame(this.#config.framing, body.code, token, body.options, body.payload, this.capabilities.maxMessageSize, this.#config.format));
  }

  /** RFC 8974 §2.2.1: what the peer announced is for requests; a response has the token that its request had. */
  #checkToken(token: Uint8Array): void {
    const { extendedTokenLength } = this.capabilities;
    if (token.length > extendedTokenLength) {
      throw new CoapError('ERR_COAP_TOKEN', `expected a token of at most ${extendedTokenLength} bytes, which is what the peer takes, got ${token.length}`);
    }
  }

  #checkSize(length: number): void {
    const { maxMessageSize } = this.capabilities;
    if (length > maxMessageSize) {
      throw new CoapError('ERR_COAP_MESSAGE_SIZE', `expected a message of at most ${maxMessageSize} bytes, which is what the peer takes, got ${length}`);
    }
  }

  /** Keep a message until it can leave; `false` when too many wait. */
  hold(waiting: Waiting): boolean {
    const room = this.stage === 'releasing' && waiting.movable ? this.successors : this.#waiting;
    if (room.size >= this.#config.limits.queue || this.#pings.size >= mostPings) return false;
    // Of a Ping nothing is heard before its Pong; other messages are held only where they cannot leave.
    if (waiting.ping && this.stage === 'ready') this.#flushOne(waiting);
    else room.add(waiting);
    waiting.holder = this;
    return true;
  }

  /** Nobody waits for this message any more. */
  settle(waiting: Waiting): void {
    waiting.settled = true;
    this.#waiting.delete(waiting);
    this.successors.delete(waiting);
    this.#pings.delete(waiting);
  }

  #flushOne(waiting: Waiting): void {
    const frame = waiting.frame!;
    waiting.frame = undefined;
    try {
      this.#checkSize(frame.length);
      if (waiting.token !== undefined) this.#checkToken(waiting.token);
    } catch (error) {
      waiting.settled = true;
      waiting.listener.failed(error as CoapError);
      return;
    }
    this.#write(frame);
    if (waiting.ping) this.#pings.add(waiting);
    else {
      waiting.settled = true;
      waiting.listener.finished();
    }
  }

  #write(frame: Uint8Array): void {
    const wire = this.#wire;
    if (wire === undefined || this.stage === 'closed' || this.#overflow !== undefined) return;
    const { highWater, outgoing } = this.#config.limits;
    if (wire.buffered > outgoing) {
      // Not at once: who sends is in the middle of it.
      this.#stopReading();
      this.#overflow ??= stalled(`expected at most ${outgoing} bytes to wait for the peer, got more`);
      this.#config.deadlines.set(this.#stall, 0);
      return;
    }
    wire.write(frame);
    if (wire.buffered > highWater && !this.#paused) {
      this.#stopReading();
      this.#config.deadlines.set(this.#stall, this.#config.limits.stall);
    }
  }

  /** A peer that does not take answers may ask no more. */
  #stopReading(): void {
    this.#paused = true;
    this.#wire?.pause();
  }

  /** A request has its answer, or will never have one. */
  answered(request: StreamRequest): void {
    if (!this.#unanswered.delete(request)) return;
    while (this.#custodies.length > 0 && !this.#owesBefore(this.#custodies[0]!.before)) {
      this.send(this.#custodies.shift()!.token, encodePing(SignalingCode.Pong, true));
    }
    this.#closeIfReleased();
  }

  #owesBefore(number: number): boolean {
    return this.#unanswered.some((request) => request.number < number);
  }

  /**
   * Opt for an orderly end: the peer is to close, when it has its answers. After `grace` milliseconds we do.
   *
   * @see https://www.rfc-editor.org/rfc/rfc8323#section-5.5
   */
  release(release: Partial<Release>, grace: number = this.#config.limits.release): void {
    if (this.stage === 'closed') return;
    if (this.stage === 'opening') {
      this.#fail(new CoapError('ERR_COAP_CLOSED', 'the connection was given up'));
      return;
    }
    if (this.stage === 'ready') this.send(emptyBytes, encodeRelease(release));
    this.#releasing(grace);
  }

  /** From now on the connection only comes to its end: requests that have not left wait for the next one. */
  #releasing(grace: number): void {
    this.stage = 'releasing';
    this.#config.deadlines.set(this.#patience, grace);
    for (const waiting of [...this.#waiting]) {
      if (!waiting.movable) continue;
      this.#waiting.delete(waiting);
      this.successors.add(waiting);
    }
  }

  /** Tell the peer what is wrong, and close (RFC 8323, Section 5.6). */
  abort(error: CoapError): void {
    if (this.stage === 'closed') return;
    const option = error instanceof SignalingError ? error.option : undefined;
    this.#sayCsm();
    this.#write(
      encodeFrame(this.#config.framing, SignalingCode.Abort, emptyBytes, ...partsOf(encodeAbort(error.message, option, this.capabilities.maxMessageSize))),
    );
    this.#end(error, true);
  }

  /** Close without a word. */
  close(error: CoapError): void {
    this.#end(error, true);
  }

  // ---- in

  opened(): void {
    if (this.stage === 'closed') return;
    this.#sayCsm();
  }

  /** Bytes of the peer. */
  received(bytes: Uint8Array): void {
    if (this.stage === 'closed') return;
    this.#lastHeard = this.#config.now();
    this.#probed = false;
    this.#reader.push(bytes);
    this.#read();
  }

  drained(): void {
    if (this.stage === 'closed' || !this.#paused || this.#overflow !== undefined) return;
    this.#paused = false;
    this.#config.deadlines.clear(this.#stall);
    for (const waiting of [...this.#waiting]) {
      if (this.#paused) return;
      this.#waiting.delete(waiting);
      if (waiting.frame !== undefined) this.#flushOne(waiting);
      else waiting.listener.finished();
    }
    this.#read();
    if (!this.#paused) this.#wire?.resume();
  }

  closed(error?: Error): void {
    const { address, port } = this.peer;
    const what = this.stage === 'opening' ? `expected a connection to ${address} port ${port}` : `expected the connection with ${address} port ${port} to last`;
    this.#end(new CoapError('ERR_COAP_CONNECTION', `${what}, got ${error?.message ?? 'its end'}`, error === undefined ? {} : { cause: error }), false);
  }

  /** One message after the other, until there is none or the peer has to take its answers first. */
  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#paused && !this.#isClosed()) {
        const message = this.#reader.next();
        if (message === undefined) break;
        this.#messages++;
        this.#take(message);
      }
    } catch (error) {
      if (!(error instanceof CoapError)) throw error;
      this.abort(error);
    } finally {
      this.#reading = false;
    }
    if (!this.#isClosed()) this.#watchIncomplete();
  }

  #isClosed(): boolean {
    return this.stage === 'closed';
  }

  /** Each message must be complete some time after it has begun. */
  #watchIncomplete(): void {
    const { deadlines, limits } = this.#config;
    if (this.#reader.held === 0) {
      if (this.#incompleteAfter >= 0) deadlines.clear(this.#incomplete);
      this.#incompleteAfter = -1;
    } else if (this.#incompleteAfter !== this.#messages) {
      this.#incompleteAfter = this.#messages;
      deadlines.set(this.#incomplete, limits.message);
    }
  }

  #take(message: Message): void {
    const { code } = message;
    if (code === 0) return;
    if (this.stage === 'opening' && code !== SignalingCode.CSM && code !== SignalingCode.Abort) {
      throw new SignalingError('expected a CSM as the first message, got another');
    }
    // RFC 8974 §2.2.1.
    const { extendedTokenLength: most } = this.#config.announced;
    if (message.token.length > most && !isResponse(code)) throw new CoapFormatError(`expected a token of at most ${most} bytes, got ${message.token.length}`);
    if (isRequest(code)) {
      const request = new StreamRequest(this, this.#requests++);
      this.#unanswered.add(request);
      this.#port.request(message, request);
    } else if (isResponse(code)) {
      if (!this.#port.response(message, this)) this.#port.unexpected(this, code);
      this.#closeIfReleased();
    } else this.#takeSignal(message);
  }

  #takeSignal(message: Message): void {
    switch (message.code) {
      case SignalingCode.CSM:
        applyCsm(message.options, this.capabilities);
        if (this.stage === 'opening') this.#ready();
        return;
      case SignalingCode.Ping:
        this.#takePing(message);
        return;
      case SignalingCode.Pong:
        this.#takePong(message);
        return;
      case SignalingCode.Release:
        this.#takeRelease(message);
        return;
      case SignalingCode.Abort: {
        const { diagnostic, badCsmOption } = decodeAbort(message);
        const blamed = badCsmOption === undefined ? '' : ` of CSM option ${badCsmOption}`;
        this.#end(new CoapError('ERR_COAP_CONNECTION', `expected the connection to last, got an Abort because${blamed}: ${diagnostic}`), true);
        return;
      }
      default:
        // What a peer may send beyond RFC 8323, a CSM would have to agree on.
        throw new SignalingError(`expected a signaling code of 7.01 to 7.05, got 7.${String(message.code & 0x1f).padStart(2, '0')}`);
    }
  }

  #ready(): void {
    this.stage = 'ready';
    const { deadlines, limits } = this.#config;
    deadlines.clear(this.#patience);
    deadlines.set(this.#idle, limits.idle);
    for (const waiting of [...this.#waiting]) {
      if (this.#paused) return;
      this.#waiting.delete(waiting);
      this.#flushOne(waiting);
    }
  }

  #takePing(message: Message): void {
    const custody = decodePing(message.options);
    const token = message.token.slice();
    if (custody && this.#unanswered.size > 0 && this.#custodies.length < mostCustodies) this.#custodies.push({ token, before: this.#requests });
    // Without the option, the Pong says nothing of what was processed.
    else this.send(token, encodePing(SignalingCode.Pong, custody && this.#unanswered.size === 0));
  }

  #takePong(message: Message): void {
    decodePing(message.options);
    const oldest = this.#pings.values().next();
    if (message.token.length > 0 || oldest.done === true) return;
    this.settle(oldest.value);
    oldest.value.listener.finished();
  }

  #takeRelease(message: Message): void {
    const release = decodeRelease(message);
    this.#peerReleased = true;
    this.#releasing(this.#config.limits.release);
    this.#port.released(this, release);
    this.#closeIfReleased();
  }

  /** RFC 8323 §5.5: not before all requests that came are answered, and, while there is patience, ours too. */
  #closeIfReleased(): void {
    if (!this.#peerReleased || this.stage === 'closed' || this.#unanswered.size > 0 || this.#port.needs(this, false)) return;
    this.#end(new CoapError('ERR_COAP_CONNECTION', 'expected the connection to last, got a Release'), true);
  }

  // ---- time

  #sayCsm(): void {
    if (this.#saidCsm) return;
    this.#saidCsm = true;
    this.#write(encodeFrame(this.#config.framing, SignalingCode.CSM, emptyBytes, ...partsOf(encodeCsm(this.#config.announced))));
  }

  #outOfPatience(): void {
    if (this.stage === 'opening') this.abort(new CoapError('ERR_COAP_TIMEOUT', 'expected a connection and a CSM in time, got none'));
    else this.#end(new CoapError('ERR_COAP_CONNECTION', 'the connection was released'), true);
  }

  /** Nothing came for some time: a connection that nobody needs is released, another one is asked whether it lives (RFC 8323, Section 3.4). */
  #checkIdle(): void {
    const { deadlines, limits, now } = this.#config;
    if (this.stage !== 'ready') return;
    const left = this.#lastHeard + limits.idle - now();
    if (left > 0) deadlines.set(this.#idle, left);
    else if (this.#probed) this.#fail(new CoapError('ERR_COAP_CONNECTION', 'expected a Pong in time, got nothing'));
    else if (this.#unanswered.size > 0 || this.#port.needs(this, true)) {
      this.#probed = true;
      this.send(emptyBytes, encodePing(SignalingCode.Ping, false));
      deadlines.set(this.#idle, limits.release);
    } else this.release({});
  }

  #fail(error: CoapError): void {
    this.#end(error, false);
  }

  #end(error: CoapError, orderly: boolean): void {
    if (this.stage === 'closed') return;
    this.stage = 'closed';
    const { deadlines } = this.#config;
    for (const task of [this.#patience, this.#incomplete, this.#stall, this.#idle]) deadlines.clear(task);
    if (orderly) this.#wire?.end();
    else this.#wire?.destroy();
    const unfinished = [...this.#waiting, ...this.#pings];
    this.#waiting.clear();
    this.#pings.clear();
    this.#unanswered.clear();
    this.#custodies.length = 0;
    for (const waiting of unfinished) {
      if (waiting.settled) continue;
      waiting.settled = true;
      waiting.listener.failed(error);
    }
    this.#port.closed(this, error);
  }
}

/** What all connections of an endpoint share. */
export interface ConnectionConfig {
  readonly framing: Framing;
  readonly format: MessageFormat;
  /** What our CSMs say. */
  readonly announced: Readonly<Capabilities>;
  readonly limits: StreamLimits;
  readonly deadlines: Deadlines;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

function stalled(message: string): CoapError {
  return new CoapError('ERR_COAP_BACKPRESSURE', message);
}

function partsOf(body: Body): [Body['options'], Uint8Array] {
  return [body.options, body.payload];
}
