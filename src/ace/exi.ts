import { concat, utf8 } from '../core/bytes.ts';

/*
 * The `cti` of a token with an `exi` claim (RFC 9200, Section 5.10.3): the identifier of the RS, then the sequence number. The RFC leaves the length of the
 * number open; four bytes for all let a reader find where it starts.
 */
const sequenceLength = 4;

/** The highest sequence number that fits. */
export const lastExiSequence = 0xffff_ffff;

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.10.3 */
export function encodeExiCti(resourceServer: string, sequence: number): Uint8Array {
  const number = new Uint8Array(sequenceLength);
  new DataView(number.buffer).setUint32(0, sequence);
  return concat(utf8(resourceServer), number);
}

/** The two parts of such a `cti`; `undefined`: it is too short to be one. */
export function decodeExiCti(cti: Uint8Array): { readonly resourceServer: Uint8Array; readonly sequence: number } | undefined {
  const split = cti.length - sequenceLength;
  if (split < 1) return undefined;
  return { resourceServer: cti.slice(0, split), sequence: new DataView(cti.buffer, cti.byteOffset + split, sequenceLength).getUint32(0) };
}
