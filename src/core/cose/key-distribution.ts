import { emptyBytes, equalBytes } from '../bytes.ts';
import { type CborMap, type CborValue, encode } from '../cbor.ts';
import { aeadParameters, agree, CryptoError, hkdf, hkdfAesMac, keyPair, unwrapKey, wrapKey } from '../crypto/index.ts';
import { ProtocolError } from '../errors.ts';
import { aesMacAlgorithms, keyWrapLengths, macAlgorithms, type RecipientAlgorithm, recipientAlgorithms } from './algorithms.ts';
import { CoseError } from './errors.ts';
import { type KdfInfo, kdfContext, partyHeaders } from './kdf-context.ts';
import { type CoseKey, checkKeyUse, coseKeyMap } from './key.ts';
import { Curve, HeaderLabel, KeyOperation, KeyType, RecipientLabel } from './labels.ts';
import type { CoseRecipient } from './recipient.ts';

const badUse = (message: string): CoseError => new CoseError('ERR_COSE_ALGORITHM', message);

/** Run a part that uses keys; what a primitive refuses becomes an error of this layer. */
function withKeys<T>(part: () => T): T {
  try {
    return part();
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    if (cause.code === 'ERR_CRYPTO_OPEN') throw new CoseError('ERR_COSE_VERIFY', 'COSE_recipient does not verify', { cause });
    throw new CoseError('ERR_COSE_KEY', cause.message, { cause });
  }
}

/**
 * Bytes of the key of a content algorithm or a key wrap.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`
 */
function keyLengthOf(algorithm: number): number {
  const found = (aeadParameters(algorithm) ?? macAlgorithms.get(algorithm) ?? aesMacAlgorithms.get(algorithm))?.keyLength ?? keyWrapLengths.get(algorithm);
  if (found === undefined) throw badUse(`expected an algorithm whose key a recipient can have, got ${algorithm}`);
  return found;
}

/** Refuse a key that is for none of some operations, each of which the standard allows here. */
function checkOneUse(key: CoseKey, kty: number, algorithm: number, operations: readonly [KeyOperation, KeyOperation]): void {
  checkKeyUse(key, kty, algorithm, operations.find((operation) => key.keyOps?.includes(operation)) ?? operations[0]);
}

function symmetricSecret(key: CoseKey, algorithm: number, length: number | undefined, operations: readonly [KeyOperation, KeyOperation]): Uint8Array {
  checkOneUse(key, KeyType.Symmetric, algorithm, operations);
  const k = key.k ?? emptyBytes;
  if (k.length === 0 || (length !== undefined && k.length !== length)) throw badUse(`expected a key of ${length ?? 'at least 1'} bytes, got ${k.length}`);
  return k;
}

const agreementCurves: readonly unknown[] = [Curve.P256, Curve.P384, Curve.P521, Curve.X25519, Curve.X448];
const derivation = [KeyOperation.deriveKey, KeyOperation.deriveBits] as const;
const wrapping = [KeyOperation.wrap, KeyOperation.encrypt] as const;
const unwrapping = [KeyOperation.unwrap, KeyOperation.decrypt] as const;

/** RFC 9053 Section 6.3.1: a private key is for derivation, the `key_ops` of a public one are empty. */
function checkAgreementKey(key: CoseKey, algorithm: number, part: 'public' | 'private'): void {
  if (!agreementCurves.includes(key.crv) || (key.crv === Curve.X25519 || key.crv === Curve.X448 ? KeyType.OKP : KeyType.EC2) !== key.kty)
    throw badUse(`expected a key of a curve for ECDH with algorithm ${algorithm}, got another`);
  if (part === 'private' && key.d === undefined) throw badUse(`expected a private key for algorithm ${algorithm}, got a public one`);
  if (key.d !== undefined) checkOneUse(key, key.kty, algorithm, derivation);
  else {
    checkKeyUse({ kty: key.kty, ...(key.alg === undefined ? {} : { alg: key.alg }) }, key.kty, algorithm, KeyOperation.deriveKey);
    if (key.keyOps !== undefined && key.keyOps.length > 0) throw badUse('expected no key_ops with a public key for ECDH, got some');
  }
}

/** The layer that a key is for. */
interface Need {
  readonly algorithm: number;
  readonly keyLength: number;
}

interface Derivation {
  readonly protectedBytes: Uint8Array;
  readonly parameters: CborMap;
  readonly salt: Uint8Array;
  readonly info: KdfInfo;
}

function derive(kdf: NonNullable<RecipientAlgorithm['kdf']>, secret: Uint8Array, need: Need, from: Derivation): CoseKey {
  const context = kdfContext(need.algorithm, need.keyLength, from.protectedBytes, from.parameters, from.info);
  const k = kdf === 'aes-mac' ? hkdfAesMac(secret, context, need.keyLength) : hkdf(kdf, secret, from.salt, context, need.keyLength);
  return { kty: KeyType.Symmetric, k };
}

