import { AceError, AceErrorCode } from '../../src/ace/index.ts';
import { Code } from '../../src/coap/index.ts';
import { concat, emptyBytes } from '../../src/core/bytes.ts';
import { type CborMap, type CborValue, encode } from '../../src/core/cbor.ts';
import { aeadParameters } from '../../src/core/crypto/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';
import type { ContextParameters } from '../../src/oscore/index.ts';

/** `ace_profile` of this profile. @see https://www.rfc-editor.org/rfc/rfc9203#section-9.1 */
export const coapOscore = 2;

/** OSCORE Security Context Parameters, IANA registry as of 2026-11. @see https://www.rfc-editor.org/rfc/rfc9203#section-3.2.1 */
export const inputMaterialParameters = {
  id: { label: 0, type: 'bstr', name: 'id' },
  version: { label: 1, type: 'uint', name: 'version' },
  ms: { label: 2, type: 'bstr', name: 'ms', secret: true },
  hkdf: { label: 3, type: 'tstr/int', name: 'hkdf' },
  alg: { label: 4, type: 'tstr/int', name: 'alg' },
  salt: { label: 5, type: 'bstr', name: 'salt' },
  contextId: { label: 6, type: 'bstr', name: 'contextId' },
} as const;

/** The OSCORE_Input_Material that an AS gives to a client and, inside the token, to the RS. */
export interface InputMaterial {
  readonly id: Uint8Array;
  readonly version?: number;
  /** Master Secret. */
  readonly ms: Uint8Array;
  readonly hkdf?: number | string;
  readonly alg?: number | string;
  readonly salt?: Uint8Array;
  readonly contextId?: Uint8Array;
}

const spec = {
  ...inputMaterialParameters,
  id: { ...inputMaterialParameters.id, required: true },
  ms: { ...inputMaterialParameters.ms, required: true },
} as const;

function refuse(message: string, cause?: unknown): AceError {
  return new AceError('ERR_OSCORE_PROFILE_MATERIAL', message, {
    responseCode: Code.BadRequest,
    error: AceErrorCode.invalid_request,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function encodeInputMaterial(material: InputMaterial): CborMap {
  return writeKnownMap(spec, material);
}

/**
 * Read an OSCORE_Input_Material.
 *
 * A parameter that is not recognised is an error (RFC 9203, Section 4.2), as are an absent id or ms (Section 3.2) and an OSCORE version other than 1.
 *
 * @throws {AceError} `ERR_OSCORE_PROFILE_MATERIAL`, 4.00
 */
export function decodeInputMaterial(osc: CborValue): InputMaterial {
  try {
    const { known, unknown } = readKnownMap('OSCORE_Input_Material', spec, osc);
    if (unknown.size > 0) throw refuse('OSCORE_Input_Material: expected registered parameters only, got others');
    if (known.version !== undefined && known.version !== 1) throw refuse(`OSCORE_Input_Material: expected version 1, got ${known.version}`);
    return known;
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof AceError) throw error;
    throw refuse(error.message, error);
  }
}

/** Names of COSE algorithms that RFC 9203 lets stand in place of their numbers. */
const aeadNames: ReadonlyMap<string, number> = new Map([
  ['A128GCM', 1],
  ['A192GCM', 2],
  ['A256GCM', 3],
  ['AES-CCM-16-64-128', 10],
  ['AES-CCM-16-64-256', 11],
  ['AES-CCM-64-64-128', 12],
  ['AES-CCM-64-64-256', 13],
  ['ChaCha20/Poly1305', 24],
  ['AES-CCM-16-128-128', 30],
  ['AES-CCM-16-128-256', 31],
  ['AES-CCM-64-128-128', 32],
  ['AES-CCM-64-128-256', 33],
]);

/** HMAC names and values (RFC 9203, Section 3.2); -10 and -11 are what some send instead, meaning the same function. */
const hkdfs: ReadonlyMap<string | number, number> = new Map<string | number, number>([
  [5, 5],
  [7, 7],
  [-10, 5],
  [-11, 7],
  ['HMAC 256/256', 5],
  ['HMAC 512/512', 7],
  ['direct+HKDF-SHA-256', 5],
  ['direct+HKDF-SHA-512', 7],
]);

/**
 * Master Salt = salt | N1 | N2, each as the CBOR encoding of the byte string.
 *
 * An absent salt is the empty byte string, the default of RFC 8613, Section 3.2, and is encoded like one; an AS that sends an explicit salt leaves no doubt.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9203#section-4.3
 */
export function masterSalt(salt: Uint8Array | undefined, nonce1: Uint8Array, nonce2: Uint8Array): Uint8Array {
  return concat(encode(salt ?? emptyBytes), encode(nonce1), encode(nonce2));
}

/** What the two ends exchange at authz-info, seen from one end. */
export interface Exchanged {
  readonly nonce1: Uint8Array;
  readonly nonce2: Uint8Array;
  /** The peer's Recipient ID: for the client ace_server_recipientid, for the RS ace_client_recipientid. */
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
}

/**
 * Parameters of the security context that client and RS derive.
 *
 * @throws {AceError} `ERR_OSCORE_PROFILE_MATERIAL`, 4.00, for algorithms that are not supported and identifiers that they have no room for
 * @see https://www.rfc-editor.org/rfc/rfc9203#section-4.3
 */
export function contextParameters(material: InputMaterial, exchanged: Exchanged): ContextParameters {
  const aead = material.alg === undefined ? 10 : typeof material.alg === 'string' ? aeadNames.get(material.alg) : material.alg;
  const parameters = aead === undefined ? undefined : aeadParameters(aead);
  if (aead === undefined || parameters === undefined) throw refuse('OSCORE_Input_Material: expected an AEAD algorithm that is supported as alg, got another');
  const hkdf = material.hkdf === undefined ? 5 : hkdfs.get(material.hkdf);
  if (hkdf === undefined) throw refuse('OSCORE_Input_Material: expected HMAC 256/256 (5) or HMAC 512/512 (7) as hkdf, got another');
  // RFC 8613, Section 3.3: the nonce has room for this much of a Sender ID.
  const longest = parameters.nonceLength - 6;
  if (exchanged.senderId.length > longest || exchanged.recipientId.length > longest) {
    throw refuse(`expected identifiers of at most ${longest} bytes, got ${Math.max(exchanged.senderId.length, exchanged.recipientId.length)}`);
  }
  return {
    masterSecret: material.ms,
    masterSalt: masterSalt(material.salt, exchanged.nonce1, exchanged.nonce2),
    senderId: exchanged.senderId,
    recipientId: exchanged.recipientId,
    ...(material.contextId === undefined ? {} : { idContext: material.contextId }),
    aead,
    hkdf,
  };
}
