import type { Entry } from '../entry.ts';
import type { Roles } from '../roles.ts';
import { arrow, type Columns, lifelines, rowHeight } from './arrow.ts';
import { arrowHeads, columnOf, escapeText, leftOut, placesOf, secondsOf } from './markup.ts';
import { drawing, palette } from './style.ts';

/** What stands over the picture, and what its endpoints are. */
export interface PictureOptions {
  readonly title: string;
  readonly roles: Roles;
  /** Messages behind these that were not kept; the picture says so. 0. */
  readonly left?: number;
}

const margin = 70;
const headHeight = 62;
/** Below the messages, where some are left out. */
const footHeight = 44;
/** From one lifeline to the next. */
const step = 300;
/** Of a letter of a label, on the average. */
const letterWidth = 7.2;
/** More messages nobody can see in a picture; it says how many it leaves out. */
const mostRows = 500;

/** The plate of an endpoint above its lifeline. */
export function plates(places: readonly string[], roles: Roles, { at }: Columns, top: number): string {
  return places
    .map((place, column) => {
      const role = roles.of(place) ?? '';
      const texts = [
        [role, 'role', top + 17],
        [place, 'place', top + 33],
      ] as const;
      return texts.map(([text, name, y]) => `<text class="${name}" x="${at(column)}" y="${y}" text-anchor="middle">${escapeText(text)}</text>`).join('');
    })
    .join('');
}

/** The ladder as an SVG image that stands by itself, by day and by night. */
export function ladderPicture(entries: readonly Entry[], { title, roles, left: notKept = 0 }: PictureOptions): string {
  const shown = entries.slice(0, mostRows);
  const left = entries.length - shown.length + notKept;
  const places = placesOf(shown);
  const column = columnOf(places);
  const columns: Columns = { count: places.length, at: (column) => String(margin + step / 2 + column * step) };
  const width = margin + Math.max(1, places.length) * step;
  const height = headHeight + shown.length * rowHeight + (left > 0 ? footHeight : 16);
  const start = shown[0]?.time ?? 0;
  const rows = shown.map((entry, index) => {
    const top = headHeight + index * rowHeight;
    const [from, to] = [column(entry.from), column(entry.to)];
    // From the end of the arrow to the edge of the picture.
    const room = Math.min(from, to) < places.length / 2 ? width - Number(columns.at(Math.min(from, to))) : Number(columns.at(Math.max(from, to)));
    const time = `<text class="figures" x="12" y="${top + 34}">${secondsOf(entry, start)} s</text>`;
    return `${time}${arrow(entry, from, to, columns, top, Math.floor((room - 20) / letterWidth))}`;
  });
  const rest = left === 0 ? [] : [leftOut(left)];
  const foot = rest.map((text) => `<text class="figures" x="12" y="${height - 16}">${text}</text>\n`).join('');
  const summary = [...shown.map(({ from, to, title: said }) => `${from} to ${to}: ${said}`), ...rest].join('; ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${escapeText(title)}</title>
<desc id="description">${escapeText(summary)}</desc>
<style>${palette}${drawing}</style>
${arrowHeads()}
<rect class="ground" width="${width}" height="${height}" rx="10"/>
${lifelines(columns, headHeight - 16, height - (left > 0 ? footHeight : 14))}
${plates(places, roles, columns, 8)}
${rows.join('\n')}
${foot}</svg>
`;
}
