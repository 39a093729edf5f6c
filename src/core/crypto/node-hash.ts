import { createHash, createHmac, hash as oneShot } from 'node:crypto';
import { pHashBy } from './p-hash.ts';
import type { HashName } from './provider.ts';

interface HashShape {
  /** Bytes that are hashed at a time (FIPS 180-4, Section 1). */
  readonly block: number;
  /** Bytes of the digest. */
  readonly length: number;
}

const shapes: Readonly<Record<HashName, HashShape>> = {
  sha256: { block: 64, length: 32 },
  sha384: { block: 128, length: 48 },
  sha512: { block: 128, length: 64 },
};

/** Up to this length hashing at one go is quicker than with an object. */
const short = 1024;

/** Hashing at one go gives a text of bytes in a third of the time of a Buffer. */
function putBinary(text: string, into: Uint8Array, at: number): void {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
}

export function digest(hash: HashName, data: Uint8Array): Uint8Array {
  if (data.length > short) return new Uint8Array(createHash(hash).update(data).digest());
  const bytes = new Uint8Array(shapes[hash].length);
  putBinary(oneShot(hash, data, 'binary'), bytes, 0);
  return bytes;
}

/** Bytes that native code reads: outside of the heap, cleared after use, and seen by views that are made once. */
class Room {
  readonly bytes: Uint8Array;
  readonly #views: Uint8Array[] = [];

  constructor(length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length));
  }

  first(length: number): Uint8Array {
    return (this.#views[length] ??= this.bytes.subarray(0, length));
  }
}

const inner = new Room(128 + short);
const outer = new Room(128 + 64);

/** The key of what is hashed next. */
function putKey(key: Uint8Array, block: number): void {
  const [ipad, opad] = [inner.bytes, outer.bytes];
  for (let i = 0; i < key.length; i++) {
    const byte = key[i]!;
    ipad[i] = byte ^ 0x36;
    opad[i] = byte ^ 0x5c;
  }
  for (let i = key.length; i < block; i++) {
    ipad[i] = 0x36;
    opad[i] = 0x5c;
  }
}

/** RFC 2104 Section 2, by two digests: an object of node:crypto for each HMAC costs twice as much. Of `count` bytes that stand behind the key. */
function macOfRoom(hash: HashName, { block, length }: HashShape, count: number): string {
  putBinary(oneShot(hash, inner.first(block + count), 'binary'), outer.bytes, block);
  return oneShot(hash, outer.first(block + length), 'binary');
}

/** By loops, as short as the bytes are: filling is a call of the host. */
function clearRooms({ block, length }: HashShape, count: number): void {
  const [first, second] = [inner.bytes, outer.bytes];
  for (let i = 0; i < block + count; i++) first[i] = 0;
  for (let i = 0; i < block + length; i++) second[i] = 0;
}

export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  const shape = shapes[hash];
  const { block, length } = shape;
  if (key.length > block || data.length > short) return new Uint8Array(createHmac(hash, key).update(data).digest());
  putKey(key, block);
  inner.bytes.set(data, block);
  const bytes = new Uint8Array(length);
  putBinary(macOfRoom(hash, shape, data.length), bytes, 0);
  clearRooms(shape, data.length);
  return bytes;
}

/** The key is put in its place once for all the HMACs, and what they give to each other stays where it is hashed. */
export function pHash(hash: HashName, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const shape = shapes[hash];
  const { block, length: size } = shape;
  const whole = size + seed.length;
  if (secret.length > block || whole > short) return pHashBy(hmac, hash, secret, seed, length);
  putKey(secret, block);
  inner.bytes.set(seed, block);
  let a = macOfRoom(hash, shape, seed.length);
  inner.bytes.set(seed, block + size);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += size) {
    if (at > 0) a = macOfRoom(hash, shape, size);
    putBinary(a, inner.bytes, block);
    const output = macOfRoom(hash, shape, whole);
    for (let i = 0; i < size && at + i < length; i++) out[at + i] = output.charCodeAt(i);
  }
  clearRooms(shape, whole);
  return out;
}
