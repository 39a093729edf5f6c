const controls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text of a stranger, with what controls a terminal, or the direction of writing, as its number. */
export function printable(text: string): string {
  return text.replace(controls, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same line by line: ends of line stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** The same for a document: tabs stay too, and a carriage return that belongs to an end of line goes. */
export function printableDocument(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.split('\t').map(printable).join('\t'))
    .join('\n');
}

/** A value as JSON that says the same to a program, with such characters escaped in it. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(controls, (character) =>
    Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );
}
