import { carve, emptyBytes } from '../core/bytes.ts';
import { type Aead, type CipherParameters, CryptoError, cipher } from '../core/crypto/index.ts';

/** TLS ContentType, IANA registry as of 2026-11. */
export const ContentType = { change_cipher_spec: 20, alert: 21, handshake: 22, application_data: 23, tls12_cid: 25 } as const;
export type ContentType = (typeof ContentType)[keyof typeof ContentType];

/** Versions as they stand on the wire (RFC 6347, Section 4.1). */
export const dtls12 = 0xfefd;
export const dtls10 = 0xfeff;

/** type, version, epoch, sequence_number, length. */
export const recordHeaderLength = 13;
/** Most bytes of plaintext in a record (RFC 5246, Section 6.2.1). */
export const largestPlaintext = 0x4000;
/** The last sequence number of an epoch. It must not wrap (RFC 6347, Section 4.1). */
export const lastSequence = 0xffff_ffff_ffff;

/** A record as it stands in a datagram. `cid` is empty in all but `tls12_cid` records. */
export interface DtlsRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly cid: Uint8Array;
  readonly fragment: Uint8Array;
}

/** What a datagram holds. */
export interface Records {
  readonly records: readonly DtlsRecord[];
  /** Bytes at the end that are no record. */
  readonly malformed: number;
}

function putU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  bytes[at + 2] = value >>> 24;
  bytes[at + 3] = value >>> 16;
  bytes[at + 4] = value >>> 8;
  bytes[at + 5] = value;
}

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u48At(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at) * 0x1_0000_0000 + u16At(bytes, at + 2) * 0x1_0000 + u16At(bytes, at + 4);
}

/**
 * The records of a datagram, up to the first byte that begins none. `cidLength` is the length of the connection IDs that we give out.
 *
 * The fragments are views of the datagram.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.1
 */
export function decodeRecords(datagram: Uint8Array, cidLength = 0): Records {
  // `subarray` of a Buffer gives another, which costs three times as much.
  const { buffer, byteOffset } = datagram;
  let records: DtlsRecord[] | undefined;
  let at = 0;
  while (at + recordHeaderLength <= datagram.length) {
    const type = datagram[at]!;
    const version = u16At(datagram, at + 1);
    if (version !== dtls12 && version !== dtls10) break;
    // RFC 9146 §4: the connection ID stands before the length.
    const idLength = type === ContentType.tls12_cid ? cidLength : 0;
    const start = at + recordHeaderLength + idLength;
    if (start > datagram.length) break;
    const end = start + u16At(datagram, start - 2);
    const epoch = u16At(datagram, at + 3);
    // RFC 5246 §6.2.1.
    if (end > datagram.length || (epoch === 0 && end - start > largestPlaintext)) break;
    const record = {
      type,
      version,
      epoch,
      sequence: u48At(datagram, at + 5),
      cid: idLength === 0 ? emptyBytes : new Uint8Array(buffer, byteOffset + at + 11, idLength),
      fragment: new Uint8Array(buffer, byteOffset + start, end - start),
    };
    // Most datagrams hold one: a list that is made with it is as long as it needs to be.
    if (records === undefined) records = [record];
    else records.push(record);
    at = end;
  }
  return { records: records ?? [], malformed: datagram.length - at };
}

function putHeader(out: Uint8Array, type: number, version: number, epoch: number, sequence: number, cid: Uint8Array, length: number): number {
  out[0] = type;
  out[1] = version >>> 8;
  out[2] = version;
  out[3] = epoch >>> 8;
  out[4] = epoch;
  putU48(out, 5, sequence);
  out.set(cid, 11);
  out[11 + cid.length] = length >>> 8;
  out[12 + cid.length] = length;
  return recordHeaderLength + cid.length;
}

/** A record of epoch 0, which has no protection. */
export function encodePlaintextRecord(type: number, sequence: number, fragment: Uint8Array, version: number = dtls12): Uint8Array {
  const record = carve(recordHeaderLength + fragment.length);
  record.set(fragment, putHeader(record, type, version, 0, sequence, emptyBytes, fragment.length));
  return record;
}

const explicitLength = 8;
/** The part of the nonce that the key block gives. */
export const saltLength = 4;

// One record is sealed or opened at a time.
const nonce = carve(saltLength + explicitLength);
const explicitNonce = nonce.subarray(saltLength);
const aad13 = carve(13);

/** RFC 5246, Section 6.2.3.3. What it gives holds until it is called again. */
function plainAad(type: number, version: number, epoch: number, sequence: number, length: number): Uint8Array {
  const aad = aad13;
  aad[0] = epoch >>> 8;
  aad[1] = epoch;
  putU48(aad, 2, sequence);
  aad[8] = type;
  aad[9] = version >>> 8;
  aad[10] = version;
  aad[11] = length >>> 8;
  aad[12] = length;
  return aad;
}

