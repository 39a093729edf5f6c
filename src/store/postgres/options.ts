import type { StoreOptions } from '../clock.ts';

/** Connections to a database, and how long they wait. */
export interface PostgresOptions extends StoreOptions {
  /** Connections at most, 3 or more; 6 where absent. One writes, two read, the others scan. */
  readonly connections?: number;
  /** Seconds for a connection, a statement, and another's lock; 10 where absent. */
  readonly timeout?: number;
  /** Whether the table is made where there is none; it is, where this is absent. */
  readonly create?: boolean;
}
