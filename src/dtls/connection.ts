import { BytesError, ByteWriter } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { AlertDescription, AlertLevel, type AlertName, alertName, decodeAlert, encodeAlert, HandshakeFailure } from './alert.ts';
import { checkPsk, type Settings } from './config.ts';
import { DtlsError } from './errors.ts';
import type { Agreement, ConnectionEvent, DiscardReason, PeerIdentity } from './events.ts';
import { type FlightItem, FlightTimer, packFlight } from './flight.ts';
import { decodeFragments, type HandshakeFragment, HandshakeType } from './handshake.ts';
import { type ConnectionKeys, prf } from './key-schedule.ts';
import type { Handshake, HandshakePort, Secrets } from './negotiation.ts';
import { type ByteBudget, Reassembly } from './reassembly.ts';
import { ContentType, type DtlsRecord, decodeRecords } from './record.ts';
import { type ConnectionIds, RecordLayer } from './record-layer.ts';
import { putVector16 } from './vector.ts';

export interface ConnectionPort {
  /** Send a datagram, or fail in silence. */
  send(datagram: Uint8Array): void;
  emit(event: ConnectionEvent): void;
}

/** Where a connection begins. */
export interface Origin {
  readonly role: 'client' | 'server';
  /** message_seq of the first message of the peer. */
  readonly receive: number;
  /** Sequence number of our first record: that of the ClientHello, for a server (RFC 6347, Section 4.2.1). */
  readonly send: number;
}

/** Records of epoch 1 that are kept until their keys are there. */
const mostHeld = 8;
const heldBytes = 4096;

/** RFC 5705, Section 4. */
const reservedLabels: readonly string[] = ['client finished', 'server finished', 'master secret', 'extended master secret', 'key expansion'];

type State = 'new' | 'handshake' | 'connected' | 'closed';

/**
 * A DTLS 1.2 association with one peer, from either side.
 *
 * No clock, no socket: datagrams come in by `receive`, and go out by the port, which also hears what happens. Whatever comes in, `receive` does not throw.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347
 */
export class Connection {
  readonly role: 'client' | 'server';
  readonly #port: ConnectionPort;
  readonly #env: Env;
  readonly #records: RecordLayer;
  readonly #ownIdLength: number;
  #state: State = 'new';
  /** Until the handshake is over. */
  #handshake: Handshake | undefined;
  #reassembly: Reassembly | undefined;
  #flight: FlightTimer | undefined;
  /** Our last flight, for who sent the last one of the handshake. */
  #lastFlight: readonly FlightItem[] | undefined;
  readonly #mtu: number;
  #deadline: Cancel | undefined;
  /** message_seq of Finished of the peer, once it came: it comes again when our last flight got lost. */
  #lastReceived = -1;
  #changeCipherSpec = false;
  #held: DtlsRecord[] = [];
  #heldBytes = 0;
  #isAdvancing = false;
  /** The epoch of alerts and of application data. */
  #writeEpoch = 0;
  #secrets: Secrets | undefined;
  #agreement: Agreement | undefined;

