import type { Rows } from './lab.ts';

/** The rows of TS 33.434, 5.2 and Annex B: who gets which token, and what it opens. */
export const rows: Rows = {};
