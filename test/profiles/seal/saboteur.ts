/** A fault in one compiled file, and the rows of the requirements that it breaks. */
export interface Saboteur {
  readonly row: string;
  /** Rows that lean on the same rule. Those that refer to a row that fails need not be listed. */
  readonly alsoFails?: readonly string[];
  /** Below `dist`. */
  readonly file: string;
  /** What stands there once, and what takes its place. */
  readonly replace: readonly [from: string, to: string];
}
