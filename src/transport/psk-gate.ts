import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ByteReader, BytesError, concat, emptyBytes, fromUtf8 } from '../core/bytes.ts';

const handshakeType = 22;
const clientHello = 1;
const clientKeyExchange = 16;
const preSharedKey = 41;
const headerLength = 5;
/** Bytes of the longest record, and of a message that is looked into. */
const longestRecord = 16_384 + 256;
const longestMessage = 16_384;
/** Records of one client that are looked into: it names its key in one of the first few, and each costs a copy of what comes after it. */
const mostRecords = 64;
/** An external identity and one of a ticket, with one more of each. */
const mostIdentities = 4;

/**
 * PSK identities in a handshake message of a client; `undefined`: none stand in it.
 *
 * In TLS 1.3 they are an extension of the ClientHello (RFC 8446, Section 4.2.11), in TLS 1.2 one is what a ClientKeyExchange of the PSK suites begins with (RFC
 * 4279, Section 2). Those that are no UTF-8 name nobody.
 */
export function readPskIdentities(message: Uint8Array): readonly string[] | undefined {
  try {
    const reader = new ByteReader(message);
    const type = reader.u8();
    reader.take(3);
    if (type === clientKeyExchange) return texts([reader.take(reader.u16())]);
    return type === clientHello ? identitiesOfHello(reader) : undefined;
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return undefined;
  }
}

function identitiesOfHello(reader: ByteReader): readonly string[] | undefined {
  // legacy_version, random, legacy_session_id, cipher_suites, legacy_compression_methods
  reader.take(2 + 32);
  reader.take(reader.u8());
  reader.take(reader.u16());
  reader.take(reader.u8());
  if (reader.remaining === 0) return undefined;
  const extensions = new ByteReader(reader.take(reader.u16()));
  while (extensions.remaining > 0) {
    const type = extensions.u16();
    const data = new ByteReader(extensions.take(extensions.u16()));
    if (type !== preSharedKey) continue;
    const list = new ByteReader(data.take(data.u16()));
    const found: Uint8Array[] = [];
    while (list.remaining > 0 && found.length < mostIdentities) {
      found.push(list.take(list.u16()));
      list.take(4);
    }
    return texts(found);
  }
  return undefined;
}

function texts(identities: readonly Uint8Array[]): readonly string[] {
  return identities.flatMap((identity) => {
    try {
      return [fromUtf8(identity)];
    } catch {
      return [];
    }
  });
}

/**
 * A socket to put TLS on, which holds back the message of the client that names its PSK until `lookUp` has dealt with the names: OpenSSL asks for a key, and takes
 * no later answer.
 *
 * What it does not understand it passes on, without asking: nobody gets in that way, since no key was looked up.
 */
export class PskGate extends Duplex {
  readonly #socket: Socket;
  readonly #lookUp: (identities: readonly string[]) => Promise<void>;
  #held: Uint8Array = emptyBytes;
  /** Of a handshake message that is not complete. */
  #message: Uint8Array = emptyBytes;
  #records = 0;
  #isOpen = false;
  #isWaiting = false;
  #hasEnded = false;

  constructor(socket: Socket, lookUp: (identities: readonly string[]) => Promise<void>) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#lookUp = lookUp;
    socket.on('data', (chunk: Uint8Array) => this.#received(chunk));
    socket.on('end', () => {
      this.#hasEnded = true;
      if (!this.#isWaiting) this.push(null);
    });
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    if (!this.#isWaiting) this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #received(chunk: Uint8Array): void {
    if (this.#isOpen) {
      this.#pass(chunk);
      return;
    }
    this.#held = concat(this.#held, chunk);
    if (!this.#isWaiting) this.#examine();
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.length > 0 && !this.push(bytes)) this.#socket.pause();
  }

  /** Pass on records up to the one that names a PSK. */
  #examine(): void {
    while (!this.#isOpen && this.#held.length >= headerLength) {
      const length = headerLength + (this.#held[3]! << 8) + this.#held[4]!;
      const isHandshake = this.#held[0] === handshakeType && length <= headerLength + longestRecord;
      if (isHandshake && this.#held.length < length) return;
      const identities = isHandshake ? this.#identitiesIn(this.#held.subarray(headerLength, length)) : 'none';
      if (identities === 'none') this.#open();
      else if (identities === undefined) this.#pass(this.#take(length));
      else {
        this.#wait(identities);
        return;
      }
    }
  }

  #take(length: number): Uint8Array {
    const record = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return record;
  }

  #open(): void {
    this.#isOpen = true;
    this.#pass(this.#take(this.#held.length));
    this.#message = emptyBytes;
  }

  #wait(identities: readonly string[]): void {
    this.#isWaiting = true;
    this.#socket.pause();
    const go = (): void => {
      this.#isWaiting = false;
      if (this.destroyed) return;
      this.#open();
      if (this.#hasEnded) this.push(null);
      else this.#socket.resume();
    };
    this.#lookUp(identities).then(go, (error: Error) => this.destroy(error));
  }

  /** `undefined`: none yet; `none`: they are not looked for any more. */
  #identitiesIn(fragment: Uint8Array): readonly string[] | undefined | 'none' {
    if (++this.#records > mostRecords) return 'none';
    this.#message = concat(this.#message, fragment);
    while (this.#message.length >= 4) {
      const length = 4 + (this.#message[1]! << 16) + (this.#message[2]! << 8) + this.#message[3]!;
      if (length > longestMessage) return 'none';
      if (this.#message.length < length) return undefined;
      const identities = readPskIdentities(this.#message.subarray(0, length));
      if (identities !== undefined) return identities;
      this.#message = this.#message.slice(length);
    }
    return undefined;
  }
}
