import { carve, equalBytes } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import { AlertDescription, AlertLevel, type AlertName, alertName, decodeAlert, encodeAlert, HandshakeFailure } from './alert.ts';
import { checkPsk, type Settings } from './config.ts';
import { DtlsError } from './errors.ts';
import { type Agreement, type ConnectionEvent, type ConnectionPort, connectedEvent, type DiscardReason } from './events.ts';
import { keyingMaterial } from './exporter.ts';
import { type FlightItem, packFlight } from './flight.ts';
import { decodeFragments, HandshakeType } from './handshake.ts';
import { HandshakeRun } from './handshake-run.ts';
import { type ConnectionKeys, connectionKeys } from './key-schedule.ts';
import { mostForgeries, mostRecords } from './limits.ts';
import type { Handshake, HandshakePort, Outcome } from './negotiation.ts';
import type { Budget } from './reassembly.ts';
import { ContentType, type DtlsRecord, decodeRecords } from './record.ts';
import { type ConnectionIds, RecordLayer, type RecordSizes } from './record-layer.ts';
import { type ConnectionOutline, decodeConnection, encodeConnection, keyBlockOf } from './saved-connection.ts';
import { bareSecretsLength, carveSecrets, randomLength, secretsLength } from './secrets.ts';
import type { Session } from './session.ts';

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
  readonly #settings: Settings;
  readonly #port: ConnectionPort;
  readonly #env: Env;
  /** Absent while it is dormant. */
  #layer: RecordLayer | undefined;
  /** The bytes that it was imported from, while it is dormant: until something comes or goes, or is asked. Most of what a restarted server takes up is idle. */
  #saved: Uint8Array | undefined;
  #state: State = 'new';
  /** Until the handshake is over. */
  #run: HandshakeRun | undefined;
  /** message_seq of Finished of the peer, once it came: it comes again when our last flight got lost. */
  #lastReceived = -1;
  #lastSent = 0;
  /** The epoch of alerts and of application data. */
  #writeEpoch = 0;
  #session: Session | undefined;
  /** The same session as others have it who may forget it. */
  #unify: ((session: Session) => Session) | undefined;
  #isResumed = false;
  /** Both randoms, then our Finished if it was the last message of the handshake; in one array, because a server holds many. */
  #secrets: Uint8Array | undefined;
  /** When the last record of the peer came, and when the association ends however many come. */
  #heard = 0;
  #endsAt = Number.POSITIVE_INFINITY;
  #watch: Cancel | undefined;

  /** For `clientConnection` and `DtlsServer`. @internal */
  constructor(role: 'client' | 'server', settings: Settings, env: Env, port: ConnectionPort) {
    this.role = role;
    this.#settings = settings;
    this.#env = env;
    this.#port = port;
  }

  /**
   * For `clientConnection` and `DtlsServer`: what shakes hands when it is started. `sequence`: that of our first record, for a server that of the ClientHello
   * (RFC 6347, Section 4.2.1); `receive`: message_seq of the first message of the peer. @internal
   */
  prepare(sequence: number, receive: number, budget: Budget, handshake: (port: HandshakePort) => Handshake): this {
    this.#layer = new RecordLayer(sequence);
    const port = {
      records: this.#records(),
      transmit: (items: readonly FlightItem[], mtu: number) => this.#transmit(items, mtu),
      sending: (items: readonly FlightItem[], last: boolean) => this.#sending(items, last),
      protect: (keys: ConnectionKeys, ids: ConnectionIds, sizes: RecordSizes) => this.#records().protect(this.role, keys, ids, sizes),
      emit: (event: ConnectionEvent) => this.#port.emit(event),
      discard: (reason: DiscardReason) => this.#discard(reason),
      receive: (record: DtlsRecord) => void this.receiveRecord(record),
      complete: (outcome: Outcome) => this.#complete(outcome),
      fail: (failure: HandshakeFailure) => this.#abort(failure.alert, failure),
      expire: (error: DtlsError) => this.#end(error),
    };
    this.#run = new HandshakeRun(receive, this.#settings, this.#env, budget, port, handshake);
    return this;
  }

  /** For `importConnection` and `DtlsServer`: go on where another one was exported. The bytes were checked. @internal */
  restore(saved: Uint8Array, { established }: ConnectionOutline, unify?: (session: Session) => Session): this {
    this.#saved = carve(saved.length);
    this.#saved.set(saved);
    this.#unify = unify;
    this.#writeEpoch = 1;
    this.#connected(established);
    return this;
  }

  #records(): RecordLayer {
    return this.#layer ?? this.#wake();
  }

  #wake(): RecordLayer {
    const layer = new RecordLayer(0);
    this.#layer = layer;
    if (this.#saved === undefined) return layer;
    const { session, isResumed, keyBlock, secrets, lastSent, lastReceived, records } = decodeConnection(this.#saved);
    layer.restore(records, this.role, connectionKeys(session.cipherSuite, keyBlock));
    this.#lastSent = lastSent;
    this.#lastReceived = lastReceived;
    this.#secrets = secrets;
    this.#session = this.#unify?.(session) ?? session;
    this.#isResumed = isResumed;
    this.#saved?.fill(0);
    this.#saved = undefined;
    return layer;
  }

  #awake(): void {
    if (this.#saved !== undefined) this.#wake();
  }

  /** Whether application data can be sent: from the end of the handshake to the end of the connection. */
  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** Whether all is over; nothing comes back from it. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** What the handshake agreed on, once it is over. */
  get agreement(): Agreement | undefined {
    const { session, isResumed } = this.#outcome();
    return session?.agreement(isResumed);
  }

  /** What a later handshake may resume, once this one is over; `undefined` when there is no such thing, or no longer. It stays after an orderly end. */
  get session(): Session | undefined {
    this.#awake();
    return this.#session?.isResumable === true ? this.#session : undefined;
  }

  /** Who asks about a connection that is dormant does not wake it. */
  #outcome(): { readonly session: Session | undefined; readonly isResumed: boolean } {
    return this.#saved === undefined ? { session: this.#session, isResumed: this.#isResumed } : decodeConnection(this.#saved);
  }

  /** Whether it came to be with this PSK, or with this key or certificate of the client: what `psk-identity` and its like are answered by, asked later. */
  isOf(credential: Uint8Array): boolean {
    return this.#outcome().session?.isOf(credential) === true;
  }

  /** Begin. Called once. */
  start(): void {
    this.#state = 'handshake';
    this.#run!.start();
  }

  /** Take a datagram of the peer. Whether a record in it is of this association, as far as can be told. */
  receive(datagram: Uint8Array): boolean {
    const { records, malformed } = decodeRecords(datagram, this.#settings.connectionIdLength ?? 0);
    let isOurs = false;
    for (const record of records) if (this.receiveRecord(record)) isOurs = true;
    if (malformed > 0) this.#discard('malformed');
    return isOurs;
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
    if (this.#records().canRead) return this.#protectedRecord(record, verified);
    return this.#run?.hold(record) ?? this.#discard('epoch');
  }

  /**
   * Send application data, as one record in one datagram. The last record that the key may protect ends the association.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` before the handshake is over and after the end, `ERR_DTLS_SIZE` above what the peer takes, at most 16,384 bytes
   */
  send(data: Uint8Array): void {
    if (this.#state === 'connected') this.expire();
    if (this.#state !== 'connected') throw new DtlsError('ERR_DTLS_STATE', 'expected a connection whose handshake is over, got another');
    const { largestData } = this.#records();
    if (data.length > largestData) throw new DtlsError('ERR_DTLS_SIZE', `expected at most ${largestData} bytes, got ${data.length}`);
    this.#port.send(this.#records().write(ContentType.application_data, 1, data));
    // The last one is for close_notify.
    if (this.#records().protectedRecords >= mostRecords(this.#session!.cipherSuite.cipher, this.#settings) - 1)
      this.#finish(new DtlsError('ERR_DTLS_EXHAUSTED', 'the key has protected as many records as it may'));
  }

  /** Bytes that a datagram has more than the data in it. */
  get expansion(): number {
    return this.#records().expansion(1);
  }

  /** Most bytes that `send` takes, once the handshake is over: what the peer says by record_size_limit (RFC 8449), 16,384 without it. */
  get largestData(): number {
    return this.#records().largestData;
  }

  /** Whether the peer sends a connection ID of ours. */
  get hasConnectionId(): boolean {
    return this.#records().hasConnectionId;
  }

  /** The connection ID that the peer sends, as `DtlsServer` looks it up. */
  get connectionId(): Uint8Array {
    return this.#records().state.ids.receive;
  }

  /** Whether a ClientHello with this random began it, once the handshake is over. */
  isBegunBy(random: Uint8Array): boolean {
    this.#awake();
    return this.#secrets !== undefined && equalBytes(this.#secrets.subarray(0, randomLength), random);
  }

  /**
   * Keying material that both sides have and nobody else. No context and an empty one give different material.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` before the handshake is over, after the end, and without the extended master secret (RFC 7627, Section 5.4),
   * `ERR_DTLS_CONFIG` for a label that TLS itself uses or a context of more than 65,535 bytes
   * @see https://www.rfc-editor.org/rfc/rfc5705#section-4
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    this.#awake();
    const session = this.#session;
    if (this.#secrets === undefined || session?.extendedMasterSecret !== true)
      throw new DtlsError('ERR_DTLS_STATE', 'expected a connection with an extended master secret, got another');
    return keyingMaterial(session, this.#secrets.subarray(0, bareSecretsLength), label, length, context);
  }

  /**
   * The whole state, for `importConnection` or `DtlsServer.import` of another process. The peer does not notice.
   *
   * The association ends here, in silence, with `ERR_DTLS_EXPORTED`: two that go on from the same state would use nonces twice, which gives the keys away. For
   * the same reason the bytes are to be imported once: whoever keeps them deletes them before the import. They hold the keys and the master secret.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` before the handshake is over and after the end
   */
  export(): Uint8Array {
    if (this.#state !== 'connected') throw new DtlsError('ERR_DTLS_STATE', 'expected a connection whose handshake is over, got another');
    const saved = this.#saved?.slice() ?? this.#encode(this.#session!, this.#secrets!);
    this.#end(new DtlsError('ERR_DTLS_EXPORTED', 'the association goes on elsewhere'));
    return saved;
  }

  #encode(session: Session, secrets: Uint8Array): Uint8Array {
    const numbers = { lastSent: this.#lastSent, lastReceived: this.#lastReceived, records: this.#records().state };
    return encodeConnection({ role: this.role, session, isResumed: this.#isResumed, keyBlock: keyBlockOf(session, secrets), secrets, ...numbers });
  }

  /** End the association, and tell the peer. */
  close(): void {
    if (this.#state !== 'closed') this.#finish();
  }

  /** End the association without a word to the peer, who has begun a new one. */
  replace(): void {
    this.#awake();
    this.#end(new DtlsError('ERR_DTLS_REPLACED', 'the peer has begun a new association'));
  }

  /** End a handshake, without a word, to make room. */
  evict(): void {
    this.#awake();
    this.#end(new DtlsError('ERR_DTLS_EVICTED', 'there was no room for the association'));
  }

  /** End the association when its time is over at `now`, of the environment's clock. The result: milliseconds until it may be. */
  expire(now: number = this.#env.now()): number {
    const left = this.#timeLeft(now);
    if (left <= 0) this.#finish(new DtlsError('ERR_DTLS_EXPIRED', 'the association was quiet for too long, or is too old'));
    return left;
  }

  /**
   * The key of the identity that `psk-identity` names.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE` when none was asked for, `ERR_DTLS_CONFIG` for a key that is none
   */
  providePsk(key: Uint8Array): void {
    const psk = checkPsk('a PSK', key, 1);
    this.#asked()?.answer((handshake) => handshake.providePsk(psk));
  }

  /**
   * The identity that `psk-identity` names is not known. The handshake goes on with a random key and ends as it does with a wrong one, so that nobody learns
   * which identities there are (RFC 7925, Section 6). With an alert it ends at once, by that alert.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE`
   */
  rejectPsk(alert?: AlertName): void {
    if (alert !== undefined) this.#reject(alert, 'the PSK identity was refused');
    else this.#asked()?.answer((handshake) => handshake.providePsk(this.#env.random(16)));
  }

  /** The key of `peer-key` or the certificate of `peer-certificate` is of who it should be. @throws {DtlsError} `ERR_DTLS_STATE` */
  acceptPeer(): void {
    this.#asked()?.answer((handshake) => handshake.acceptPeer());
  }

  /**
   * The key of `peer-key` or the certificate of `peer-certificate` is not taken. RFC 7925 wants no alert for a key that is about certificates; for a
   * certificate that is revoked there is `certificate_revoked`. Without an alert it is handshake_failure; where a client wants to resume a session as that
   * peer, it may prove itself anew in a full handshake.
   *
   * @throws {DtlsError} `ERR_DTLS_STATE`
   */
  rejectPeer(alert?: AlertName): void {
    if (alert !== undefined) this.#reject(alert, 'the key of the peer was refused');
    else this.#asked()?.answer((handshake) => handshake.rejectPeer());
  }

  #reject(alert: AlertName, reason: string): void {
    if (this.#asked() !== undefined) this.#abort(alert, new HandshakeFailure(alert, reason));
  }

  /** What waits for an answer. One that comes too late changes nothing. */
  #asked(): HandshakeRun | undefined {
    if (this.#state === 'closed') return undefined;
    if (this.#run?.isPaused !== true) throw new DtlsError('ERR_DTLS_STATE', 'expected an answer to a question, got one to none');
    return this.#run;
  }

  #discard(reason: DiscardReason): false {
    this.#port.emit({ type: 'discarded', reason });
    return false;
  }

  #transmit(items: readonly FlightItem[], mtu: number): void {
    for (const datagram of packFlight(items, mtu, this.#records())) this.#port.send(datagram);
  }

  #sending(items: readonly FlightItem[], last: boolean): void {
    const message = items.at(-1)?.message;
    // What follows ChangeCipherSpec is protected.
    if (message?.type !== HandshakeType.finished) return;
    this.#writeEpoch = 1;
    this.#lastSent = message.sequence;
    // It may have to be sent again when the handshake is over.
    this.#secrets = carveSecrets(last ? secretsLength : bareSecretsLength);
    if (last) this.#secrets.set(message.body, bareSecretsLength);
  }

  #complete({ session, randoms, isResumed }: Outcome): void {
    this.#lastReceived = this.#run!.lastReceived;
    this.#secrets!.set(randoms.client);
    this.#secrets!.set(randoms.server, randomLength);
    this.#run!.stop();
    this.#run = undefined;
    this.#session = session;
    this.#isResumed = isResumed;
    this.#connected(session.established);
    this.#port.emit(connectedEvent(session.agreement(isResumed)));
  }

  #connected(established: number): void {
    this.#state = 'connected';
    this.#heard = this.#env.now();
    this.#endsAt = this.#heard + this.#settings.maxLifetime - 1000 * Math.abs(this.#env.epoch() - established);
    // A server looks at all of its connections by one timer.
    if (this.role === 'client') this.#awaitExpiry();
  }

  #timeLeft(now: number): number {
    return Math.min(this.#heard + this.#settings.idleLifetime, this.#endsAt) - now;
  }

  #awaitExpiry(): void {
    this.#watch = this.#env.schedule(this.#timeLeft(this.#env.now()), () => {
      if (this.expire() > 0) this.#awaitExpiry();
    });
  }

  #end(error?: DtlsError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#run?.stop();
    this.#run = undefined;
    this.#watch?.();
    this.#watch = undefined;
    this.#secrets = undefined;
    this.#layer?.clear();
    this.#saved?.fill(0);
    this.#saved = undefined;
    this.#port.emit(error === undefined ? { type: 'closed' } : { type: 'closed', error });
  }

  /** RFC 5246 §7.2.1: an end in order tells the peer. */
  #finish(error?: DtlsError): void {
    if (this.#state !== 'new') this.#alert(AlertLevel.warning, AlertDescription.close_notify);
    this.#end(error);
  }

  #alert(level: AlertLevel, description: number): void {
    this.#port.send(this.#records().write(ContentType.alert, this.#writeEpoch, encodeAlert(level, description)));
  }

  /** RFC 5246 §7.2.2: after a fatal alert the session is not resumed any more. */
  #failed(error: DtlsError): void {
    (this.#session ?? this.#run?.resumes)?.forget();
    this.#end(error);
  }

  #abort(alert: AlertName, error: DtlsError): void {
    if (this.#state === 'closed') return;
    this.#alert(AlertLevel.fatal, AlertDescription[alert]);
    this.#failed(error);
  }

  #plainRecord({ type, fragment }: DtlsRecord): boolean {
    // RFC 6347 §4.1: what is not protected counts until the handshake is over.
    if (this.#run === undefined) return this.#discard('epoch');
    switch (type) {
      case ContentType.handshake:
        return this.#run.receive(fragment, 0);
      case ContentType.change_cipher_spec:
        return this.#run.changeCipherSpec(fragment);
      case ContentType.alert:
        return this.#alertRecord(fragment);
      default:
        return this.#discard(type === ContentType.application_data ? 'epoch' : 'malformed');
    }
  }

  #protectedRecord(record: DtlsRecord, verified?: (isNewest: boolean) => void): boolean {
    const now = this.#env.now();
    if (this.#state === 'connected' && this.expire(now) <= 0) return this.#discard('closed');
    if (this.#run?.isEarly(record) === true) return this.#discard('early');
    const opened = this.#records().open(record);
    if (typeof opened === 'string') {
      this.#discard(opened);
      if (opened === 'mac') this.#forged();
      return opened === 'full';
    }
    this.#heard = now;
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
        if (this.#run === undefined) this.#lateHandshake(content);
        else this.#run.receive(content, 1);
        return true;
      case ContentType.alert:
        this.#alertRecord(content);
        return true;
      default:
        this.#discard('malformed');
        return true;
    }
  }

  #forged(): void {
    if (this.#run !== undefined) this.#run.forged();
    else if (this.#records().forgeries >= mostForgeries(this.#session!.cipherSuite.cipher, this.#settings))
      this.#abort('bad_record_mac', new DtlsError('ERR_DTLS_FORGERIES', 'too many records did not verify'));
  }

  #alertRecord(fragment: Uint8Array): boolean {
    const alert = decodeAlert(fragment);
    if (alert === undefined) return this.#discard('malformed');
    if (alert.description === AlertDescription.close_notify) {
      // RFC 5246 §7.2.1: answered by one, and what was to be sent is dropped.
      this.close();
    } else if (alert.level === AlertLevel.fatal)
      this.#failed(new DtlsError('ERR_DTLS_ALERT', `the peer ended the association: ${alertName(alert.description)}`));
    return true;
  }

  /** A handshake message after the handshake: of the peer's last flight again, or the wish for a new one. */
  #lateHandshake(content: Uint8Array): void {
    const fragment = decodeFragments(content)?.[0];
    if (fragment === undefined) this.#discard('malformed');
    else if (fragment.type === HandshakeType.finished && fragment.sequence === this.#lastReceived) this.#repeatFinished();
    else if (fragment.type === (this.role === 'client' ? HandshakeType.hello_request : HandshakeType.client_hello)) {
      // RFC 7925 §17: no renegotiation.
      this.#alert(AlertLevel.warning, AlertDescription.no_renegotiation);
    } else this.#discard('handshake');
  }

  /** Our last flight again, if the handshake ended with it. */
  #repeatFinished(): void {
    const body = this.#secrets!.subarray(bareSecretsLength);
    if (body.length === 0) return;
    this.#transmit([{ epoch: 0 }, { epoch: 1, message: { type: HandshakeType.finished, sequence: this.#lastSent, body } }], this.#settings.mtu);
  }
}
