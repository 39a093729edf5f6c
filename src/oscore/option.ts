import { emptyBytes } from '../core/bytes.ts';
import { OscoreError } from './errors.ts';

/** What the OSCORE option carries of the COSE object; absent fields are not in it. */
export interface OscoreOption {
  /** 1 to 5 bytes. */
  readonly partialIv?: Uint8Array;
  readonly kid?: Uint8Array;
  /** 0 to 255 bytes. */
  readonly kidContext?: Uint8Array;
}

const kidFlag = 0x08;
const kidContextFlag = 0x10;
const reservedFlags = 0xe0;
const lengthMask = 0x07;

/** The longest value that the option can have (RFC 8613, Section 2). */
export const longestOscoreOption = 255;

const leadingZeros = 'expected the shortest Partial IV, got one with leading zeros';

/** RFC 8613 §5: a Partial IV has no leading zeros, but for the one byte of 0. */
function isPadded(partialIv: Uint8Array): boolean {
  return partialIv.length > 1 && partialIv[0] === 0;
}

/**
 * The value of the OSCORE option; empty when no field is there.
 *
 * @throws {OscoreError} `ERR_OSCORE_DECODE` when a field has a length that the format cannot hold, or the Partial IV has leading zeros
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-6.1
 */
export function encodeOscoreOption(option: OscoreOption): Uint8Array {
  const { partialIv, kid, kidContext } = option;
  if (partialIv === undefined && kid === undefined && kidContext === undefined) return emptyBytes;
  const n = partialIv === undefined ? 0 : partialIv.length;
  const length = 1 + n + (kidContext === undefined ? 0 : 1 + kidContext.length) + (kid === undefined ? 0 : kid.length);
  if (n > 5 || (partialIv !== undefined && n === 0)) throw new OscoreError('ERR_OSCORE_DECODE', `expected a Partial IV of 1 to 5 bytes, got ${n}`);
  if (partialIv !== undefined && isPadded(partialIv)) throw new OscoreError('ERR_OSCORE_DECODE', leadingZeros);
  if (length > longestOscoreOption) throw new OscoreError('ERR_OSCORE_DECODE', `expected an OSCORE option of at most 255 bytes, got ${length}`);
  const value = new Uint8Array(length);
  let flags = n;
  let offset = 1;
  if (partialIv !== undefined) {
    value.set(partialIv, offset);
    offset += n;
  }
  if (kidContext !== undefined) {
    flags |= kidContextFlag;
    value[offset++] = kidContext.length;
    value.set(kidContext, offset);
    offset += kidContext.length;
  }
  if (kid !== undefined) {
    flags |= kidFlag;
    value.set(kid, offset);
  }
  value[0] = flags;
  return value;
}

/** `decodeOscoreOption` for input that is likely hostile: a reason instead of an error, which would cost more than the rest. */
export function readOscoreOption(value: Uint8Array): OscoreOption | string {
  const size = value.length;
  if (size === 0) return {};
  if (size > longestOscoreOption) return `expected an OSCORE option of at most 255 bytes, got ${size}`;
  const flags = value[0]!;
  // RFC 8613 §6.3: when all flags are zero, the value is empty.
  if (flags === 0) return 'expected an empty option when no flag is set, got a zero byte';
  if ((flags & reservedFlags) !== 0) return `expected reserved flags to be zero, got ${flags}`;
  const n = flags & lengthMask;
  if (n > 5) return `expected a Partial IV length of 0 to 5, got ${n}`;
  let offset = 1 + n;
  if (offset > size) return `expected a Partial IV of ${n} bytes, got ${size - 1}`;
  const option: { partialIv?: Uint8Array; kid?: Uint8Array; kidContext?: Uint8Array } = {};
  if (n > 0) {
    option.partialIv = value.subarray(1, offset);
    if (isPadded(option.partialIv)) return leadingZeros;
  }
  if ((flags & kidContextFlag) !== 0) {
    if (offset === size) return 'expected the length of the kid context, got the end of the option';
    const end = offset + 1 + value[offset]!;
    if (end > size) return `expected a kid context of ${value[offset]} bytes, got ${size - offset - 1}`;
    option.kidContext = value.subarray(offset + 1, end);
    offset = end;
  }
  if ((flags & kidFlag) !== 0) option.kid = value.subarray(offset);
  else if (offset !== size) return `expected the end of the option after ${offset} bytes, got ${size - offset} more`;
  return option;
}

/**
 * The fields of the OSCORE option; they are views of `value`.
 *
 * @throws {OscoreError} `ERR_OSCORE_DECODE`: a reserved flag, a Partial IV length of 6 or 7 or with leading zeros, a field that is cut off, bytes that belong to no field
 * @see https://www.rfc-editor.org/rfc/rfc8613#section-6.1
 */
export function decodeOscoreOption(value: Uint8Array): OscoreOption {
  const option = readOscoreOption(value);
  if (typeof option === 'string') throw new OscoreError('ERR_OSCORE_DECODE', option);
  return option;
}
