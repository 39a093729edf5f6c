import type { Anchor } from './anchor.ts';
import { type AuditEntry, type ChainHead, hashOf, parseEntry } from './entry.ts';
import { type AuditFile, auditFiles, linesOf } from './files.ts';

/** What was done to an audit log. */
export interface AuditProblem {
  readonly kind: 'changed' | 'removed' | 'reordered' | 'truncated';
  readonly file: string;
  /** 1 is the first; 0: the file as a whole. */
  readonly line: number;
  readonly detail: string;
}

/** What one process wrote, as far as it holds. */
export interface AuditedChain {
  readonly chain: string;
  readonly files: number;
  readonly entries: number;
  /** The process said that it ends, in order. */
  readonly ended: boolean;
}

/** What an audit folder holds, and what speaks against it. */
export interface AuditReport {
  readonly chains: readonly AuditedChain[];
  readonly problems: readonly AuditProblem[];
  /** What is no proof of a change, and still worth to know. */
  readonly notes: readonly string[];
}

/** Problems that are told; where there are more, the first of them say enough. */
const mostProblems = 100;

/** A place that a chain must have come to, and who says so. */
interface Witness extends ChainHead {
  readonly by: string;
  /** Nothing comes after it. */
  readonly last: boolean;
}

/**
 * Check all chains of an audit log together: each by itself, and by what the first entries of later chains and the anchors in the store say of it.
 *
 * Whoever can write the folder can make a chain anew from any entry on; what tells is a witness that he does not reach: an anchor in the store, or a later chain.
 *
 * What went to an archive is missed where the anchors do not say so. Folder and archive are verified together as two folders.
 *
 * @param folders - one, or several that hold parts of one audit log
 * @param anchors - what the store knows of chains; absent: no store is asked
 */
export async function verifyAudit(folders: string | readonly string[], anchors: readonly Anchor[] = []): Promise<AuditReport> {
  const places = typeof folders === 'string' ? [folders] : folders;
  const files = await auditFiles(...places);
  const archived = new Map(anchors.map((anchor) => [anchor.chain, anchor.archived]));
  const witnesses = await witnessesOf(files, anchors);
  const report = new Report();
  for (const chain of new Set(files.map((file) => file.chain))) {
    const verifier = new ChainVerifier(
      chain,
      witnesses.filter((witness) => witness.chain === chain),
      archived.get(chain),
      report,
    );
    const own = files.filter((file) => file.chain === chain);
    for (const file of own) await verifier.read(file);
    report.chains.push(verifier.finish(own));
  }
  const oldest = files[0]?.chain;
  for (const { chain, seq, by } of witnesses) {
    if (files.some((file) => file.chain === chain)) continue;
    if (seq <= (archived.get(chain)?.seq ?? -1)) report.note(`the chain ${chain} was archived`);
    else if (oldest !== undefined && chain < oldest) report.note(`the chain ${chain}, which ${by} names, is older than all that are here`);
    else report.problem('removed', places[0]!, 0, `expected the chain ${chain}, which ${by} names, got none of its files`);
  }
  return report;
}

/** What the chains say of each other in their first entries, and the store of all. */
async function witnessesOf(files: readonly AuditFile[], anchors: readonly Anchor[]): Promise<readonly Witness[]> {
  const witnesses: Witness[] = anchors.flatMap(({ chain, seq, hash, ended, archived }) => [
    { chain, seq, hash, by: 'the store', last: ended },
    ...(archived === undefined ? [] : [{ chain, ...archived, by: 'the store', last: false }]),
  ]);
  for (const { path, index } of files) {
    if (index > 0) continue;
    for await (const { text } of linesOf(path)) {
      const previous = parseEntry(text)?.event['previous'] as Partial<ChainHead> | undefined;
      const { chain, seq, hash } = previous ?? {};
      if (typeof chain === 'string' && typeof seq === 'number' && typeof hash === 'string') witnesses.push({ chain, seq, hash, by: path, last: false });
      break;
    }
  }
  return witnesses;
}

class Report implements AuditReport {
  readonly chains: AuditedChain[] = [];
  readonly problems: AuditProblem[] = [];
  readonly notes: string[] = [];

  problem(kind: AuditProblem['kind'], file: string, line: number, detail: string): void {
    if (this.problems.length < mostProblems && !this.problems.some((other) => other.file === file && other.line === line && other.detail === detail)) {
      this.problems.push({ kind, file, line, detail });
    }
  }

  note(text: string): void {
    if (this.notes.length < mostProblems && !this.notes.includes(text)) this.notes.push(text);
  }
}

/** Where entries are missing: behind a line, some numbers. */
interface Gap {
  readonly file: string;
  readonly line: number;
  readonly missing: Set<number>;
}

/** Numbers that are missing at one place and are looked for further on. */
const mostMissing = 10_000;

