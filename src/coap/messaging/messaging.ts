import { emptyBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import { NumberTable } from '../../core/number-table.ts';
import { Deadlines, Task } from '../deadline.ts';
import { CoapError, type CoapFormatError } from '../errors.ts';
import type { Peer } from '../layer.ts';
import { codeClass, formatCode, isRequest, isResponse } from '../message/code.ts';
import { type Body, decodeMessage, encodeEmpty, encodeParts, type Message, type MessageFormat, MessageType, writeId } from '../message/message.ts';
import { answersToken, Deduplication, type Earlier, Incoming } from './deduplication.ts';
import { GroupMessageIds, MessageIds } from './message-id.ts';
import { Progress } from './message-records.ts';
import type { DerivedParameters } from './parameters.ts';
import { PeerState, placeOf } from './peer-state.ts';
import type { DiscardedEvent, MessagingConfig, MessagingLimits, MessagingPort } from './port.ts';
import { probingTime } from './probing.ts';
import { RandomPool } from './random-pool.ts';
import type { Reachability } from './reachability.ts';
import { SourceSelection } from './source-selection.ts';
import { Transmission, type TransmissionListener } from './transmission.ts';
import { type OutstandingWindow, windows } from './window.ts';

/** So many times ACK_TIMEOUT a Reset to a message that takes no part in NSTART is waited for. */
const resetPatience = 4;

/**
 * The message layer over datagrams: reliability, duplicates, message ids, congestion control.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-4
 */
export class Messaging {
  readonly parameters: DerivedParameters;
  readonly deadlines: Deadlines;
  readonly random: RandomPool;
  /** Absent: whatever address seems to ask is sent what it asks for. */
  readonly reachability: Reachability | undefined;
  readonly #limits: MessagingLimits;
  readonly #format: MessageFormat;
  readonly #env: Env;
  readonly #port: MessagingPort;
  readonly #peers: Map<string, PeerState> = new Map();
  readonly #duplicates: Deduplication;
  readonly #groupIds: GroupMessageIds;
  readonly #sources: SourceSelection | undefined;
  readonly #windows: () => OutstandingWindow;
  readonly #sweep: Task = new Task(() => this.#forget());
  readonly #onTimeout: (transmission: Transmission) => void = (transmission) => this.#timeout(transmission);
  #closed = false;

  constructor(config: MessagingConfig, env: Env, port: MessagingPort) {
    this.parameters = config.parameters;
    this.reachability = config.reachability;
    this.#limits = config.limits;
    this.#format = config.format ?? {};
    this.#env = env;
    this.#port = port;
    this.deadlines = new Deadlines(env);
    this.random = new RandomPool(env);
    this.#windows = windows(config.parameters, env);
    this.#duplicates = new Deduplication(config.limits.duplicates, this.random);
    this.#groupIds = new GroupMessageIds(config.parameters.exchangeLifetime);
    this.#sources = config.sources === undefined ? undefined : new SourceSelection(config.sources, this.#peers, env);
  }

  /** Entries of each kind that it holds: duplicates, peers, messages outstanding and waiting. */
  stats(): Readonly<Record<string, number>> {
    let outstanding = 0;
    let queued = 0;
    for (const state of this.#peers.values()) {
      outstanding += state.outstanding;
      queued += state.queue.length;
    }
    return {
      peers: this.#peers.size,
      sources: this.#sources?.size ?? 0,
      duplicates: this.#duplicates.entries,
      duplicateBytes: this.#duplicates.bytes,
      outstanding,
      queued,
      deadlines: this.deadlines.size,
    };
  }

  /** Take a datagram; `group` is the group address that it was sent to, if it was. Never throws on account of it. */
  receive(datagram: Uint8Array, peer: Peer, group?: string): void {
    if (this.#closed) return;
    // Nothing can be sent back to port 0, which no socket has: the source is forged.
    if (peer.port === 0) {
      this.#discard('port', peer);
      return;
    }
    let message: Message;
    try {
      message = decodeMessage(datagram, this.#format);
    } catch (error) {
      // RFC 7252 §8.1: no Reset to what came by multicast.
      if (group !== undefined) this.#discard('format', peer, (error as CoapFormatError).message);
      else this.#malformed(error as CoapFormatError, peer);
      return;
    }
    const { type, code } = message;
    if (group !== undefined) {
      // RFC 7252 §8.1: only Non-confirmable requests are for groups.
      if (type === MessageType.NON && isRequest(code)) this.#request(message, peer, datagram.length, group);
      else this.#discard('group', peer);
      return;
    }
    if (type === MessageType.CON || type === MessageType.NON) {
      if (isRequest(code)) this.#request(message, peer, datagram.length);
      else if (isResponse(code)) this.#response(message, peer);
      // RFC 7252 §4.3: an Empty Confirmable message is a ping; an Empty Non-confirmable one is nothing.
      else if (type === MessageType.CON) this.#port.send(encodeEmpty(MessageType.RST, message.id), peer);
      else this.#discard('empty', peer);
    } else if (type === MessageType.ACK) this.#acknowledgement(message, peer, datagram.length);
    else this.#reset(message, peer);
  }

  /**
   * Answer a request: on its acknowledgement if none was sent, else in a message of its own, of the type of the request.
   *
   * `hold`: how long a Non-confirmable answer counts as outstanding. Returns the transmission when there is one to listen to.
   *
   * @param confirmable the type of a message of its own, when it is not that of the request
   * @throws {CoapError} `ERR_COAP_OPTION`
   */
  answer(
    incoming: Incoming,
    token: Uint8Array,
    body: Body,
    hold: number,
    listener: TransmissionListener,
    confirmable: boolean = incoming.confirmable,
  ): Transmission | undefined {
    if (incoming.confirmable && incoming.progress === Progress.Pending) {
      const reply = encodeParts(MessageType.ACK, body.code, incoming.id, token, body.options, body.payload, this.#format);
      incoming.progress = Progress.Answered;
      this.#clearAckDeadline(incoming);
      const isAuthenticated = listener.authenticated === true;
      this.#duplicates.keep(incoming, reply, isAuthenticated ? this.parameters.maxRetransmit : 0);
      if (this.#closed) return undefined;
      if (isAuthenticated) this.#port.send(reply, incoming.state.peer);
      else this.#sendWithin(reply, incoming.state);
      return undefined;
    }
    return this.transmit(incoming.state.peer, confirmable, token, body, hold, listener);
  }

  /** Acknowledge a Confirmable request by an Empty message: its response, if any, travels separately. */
  acknowledge(incoming: Incoming): void {
    if (!incoming.confirmable || incoming.progress !== Progress.Pending) return;
    this.#duplicates.advance(incoming, Progress.Acknowledged);
    this.#clearAckDeadline(incoming);
    if (!this.#closed) this.#sendWithin(encodeEmpty(MessageType.ACK, incoming.id), incoming.state);
  }

  /**
   * Send a message, when NSTART lets it. A Non-confirmable one with `hold` 0 goes at once and nothing is heard of it; with `beside` it goes at once, whatever
   * is outstanding, and a Reset to it is heard for a time.
   *
   * @throws {CoapError} `ERR_COAP_OPTION`
   */
  transmit(
    peer: Peer,
    confirmable: boolean,
    token: Uint8Array,
    body: Body,
    hold: number,
    listener: TransmissionListener,
    beside = false,
  ): Transmission | undefined {
    // RFC 7252 §8.1.
    if (confirmable && peer.group === true) throw new CoapError('ERR_COAP_MULTICAST', 'expected a Non-confirmable message to a group, got a Confirmable one');
    const datagram = encodeParts(confirmable ? MessageType.CON : MessageType.NON, body.code, 0, token, body.options, body.payload, this.#format);
    if (this.#closed) return undefined;
    const state = this.#peers.get(peer.key) ?? this.#addPeer(peer);
    if (!confirmable && hold === 0 && !beside) {
      const id = this.#takeId(state);
      if (id === undefined) return undefined;
      writeId(datagram, id);
      if (isRequest(datagram[1]!) || listener.authenticated === true) this.#port.send(datagram, peer);
      else this.#sendWithin(datagram, state);
      return undefined;
    }
    const transmission = new Transmission(state, confirmable, token, datagram, hold, listener, this.#onTimeout);
    if (beside && !confirmable) {
      transmission.beside = true;
      transmission.timeout = resetPatience * this.parameters.ackTimeout;
      this.#start(transmission);
      // What is not sent again need not be kept.
      transmission.datagram = emptyBytes;
    } else if (state.hasRoom) this.#start(transmission);
    else if (state.leader.queue.length < this.#limits.queue) state.leader.queue.push(transmission);
    else this.#refuse(transmission, `at most ${this.#limits.queue} messages to wait for ${placeOf(peer)}, got more`);
    return transmission;
  }

  /** The peer as the next message reaches it: by a source port that has message ids left. */
  sourceFor(peer: Peer): Peer {
    return this.#sources === undefined ? peer : this.#sources.choose(peer);
  }

  /** Milliseconds that PROBING_RATE allows for a message of this size (RFC 7252, Section 4.7). */
  probingTime(token: Uint8Array, body: Body): number {
    return probingTime(token, body, this.parameters.probingRate);
  }

  /** Be done with a transmission, without telling its listener: it was `answered`, or nobody is interested any more. */
  settle(transmission: Transmission, answered = false): void {
    const { state, stage, retransmissions } = transmission;
    if (stage === 'done') return;
    transmission.stage = 'done';
    this.deadlines.clear(transmission);
    const { leader } = state;
    if (stage === 'queued' && transmission.refusal === undefined) leader.queue.splice(leader.queue.indexOf(transmission), 1);
    if (stage === 'sent') {
      state.sent!.delete(transmission.id);
      if (transmission.beside) return;
      if (answered && retransmissions === 0) leader.window.answered(transmission.leftAt, leader.outstanding);
      leader.outstanding--;
      this.#startQueued(leader);
    }
  }

  /** The message that carries this token to the peer is answered, if it is on its way. */
  settleToken(peer: Peer, token: Uint8Array): void {
    const answered = this.#peers.get(peer.key)?.sentWith(token);
    if (answered !== undefined) this.settle(answered, true);
  }

  /** The session of a peer has ended: fail what is on its way to it, and forget it. */
  lost(peer: Peer, error: CoapError): void {
    const state = this.#peers.get(peer.key);
    if (state === undefined) return;
    const { unfinished } = state;
    state.queue.length = 0;
    for (const transmission of unfinished) this.settle(transmission);
    this.#duplicates.forgetPeer(state);
    this.#peers.delete(peer.key);
    this.reachability?.forget(state);
    for (const { listener } of unfinished) listener.failed(error);
  }

  /** The peer is at another address, which it has to show (RFC 9146, Section 6). */
  moved(peer: Peer): void {
    const state = this.#peers.get(peer.key);
    if (state !== undefined && this.reachability !== undefined) this.reachability.doubt(state);
  }

  /** There is no connection that could be released. */
  release(_grace: number | undefined, done: () => void): void {
    done();
  }

  /** Fail what is on its way and forget everything. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.deadlines.clearAll();
    const unfinished = [...this.#peers.values()].flatMap((state) => state.unfinished);
    this.#peers.clear();
    this.#duplicates.forgetBefore(Number.POSITIVE_INFINITY);
    this.reachability?.close();
    for (const transmission of unfinished) {
      transmission.stage = 'done';
      transmission.listener.failed(new CoapError('ERR_COAP_CLOSED', 'the endpoint was closed'));
    }
  }

  #discard(reason: DiscardedEvent['reason'], peer: Peer, detail?: string): void {
    this.#port.emit(detail === undefined ? { type: 'discarded', reason, peer } : { type: 'discarded', reason, peer, detail });
  }

  #malformed(error: CoapFormatError, peer: Peer): void {
    if (error.type === MessageType.CON) this.#port.send(encodeEmpty(MessageType.RST, error.id!), peer);
    this.#discard('format', peer, error.message);
  }

  #request(message: Message, peer: Peer, size: number, group?: string): void {
    const confirmable = message.type === MessageType.CON;
    const now = this.#env.now();
    const state = this.#peers.get(peer.key);
    if (state !== undefined) {
      const earlier = this.#duplicates.find(state, message.id);
      // A copy is of the kind of the first: who forges the address of a peer can silence neither its Confirmable requests nor its responses by their ids.
      const copied = earlier !== undefined && earlier.confirmable === confirmable && earlier.isAlive(now, this.parameters);
      const reply = copied ? earlier.reply : undefined;
      if (copied && earlier.progress !== Progress.Delivered && (reply === undefined || answersToken(reply, message.token))) {
        if (!state.reachable) this.reachability!.earn(state, size);
        this.#duplicate(earlier, state, message.id);
        return;
      }
    }
    const known = state ?? this.#admitPeer(peer);
    if (known === undefined) {
      this.#discard('peers', peer);
      return;
    }
    const incoming = new Incoming(known, message.id, confirmable, now);
    if (!known.reachable) incoming.allowance = this.reachability!.earn(known, size);
    this.#duplicates.add(incoming);
    this.#port.request(message, peer, incoming, group);
    if (incoming.progress === Progress.Pending && confirmable && !this.#closed) {
      incoming.ackDeadline = new Task(() => this.acknowledge(incoming));
      this.deadlines.set(incoming.ackDeadline, this.parameters.ackDelay);
    }
  }

  /** RFC 7252 §4.5: the same ACK again; silence for what was Non-confirmable, and while the first copy is being answered. */
  #duplicate(earlier: Earlier, state: PeerState, id: number): void {
    const { reply } = earlier;
    if (reply === undefined) {
      if (earlier.confirmable && earlier.progress !== Progress.Pending) this.#sendWithin(encodeEmpty(MessageType.ACK, id), state);
    } else if (earlier.takeCopy()) this.#port.send(reply, state.peer);
    else this.#sendWithin(reply, state);
  }

  #clearAckDeadline(incoming: Incoming): void {
    if (incoming.ackDeadline === undefined) return;
    this.deadlines.clear(incoming.ackDeadline);
    incoming.ackDeadline = undefined;
  }

  /** A response in a message of its own. */
  #response(message: Message, peer: Peer): void {
    const confirmable = message.type === MessageType.CON;
    const now = this.#env.now();
    const state = this.#peers.get(peer.key);
    const earlier = state && this.#duplicates.find(state, message.id);
    if (earlier?.progress === Progress.Delivered && earlier.confirmable === confirmable && earlier.isAlive(now, this.parameters)) {
      this.#duplicate(earlier, state!, message.id);
      return;
    }
    const known = state ?? (this.#port.isGroupToken?.(message.token) === true ? this.#admitPeer(peer) : undefined);
    const incoming = known === undefined ? undefined : new Incoming(known, message.id, confirmable, now);
    if (incoming === undefined || !this.#port.response(message, peer, undefined)) {
      // Also for Non-confirmable ones: it ends an observation that this side has forgotten (RFC 7641 §3.6).
      this.#port.send(encodeEmpty(MessageType.RST, message.id), peer);
      this.#discard('unexpected-response', peer, formatCode(message.code));
      return;
    }
    if (this.#closed) return;
    if (!incoming.state.reachable) this.reachability!.show(incoming.state);
    this.#duplicates.add(incoming);
    this.acknowledge(incoming);
    this.#duplicates.advance(incoming, Progress.Delivered);
  }

  #acknowledgement(message: Message, peer: Peer, size: number): void {
    const transmission = this.#peers.get(peer.key)?.sent?.get(message.id);
    if (transmission === undefined || !transmission.confirmable) this.#discard('unexpected-ack', peer);
    else if (message.code === 0) {
      const { state, spent } = transmission;
      if (spent > 0) this.reachability!.earn(state, size);
      state.credit += spent;
      this.settle(transmission, true);
      transmission.listener.finished();
    } else if (!isResponse(message.code)) this.#discard('code', peer, `an acknowledgement of class ${codeClass(message.code)}`);
    else if (!this.#port.response(message, peer, transmission)) this.#discard('unexpected-response', peer, formatCode(message.code));
    else if (!transmission.state.reachable) this.reachability!.show(transmission.state);
  }

  #reset(message: Message, peer: Peer): void {
    if (message.code !== 0) {
      this.#discard('code', peer, 'a Reset that is not Empty');
      return;
    }
    const transmission = this.#peers.get(peer.key)?.sent?.get(message.id);
    if (transmission === undefined) {
      this.#discard('unexpected-reset', peer);
      return;
    }
    this.settle(transmission);
    transmission.listener.failed(new CoapError('ERR_COAP_RESET', `expected a response from ${placeOf(peer)}, got a Reset`));
  }

  #start(transmission: Transmission): void {
    const { state } = transmission;
    const id = this.#takeId(state);
    if (id === undefined) {
      const lifetime = this.parameters.exchangeLifetime / 1000;
      this.#refuse(transmission, `a message id for ${placeOf(state.peer)} that was not used for ${lifetime} s, got none`);
      return;
    }
    transmission.stage = 'sent';
    if (!transmission.beside) state.window.began(state.leader.outstanding++);
    state.sent ??= new NumberTable();
    if (transmission.confirmable) {
      const { ackTimeout, ackRandomFactor } = this.parameters;
      transmission.timeout = ackTimeout * (1 + this.random.fraction() * (ackRandomFactor - 1));
    }
    this.#emitTransmission(transmission, id);
  }

  /** Send under this id and wait for the timeout. */
  #emitTransmission(transmission: Transmission, id: number): void {
    const { state } = transmission;
    transmission.id = id;
    state.sent!.set(id, transmission);
    this.deadlines.set(transmission, transmission.timeout);
    writeId(transmission.datagram, id);
    this.#sendCopy(transmission);
  }

  /** One copy of a message, unless it is an answer for which there is no credit: then it is as good as lost. */
  #sendCopy(transmission: Transmission): void {
    const { state, datagram, listener } = transmission;
    if (!state.reachable && datagram[1]! >= 0x40 && listener.authenticated !== true) {
      const cost = this.reachability!.spend(state, datagram.length);
      if (cost === 0) return;
      transmission.spent += cost;
    }
    this.#port.send(datagram, state.peer);
  }

  /** Send what answers a peer, if that is within what it may be sent. */
  #sendWithin(datagram: Uint8Array, state: PeerState): void {
    if (state.reachable || this.reachability!.spend(state, datagram.length) > 0) this.#port.send(datagram, state.peer);
  }

  /** There is too much for this peer. Told by a deadline of now, since listeners hear nothing before `transmit` returns. */
  #refuse(transmission: Transmission, expected: string): void {
    transmission.refusal = new CoapError('ERR_COAP_BUSY', `expected ${expected}`);
    this.deadlines.set(transmission, 0);
  }

  #startQueued(state: PeerState): void {
    while (state.hasRoom && state.queue.length > 0) this.#start(state.queue.shift()!);
  }

  #timeout(transmission: Transmission): void {
    const { state, listener } = transmission;
    if (transmission.refusal !== undefined) {
      transmission.stage = 'done';
      listener.failed(transmission.refusal);
    } else if (!transmission.confirmable) {
      this.settle(transmission);
      listener.finished();
    } else if (transmission.retransmissions < this.parameters.maxRetransmit) {
      state.window.lost(transmission.leftAt, state.leader.outstanding);
      this.#retransmit(transmission);
    } else {
      this.settle(transmission);
      listener.failed(new CoapError('ERR_COAP_TIMEOUT', `expected an acknowledgement from ${placeOf(state.peer)}, got none`));
      this.#port.unanswered?.(state.peer);
    }
  }

  #retransmit(transmission: Transmission): void {
    transmission.retransmissions++;
    transmission.timeout *= 2;
    const newer = transmission.listener.supersede?.();
    const id = newer === undefined ? undefined : this.#takeId(transmission.state);
    if (newer === undefined || id === undefined) {
      this.deadlines.set(transmission, transmission.timeout);
      this.#sendCopy(transmission);
      return;
    }
    transmission.state.sent!.delete(transmission.id);
    transmission.datagram = encodeParts(MessageType.CON, newer.code, 0, transmission.token, newer.options, newer.payload, this.#format);
    this.#emitTransmission(transmission, id);
  }

  #takeId(state: PeerState): number | undefined {
    const now = this.#env.now();
    if (state.peer.group === true) return this.#groupIds.take(now, this.#peers.values(), this.random);
    state.ids ??= new MessageIds(this.random.uint32(), this.parameters.exchangeLifetime);
    let id = state.ids.take(now);
    while (id !== undefined && this.#groupIds.has(id, now)) id = state.ids.take(now);
    this.#sources?.taken(state, now);
    return id;
  }

  #addPeer(peer: Peer): PeerState {
    if (this.#sweep.slot < 0) this.deadlines.set(this.#sweep, this.parameters.exchangeLifetime / 8);
    const first = peer.source?.first;
    const leader = first === undefined ? undefined : (this.#peers.get(first.key) ?? this.#addPeer(first));
    const state = new PeerState(peer, this.#peers, leader, this.#windows);
    this.reachability?.enter(state);
    return state;
  }

  /** Room for a peer that speaks first; `undefined` when all that are known have something outstanding. */
  #admitPeer(peer: Peer): PeerState | undefined {
    while (this.#peers.size >= this.#limits.peers && this.#duplicates.entries > 0) this.#duplicates.forgetForAnother();
    return this.#peers.size >= this.#limits.peers ? undefined : this.#addPeer(peer);
  }

  /** The one sweep; it runs as long as there is something to forget. */
  #forget(): void {
    const before = this.#env.now() - this.parameters.exchangeLifetime;
    this.#duplicates.forgetBefore(before);
    for (const state of this.#peers.values()) state.release(state.ids !== undefined && state.ids.lastUse <= before);
    this.#sources?.release((number) => this.#port.needsSource?.(number) === true);
    if (this.#peers.size + (this.#sources?.size ?? 0) > 0) this.deadlines.set(this.#sweep, this.parameters.exchangeLifetime / 8);
  }

  /** Elicit a Reset: an Empty Confirmable message, the "CoAP ping" (RFC 7252, Section 4.3). */
  ping(peer: Peer, listener: TransmissionListener): Transmission | undefined {
    return this.transmit(peer, true, emptyBytes, { code: 0, options: [], payload: emptyBytes }, 0, listener);
  }
}
