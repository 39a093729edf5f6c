/** Characters of a text in a ladder. */
const longest = 32;

/** A text of a stranger, with what controls a terminal, or the direction of writing, as its number. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same, no longer than this. */
export function shortText(text: string, most: number = longest): string {
  const whole = printable(text.slice(0, 4 * most));
  return whole.length <= most ? whole : `${whole.slice(0, most - 3)}...`;
}
