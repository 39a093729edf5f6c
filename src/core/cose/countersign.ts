import { emptyBytes, equalBytes } from '../bytes.ts';
import { type CborKey, type CborMap, type CborValue, encode, Tagged } from '../cbor.ts';
import { CoseError } from './errors.ts';
import type { CoseKey } from './key.ts';
import { CoseTag, CountersignatureLabel } from './labels.ts';
import { algorithmFor, type CoseObject, protectedHeaders, readCose, type SenderHeaders } from './message.ts';
import { isSignatureOf, signatureOf, type VerifyOptions } from './signature.ts';

const badFormat = (message: string): CoseError => new CoseError('ERR_COSE_FORMAT', `countersignature: ${message}`);

interface Target {
  readonly tag: number | bigint | undefined;
  readonly parts: readonly CborValue[];
  readonly headers: CborMap;
}

/** What every structure that can be countersigned begins with: protected headers, unprotected headers, content. */
function targetOf(item: CborValue): Target {
  const parts = item instanceof Tagged ? item.value : item;
  if (!Array.isArray(parts) || parts.length < 3 || !(parts[0] instanceof Uint8Array) || !(parts[1] instanceof Map))
    throw badFormat('expected a COSE structure as target, got another item');
  return { tag: item instanceof Tagged ? item.tag : undefined, parts: parts as readonly CborValue[], headers: parts[1] as CborMap };
}

/** A countersignature of RFC 8152 covers no more than the content; one of RFC 9338 also the byte strings after it. */
type Version = 'V2' | 'legacy';

/**
 * Countersign_structure, encoded.
 *
 * @param signerProtected absent for the abbreviated form
 * @throws {CoseError} `ERR_COSE_FORMAT`
 * @see https://www.rfc-editor.org/rfc/rfc9338#section-3.3
 */
function countersignStructure(version: Version, item: CborValue, signerProtected: Uint8Array | undefined, options: CountersignedContent): Uint8Array {
  const { parts } = targetOf(item);
  const [body, , content, ...rest] = parts as readonly [Uint8Array, CborMap, CborValue, ...CborValue[]];
  const payload = content === null ? options.detached : content;
  if (!(payload instanceof Uint8Array)) throw badFormat('expected a content to cover, got nil and none detached');
  const others = version === 'V2' ? rest.filter((part) => part instanceof Uint8Array) : [];
  // RFC 9338 leaves this part out of the abbreviated form; RFC 8152 did so for COSE_Sign1 only.
  const signerPart = signerProtected !== undefined ? [signerProtected] : version === 'V2' ? [] : [emptyBytes];
  const context = `CounterSignature${signerProtected === undefined ? '0' : ''}${others.length > 0 ? 'V2' : ''}`;
  return encode([
    context,
    equalBytes(body, Uint8Array.of(0xa0)) ? emptyBytes : body,
    ...signerPart,
    options.externalAad ?? emptyBytes,
    payload,
    ...(others.length > 0 ? [others] : []),
  ]);
}

/** What a countersignature covers beside its target. */
export interface CountersignedContent {
  readonly externalAad?: Uint8Array;
  /** The content of the target, where the target does not carry it. */
  readonly detached?: Uint8Array;
}

/** A countersignature without headers of its own (RFC 9338, Section 3.2). */
export interface Countersign0Options extends CountersignedContent {
  readonly key: CoseKey;
  /** Its number in the registry "COSE Algorithms": one of `Algorithm`. */
  readonly algorithm: number;
}

/** The headers are those of the countersignature. */
export interface CountersignOptions extends SenderHeaders, Countersign0Options {}

/** `detached` is the content of the target, where the target does not carry it. */
export type VerifyCountersignatureOptions = VerifyOptions;

/**
 * A COSE_Countersignature (V2) of a COSE structure, to stand beside others in it: see `withCountersignatures`.
 *
 * @param target COSE_Sign1, COSE_Sign, COSE_Mac0, COSE_Mac, COSE_Encrypt0, COSE_Encrypt, tagged or not; a COSE_Signature, a COSE_recipient or a COSE_Countersignature
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9338#section-3.1
 */
export function countersign(target: CborValue, options: CountersignOptions): CborValue {
  const own = protectedHeaders(options.algorithm, options);
  return [own, new Map(), signatureOf(options.algorithm, options.key, countersignStructure('V2', target, own, options))];
}

/**
 * A COSE_Countersignature0 (V2), the signature alone: key and algorithm are known to whoever verifies it. See `withCountersignature0`.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`
 * @see https://www.rfc-editor.org/rfc/rfc9338#section-3.2
 */
export function countersign0(target: CborValue, options: Countersign0Options): Uint8Array {
  return signatureOf(options.algorithm, options.key, countersignStructure('V2', target, undefined, options));
}

function withHeader(item: CborValue, label: number, value: CborValue): CborValue {
  const { tag, parts, headers } = targetOf(item);
  const changed = new Map<CborKey, CborValue>(headers);
  changed.set(label, value);
  const array = [parts[0], changed, ...parts.slice(2)];
  return tag === undefined ? array : new Tagged(tag, array);
}

