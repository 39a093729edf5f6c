import { printable } from '../core/printable.ts';

/** Characters of a text in a ladder. */
const longest = 32;

/** A text of a stranger that is safe to show, no longer than this. */
export function shortText(text: string, most: number = longest): string {
  const whole = printable(text.slice(0, 4 * most));
  return whole.length <= most ? whole : `${whole.slice(0, most - 3)}...`;
}
