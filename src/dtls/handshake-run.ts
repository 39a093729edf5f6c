import { BytesError } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { HandshakeFailure } from './alert.ts';
import type { Settings } from './config.ts';
import { DtlsError } from './errors.ts';
import type { ConnectionEvent, DiscardReason } from './events.ts';
import { type FlightItem, FlightTimer } from './flight.ts';
import { decodeFragments, type HandshakeFragment, HandshakeType } from './handshake.ts';
import type { ConnectionKeys } from './key-schedule.ts';
import type { Handshake, HandshakePort, Outcome } from './negotiation.ts';
import { type Budget, Reassembly } from './reassembly.ts';
import { ContentType, type DtlsRecord } from './record.ts';
import type { ConnectionIds, RecordLayer, RecordSizes } from './record-layer.ts';
import type { Session } from './session.ts';

/** What a handshake under way needs of its connection. */
export interface RunPort {
  readonly records: RecordLayer;
  transmit(items: readonly FlightItem[], mtu: number): void;
  /** A flight goes out. `last`: the handshake sends no other one. */
  sending(items: readonly FlightItem[], last: boolean): void;
  protect(keys: ConnectionKeys, ids: ConnectionIds, sizes: RecordSizes): void;
  emit(event: ConnectionEvent): void;
  discard(reason: DiscardReason): false;
  /** Take a record that was held. */
  receive(record: DtlsRecord): void;
  complete(outcome: Outcome): void;
  fail(failure: HandshakeFailure): void;
  expire(error: DtlsError): void;
}

/** Records of epoch 1 that are kept until their keys are there. */
const mostHeld = 8;
const heldBytes = 4096;

/** A handshake under way, and all that only it needs: messages that are put together, the flight that waits for its answer, and what came too early. */
export class HandshakeRun {
  readonly #handshake: Handshake;
  readonly #port: RunPort;
  readonly #reassembly: Reassembly;
  readonly #flight: FlightTimer;
  #changeCipherSpec = false;
  #held: DtlsRecord[] = [];
  #heldBytes = 0;
  #isAdvancing = false;
  #isOver = false;

