import { printable } from '../core/printable.ts';
import type { Entry } from './entry.ts';
import { durationText, protectionText, sizeText } from './figures.ts';
import type { Roles } from './roles.ts';

/** How a piece of a line is told apart. */
export type LadderStyle = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** Where the ladder is shown. */
export interface LadderOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** Lines and arrows of Unicode; else ASCII. */
  readonly unicode: boolean;
  /** Each message decoded below its arrow. */
  readonly verbose: boolean;
  readonly roles: Roles;
  /** The text in this style; as it is where there are no colours. */
  readonly paint: (style: LadderStyle, text: string) => string;
}

/** Columns before the first endpoint: the time in seconds. */
const gutter = 11;
/** Narrower endpoints cannot be told apart. */
const narrowest = 18;
/** Wider ones say no more. */
const widest = 44;

/** Less of a gist says nothing. */
const shortestGist = 8;

const unicodeMarks = { line: '│', stroke: '─', right: '▶', left: '◀' } as const;
const asciiMarks = { line: '|', stroke: '-', right: '>', left: '<' } as const;

/** A piece of a line: text at a column. Later pieces lie above earlier ones. */
interface Piece {
  readonly at: number;
  readonly text: string;
  readonly style?: LadderStyle;
}

/** Writes entries as a ladder: a column for each endpoint, an arrow for each message. Endpoints that come later get their column then, under a new head. */
export class Ladder {
  readonly #options: LadderOptions;
  readonly #places: string[];
  readonly #marks: typeof unicodeMarks | typeof asciiMarks;
  #start: number | undefined;
  #needsHead = true;

  /** `places`: endpoints that are known, in their order. */
  constructor(places: readonly string[], options: LadderOptions) {
    this.#places = [...places];
    this.#options = options;
    this.#marks = options.unicode ? unicodeMarks : asciiMarks;
  }

  /** The lines of one entry, with a new head before it where an endpoint is new. */
  lines(entry: Entry): readonly string[] {
    this.#start ??= entry.time;
    for (const place of [entry.from, entry.to]) {
      // Where they do not fit none has a column, and a capture may have any number of them.
      if (!this.#fits || this.#places.includes(place)) continue;
      this.#places.push(place);
      this.#needsHead = true;
    }
    const head = this.#needsHead && this.#fits ? this.#head() : [];
    this.#needsHead = false;
    return [...head, ...(this.#fits ? this.#arrow(entry) : this.#listed(entry)), ...this.#decoded(entry)];
  }

  get #fits(): boolean {
    return gutter + this.#places.length * narrowest <= this.#options.width;
  }

  /** Columns from one lifeline to the next. */
  get #step(): number {
    return Math.min(widest, Math.floor((this.#options.width - gutter - 1) / Math.max(1, this.#places.length)));
  }

  #columnOf(place: string): number {
    return gutter + this.#places.indexOf(place) * this.#step;
  }

  #head(): readonly string[] {
    const { roles } = this.#options;
    const most = this.#step - 1;
    const piece = (text: string, place: string, style: LadderStyle): Piece => ({ at: this.#columnOf(place), text: text.slice(0, most), style });
    return [
      this.#compose(
        this.#places.map((place) => piece(roles.of(place) ?? '', place, 'bold')),
        false,
      ),
      this.#compose(
        this.#places.map((place) => piece(place, place, 'dim')),
        false,
      ),
    ];
  }

  #time({ time }: Entry): Piece {
    return { at: 0, text: ((time - this.#start!) / 1000).toFixed(3).padStart(gutter - 2), style: 'dim' };
  }

  #arrow(entry: Entry): readonly string[] {
    const { from, to, bytes, answerTime } = entry;
    const { stroke, left, right } = this.#marks;
    const [a, b] = [this.#columnOf(from), this.#columnOf(to)];
    const start = Math.min(a, b) + 1;
    const length = Math.max(1, Math.abs(a - b) - 1);
    const figures = ` ${sizeText(bytes)}${answerTime === undefined ? '' : `, ${durationText(answerTime)}`} `;
    const shown = figures.length + 3 <= length ? figures : '';
    const strokes = stroke.repeat(Math.max(0, length - 1 - shown.length - 2));
    const tail = stroke.repeat(Math.min(2, Math.max(0, length - 1 - shown.length)));
    const text = b > a ? `${strokes}${shown}${tail}${right}` : `${left}${tail}${shown}${strokes}`;
    return [
      this.#compose([this.#time(entry), ...this.#label(entry, start + 1)], true),
      this.#compose([{ at: start, text, style: entry.protection.length === 0 ? 'cyan' : entry.isSealed ? 'yellow' : 'green' }], true),
    ];
  }

  /** What stands above an arrow; it may go on over the endpoints to its right. */
  #label(entry: Entry, at: number): Piece[] {
    const { title, gist, remarks, isSealed } = entry;
    const protection = protectionText(entry);
    const remark = remarks.join(', ');
    // The gist gives way to what matters more.
    const room = this.#options.width - at - [title, protection, remark].reduce((sum, text) => sum + (text === '' ? 0 : text.length + 2), 0);
    const parts: readonly (readonly [text: string, style: LadderStyle | undefined])[] = [
      [printable(title), 'bold'],
      [gist.length <= room ? gist : room < shortestGist ? '' : `${gist.slice(0, room - 3)}...`, undefined],
      [protection, isSealed ? 'yellow' : 'green'],
      [remark, 'red'],
    ];
    const pieces: Piece[] = [];
    let column = at;
    for (const [text, style] of parts) {
      if (text === '' || column >= this.#options.width) continue;
      const shown = text.slice(0, this.#options.width - column);
      pieces.push({ at: column, text: `${shown} `, ...(style === undefined ? {} : { style }) });
      column += shown.length + 2;
    }
    return pieces;
  }

  /** A line with the lifelines below the pieces. */
  #compose(pieces: readonly Piece[], withLifelines: boolean): string {
    const { paint } = this.#options;
    const lifelines = withLifelines ? this.#places.map((place): Piece => ({ at: this.#columnOf(place), text: this.#marks.line, style: 'dim' })) : [];
    const covered = (at: number): boolean => pieces.some((piece) => piece.at <= at && at < piece.at + piece.text.length);
    const all = [...pieces, ...lifelines.filter(({ at }) => !covered(at))].sort((a, b) => a.at - b.at);
    let line = '';
    let column = 0;
    for (const { at, text, style } of all) {
      line += `${' '.repeat(Math.max(0, at - column))}${style === undefined ? text : paint(style, text)}`;
      column = Math.max(column, at) + text.length;
    }
    return line.trimEnd();
  }

  /** Too many endpoints for this width: each message in a line. */
  #listed(entry: Entry): readonly string[] {
    const { from, to, bytes, answerTime } = entry;
    const words = [`${from} ${this.#marks.stroke}${this.#marks.right} ${to}`, sizeText(bytes), entry.title, entry.gist];
    const more = [protectionText(entry), answerTime === undefined ? '' : durationText(answerTime), ...entry.remarks];
    const text = [...words, ...more].filter((word) => word !== '').join('  ');
    return [`${this.#options.paint('dim', this.#time(entry).text)}  ${printable(text)}`];
  }

  #decoded({ layers }: Entry): readonly string[] {
    if (!this.#options.verbose) return [];
    const margin = ' '.repeat(gutter);
    return layers.flatMap(({ name, lines }) => [`${margin}${this.#options.paint('bold', name)}`, ...lines.map((line) => `${margin}  ${printable(line)}`)]);
  }
}
