import { carve, emptyBytes } from '../core/bytes.ts';
import { digest, type HashName } from '../core/crypto/index.ts';

/** TLS HandshakeType, IANA registry as of 2026-11: those of DTLS 1.2. */
export const HandshakeType = {
  hello_request: 0,
  client_hello: 1,
  server_hello: 2,
  hello_verify_request: 3,
  new_session_ticket: 4,
  certificate: 11,
  server_key_exchange: 12,
  certificate_request: 13,
  server_hello_done: 14,
  certificate_verify: 15,
  client_key_exchange: 16,
  finished: 20,
} as const;
export type HandshakeType = (typeof HandshakeType)[keyof typeof HandshakeType];

const names: ReadonlyMap<number, string> = new Map(Object.entries(HandshakeType).map(([name, number]) => [number, name]));

/** The name of a handshake message, or its number. */
export function handshakeName(type: number): string {
  return names.get(type) ?? `handshake message ${type}`;
}

/** msg_type, length, message_seq, fragment_offset, fragment_length. */
export const handshakeHeaderLength = 12;

/** A handshake message, put together of its fragments. */
export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** A part of a message, or all of it. */
export interface HandshakeFragment {
  readonly type: number;
  /** Bytes of the whole body. */
  readonly length: number;
  readonly sequence: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function putU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
}

function u24At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

function putHeader(bytes: Uint8Array, at: number, type: number, sequence: number, whole: number, offset: number, length: number): void {
  bytes[at] = type;
  putU24(bytes, at + 1, whole);
  bytes[at + 4] = sequence >>> 8;
  bytes[at + 5] = sequence;
  putU24(bytes, at + 6, offset);
  putU24(bytes, at + 9, length);
}

/** A part of the message with its header (RFC 6347, Section 4.2.2). */
export function encodeFragment({ type, sequence, body }: HandshakeMessage, offset: number, length: number): Uint8Array {
  const bytes = carve(handshakeHeaderLength + length);
  putHeader(bytes, 0, type, sequence, body.length, offset, length);
  bytes.set(length === body.length ? body : body.subarray(offset, offset + length), handshakeHeaderLength);
  return bytes;
}

/** The message in one piece: the form that is hashed, however it travelled (RFC 6347, Section 4.2.6). */
export function encodeHandshake(message: HandshakeMessage): Uint8Array {
  return encodeFragment(message, 0, message.body.length);
}

/** The parts of messages that a record holds, as views of it; `undefined` when they do not fill it, or one lies outside of its message. */
export function decodeFragments(content: Uint8Array): readonly HandshakeFragment[] | undefined {
  const fragments: HandshakeFragment[] = [];
  let at = 0;
  while (at + handshakeHeaderLength <= content.length) {
    const length = u24At(content, at + 1);
    const offset = u24At(content, at + 6);
    const start = at + handshakeHeaderLength;
    const end = start + u24At(content, at + 9);
    if (end > content.length || offset + (end - start) > length) return undefined;
    fragments.push({ type: content[at]!, length, sequence: (content[at + 4]! << 8) | content[at + 5]!, offset, bytes: content.subarray(start, end) });
    at = end;
  }
  return at === content.length && at > 0 ? fragments : undefined;
}

/** A full handshake of PSK fits; others let it grow. */
const usualLength = 512;

/** All handshake messages so far, which Finished, CertificateVerify and the session hash sign. Whole, because EdDSA signs them and not their hash. */
export class Transcript {
  #buffer: Uint8Array = carve(usualLength);
  #length = 0;
  #digest: Uint8Array = emptyBytes;
  /** Of so many bytes. */
  #digested = -1;

  add({ type, sequence, body }: HandshakeMessage): void {
    const start = this.#length;
    this.#length += handshakeHeaderLength + body.length;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, start));
      this.#buffer = grown;
    }
    putHeader(this.#buffer, start, type, sequence, body.length, 0, body.length);
    this.#buffer.set(body, start + handshakeHeaderLength);
  }

  /** A cookie exchange does not count (RFC 6347, Section 4.2.1). */
  reset(): void {
    this.#length = 0;
    this.#digested = -1;
  }

  /** Of all of them. A handshake has one hash function; the session hash and the Finished of who sent ClientKeyExchange are often over the same messages. */
  digest(hash: HashName): Uint8Array {
    if (this.#digested !== this.#length) {
      this.#digest = digest(hash, this.bytes());
      this.#digested = this.#length;
    }
    return this.#digest;
  }

  /** A view that holds until the next message. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