  /** `receive`: message_seq of the first message of the peer. */
  constructor(receive: number, settings: Settings, env: Env, budget: Budget, port: RunPort, handshake: (port: HandshakePort) => Handshake) {
    this.#port = port;
    this.#reassembly = new Reassembly(receive, settings.maxHandshakeBytes, budget);
    this.#flight = new FlightTimer(settings.retransmission, settings.handshakeTimeout, settings.mtu, env, port.transmit, (overdue) =>
      port.expire(
        new DtlsError(
          'ERR_DTLS_TIMEOUT',
          overdue === 'answer'
            ? 'expected an answer to the handshake, got none'
            : `expected a handshake of at most ${settings.handshakeTimeout} ms, got a longer one`,
        ),
      ),
    );
    this.#handshake = handshake({
      env,
      send: (items, last) => {
        port.sending(items, last);
        this.#flight.send(items, !last);
      },
      protect: (keys, ids, sizes) => port.protect(keys, ids, sizes),
      emit: (event) => port.emit(event),
      complete: (outcome) => port.complete(outcome),
    });
  }

  get isPaused(): boolean {
    return this.#handshake.isPaused;
  }

  /** The session that it is to resume. */
  get resumes(): Session | undefined {
    return this.#handshake.resumes;
  }

  /** message_seq of the last message of the peer that was taken. */
  get lastReceived(): number {
    return this.#reassembly.next - 1;
  }

  start(): void {
    this.#guard(() => this.#handshake.start());
    // Before a flight was sent there may be a question to wait for.
    if (!this.#isOver) this.#flight.watch();
  }

  /** Give back what is held. */
  stop(): void {
    this.#isOver = true;
    this.#reassembly.clear();
    this.#flight.stop();
    this.#held = [];
  }

  /** An answer of the application. */
  answer(give: (handshake: Handshake) => void): void {
    this.#guard(() => give(this.#handshake));
    this.#advance();
  }

  changeCipherSpec(fragment: Uint8Array): boolean {
    if (!this.#handshake.awaitsFlight || fragment.length !== 1 || fragment[0] !== 1) return this.#port.discard('handshake');
    this.#changeCipherSpec = true;
    this.#advance();
    return true;
  }

  /** RFC 6347 §4.2.4: records overtake the ChangeCipherSpec before them. */
  hold(record: DtlsRecord): boolean {
    if (!this.#handshake.awaitsFlight) return this.#port.discard('epoch');
    if (this.#held.length >= mostHeld || this.#heldBytes + record.fragment.length > heldBytes) return this.#port.discard('full');
    // The datagram is not ours to keep, and may be much longer.
    this.#held.push({ ...record, cid: record.cid.slice(), fragment: record.fragment.slice() });
    this.#heldBytes += record.fragment.length;
    return true;
  }

  /** What a handshake record holds. */
  receive(content: Uint8Array, epoch: number): boolean {
    const fragments = decodeFragments(content);
    if (fragments === undefined) return this.#port.discard('malformed');
    for (const fragment of fragments) this.#fragment(fragment, epoch);
    this.#advance();
    return true;
  }

  /**
   * Whether a protected record is not to be looked into before Finished of the peer is there: the answer to an alert would tell whoever guesses a PSK that it is
   * right, guess after guess within one handshake.
   */
  isEarly({ type }: DtlsRecord): boolean {
    return this.#handshake.verifiesFirst && type !== ContentType.handshake && type !== ContentType.tls12_cid;
  }

  /** A record of epoch 1 does not verify. */
  forged(): void {
    // RFC 7925 §6: with a wrong PSK it is Finished that does not verify, because it was made with other keys. Anybody can send such a record, as anybody can
    // send an alert in epoch 0: neither costs more than a handshake.
    if (this.#handshake.verifiesFirst) this.#port.fail(new HandshakeFailure('decrypt_error', 'expected Finished under the same keys, got another'));
  }

  #fragment(fragment: HandshakeFragment, epoch: number): void {
    // Finished is the first message that is protected, and the last.
    if ((fragment.type === HandshakeType.finished) !== (epoch === 1)) {
      this.#port.discard('epoch');
      return;
    }
    const added = this.#isOver ? undefined : this.#reassembly.add(fragment, epoch);
    if (added === 'refused') this.#port.discard('handshake');
    // Once for a flight: by the end of its last message.
    else if (added === 'old' && fragment.sequence === this.#handshake.answered && fragment.offset + fragment.bytes.length === fragment.length)
      this.#flight.repeat();
  }

  /** Run a step of the handshake; what the peer did wrong ends it. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (error instanceof HandshakeFailure) this.#port.fail(error);
      else if (error instanceof BytesError) this.#port.fail(new HandshakeFailure('decode_error', error.message));
      else throw error;
    }
  }

  /** Give the handshake what is there, until it waits for the peer or for the application. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      while (this.#step()) {
        // On.
      }
    } finally {
      this.#isAdvancing = false;
    }
  }

  #step(): boolean {
    const handshake = this.#handshake;
    if (this.#isOver || handshake.isPaused) return false;
    if (handshake.awaitsFinished && !this.#port.records.canRead) {
      if (!this.#changeCipherSpec) return false;
      this.#port.records.changeCipherSpec();
      const held = this.#held;
      this.#held = [];
      this.#heldBytes = 0;
      for (const record of held) this.#port.receive(record);
      return true;
    }
    const message = this.#reassembly.take();
    if (message === undefined) return false;
    this.#guard(() => handshake.receive(message));
    // Nothing more of the flight of the peer is to come: the next step is for the application.
    if (handshake.isPaused && !handshake.awaitsFlight) this.#flight.answered();
    return true;
  }
}
