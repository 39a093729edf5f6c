import { printableLines } from '../../core/printable.ts';
import type { Entry } from '../entry.ts';

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that stays text in HTML, in SVG and in an attribute of either, whatever a stranger has put into it. */
export function escapeText(text: string): string {
  return printableLines(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** How an arrow looks: what protects its message, and whether that was opened. */
export type ArrowLook = 'plain' | 'opened' | 'sealed' | 'handshake';
const arrowLooks: readonly ArrowLook[] = ['plain', 'opened', 'sealed', 'handshake'];

export function lookOf({ kind, protection, isSealed }: Entry): ArrowLook {
  if (isSealed) return 'sealed';
  if (kind === 'dtls') return 'handshake';
  return protection.length > 0 ? 'opened' : 'plain';
}

/** Heads of arrows, one for each look. */
export function arrowHeads(): string {
  const heads = arrowLooks.map(
    (look) =>
      `<marker id="head-${look}" class="head ${look}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.8 10 5 0 9.2 2.6 5z"/></marker>`,
  );
  return `<defs>${heads.join('')}</defs>`;
}

/** Endpoints in the order in which they appear. */
export function placesOf(entries: readonly Entry[]): readonly string[] {
  return [...new Set(entries.flatMap(({ from, to }) => [from, to]))];
}

/** Where endpoints stand side by side, by their names. */
export function columnOf(places: readonly string[]): (place: string) => number {
  const columns = new Map(places.map((place, column) => [place, column]));
  return (place) => columns.get(place)!;
}

/** What a picture says that has not all messages. */
export function leftOut(messages: number): string {
  return `${messages} more ${messages === 1 ? 'message is' : 'messages are'} not shown`;
}

/** Seconds since the first message. */
export function secondsOf({ time }: Entry, start: number): string {
  return ((time - start) / 1000).toFixed(3);
}
