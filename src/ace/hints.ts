import { type CborMap, decode, encode } from '../core/cbor.ts';
import { readKnownMap, writeKnownMap } from '../core/known-map.ts';
import { refuseBadFormat, refuseTextKeys } from './error.ts';
import { hintParameters } from './params.ts';
import type { Scope } from './scope.ts';
import { withUnknown } from './token.ts';

/** What an RS tells a client that came without a token. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.3 */
export interface Hints {
  /** Absolute URI of the token endpoint. The client decides whether it trusts the AS that it names. */
  readonly as?: string;
  /** The key of a living association that the new token should be bound to. */
  readonly kid?: Uint8Array;
  readonly audience?: string;
  readonly scope?: Scope;
  readonly cnonce?: Uint8Array;
  readonly unknown?: CborMap;
}

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.3 */
export function encodeHints(hints: Hints): Uint8Array {
  const { unknown, ...fields } = hints;
  return encode(withUnknown(writeKnownMap(hintParameters, fields), unknown));
}

/** @throws {AceError} `ERR_ACE_FORMAT` */
export function decodeHints(payload: Uint8Array): Hints {
  return refuseBadFormat(() => {
    const { known, unknown } = readKnownMap('AS request creation hints', hintParameters, refuseTextKeys('AS request creation hints', decode(payload)));
    return { ...known, ...(unknown.size === 0 ? {} : { unknown }) };
  });
}
