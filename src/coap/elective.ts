import { findOption, type Option, optionDefinition, readUint } from './option.ts';

/**
 * The number in an elective uint option; `undefined` when it is absent, or longer than its definition allows: such an option counts as not recognized and is
 * ignored.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.4.3
 */
export function electiveUint(options: readonly Option[], number: number): number | undefined {
  const option = findOption(options, number);
  if (option === undefined || option.value.length > (optionDefinition(number)?.max ?? 0)) return undefined;
  return readUint(option.value);
}