/** What a receiver has: its key, and what its application knows of the other side. */
export interface RecipientKey {
  /** Symmetric for direct, direct with KDF and key wrap; with its private part for ECDH. One with a `kid` opens no recipient with another `kid`. */
  readonly key: CoseKey;
  /** The sender's public key, where ECDH-SS names it only by id, or where it must be this one. */
  readonly sender?: CoseKey;
  readonly info?: KdfInfo;
}

const samePoint = (a: CoseKey, b: CoseKey): boolean => a.crv === b.crv && a.x !== undefined && b.x !== undefined && equalBytes(a.x, b.x);

function senderKeyOf({ senderKey, senderKeyId }: CoseRecipient, algorithm: RecipientAlgorithm, sender: CoseKey | undefined): CoseKey {
  if (algorithm.sender === 'ephemeral') return senderKey!;
  if (senderKey !== undefined) {
    if (sender !== undefined && !samePoint(senderKey, sender)) throw badUse('expected the static key of the sender that is known, got another');
    // With the sign of y turned, ECDH gives the same x: the key that is known is the one to use.
    return sender ?? senderKey;
  }
  if (sender === undefined) throw badUse('expected a static key of the sender, got none in the message and none from the application');
  if (senderKeyId !== undefined && sender.kid !== undefined && !equalBytes(senderKeyId, sender.kid))
    throw badUse('expected the static key id of the sender that is known, got another');
  return sender;
}

/** The key that one recipient gives, for the layer above it. */
function openRecipient(recipient: CoseRecipient, need: Need, options: RecipientKey): CoseKey {
  const { key, info = {} } = options;
  const algorithm = recipient.headers.alg as number;
  const method = recipientAlgorithms.get(algorithm)!;
  const { kdf, sender, wrap } = method;
  if (wrap === undefined && kdf === undefined) return key;
  const below: Need = wrap === undefined ? need : { algorithm: wrap, keyLength: keyLengthOf(wrap) };
  let kek: CoseKey;
  if (kdf === undefined) kek = recipient.recipients.length > 0 ? openRecipients(recipient.recipients, below, options) : key;
  else {
    let secret: Uint8Array;
    if (sender === undefined) secret = symmetricSecret(key, algorithm, method.secretLength, derivation);
    else {
      checkAgreementKey(key, algorithm, 'private');
      const other = senderKeyOf(recipient, method, options.sender);
      checkAgreementKey(other, algorithm, 'public');
      secret = withKeys(() => agree(key, other));
    }
    kek = derive(kdf, secret, below, { ...recipient, info });
  }
  if (wrap === undefined) return kek;
  const secret = symmetricSecret(kek, wrap, below.keyLength, unwrapping);
  return { kty: KeyType.Symmetric, k: withKeys(() => unwrapKey(secret, recipient.ciphertext)) };
}

/** Whether a recipient, or one below it, may be for a key. */
function fits({ headers, recipients }: CoseRecipient, key: CoseKey): boolean {
  const method = typeof headers.alg === 'number' ? recipientAlgorithms.get(headers.alg) : undefined;
  if (method === undefined) return false;
  if (recipients.length > 0) return recipients.some((recipient) => fits(recipient, key));
  if (headers.kid !== undefined && key.kid !== undefined && !equalBytes(headers.kid, key.kid)) return false;
  return (method.sender === undefined) === (key.kty === KeyType.Symmetric);
}

function openRecipients(recipients: readonly CoseRecipient[], need: Need, options: RecipientKey): CoseKey {
  let refusal: ProtocolError | undefined;
  for (const recipient of recipients) {
    if (!fits(recipient, options.key)) continue;
    try {
      return openRecipient(recipient, need, options);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refusal = error;
    }
  }
  throw refusal ?? badUse('expected a recipient that the key is for, got none');
}

/**
 * The content key of a message, from the first recipient that the key opens.
 *
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-6
 */
export function contentKey(recipients: readonly CoseRecipient[], algorithm: number, options: RecipientKey): CoseKey {
  return openRecipients(recipients, { algorithm, keyLength: keyLengthOf(algorithm) }, options);
}

/** A recipient of what we make. */
export interface Recipient {
  /** One of `recipientAlgorithms`. */
  readonly algorithm: number;
  /** Symmetric, or the receiver's public key for ECDH. Absent only where `recipients` give the key of a key wrap. */
  readonly key?: CoseKey;
  readonly kid?: Uint8Array;
  /** The sender's own key pair, for ECDH-SS. */
  readonly sender?: CoseKey;
  /** The id by which the receiver knows the sender's key; absent: the message holds the public key. */
  readonly senderKeyId?: Uint8Array;
  /** Salt of HKDF. Where neither it nor a PartyU nonce is given and the secret is not fresh, a PartyU nonce is made. */
  readonly salt?: Uint8Array;
  readonly info?: KdfInfo;
  /** Below A128KW, A192KW and A256KW: recipients of its key. */
  readonly recipients?: readonly Recipient[];
}

type Random = (length: number) => Uint8Array;

const partyNonceLength = 16;

const publicPart = ({ kty, crv, x, y }: CoseKey): CoseKey => ({
  kty,
  ...(crv === undefined ? {} : { crv }),
  ...(x === undefined ? {} : { x }),
  ...(y === undefined ? {} : { y }),
});

