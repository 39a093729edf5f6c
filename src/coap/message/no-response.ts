import { findOption, type Option, OptionNumber, readUint } from './option.ts';

/** RFC 7967, Section 2.1: no success, no client error, no server error. */
export const everyClass: number = 2 | 8 | 16;

/**
 * No-Response of a request: classes of responses that are not wanted; 0 without the option. Options are in order and nearly none lies as high, so that a look at
 * the last one mostly does.
 */
export function noResponseOf(options: readonly Option[]): number {
  const last = options[options.length - 1];
  if (last === undefined || last.number < OptionNumber.NoResponse) return 0;
  // RFC 8613 §4.1.3.6: the Outer option is ignored; the OSCORE layer heeds the Inner one.
  if (findOption(options, OptionNumber.Oscore) !== undefined) return 0;
  const option = findOption(options, OptionNumber.NoResponse);
  return option === undefined || option.value.length > 1 ? 0 : readUint(option.value);
}

/** Whether a response with this code is of a class that is not wanted. */
export function isUnwanted(noResponse: number, code: number): boolean {
  return (noResponse & (1 << ((code >>> 5) - 1))) !== 0;
}
