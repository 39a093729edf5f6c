import { concat, emptyBytes, equalBytes, toBase64Url } from '../core/bytes.ts';
import { encode } from '../core/cbor.ts';
import { aeadParameters, digest, hkdf } from '../core/crypto/index.ts';
import { OscoreError } from './errors.ts';
import { longestOscoreOption } from './option.ts';
import { largestReplayWindow } from './replay-window.ts';

/**
 * The input parameters of a Security Context (RFC 8613, Section 3.2).
 *
 * The quartet (Master Secret, Master Salt, ID Context, Sender ID) must be unique: two contexts of one quartet share keys.
 */
export interface ContextParameters {
  readonly masterSecret: Uint8Array;
  /** Default: empty. */
  readonly masterSalt?: Uint8Array;
  /** At most 6 bytes less than the nonce of the AEAD; may be empty. */
  readonly senderId: Uint8Array;
  /** Likewise, and not equal to the Sender ID. */
  readonly recipientId: Uint8Array;
  readonly idContext?: Uint8Array;
  /** A COSE AEAD algorithm. Default: 10, AES-CCM-16-64-128. */
  readonly aead?: number;
  /**
   * The HMAC of the HKDF as a COSE algorithm (RFC 9203, Section 3.2.1): 5, the default, is HKDF SHA-256, 7 is HKDF SHA-512. Some send the algorithm value of
   * direct+HKDF instead: -10 and -11 are read as 5 and 7.
   */
  readonly hkdf?: number;
  /** Size of the replay window in numbers, 1 to 1,024. Default: 32. */
  readonly replayWindow?: number;
}

/** Parameters with every default filled in, checked. */
export interface CheckedParameters {
  readonly masterSecret: Uint8Array;
  readonly masterSalt: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  readonly aead: number;
  readonly keyLength: number;
  readonly nonceLength: number;
  readonly hash: 'sha256' | 'sha512';
  readonly replayWindow: number;
}

/** What HKDF gives. */
export interface ContextKeys {
  readonly senderKey: Uint8Array;
  readonly recipientKey: Uint8Array;
  readonly commonIv: Uint8Array;
}

/** The longest Sender ID that any AEAD allows, whose nonce has 13 bytes (RFC 8613, Section 3.3). */
export const longestId = 7;

const hashes: ReadonlyMap<number, 'sha256' | 'sha512'> = new Map([
  [5, 'sha256'],
  [-10, 'sha256'],
  [7, 'sha512'],
  [-11, 'sha512'],
]);

function wrong(expected: string): OscoreError {
  return new OscoreError('ERR_OSCORE_PARAMETERS', `OSCORE context: expected ${expected}`);
}

/**
 * Fill in defaults and hold the parameters against RFC 8613, Sections 3.2 and 3.3.
 *
 * @throws {OscoreError} `ERR_OSCORE_PARAMETERS`
 */
export function checkParameters(parameters: ContextParameters): CheckedParameters {
  const { masterSecret, masterSalt = emptyBytes, senderId, recipientId, idContext, aead = 10, replayWindow = 32 } = parameters;
  const algorithm = aeadParameters(aead);
  if (algorithm === undefined || algorithm.nonceLength < 7) throw wrong(`an AEAD algorithm with a nonce of at least 7 bytes, got algorithm ${aead}`);
  const hash = hashes.get(parameters.hkdf ?? 5);
  if (hash === undefined) throw wrong(`hkdf 5 (SHA-256) or 7 (SHA-512), got ${parameters.hkdf}`);
  if (masterSecret.length === 0) throw wrong('a Master Secret, got an empty one');
  // RFC 8613 §3.3
  const longest = algorithm.nonceLength - 6;
  if (senderId.length > longest) throw wrong(`a Sender ID of at most ${longest} bytes, got ${senderId.length}`);
  if (recipientId.length > longest) throw wrong(`a Recipient ID of at most ${longest} bytes, got ${recipientId.length}`);
  // RFC 8613 §3.3, and Appendix D.4: equal IDs are equal keys and nonces in both directions.
  if (equalBytes(senderId, recipientId)) throw wrong('a Recipient ID that is not the Sender ID, got the same');
  // The option of a request holds flags, a Partial IV, the length of the kid context, the kid context and the kid.
  const room = longestOscoreOption - 7 - Math.max(senderId.length, recipientId.length);
  if (idContext !== undefined && idContext.length > room) throw wrong(`an ID Context of at most ${room} bytes, got ${idContext.length}`);
  if (!Number.isInteger(replayWindow) || replayWindow < 1 || replayWindow > largestReplayWindow)
    throw wrong(`a replay window of 1 to ${largestReplayWindow}, got ${replayWindow}`);
  return {
    masterSecret,
    masterSalt,
    senderId,
    recipientId,
    idContext,
    aead,
    keyLength: algorithm.keyLength,
    nonceLength: algorithm.nonceLength,
    hash,
    replayWindow,
  };
}

/**
 * The `info` of the key derivation.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-3.2.1
 */
export function composeInfo(id: Uint8Array, idContext: Uint8Array | undefined, aead: number, type: 'Key' | 'IV', length: number): Uint8Array {
  return encode([id, idContext ?? null, aead, type, length]);
}

/** Sender Key, Recipient Key and Common IV. @see https://www.rfc-editor.org/rfc/rfc8613#section-3.2.1 */
export function deriveKeys(parameters: CheckedParameters): ContextKeys {
  const { masterSecret, masterSalt, senderId, recipientId, idContext, aead, keyLength, nonceLength, hash } = parameters;
  const derive = (id: Uint8Array, type: 'Key' | 'IV', length: number): Uint8Array =>
    hkdf(hash, masterSecret, masterSalt, composeInfo(id, idContext, aead, type, length), length);
  return {
    senderKey: derive(senderId, 'Key', keyLength),
    recipientKey: derive(recipientId, 'Key', keyLength),
    commonIv: derive(emptyBytes, 'IV', nonceLength),
  };
}

/**
 * The name under which sender sequence numbers of these keys are counted: whoever holds the same Sender Key and Common IV counts on the same counter, however
 * the context was configured. It tells nothing of the key.
 */
export function senderKeyIdOf(keys: ContextKeys): string {
  return toBase64Url(digest('sha256', concat(keys.senderKey, keys.commonIv)).subarray(0, 16));
}
