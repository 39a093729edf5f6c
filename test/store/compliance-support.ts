import type { Store, StoreOptions } from '../../src/store/index.ts';
import { StoreError } from '../../src/store/index.ts';

/** A place for a store, with nothing in it: what it gives opens the store, and where stores are shared, again and again. */
export type Place = () => (options?: StoreOptions) => Store | Promise<Store>;

export const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

export async function all(store: Store, ...scan: Parameters<Store['scan']>): Promise<[string, Uint8Array][]> {
  const entries: [string, Uint8Array][] = [];
  for await (const [key, value] of store.scan(...scan)) entries.push([key, value]);
  return entries;
}

export async function keys(store: Store, ...scan: Parameters<Store['scan']>): Promise<string[]> {
  return (await all(store, ...scan)).map(([key]) => key);
}

export const failsWith =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof StoreError && error.code === code;

/** A clock that a test sets. */
export class TestClock {
  seconds: number;

  constructor(seconds = 1_700_000_000) {
    this.seconds = seconds;
  }

  epoch(): number {
    return this.seconds;
  }
}
