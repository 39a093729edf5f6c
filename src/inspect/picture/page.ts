import { utf8 } from '../../core/bytes.ts';
import { digest } from '../../core/crypto/index.ts';
import type { Entry, EntryKind, Layer } from '../entry.ts';
import { durationText, figuresOf, protectionText } from '../figures.ts';
import type { Roles } from '../roles.ts';
import { arrow, type Columns, lifelines, rowHeight } from './arrow.ts';
import { type ArrowLook, arrowHeads, columnOf, escapeText, leftOut, placesOf, secondsOf } from './markup.ts';
import { type PictureOptions, plates } from './picture.ts';
import { pageScript } from './script.ts';
import { pageStyle } from './style.ts';

/** Of a Content Security Policy: this text, and no other. */
function hashOf(text: string): string {
  return `'sha256-${btoa(String.fromCharCode(...digest('sha256', utf8(text))))}'`;
}

/** Nothing is loaded, nothing runs but what stands here, nothing goes anywhere. */
function policy(style: string): string {
  return `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(pageScript)}; img-src data:; base-uri 'none'; form-action 'none'`;
}

/** Pixels from one lifeline to the next, at least: the page scrolls where there is no room. */
const narrowest = 130;

const kindNames: Readonly<Record<EntryKind, string>> = { coap: 'CoAP', token: 'Tokens', dtls: 'DTLS handshakes', other: 'Other' };

const looks: readonly (readonly [look: ArrowLook, means: string])[] = [
  ['plain', 'in the clear'],
  ['opened', 'protected, opened with the keys given'],
  ['sealed', 'protected, not opened'],
  ['handshake', 'DTLS'],
];

/**
 * The ladder as a page of HTML that stands by itself: a message opens at a click into its layers. It can be read, printed and used with the keyboard; a little
 * script adds filters. Whatever a peer has sent is text in it.
 */
export function ladderPage(entries: readonly Entry[], { title, roles, left = 0 }: PictureOptions): string {
  const places = placesOf(entries);
  const column = columnOf(places);
  const columns: Columns = { count: places.length, at: (column) => `${Number((((column + 0.5) * 100) / Math.max(1, places.length)).toFixed(3))}%` };
  const start = entries[0]?.time ?? 0;
  const name = escapeText(title);
  const style = `${pageStyle}\n.columns, .rows { min-width: ${100 + places.length * narrowest}px; }\n`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="ace-coap inspect">
<title>${name}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<svg class="defs" aria-hidden="true">${arrowHeads()}</svg>
<header>
<h1>${name}</h1>
<p class="facts">${escapeText([factsOf(entries), ...(left > 0 ? [leftOut(left)] : [])].join('; '))}</p>
<ul class="legend">${looks.map(legendItem).join('')}</ul>
</header>
${tools(entries, places, roles)}
<main>
<div class="columns"><span></span><svg height="46" aria-hidden="true">${plates(places, roles, columns, 0)}</svg></div>
<div class="rows" data-columns="${places.length}"><svg class="lives" aria-hidden="true">${lifelines(columns, 0, '100%')}</svg><ol class="ladder">
${entries.map((entry) => message(entry, column, roles, columns, start)).join('\n')}
</ol></div>
</main>
<script>${pageScript}</script>
</body>
</html>
`;
}

function factsOf(entries: readonly Entry[]): string {
  const first = entries[0];
  if (first === undefined) return 'no message of CoAP or DTLS';
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const sealed = entries.filter(({ isSealed }) => isSealed).length;
  const closed = entries.filter(({ protection }) => protection.length > 0).length;
  const opened = closed === 0 ? 'none protected' : `${closed} protected, ${sealed === 0 ? 'all opened' : `${sealed} of them not opened`}`;
  return `${entries.length} messages, ${bytes} bytes, ${durationText(entries.at(-1)!.time - first.time)}; ${opened}`;
}

function legendItem([look, means]: (typeof looks)[number]): string {
  const line = `<line class="arrow ${look}" x1="0" x2="34" y1="6" y2="6" marker-end="url(#head-${look})"/>`;
  return `<li><svg width="36" height="12" aria-hidden="true">${line}</svg>${means}</li>`;
}

/** The script shows it. */
function tools(entries: readonly Entry[], places: readonly string[], roles: Roles): string {
  const box = (value: string, text: string): string => `<label><input type="checkbox" value="${value}" checked>${escapeText(text)}</label>`;
  const kinds = Object.entries(kindNames).filter(([kind]) => entries.some((entry) => entry.kind === kind));
  return `<div class="tools" hidden>
<fieldset><legend>Endpoints</legend>${places.map((place, index) => box(`place-${index}`, [roles.of(place), place].filter(Boolean).join(' '))).join('')}</fieldset>
<fieldset><legend>Kinds</legend>${kinds.map(([kind, text]) => box(`kind-${kind}`, text)).join('')}</fieldset>
<label>Search (/) <input type="search"></label>
<button type="button" data-all="open">Open all</button><button type="button" data-all="close">Close all</button>
<span class="count" role="status"></span>
</div>`;
}

function message(entry: Entry, column: (place: string) => number, roles: Roles, columns: Columns, start: number): string {
  const [from, to] = [column(entry.from), column(entry.to)];
  const party = (place: string): string => [roles.of(place), place].filter(Boolean).join(' ');
  const said = [
    `${party(entry.from)} to ${party(entry.to)}`,
    entry.title,
    entry.gist,
    protectionText(entry),
    ...entry.remarks,
    `${entry.transport}, ${figuresOf(entry)}`,
  ].filter((text) => text !== '');
  return `<li><details class="message" data-of="place-${from} place-${to} kind-${entry.kind}"><summary><span class="time">${secondsOf(entry, start)} s</span><span class="unseen">${escapeText(said.join('; '))}</span><svg height="${rowHeight}" aria-hidden="true">${arrow(entry, from, to, columns)}</svg></summary>
<div class="layers">${layers(entry.layers)}</div></details></li>`;
}

/** Each in the one around it, as they are in the message. */
function layers([layer, ...inner]: readonly Layer[]): string {
  if (layer === undefined) return '';
  return `<section class="layer"><h2>${escapeText(layer.name)}</h2><pre>${layer.lines.map(escapeText).join('\n')}</pre>${layers(inner)}</section>`;
}
