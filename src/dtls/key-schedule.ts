import { carve, emptyBytes, utf8 } from '../core/bytes.ts';
import { type CipherParameters, type HashName, pHash } from '../core/crypto/index.ts';
import type { CipherSuite } from './cipher-suites.ts';
import { RecordProtection, saltLength } from './record.ts';

/**
 * The pseudorandom function of TLS 1.2.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5246#section-5
 */
export function prf(hash: HashName, secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  return prfOf(hash, secret, utf8(label), seed, length);
}

/** By the bytes of the label. `more`: what follows the seed. */
function prfOf(hash: HashName, secret: Uint8Array, label: Uint8Array, seed: Uint8Array, length: number, more: Uint8Array = emptyBytes): Uint8Array {
  const whole = carve(label.length + seed.length + more.length);
  whole.set(label);
  whole.set(seed, label.length);
  whole.set(more, label.length + seed.length);
  return pHash(hash, secret, whole, length);
}

/** Those of RFC 5246 and RFC 7627. */
const labels = {
  master: utf8('master secret'),
  extendedMaster: utf8('extended master secret'),
  keyExpansion: utf8('key expansion'),
  client: utf8('client finished'),
  server: utf8('server finished'),
} as const;

/** The premaster secret of PSK (RFC 4279 Section 2) or, with the ECDH secret, of ECDHE_PSK (RFC 5489 Section 2). */
export function pskPremaster(psk: Uint8Array, shared: Uint8Array = new Uint8Array(psk.length)): Uint8Array {
  const premaster = new Uint8Array(4 + shared.length + psk.length);
  premaster[0] = shared.length >>> 8;
  premaster[1] = shared.length;
  premaster.set(shared, 2);
  const at = 2 + shared.length;
  premaster[at] = psk.length >>> 8;
  premaster[at + 1] = psk.length;
  premaster.set(psk, at + 2);
  return premaster;
}

export interface Randoms {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

const masterSecretLength = 48;

/** RFC 5246, Section 8.1. */
export function masterSecret(hash: HashName, premaster: Uint8Array, randoms: Randoms): Uint8Array {
  return prfOf(hash, premaster, labels.master, randoms.client, masterSecretLength, randoms.server);
}

/** The master secret that is bound to the handshake. `sessionHash`: of its messages up to and including ClientKeyExchange (RFC 7627, Section 4). */
export function extendedMasterSecret(hash: HashName, premaster: Uint8Array, sessionHash: Uint8Array): Uint8Array {
  return prfOf(hash, premaster, labels.extendedMaster, sessionHash, masterSecretLength);
}

/** The protection of both directions. */
export interface ConnectionKeys {
  readonly client: RecordProtection;
  readonly server: RecordProtection;
}

/** RFC 5246, Section 6.3, for an AEAD: keys and salts, no MAC keys. */
export function keyBlock({ hash, cipher }: CipherSuite, master: Uint8Array, randoms: Randoms): Uint8Array {
  return prfOf(hash, master, labels.keyExpansion, randoms.server, keyBlockLength(cipher), randoms.client);
}

export function keyBlockLength({ keyLength }: CipherParameters): number {
  return 2 * (keyLength + saltLength);
}

/** The keys that a key block holds. */
export function connectionKeys(suite: CipherSuite, block: Uint8Array): ConnectionKeys {
  const { keyLength } = suite.cipher;
  const salts = 2 * keyLength;
  return {
    client: new RecordProtection(suite.cipher, block.slice(0, keyLength), block, salts),
    server: new RecordProtection(suite.cipher, block.slice(keyLength, salts), block, salts + saltLength),
  };
}

/** Bytes of Finished. */
export const verifyDataLength = 12;

/** What Finished of one side holds. `handshakeHash`: of all messages before it (RFC 5246, Section 7.4.9). */
export function verifyData(hash: HashName, master: Uint8Array, side: 'client' | 'server', handshakeHash: Uint8Array): Uint8Array {
  return prfOf(hash, master, labels[side], handshakeHash, verifyDataLength);
}