/** RFC 9146, Section 5.3. */
function cidAad(version: number, epoch: number, sequence: number, cid: Uint8Array, length: number): Uint8Array {
  const aad = carve(23 + cid.length);
  aad.fill(0xff, 0, 8);
  aad[8] = ContentType.tls12_cid;
  aad[9] = cid.length;
  putHeader(aad.subarray(10), ContentType.tls12_cid, version, epoch, sequence, cid, length);
  return aad;
}

export interface Opened {
  readonly type: number;
  readonly content: Uint8Array;
}

/**
 * The AEAD protection of one direction in one epoch (RFC 5246 Section 6.2.3.3; RFC 6655 Section 3 and RFC 5288 Section 3 for the nonce).
 *
 * The explicit part of the nonce that we send is the epoch and the sequence number, which never come twice with one key; the one that we receive is read from
 * the wire, since the peer is free to count otherwise.
 */
export class RecordProtection {
  readonly #parameters: CipherParameters;
  /** The key, until the first record: most of the connections that a restarted server takes up are idle. */
  #aead: Aead | Uint8Array;
  /** As a number: a server holds two for each peer. */
  readonly #salt: number;

  /** The key is kept as it is. In `salt`, at the offset, is the client_write_IV or server_write_IV. */
  constructor(parameters: CipherParameters, key: Uint8Array, salt: Uint8Array, at = 0) {
    this.#parameters = parameters;
    this.#aead = key;
    this.#salt = (salt[at]! << 24) | (salt[at + 1]! << 16) | (salt[at + 2]! << 8) | salt[at + 3]!;
  }

  /** Bytes that a record has more than its plaintext, without the connection ID and the type that it moves inside. */
  get expansion(): number {
    return recordHeaderLength + this.overhead;
  }

  #cipher(): Aead {
    if (this.#aead instanceof Uint8Array) this.#aead = cipher(this.#parameters, this.#aead);
    return this.#aead;
  }

  #startNonce(): void {
    const salt = this.#salt;
    nonce[0] = salt >>> 24;
    nonce[1] = salt >>> 16;
    nonce[2] = salt >>> 8;
    nonce[3] = salt;
  }

  /** The protected record. With a connection ID that is not empty the type moves inside (RFC 9146, Section 4). */
  seal(type: number, epoch: number, sequence: number, content: Uint8Array, cid: Uint8Array = emptyBytes): Uint8Array {
    let plaintext = content;
    if (cid.length > 0) {
      plaintext = carve(content.length + 1);
      plaintext.set(content);
      plaintext[content.length] = type;
    }
    const outer = cid.length > 0 ? ContentType.tls12_cid : type;
    const aad = cid.length > 0 ? cidAad(dtls12, epoch, sequence, cid, plaintext.length) : plainAad(outer, dtls12, epoch, sequence, plaintext.length);
    this.#startNonce();
    nonce[saltLength] = epoch >>> 8;
    nonce[saltLength + 1] = epoch;
    putU48(nonce, saltLength + 2, sequence);
    const sealed = this.#cipher().seal(nonce, aad, plaintext);
    const length = explicitLength + sealed.length;
    const record = carve(recordHeaderLength + cid.length + length);
    const at = putHeader(record, outer, dtls12, epoch, sequence, cid, length);
    record.set(explicitNonce, at);
    record.set(sealed, at + explicitLength);
    return record;
  }

  /** Bytes that a fragment has more than its plaintext. */
  get overhead(): number {
    return explicitLength + this.#parameters.tagLength;
  }

  /** What a record holds, or `undefined` when it does not verify, whatever is wrong with it. */
  open(record: DtlsRecord): Opened | undefined {
    const { type, version, epoch, sequence, cid, fragment } = record;
    const length = fragment.length - this.overhead;
    if (version !== dtls12 || length < 0 || length > largestPlaintext) return undefined;
    this.#startNonce();
    for (let i = 0; i < explicitLength; i++) nonce[saltLength + i] = fragment[i]!;
    const inCid = type === ContentType.tls12_cid;
    const aad = inCid ? cidAad(version, epoch, sequence, cid, length) : plainAad(type, version, epoch, sequence, length);
    let content: Uint8Array;
    try {
      content = this.#cipher().open(nonce, aad, fragment.subarray(explicitLength));
    } catch (error) {
      if (error instanceof CryptoError) return undefined;
      throw error;
    }
    if (!inCid) return { type, content };
    // RFC 9146 §4: zeros, then from the end the real type. Only zeros: no record.
    let end = content.length - 1;
    while (end >= 0 && content[end] === 0) end--;
    return end < 0 ? undefined : { type: content[end]!, content: content.subarray(0, end) };
  }
}
