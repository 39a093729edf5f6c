import { styleText } from 'node:util';
import createSpinner, { type Spinner } from 'yocto-spinner';
import { printable } from '../core/printable.ts';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colours only where a person looks at a terminal that takes them (https://no-color.org). */
export function paint(stream: { readonly isTTY?: boolean }, style: Style, text: string): string {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb' ? styleText(style, text) : text;
}

export const out = (style: Style, text: string): string => paint(process.stdout, style, text);
export const err = (style: Style, text: string): string => paint(process.stderr, style, text);

/** A spinner that says what is being waited for. */
export interface Spinning {
  readonly note: (text: string) => void;
  /** Take it away; it may be called again. */
  readonly end: () => void;
}

/** A spinner on a terminal, with the seconds once it takes long; elsewhere, and where `quiet` says that other lines tell what goes on, nothing. */
export function spin(text: string, quiet = false): Spinning {
  if (process.stderr.isTTY !== true || quiet) return { note: () => {}, end: () => {} };
  const spinner: Spinner = createSpinner({ text, stream: process.stderr }).start();
  let said = text;
  let seconds = 0;
  const show = (): void => {
    spinner.text = seconds < 2 ? said : `${said} (${seconds} s)`;
  };
  const clock = setInterval(() => {
    seconds++;
    show();
  }, 1000);
  return {
    note: (next) => {
      said = next;
      show();
    },
    end: () => {
      clearInterval(clock);
      if (spinner.isSpinning) spinner.stop();
    },
  };
}

/** Runs `work` while a spinner says what is being waited for; `note` changes the text. */
export async function waiting<T>(text: string, quiet: boolean | undefined, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
  const spinner = spin(text, quiet);
  try {
    return await work(spinner.note);
  } finally {
    spinner.end();
  }
}

/** Columns as wide as their widest cell; numbers stand to the right. What strangers have put into cells plays with no terminal. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => (cell === null ? '-' : printable(String(cell)))))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const numeric = head.map((_, column) => rows.every((row) => typeof row[column] !== 'string'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(cells[0]!), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.slice(1).map(line)].join('\n');
}