/** The derived key, and the protected headers that it covers. */
function deriveForRecipient(recipient: Recipient, key: CoseKey, method: RecipientAlgorithm, need: Need, random: Random): readonly [CoseKey, Uint8Array] {
  const { algorithm, kid, sender, senderKeyId, salt, info = {} } = recipient;
  const headers = new Map<number, CborValue>([[HeaderLabel.alg, algorithm]]);
  if (kid !== undefined) headers.set(HeaderLabel.kid, kid);
  if (salt !== undefined) headers.set(RecipientLabel.salt, salt);
  for (const [label, value] of partyHeaders(info)) headers.set(label, value);
  let secret: Uint8Array;
  if (method.sender === undefined) secret = symmetricSecret(key, algorithm, method.secretLength, derivation);
  else {
    checkAgreementKey(key, algorithm, 'public');
    let own: CoseKey;
    if (method.sender === 'ephemeral') {
      own = { kty: key.kty, ...withKeys(() => keyPair(key.crv!, random)) };
      headers.set(RecipientLabel.ephemeralKey, coseKeyMap(publicPart(own)));
    } else {
      if (sender === undefined) throw badUse(`expected the sender's key for algorithm ${algorithm}, got none`);
      checkAgreementKey(sender, algorithm, 'private');
      own = sender;
      if (senderKeyId === undefined) headers.set(RecipientLabel.staticKey, coseKeyMap(publicPart(own)));
      else headers.set(RecipientLabel.staticKeyId, senderKeyId);
    }
    secret = withKeys(() => agree(own, key));
  }
  // RFC 9053 Sections 6.1.2 and 6.3: a secret that is not fresh must not give a key twice. AES-MAC takes no salt.
  const salted = salt !== undefined && method.kdf !== 'aes-mac';
  if (method.sender !== 'ephemeral' && !salted && info.partyU?.nonce === undefined) headers.set(RecipientLabel.partyUNonce, random(partyNonceLength));
  const protectedBytes = encode(headers);
  return [derive(method.kdf!, secret, need, { protectedBytes, parameters: headers, salt: salt ?? emptyBytes, info }), protectedBytes];
}

/** Both that which recipients share and what goes into the message. */
export interface Distribution {
  readonly key: CoseKey;
  readonly recipients: readonly CborValue[];
}

function distribute(recipients: readonly Recipient[], need: Need, random: Random): Distribution {
  if (recipients.length === 0) throw badUse('expected at least one recipient, got none');
  const methods = recipients.map(({ algorithm }) => {
    const method = recipientAlgorithms.get(algorithm);
    if (method === undefined) throw badUse(`expected an algorithm for recipients, got ${algorithm}`);
    if (method.wrap === undefined && recipients.length > 1)
      throw badUse(`expected a recipient with algorithm ${algorithm} to be the only one, got ${recipients.length}`);
    return method;
  });
  let content: CoseKey = { kty: KeyType.Symmetric, k: methods[0]!.wrap === undefined ? emptyBytes : random(need.keyLength) };
  const made = recipients.map((recipient, index): CborValue => {
    const method = methods[index]!;
    const { algorithm, kid } = recipient;
    const { wrap, kdf } = method;
    const nested = recipient.recipients !== undefined;
    if (nested ? recipient.key !== undefined || wrap === undefined || kdf !== undefined : recipient.key === undefined)
      throw badUse(`expected a key for algorithm ${algorithm}, or recipients below a key wrap`);
    const below: Need = wrap === undefined ? need : { algorithm: wrap, keyLength: keyLengthOf(wrap) };
    const unprotected = new Map<number, CborValue>();
    let protectedBytes = emptyBytes;
    let lower: readonly CborValue[] | undefined;
    let kek: CoseKey;
    if (kdf === undefined) {
      // Nothing covers these headers: RFC 9053 Sections 6.1.1 and 6.2.1 want them unprotected.
      unprotected.set(HeaderLabel.alg, algorithm);
      if (kid !== undefined) unprotected.set(HeaderLabel.kid, kid);
      if (nested) ({ key: kek, recipients: lower } = distribute(recipient.recipients!, below, random));
      else kek = recipient.key!;
    } else [kek, protectedBytes] = deriveForRecipient(recipient, recipient.key!, method, below, random);
    if (wrap === undefined) {
      content = kek;
      return [protectedBytes, unprotected, emptyBytes];
    }
    const secret = symmetricSecret(kek, wrap, below.keyLength, wrapping);
    const ciphertext = withKeys(() => wrapKey(secret, content.k!));
    return lower === undefined ? [protectedBytes, unprotected, ciphertext] : [protectedBytes, unprotected, ciphertext, lower];
  });
  return { key: content, recipients: made };
}

/**
 * A content key and the recipients that tell it; their headers are protected where the standard lets them.
 *
 * @param random fresh bytes: for the content key, ephemeral keys and nonces
 * @throws {CoseError} `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9053#section-6
 */
export function distributeKey(recipients: readonly Recipient[], algorithm: number, random: Random): Distribution {
  return distribute(recipients, { algorithm, keyLength: keyLengthOf(algorithm) }, random);
}
