import { createHash, createHmac, hash as oneShot } from 'node:crypto';
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

// Outside of the heap, since native code reads them; cleared after use.
const inner = new Uint8Array(new ArrayBuffer(128 + short));
const outer = new Uint8Array(new ArrayBuffer(128 + 64));

/** RFC 2104 Section 2, by two digests: an object of node:crypto for each HMAC costs twice as much. */
export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  const { block, length } = shapes[hash];
  if (key.length > block || data.length > short) return new Uint8Array(createHmac(hash, key).update(data).digest());
  for (let i = 0; i < block; i++) {
    const byte = i < key.length ? key[i]! : 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  inner.set(data, block);
  putBinary(oneShot(hash, inner.subarray(0, block + data.length), 'binary'), outer, block);
  const bytes = new Uint8Array(length);
  putBinary(oneShot(hash, outer.subarray(0, block + length), 'binary'), bytes, 0);
  inner.fill(0, 0, block + data.length);
  outer.fill(0, 0, block + length);
  return bytes;
}
