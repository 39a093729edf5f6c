import type { Notation } from './format.ts';

export const map = (...entries: readonly (readonly [Notation, Notation])[]): Notation => ({ map: entries });

/** A byte string that has a name. */
export const ref = (name: string): Notation => ({ ref: name });
