import { findAll, findOption, type Option, OptionNumber, readUint } from '../coap/index.ts';
import { fromUtf8, toHex } from '../core/bytes.ts';
import { ProtocolError } from '../core/errors.ts';

// Options of strangers, whose values may be anything: what cannot be read is no fault here.

/** The number in the first option of that number; `undefined`: there is none that can be read. */
export function uintIn(options: readonly Option[], number: number): number | undefined {
  const option = findOption(options, number);
  if (option === undefined) return undefined;
  try {
    return readUint(option.value);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/** The texts in the options of that number, in hexadecimal where they are none. */
function textsIn(options: readonly Option[], number: number): string[] {
  return findAll(options, number).map(({ value }) => {
    try {
      return fromUtf8(value);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return `0x${toHex(value)}`;
    }
  });
}

export function pathIn(options: readonly Option[]): string[] {
  return textsIn(options, OptionNumber.UriPath);
}

export function queryIn(options: readonly Option[]): string[] {
  return textsIn(options, OptionNumber.UriQuery);
}
