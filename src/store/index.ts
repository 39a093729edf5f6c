/** Durable state behind one interface; see `Store`. */
export type { Store } from './store.ts';
export { StoreError } from './store.ts';
