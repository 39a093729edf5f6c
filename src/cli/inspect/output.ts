import { printableJson } from '../../core/printable.ts';
import { type Entry, entryFacts, type Inspector, Ladder, ladderPage, ladderPicture } from '../../inspect/index.ts';
import { writeOutput } from '../output-file.ts';
import { err, out } from '../terminal.ts';

export interface OutputFlags {
  readonly html?: string;
  readonly svg?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly secrets?: boolean;
}

/** Messages that are kept for a picture, or until it is known what becomes of them. */
const mostKept = 10_000;

/** Columns where the terminal does not say how many it has. */
const usualWidth = 120;

/** LANG=C and its like stand for ASCII. */
function hasUnicode(): boolean {
  const locale = process.env['LC_ALL'] || process.env['LC_CTYPE'] || process.env['LANG'] || 'C.UTF-8';
  return locale !== 'C' && locale !== 'POSIX';
}

/** Writes entries in the form that was asked for: as they come where it is live, else once all are there. */
export class Output {
  readonly #inspector: Inspector;
  readonly #flags: OutputFlags;
  readonly #isLive: boolean;
  readonly #title: string;
  readonly #kept: Entry[] = [];
  readonly #live: Ladder;
  #start: number | undefined;
  #left = 0;

  constructor(inspector: Inspector, flags: OutputFlags, { isLive, title }: { readonly isLive: boolean; readonly title: string }) {
    this.#inspector = inspector;
    this.#flags = flags;
    this.#isLive = isLive;
    this.#title = title;
    this.#live = this.#ladder([]);
  }

  get #isPicture(): boolean {
    return this.#flags.html !== undefined || this.#flags.svg !== undefined;
  }

  entries(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#start ??= entry.time;
      if (this.#isLive) this.#print(entry, this.#live);
      if (this.#kept.length < mostKept) {
        if (!this.#isLive || this.#isPicture) this.#kept.push(entry);
      } else if (this.#flags.json === true && !this.#isPicture) {
        if (!this.#isLive) this.#print(this.#kept.shift()!, this.#live);
        this.#kept.push(entry);
      } else this.#left++;
    }
  }

  /** No more will come; `isBroken`: why is told afterwards. */
  finish(isBroken = false): void {
    const { html, svg } = this.#flags;
    if (!this.#isLive && !this.#isPicture) {
      const ladder = this.#ladder([...new Set(this.#kept.flatMap(({ from, to }) => [from, to]))]);
      for (const entry of this.#kept) this.#print(entry, ladder);
    }
    const picture = { title: this.#title, roles: this.#inspector.roles, left: this.#left };
    if (html !== undefined) this.#write('--html', html, ladderPage(this.#kept, picture));
    if (svg !== undefined) this.#write('--svg', svg, ladderPicture(this.#kept, picture));
    if (this.#start === undefined && !isBroken) this.#note(`no message of CoAP or DTLS, and ${this.#inspector.passedOver} packets of other kinds`);
    if (this.#left > 0) this.#note(`${this.#left} more messages are not shown, after ${mostKept} that are; --json shows all`);
  }

  #print(entry: Entry, ladder: Ladder): void {
    if (this.#flags.json) console.log(printableJson(entryFacts(entry, this.#start!)));
    else for (const line of ladder.lines(entry)) console.log(line);
  }

  #ladder(places: readonly string[]): Ladder {
    return new Ladder(places, {
      width: process.stdout.columns ?? usualWidth,
      unicode: hasUnicode(),
      verbose: this.#flags.verbose === true,
      roles: this.#inspector.roles,
      paint: out,
    });
  }

  #write(flag: string, file: string, text: string): void {
    writeOutput(file, text, { flag });
    this.#note(`${file}: ${this.#kept.length} messages`);
  }

  #note(text: string): void {
    console.error(err('dim', text));
  }
}