class ChainVerifier {
  readonly #chain: string;
  readonly #witnesses: readonly Witness[];
  /** The last entry that may be missing at the beginning, because it is in an archive. */
  readonly #archived: Anchor['archived'];
  readonly #report: Report;
  readonly #gaps: Gap[] = [];
  /** The hash of each entry that a witness names, as it was found. */
  readonly #found = new Map<number, string>();
  /** The entry with the highest number so far. */
  #last: Pick<AuditEntry, 'seq' | 'hash' | 'time'> = { seq: -1, hash: '', time: '' };
  #ended = false;
  #entries = 0;
  #file = '';
  #line = 0;
  /** A line before was changed so that its number may be lost: what is missing right behind it was told already. */
  #broken = 0;

  constructor(chain: string, witnesses: readonly Witness[], archived: Anchor['archived'], report: Report) {
    this.#chain = chain;
    this.#witnesses = witnesses;
    this.#archived = archived;
    this.#report = report;
  }

  async read({ path }: AuditFile): Promise<void> {
    this.#file = path;
    this.#line = 0;
    for await (const { text, whole } of linesOf(path)) {
      this.#line++;
      const entry = parseEntry(text);
      if (entry !== undefined && whole) this.#take(entry);
      else if (!whole) this.#report.note(`${path}:${this.#line}: the last line is unfinished, as a process leaves it that is killed while it writes`);
      else {
        this.#broken++;
        this.#report.problem('changed', path, this.#line, 'expected an entry in canonical form, got something else');
      }
    }
  }

  finish(files: readonly AuditFile[]): AuditedChain {
    for (const { file, line, missing } of this.#gaps) {
      if (missing.size === 0) continue;
      const numbers = [...missing];
      const which = numbers.length === 1 ? `entry ${numbers[0]}` : `${numbers.length} entries from ${numbers[0]} to ${numbers.at(-1)}`;
      this.#report.problem('removed', file, line, `expected ${which} before this line, got none`);
    }
    for (const witness of this.#witnesses) this.#testify(witness);
    return { chain: this.#chain, files: files.length, entries: this.#entries, ended: this.#ended };
  }

  #take(entry: AuditEntry): void {
    if (this.#entries++ === 0) this.#passArchived(entry);
    const { seq, prev, hash, time } = entry;
    const at = [this.#file, this.#line] as const;
    if (hashOf(entry) !== hash) this.#report.problem('changed', ...at, `entry ${seq}: expected content with the hash that stands in it, got other content`);
    if (this.#witnesses.some((witness) => witness.seq === seq)) this.#found.set(seq, hash);
    const expected = this.#last.seq + 1;
    if (seq < expected) {
      const gap = this.#gaps.find(({ missing }) => missing.has(seq));
      gap?.missing.delete(seq);
      const detail =
        gap === undefined ? `expected entry ${expected}, got entry ${seq} again` : `expected entry ${expected}, got entry ${seq}, which stands out of order`;
      this.#report.problem('reordered', ...at, detail);
      return;
    }
    if (seq === expected) {
      if (prev !== this.#last.hash)
        this.#report.problem('changed', ...at, `entry ${seq}: expected prev to be the hash of the entry before, got another: one of both was made anew`);
    } else this.#skipped(expected, seq);
    if (this.#last.time > time) this.#report.note(`${at[0]}:${at[1]}: the clock was set back, from ${this.#last.time} to ${time}`);
    this.#broken = 0;
    this.#last = { seq, hash, time };
    this.#ended = entry.event.type === 'chain-ended';
  }

  /** A chain whose beginning is in an archive goes on from there. What was archived may still be here, where that was interrupted. */
  #passArchived({ seq, prev }: AuditEntry): void {
    const archived = this.#archived;
    if (archived === undefined || seq === 0) return;
    this.#last = seq > archived.seq ? { ...archived, time: '' } : { seq: seq - 1, hash: prev, time: '' };
    this.#report.note(`the chain ${this.#chain} was archived up to entry ${archived.seq}`);
  }

  /** Lines that cannot be read account for as many entries. */
  #skipped(from: number, to: number): void {
    const missing = new Set<number>();
    for (let seq = from + this.#broken; seq < to && missing.size < mostMissing; seq++) missing.add(seq);
    if (missing.size > 0) this.#gaps.push({ file: this.#file, line: this.#line, missing });
  }

  #testify({ seq, hash, by, last }: Witness): void {
    const end = [this.#file, this.#line] as const;
    const found = this.#found.get(seq);
    if (seq > this.#last.seq) {
      this.#report.problem('truncated', ...end, `expected entries up to ${seq}, which ${by} knows of, got them up to ${this.#last.seq}`);
    } else if (found !== undefined && found !== hash) {
      this.#report.problem('changed', ...end, `expected the hash of entry ${seq} that ${by} knows, got another: the chain was made anew from some entry on`);
    } else if (last && this.#last.seq > seq) {
      this.#report.problem('changed', ...end, `expected the chain to end at entry ${seq}, as ${by} knows, got entries up to ${this.#last.seq}`);
    }
  }
}
