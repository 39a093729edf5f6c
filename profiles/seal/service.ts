import type { ScopeTable } from '../../src/ace/index.ts';
import type { SealServer } from './seal-server.ts';

/** What a SEAL server offers: the scopes that tokens name, and the resources that they open. */
export interface SealService {
  readonly scopes: ScopeTable;
  /** Paths where the service itself says what the scope of a token covers, because its refusals have a form of their own. */
  readonly anyScope?: readonly string[];
  /** Paths that go by another proof than an access token, which the service asks for itself. */
  readonly public?: readonly string[];
  /** Put the resources on a server. */
  mount(server: SealServer): void;
  /** Take up what an earlier run left in the store: before the first request. */
  start?(): Promise<void>;
  /** Entries of each kind that it holds. */
  stats?(): Readonly<Record<string, number>>;
  /** Wait for writes, and stop the timers. */
  close?(): Promise<void>;
}
