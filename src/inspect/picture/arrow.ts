import type { Entry } from '../entry.ts';
import { figuresOf, protectionText } from '../figures.ts';
import { escapeText, lookOf } from './markup.ts';

/** Height of one message. */
export const rowHeight = 58;
const labelAt = 19;
const strokeAt = 32;
const figuresAt = 49;

/** Where the lifelines stand: `25%` of a page, or pixels of a picture. */
export interface Columns {
  readonly count: number;
  readonly at: (column: number) => string;
}

/** The lifelines along one message. */
export function lifelines({ count, at }: Columns, top: number, height: number | string): string {
  return Array.from({ length: count }, (_, column) => {
    const x = at(column);
    return `<line class="life" x1="${x}" x2="${x}" y1="${top}" y2="${height}"/>`;
  }).join('');
}

/**
 * An arrow with what stands above and below it.
 *
 * What stands above begins at the left end of the arrow; in the right half it ends at the right end, so that it has room. `most`: characters of it.
 */
export function arrow(entry: Entry, from: number, to: number, columns: Columns, top = 0, most: number = Number.POSITIVE_INFINITY): string {
  const look = lookOf(entry);
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const isLeft = left < columns.count / 2;
  const [anchor, x, dx] = isLeft ? ['start', columns.at(left), 10] : ['end', columns.at(right), -10];
  const middle = columns.at((from + to) / 2);
  return [
    `<line class="arrow ${look}" x1="${columns.at(from)}" x2="${columns.at(to)}" y1="${top + strokeAt}" y2="${top + strokeAt}" marker-end="url(#head-${look})"/>`,
    `<text class="label" x="${x}" dx="${dx}" y="${top + labelAt}" text-anchor="${anchor}">${label(entry, most)}</text>`,
    `<text class="figures" x="${middle}" y="${top + figuresAt}" text-anchor="middle">${escapeText(figuresOf(entry))}</text>`,
  ].join('');
}

function label(entry: Entry, most: number): string {
  const { title, gist, remarks } = entry;
  const parts = [
    ['title', title],
    [`shield ${lookOf(entry)}`, protectionText(entry)],
    ['remark', remarks.join(', ')],
  ].filter(([, text]) => text !== '');
  const room = most - parts.reduce((sum, [, text]) => sum + text!.length + 2, 0);
  const shown = gist.length <= room ? gist : room < 8 ? '' : `${gist.slice(0, room - 3)}...`;
  if (shown !== '') parts.splice(1, 0, ['gist', shown]);
  return parts.map(([name, text], index) => `<tspan class="${name}"${index === 0 ? '' : ' dx="8"'}>${escapeText(text!)}</tspan>`).join('');
}
