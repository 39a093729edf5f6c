import { emptyBytes, equalBytes } from '../core/bytes.ts';
import type { RecordWriter } from './flight.ts';
import type { ConnectionKeys } from './key-schedule.ts';
import { ContentType, type DtlsRecord, encodePlaintextRecord, largestPlaintext, type Opened, type RecordProtection, recordHeaderLength } from './record.ts';
import { ReplayWindow, type WindowState } from './replay-window.ts';

/** The connection IDs of protected records (RFC 9146, Section 3); empty where a direction has none. */
export interface ConnectionIds {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** Most bytes of plaintext in a protected record of each direction (RFC 8449). */
export interface RecordSizes {
  readonly send: number;
  readonly receive: number;
}

/** All of a record layer but its keys. */
export interface RecordState {
  readonly plainSequence: number;
  readonly sequence: number;
  readonly window: WindowState;
  readonly forgeries: number;
  readonly ids: ConnectionIds;
  readonly sizes: RecordSizes;
}

/** What a protected record holds, and whether it is newer than all before. */
export interface Received extends Opened {
  readonly isNewest: boolean;
}

/** The records of one association in both directions: keys, sequence numbers and the replay window. There are two epochs, since nothing is renegotiated. */
export class RecordLayer implements RecordWriter {
  #write: RecordProtection | undefined;
  #read: RecordProtection | undefined;
  /** The keys are there, ChangeCipherSpec is not. */
  #pendingRead: RecordProtection | undefined;
  // Each by itself, since a server holds many of these.
  #sendId: Uint8Array = emptyBytes;
  #receiveId: Uint8Array = emptyBytes;
  #sendSize = largestPlaintext;
  #receiveSize = largestPlaintext;
  #window: ReplayWindow = new ReplayWindow();
  #forgeries = 0;
  #plainSequence: number;
  #sequence = 0;

  /** `plainSequence`: the sequence number of our first record. */
  constructor(plainSequence: number) {
    this.#plainSequence = plainSequence;
  }

  /** Protect what is sent in epoch 1 from now on, and be ready for what comes. */
  protect(role: 'client' | 'server', { client, server }: ConnectionKeys, ids: ConnectionIds, sizes: RecordSizes): void {
    this.#write = role === 'client' ? client : server;
    this.#pendingRead = role === 'client' ? server : client;
    this.#sendId = ids.send.length === 0 ? emptyBytes : ids.send;
    this.#receiveId = ids.receive.length === 0 ? emptyBytes : ids.receive;
    this.#sendSize = sizes.send;
    this.#receiveSize = sizes.receive;
  }

  /** Go on where another one stopped. */
  restore(state: RecordState, role: 'client' | 'server', keys: ConnectionKeys): void {
    this.protect(role, keys, state.ids, state.sizes);
    this.changeCipherSpec();
    this.#plainSequence = state.plainSequence;
    this.#sequence = state.sequence;
    this.#window = new ReplayWindow(state.window);
    this.#forgeries = state.forgeries;
  }

  get state(): RecordState {
    return {
      plainSequence: this.#plainSequence,
      sequence: this.#sequence,
      window: this.#window.state,
      forgeries: this.#forgeries,
      ids: { send: this.#sendId, receive: this.#receiveId },
      sizes: { send: this.#sendSize, receive: this.#receiveSize },
    };
  }

  /** ChangeCipherSpec came. */
  changeCipherSpec(): void {
    this.#read = this.#pendingRead;
  }

  /** Whether epoch 1 can be read. */
  get canRead(): boolean {
    return this.#read !== undefined;
  }

  get hasConnectionId(): boolean {
    return this.#receiveId.length > 0;
  }

  /** Records that our key has protected. */
  get protectedRecords(): number {
    return this.#sequence;
  }

  /** Records that failed to verify under the key of the peer. */
  get forgeries(): number {
    return this.#forgeries;
  }

  /** Most bytes of data in a record. */
  get largestData(): number {
    return this.#sendId.length === 0 ? this.#sendSize : this.#sendSize - 1;
  }

  expansion(epoch: number): number {
    if (epoch === 0 || this.#write === undefined) return recordHeaderLength;
    const id = this.#sendId.length;
    // RFC 9146 §4: the type moves behind the content.
    return this.#write.expansion + (id === 0 ? 0 : id + 1);
  }

  write(type: number, epoch: number, content: Uint8Array): Uint8Array {
    if (epoch === 0) return encodePlaintextRecord(type, this.#plainSequence++, content);
    return this.#write!.seal(type, epoch, this.#sequence++, content, this.#sendId);
  }

  /** What a record of epoch 1 holds, or why it is dropped. */
  open(record: DtlsRecord): Received | 'epoch' | 'replay' | 'mac' | 'full' {
    const { sequence, cid, type } = record;
    // RFC 9146 §3: with a connection ID every record has it, and without none.
    if (!equalBytes(cid, this.#receiveId) || (type === ContentType.tls12_cid) !== this.hasConnectionId) return 'epoch';
    if (!this.#window.accepts(sequence)) return 'replay';
    const opened = this.#read!.open(record);
    if (opened === undefined) {
      this.#forgeries++;
      return 'mac';
    }
    const isNewest = sequence > this.#window.highest;
    this.#window.commit(sequence);
    // RFC 8449 §4: all that is protected counts, the type and the zeros of a connection ID too.
    if (record.fragment.length - this.#read!.overhead > this.#receiveSize) return 'full';
    return { type: opened.type, content: opened.content, isNewest };
  }

  /** Forget the keys. */
  clear(): void {
    this.#write = undefined;
    this.#read = undefined;
    this.#pendingRead = undefined;
  }
}
