import type { Vector } from './format.ts';

/** What one file of vectors is about. */
export interface Topic {
  /** The name of the file, without `.json`. */
  readonly name: string;
  readonly title: string;
  readonly vectors: (seed: string) => readonly Vector[];
}
