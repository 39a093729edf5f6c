import type { PeerRules } from '../../src/ace/index.ts';
import { toBase64Url } from '../../src/core/bytes.ts';
import type { CoseKey } from '../../src/core/cose/index.ts';
import { digest } from '../../src/core/crypto/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { type ClientPsk, encodeSpki, type SessionCredentials } from '../../src/dtls/index.ts';
import { isRawPublicKey, keyPairOf } from './params.ts';

/** Credentials or a use that this profile cannot work with, and sessions that there are no more. Codes: `ERR_DTLS_PROFILE_*`. */
export class DtlsProfileError extends ProtocolError {}

/** Shorter secrets can be searched for. */
const shortestSecret = 16;

/** How a client or an RS proves itself to the AS, seen from the AS: by a pre-shared key, or by its raw public key. */
export type PeerCredentials = { readonly psk: ClientPsk } | { readonly rawPublicKey: CoseKey };

/** The same, seen from the client: with a raw public key it knows that of the AS, and has its own. */
export type ServerCredentials = { readonly psk: ClientPsk } | { readonly rawPublicKey: { readonly server: CoseKey; readonly own: CoseKey } };

function bad(expected: string, got: string): DtlsProfileError {
  return new DtlsProfileError('ERR_DTLS_PROFILE_CREDENTIALS', `credentials: expected ${expected}, got ${got}`);
}

function fieldsOf(value: unknown, expected: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw bad(expected, value === null ? 'null' : typeof value);
  return value as Readonly<Record<string, unknown>>;
}

function readPsk(value: unknown): ClientPsk {
  const { identity, key } = fieldsOf(value, 'psk as an identity and a key');
  if (!(identity instanceof Uint8Array) || identity.length === 0) throw bad('psk.identity as one byte at least', 'another');
  if (!(key instanceof Uint8Array) || key.length < shortestSecret) throw bad(`psk.key as at least ${shortestSecret} bytes`, 'less');
  return { identity: identity.slice(), key: key.slice() };
}

function readKey(name: string, value: unknown): CoseKey {
  const key = fieldsOf(value, `${name} as a COSE_Key`) as unknown as CoseKey;
  if (typeof key.kty !== 'number' || !isRawPublicKey(key)) throw bad(`${name} as a key on P-256, P-384 or Ed25519`, 'another');
  return key;
}

/** A key with its private part. @throws {DtlsProfileError} `ERR_DTLS_PROFILE_CREDENTIALS` */
export function readOwnKey(name: string, value: unknown): CoseKey {
  const key = readKey(name, value);
  if (!(key.d instanceof Uint8Array)) throw bad(`${name} with its private part`, 'none');
  return key;
}

/** @throws {DtlsProfileError} `ERR_DTLS_PROFILE_CREDENTIALS` */
export function readPeerCredentials(value: unknown): PeerCredentials {
  const { psk, rawPublicKey } = fieldsOf(value, 'psk or rawPublicKey');
  if ((psk === undefined) === (rawPublicKey === undefined)) throw bad('one of psk and rawPublicKey', psk === undefined ? 'none' : 'both');
  return psk === undefined ? { rawPublicKey: readKey('rawPublicKey', rawPublicKey) } : { psk: readPsk(psk) };
}

/** @throws {DtlsProfileError} `ERR_DTLS_PROFILE_CREDENTIALS` */
export function readServerCredentials(value: unknown): SessionCredentials {
  const { psk, rawPublicKey } = fieldsOf(value, 'psk or rawPublicKey');
  if ((psk === undefined) === (rawPublicKey === undefined)) throw bad('one of psk and rawPublicKey', psk === undefined ? 'none' : 'both');
  if (psk !== undefined) return { psk: readPsk(psk) };
  const { server, own } = fieldsOf(rawPublicKey, 'rawPublicKey as server and own');
  return { rawPublicKey: { server: readKey('rawPublicKey.server', server), own: keyPairOf(readOwnKey('rawPublicKey.own', own)) } };
}

/** A digest, since identities may be longer than an index. */
export function pskIndex(identity: Uint8Array): string {
  return `psk.${toBase64Url(digest('sha256', identity))}`;
}

export function spkiIndex(spki: Uint8Array): string {
  return `spki.${toBase64Url(digest('sha256', spki))}`;
}

/** By what a handshake names credentials. */
export function credentialsIndex(credentials: PeerCredentials): string {
  return 'psk' in credentials ? pskIndex(credentials.psk.identity) : spkiIndex(encodeSpki(credentials.rawPublicKey)!);
}

/** The peers of an AS by DTLS: by PSK identity or SubjectPublicKeyInfo. */
export const dtlsPeers: PeerRules = { confidential: true, indexOf: (credentials) => credentialsIndex(readPeerCredentials(credentials)) };