/** The structure with these countersignatures (at least one) in place of those that it had. @throws {CoseError} `ERR_COSE_FORMAT` */
export function withCountersignatures(target: CborValue, countersignatures: readonly CborValue[]): CborValue {
  if (countersignatures.length === 0) throw badFormat('expected at least one, got none');
  return withHeader(target, CountersignatureLabel.full, countersignatures.length === 1 ? countersignatures[0] : countersignatures);
}

/** The structure with this abbreviated countersignature. @throws {CoseError} `ERR_COSE_FORMAT` */
export function withCountersignature0(target: CborValue, signature: Uint8Array): CborValue {
  return withHeader(target, CountersignatureLabel.abbreviated, signature);
}

/** COSE_Countersignature, or an array of at least one of them. */
function listAt(target: CborValue, label: number): readonly CborValue[] {
  const { headers } = targetOf(target);
  const value = headers.get(label);
  if (value === undefined && !headers.has(label)) return [];
  if (!Array.isArray(value) || value.length === 0) throw badFormat(`header ${label}: expected one or an array of them, got another item`);
  const list = value[0] instanceof Uint8Array ? [value] : (value as readonly CborValue[]);
  for (const item of list) readCountersignature(item);
  return list;
}

function signatureAt(target: CborValue, label: number): Uint8Array | undefined {
  const { headers } = targetOf(target);
  const value = headers.get(label);
  if (value === undefined && !headers.has(label)) return undefined;
  if (!(value instanceof Uint8Array)) throw badFormat(`header ${label}: expected byte string, got another item`);
  return value;
}

/**
 * The countersignatures (V2) of a structure; none verified. Each can be a target itself.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function countersignaturesOf(target: CborValue): readonly CborValue[] {
  return listAt(target, CountersignatureLabel.full);
}

/** The countersignatures of RFC 8152 of a structure; none verified. @throws {CoseError} `ERR_COSE_FORMAT` */
export function legacyCountersignaturesOf(target: CborValue): readonly CborValue[] {
  return listAt(target, CountersignatureLabel.legacy);
}

/**
 * Take a COSE_Countersignature apart, for its headers: `kid` says which key it wants. The `payload` is its signature.
 *
 * @param value the decoded item, with tag 19 or without
 * @throws {CoseError} `ERR_COSE_FORMAT`
 */
export function readCountersignature(value: CborValue): CoseObject {
  const object = readCose(value, CoseTag.Countersignature, 3);
  if (object.payload === null) throw badFormat('expected a byte string as signature, got nil');
  return object;
}

function check(algorithm: number, options: VerifyCountersignatureOptions, toBeSigned: Uint8Array, signature: Uint8Array): void {
  if (!isSignatureOf(algorithm, options, toBeSigned, signature)) throw new CoseError('ERR_COSE_VERIFY', 'countersignature does not verify');
}

function verifyFull(version: Version, target: CborValue, countersignature: CborValue, options: VerifyCountersignatureOptions): void {
  const object = readCountersignature(countersignature);
  const structure = countersignStructure(version, target, object.protectedBytes, options);
  check(algorithmFor(object, options.key.alg), options, structure, object.payload!);
}

function verifyAbbreviated(version: Version, target: CborValue, options: VerifyCountersignatureOptions): void {
  const signature = signatureAt(target, version === 'V2' ? CountersignatureLabel.abbreviated : CountersignatureLabel.legacy0);
  if (signature === undefined) throw badFormat('expected an abbreviated one, got none');
  const { alg } = options.key;
  if (typeof alg !== 'number') throw new CoseError('ERR_COSE_ALGORITHM', 'expected a key with an algorithm by its number, got another one');
  check(alg, options, countersignStructure(version, target, undefined, options), signature);
}

/**
 * Verify a COSE_Countersignature (V2) of a structure.
 *
 * @param countersignature one of `countersignaturesOf(target)`, or one that came apart from it
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc9338#section-3.3
 */
export function verifyCountersignature(target: CborValue, countersignature: CborValue, options: VerifyCountersignatureOptions): void {
  verifyFull('V2', target, countersignature, options);
}

/**
 * Verify the COSE_Countersignature0 (V2) in a structure; the key's `alg` says the algorithm.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 */
export function verifyCountersignature0(target: CborValue, options: VerifyCountersignatureOptions): void {
  verifyAbbreviated('V2', target, options);
}

/**
 * Verify a countersignature of RFC 8152, which covers neither the tag of a MAC nor the signature of a COSE_Sign1. None is made any more.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 * @see https://www.rfc-editor.org/rfc/rfc8152#section-4.5
 */
export function verifyLegacyCountersignature(target: CborValue, countersignature: CborValue, options: VerifyCountersignatureOptions): void {
  verifyFull('legacy', target, countersignature, options);
}

/**
 * Verify the CounterSignature0 of RFC 8152 in a structure; the key's `alg` says the algorithm.
 *
 * @throws {CoseError} `ERR_COSE_FORMAT`, `ERR_COSE_ALGORITHM`, `ERR_COSE_KEY`, `ERR_COSE_VERIFY`
 */
export function verifyLegacyCountersignature0(target: CborValue, options: VerifyCountersignatureOptions): void {
  verifyAbbreviated('legacy', target, options);
}