  /** For `connect` and `DtlsServer`. */
  constructor(origin: Origin, settings: Settings, env: Env, budget: ByteBudget, port: ConnectionPort, handshake: (port: HandshakePort) => Handshake) {
    this.role = origin.role;
    this.#env = env;
    this.#port = port;
    this.#ownIdLength = settings.connectionIdLength ?? 0;
    this.#mtu = settings.mtu;
    this.#records = new RecordLayer(origin.send);
    this.#reassembly = new Reassembly(origin.receive, settings.maxHandshakeBytes, budget);
    this.#flight = new FlightTimer(
      settings.retransmission,
      settings.mtu,
      env,
      (items, mtu) => this.#transmit(items, mtu),
      () => this.#end(new DtlsError('ERR_DTLS_TIMEOUT', 'expected an answer to the handshake, got none')),
    );
    this.#deadline = env.schedule(settings.handshakeTimeout, () =>
      this.#end(new DtlsError('ERR_DTLS_TIMEOUT', `expected a handshake of at most ${settings.handshakeTimeout} ms, got a longer one`)),
    );
    this.#handshake = handshake({
      env,
      send: (items, last) => this.#sendFlight(items, last),
      protect: (keys, ids) => this.#protect(keys, ids),
      emit: (event) => port.emit(event),
      complete: (secrets, peerIdentity) => this.#complete(secrets, peerIdentity),
    });
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** What the handshake agreed on, once it is over. */
  get agreement(): Agreement | undefined {
    return this.#agreement;
  }

  /** Begin. Called once. */
  start(): void {
    this.#state = 'handshake';
    this.#guard(() => this.#handshake?.start());
  }

  /** Take a datagram of the peer. */
  receive(datagram: Uint8Array): void {
    const { records, malformed } = decodeRecords(datagram, this.#ownIdLength);
    for (const record of records) this.receiveRecord(record);
    if (malformed > 0) this.#discard('malformed');
  }

  /**
   * Take a record of the peer, as a server does that looks at the records itself. Whether it is one of this association, as far as can be told.
   *
   * `verified`: called when the record proves to be of the peer, before anything comes of it, with whether it is newer than all before.
   */
  receiveRecord(record: DtlsRecord, verified?: (isNewest: boolean) => void): boolean {
    if (this.#state === 'closed') return this.#discard('closed');
    if (record.epoch === 0) return this.#plainRecord(record);
    if (record.epoch !== 1) return this.#discard('epoch');
    return this.#records.canRead ? this.#protectedRecord(record, verified) : this.#hold(record);
  }

  /**
   * Send application data, as one record in one datagram.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` before the handshake is over and after the end, `ERR_DTLS_SIZE` above 16,384 bytes, `ERR_DTLS_EXHAUSTED` when all
   * sequence numbers are used
   */
  send(data: Uint8Array): void {
    if (this.#state !== 'connected') throw new DtlsError('ERR_DTLS_STATE', 'expected a connection whose handshake is over, got another');
    const { largestData, isExhausted } = this.#records;
    if (data.length > largestData) throw new DtlsError('ERR_DTLS_SIZE', `expected at most ${largestData} bytes, got ${data.length}`);
    if (isExhausted) throw new DtlsError('ERR_DTLS_EXHAUSTED', 'expected a sequence number that is left, got none');
    this.#port.send(this.#records.write(ContentType.application_data, 1, data));
  }

  /** Bytes that a datagram has more than the data in it. */
  get expansion(): number {
    return this.#records.expansion(1);
  }

  /** Whether the peer sends a connection ID of ours. */
  get hasConnectionId(): boolean {
    return this.#records.hasConnectionId;
  }

  /**
   * Keying material that both sides have and nobody else. No context and an empty one give different material.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` before the handshake is over, after the end, and without the extended master secret (RFC 7627, Section 5.4),
   * `ERR_DTLS_CONFIG` for a label that TLS itself uses
   * @see https://www.rfc-editor.org/rfc/rfc5705#section-4
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    const secrets = this.#secrets;
    if (secrets?.extended !== true) throw new DtlsError('ERR_DTLS_STATE', 'expected a connection with an extended master secret, got another');
    if (reservedLabels.includes(label)) throw new DtlsError('ERR_DTLS_CONFIG', `expected a label that TLS does not use, got ${label}`);
    const { suite, master, randoms } = secrets;
    const seed = new ByteWriter().bytes(randoms.client).bytes(randoms.server);
    if (context !== undefined) putVector16(seed, context);
    return prf(suite.hash, master, label, seed.finish(), length);
  }

  /** End the association, and tell the peer. */
  close(): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'new') this.#alert(AlertLevel.warning, AlertDescription.close_notify);
    this.#end();
  }

  /** End the association without a word to the peer, who has begun a new one. */
  replace(): void {
    this.#end(new DtlsError('ERR_DTLS_REPLACED', 'the peer has begun a new association'));
  }

  /** End a handshake, without a word, to make room. */
  evict(): void {
    this.#end(new DtlsError('ERR_DTLS_EVICTED', 'there was no room for the association'));
  }

  /**
   * The key of the identity that `psk-identity` names.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` when none was asked for, `ERR_DTLS_CONFIG` for a key that is none
   */
  providePsk(key: Uint8Array): void {
    const psk = checkPsk('a PSK', key, 1);
    this.#answer((handshake) => handshake.providePsk(psk));
  }

  /**
   * The identity that `psk-identity` names is not known. The handshake goes on with a random key and ends as it does with a wrong one, so that nobody learns
   * which identities there are (RFC 7925, Section 6). With an alert it ends at once, by that alert.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE`
   */
  rejectPsk(alert?: AlertName): void {
    if (alert !== undefined) this.#reject(alert, 'the PSK identity was refused');
    else this.#answer((handshake) => handshake.providePsk(this.#env.random(16)));
  }

  /** The key of `peer-key` or the certificate of `peer-certificate` is of who it should be. @throws {DtlsError} `ERR_DTLS_STATE` */
  acceptPeer(): void {
    this.#answer((handshake) => handshake.acceptPeer());
  }

  /**
   * The key of `peer-key` or the certificate of `peer-certificate` is not taken. RFC 7925 wants no alert for a key that is about certificates; for a
   * certificate that is revoked there is `certificate_revoked`.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE`
   */
  rejectPeer(alert: AlertName = 'handshake_failure'): void {
    this.#reject(alert, 'the key of the peer was refused');
  }

  #reject(alert: AlertName, reason: string): void {
    if (this.#state === 'closed') return;
    if (this.#handshake?.isPaused !== true) throw new DtlsError('ERR_DTLS_STATE', 'expected an answer to a question, got one to none');
    this.#fail(new HandshakeFailure(alert, reason));
  }

  /** An answer that comes too late changes nothing. */
  #answer(give: (handshake: Handshake) => void): void {
    if (this.#state === 'closed') return;
    const handshake = this.#handshake;
    if (handshake?.isPaused !== true) throw new DtlsError('ERR_DTLS_STATE', 'expected an answer to a question, got one to none');
    this.#guard(() => give(handshake));
    this.#advance();
  }

  #discard(reason: DiscardReason): false {
    this.#port.emit({ type: 'discarded', reason });
    return false;
  }

  #transmit(items: readonly FlightItem[], mtu: number): void {
    for (const datagram of packFlight(items, mtu, this.#records)) this.#port.send(datagram);
  }

  #sendFlight(items: readonly FlightItem[], last: boolean): void {
    this.#flight!.send(items, !last);
    // It may have to be sent again when the handshake is over.
    if (last) this.#lastFlight = items;
    // What follows ChangeCipherSpec is protected.
    if (items.some(({ message }) => message === undefined)) this.#writeEpoch = 1;
  }

  #protect({ client, server }: ConnectionKeys, ids: ConnectionIds): void {
    if (this.role === 'client') this.#records.protect(client, server, ids);
    else this.#records.protect(server, client, ids);
  }

  #complete(secrets: Secrets, peerIdentity: PeerIdentity): void {
    this.#lastReceived = this.#reassembly!.next - 1;
    this.#state = 'connected';
    this.#secrets = secrets;
    this.#agreement = { suite: secrets.suite.name, extendedMasterSecret: secrets.extended, peerIdentity };
    this.#release();
    this.#port.emit({ type: 'connected', ...this.#agreement });
  }

  /** Give back what only the handshake needs. */
  #release(): void {
    this.#reassembly?.clear();
    this.#reassembly = undefined;
    this.#flight?.stop();
    this.#flight = undefined;
    this.#handshake = undefined;
    this.#deadline?.();
    this.#deadline = undefined;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #end(error?: DtlsError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#release();
    this.#lastFlight = undefined;
    this.#secrets = undefined;
    this.#records.clear();
    this.#port.emit(error === undefined ? { type: 'closed' } : { type: 'closed', error });
  }

  #alert(level: AlertLevel, description: number): void {
    if (this.#records.isExhausted) return;
    this.#port.send(this.#records.write(ContentType.alert, this.#writeEpoch, encodeAlert(level, description)));
  }

  #abort(alert: AlertName, error: DtlsError): void {
    if (this.#state === 'closed') return;
    this.#alert(AlertLevel.fatal, AlertDescription[alert]);
    this.#end(error);
  }

  #fail(failure: HandshakeFailure): void {
    this.#abort(failure.alert, failure);
  }

  /** Run a step of the handshake; what the peer did wrong ends it. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (error instanceof HandshakeFailure) this.#fail(error);
      else if (error instanceof BytesError) this.#fail(new HandshakeFailure('decode_error', error.message));
      else throw error;
    }
  }

  #plainRecord({ type, fragment }: DtlsRecord): boolean {
    // RFC 6347 §4.1: what is not protected counts until the handshake is over.
    if (this.#handshake === undefined) return this.#discard('epoch');
    switch (type) {
      case ContentType.handshake:
        return this.#handshakeRecord(fragment, 0);
      case ContentType.change_cipher_spec:
        if (!this.#handshake.awaitsFlight || fragment.length !== 1 || fragment[0] !== 1) return this.#discard('handshake');
        this.#changeCipherSpec = true;
        this.#advance();
        return true;
      case ContentType.alert:
        return this.#alertRecord(fragment);
      default:
        return this.#discard(type === ContentType.application_data ? 'epoch' : 'malformed');
    }
  }

  /** RFC 6347 §4.2.4: records overtake the ChangeCipherSpec before them. */
  #hold(record: DtlsRecord): boolean {
    if (this.#handshake?.awaitsFlight !== true) return this.#discard('epoch');
    if (this.#held.length >= mostHeld || this.#heldBytes + record.fragment.length > heldBytes) return this.#discard('full');
    this.#held.push(record);
    this.#heldBytes += record.fragment.length;
    return true;
  }

  #protectedRecord(record: DtlsRecord, verified?: (isNewest: boolean) => void): boolean {
    const opened = this.#records.open(record);
    if (typeof opened === 'string') {
      this.#discard(opened);
      if (opened === 'mac') this.#forged(record);
      return false;
    }
    verified?.(opened.isNewest);
    if (this.isClosed) return true;
    const { type, content } = opened;
    switch (type) {
      case ContentType.application_data:
        // RFC 6347 §4.2.4: not before Finished.
        if (this.#state !== 'connected') this.#discard('early');
        else this.#port.emit({ type: 'data', data: content });
        return true;
      case ContentType.handshake:
        if (this.#state === 'connected') this.#lateHandshake(content);
        else this.#handshakeRecord(content, 1);
        return true;
      case ContentType.alert:
        this.#alertRecord(content);
        return true;
      default:
        this.#discard('malformed');
        return true;
    }
  }

  #forged({ type }: DtlsRecord): void {
    // RFC 7925 §6: with a wrong PSK it is Finished that does not verify, because it was made with other keys. Anybody can send such a record, as anybody can
    // send an alert in epoch 0: neither costs more than a handshake.
    if (this.#state === 'handshake' && this.role === 'server' && (type === ContentType.handshake || type === ContentType.tls12_cid))
      this.#fail(new HandshakeFailure('decrypt_error', 'expected Finished under the same keys, got another'));
    else if (this.#records.isWornOut) this.#abort('bad_record_mac', new DtlsError('ERR_DTLS_FORGERIES', 'too many records did not verify'));
  }

  #alertRecord(fragment: Uint8Array): boolean {
    const alert = decodeAlert(fragment);
    if (alert === undefined) return this.#discard('malformed');
    if (alert.description === AlertDescription.close_notify) {
      // RFC 5246 §7.2.1: answered by one, and what was to be sent is dropped.
      this.close();
    } else if (alert.level === AlertLevel.fatal) this.#end(new DtlsError('ERR_DTLS_ALERT', `the peer ended the association: ${alertName(alert.description)}`));
    return true;
  }

  #handshakeRecord(content: Uint8Array, epoch: number): boolean {
    const fragments = decodeFragments(content);
    if (fragments === undefined) return this.#discard('malformed');
    for (const fragment of fragments) this.#fragment(fragment, epoch);
    this.#advance();
    return true;
  }

  #fragment(fragment: HandshakeFragment, epoch: number): void {
    // Finished is the first message that is protected, and the last.
    if ((fragment.type === HandshakeType.finished) !== (epoch === 1)) {
      this.#discard('epoch');
      return;
    }
    const added = this.#reassembly?.add(fragment, epoch);
    if (added === 'refused') this.#discard('handshake');
    // Once for a flight: by the end of its last message.
    else if (added === 'old' && fragment.sequence === this.#handshake?.answered && fragment.offset + fragment.bytes.length === fragment.length)
      this.#flight?.repeat();
  }

  /** A handshake message after the handshake: of the peer's last flight again, or the wish for a new one. */
  #lateHandshake(content: Uint8Array): void {
    const fragment = decodeFragments(content)?.[0];
    if (fragment === undefined) this.#discard('malformed');
    else if (fragment.type === HandshakeType.finished && fragment.sequence === this.#lastReceived) {
      if (this.#lastFlight !== undefined) this.#transmit(this.#lastFlight, this.#mtu);
    } else if (fragment.type === (this.role === 'client' ? HandshakeType.hello_request : HandshakeType.client_hello)) {
      // RFC 7925 §17: no renegotiation.
      this.#alert(AlertLevel.warning, AlertDescription.no_renegotiation);
    } else this.#discard('handshake');
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
    if (handshake === undefined || handshake.isPaused) return false;
    if (handshake.awaitsFinished && !this.#records.canRead) {
      if (!this.#changeCipherSpec) return false;
      this.#records.changeCipherSpec();
      const held = this.#held;
      this.#held = [];
      this.#heldBytes = 0;
      for (const record of held) this.receiveRecord(record);
      return true;
    }
    const message = this.#reassembly!.take();
    if (message === undefined) return false;
    this.#guard(() => handshake.receive(message));
    return true;
  }
}
