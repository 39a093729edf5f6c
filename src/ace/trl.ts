import { Code } from '../coap/index.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode } from '../core/cbor.ts';
import { AceError, refuseBadFormat } from './error.ts';

/** ACE Token Revocation List Parameters, IANA registry as of 2026-11. */
const Key = { fullSet: 0, diffSet: 1, cursor: 2, more: 3 } as const;

/** ACE Token Revocation List Errors, IANA registry as of 2026-11. */
export const TrlError = { invalidValue: 0, invalidSet: 1, outOfBound: 2 } as const;
export type TrlError = (typeof TrlError)[keyof typeof TrlError];

/** The Custom Problem Detail Key `ace-trl-error` (RFC 9770, Section 6.1). */
export const trlErrorKey = 1;

/** One update of the list, as far as it pertains to the requester: token hashes. */
export interface DiffEntry {
  readonly removed: readonly Uint8Array[];
  readonly added: readonly Uint8Array[];
}

/** What a requester asks of the list. Without `diff` for all of it. */
export interface TrlQuery {
  /** The most diff entries to be told; 0: as many as there are. */
  readonly diff?: number;
  /** The last update that the requester knows of. */
  readonly cursor?: number;
}

/**
 * What the AS answers to a query of the list.
 *
 * `cursor` is `null` when nothing has happened yet that pertains to the requester; or, with `more`, when what came after its cursor is no longer kept. Absent: the
 * AS does without cursors.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-7
 */
export interface TrlResponse {
  readonly fullSet?: readonly Uint8Array[];
  /** The most recent one first. */
  readonly diffSet?: readonly DiffEntry[];
  readonly cursor?: number | null;
  readonly more?: boolean;
}

/** @see https://www.rfc-editor.org/rfc/rfc9770#section-8 */
export function encodeTrlResponse({ fullSet, diffSet, cursor, more }: TrlResponse): Uint8Array {
  const map = new Map<number, CborValue>();
  if (fullSet !== undefined) map.set(Key.fullSet, fullSet);
  if (diffSet !== undefined)
    map.set(
      Key.diffSet,
      diffSet.map(({ removed, added }) => [removed, added]),
    );
  if (cursor !== undefined) map.set(Key.cursor, cursor);
  if (more !== undefined) map.set(Key.more, more);
  return encode(map);
}

/**
 * The reverse of `encodeTrlResponse`. Parameters that are not known are passed over.
 *
 * @throws {AceError} `ERR_ACE_FORMAT`
 */
export function decodeTrlResponse(payload: Uint8Array): TrlResponse {
  return refuseBadFormat(() => {
    const map = decode(payload);
    if (!(map instanceof Map)) throw broken('a map');
    const fullSet = (map as CborMap).get(Key.fullSet);
    const diffSet = (map as CborMap).get(Key.diffSet);
    if ((fullSet === undefined) === (diffSet === undefined)) throw broken('one of full_set and diff_set');
    const cursor = (map as ReadonlyMap<CborKey, unknown>).get(Key.cursor);
    if (cursor !== undefined && cursor !== null && !(typeof cursor === 'number' && Number.isSafeInteger(cursor) && cursor >= 0))
      throw broken('an unsigned integer or null as cursor');
    const more = (map as CborMap).get(Key.more);
    if (more !== undefined && typeof more !== 'boolean') throw broken('true or false as more');
    return {
      ...(fullSet === undefined ? {} : { fullSet: hashes(fullSet) }),
      ...(diffSet === undefined ? {} : { diffSet: entries(diffSet) }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(more === undefined ? {} : { more }),
    };
  });
}

/** The arguments of the query part of a request. */
export function trlQueryArguments({ diff, cursor }: TrlQuery): readonly string[] {
  return [...(diff === undefined ? [] : [`diff=${diff}`]), ...(cursor === undefined ? [] : [`cursor=${cursor}`])];
}

function entries(value: CborValue): readonly DiffEntry[] {
  if (!Array.isArray(value)) throw broken('an array as diff_set');
  return (value as readonly CborValue[]).map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 2) throw broken('arrays of two in diff_set');
    const [removed, added] = entry as readonly CborValue[];
    return { removed: hashes(removed), added: hashes(added) };
  });
}

function hashes(value: CborValue): readonly Uint8Array[] {
  if (!Array.isArray(value) || !value.every((hash) => hash instanceof Uint8Array)) throw broken('token hashes in an array');
  return (value as readonly Uint8Array[]).map((hash) => hash.slice());
}

function broken(expected: string): AceError {
  return new AceError('ERR_ACE_FORMAT', `answer of a token revocation list: expected ${expected}, got something else`, { responseCode: Code.BadRequest });
}
