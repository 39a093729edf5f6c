/** A text of a stranger, with what controls a terminal, or the direction of writing, as its number. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same line by line: ends of line stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
