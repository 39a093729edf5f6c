import type { Rows } from './lab.ts';
export const rows: Rows = {};
