import type { ScopeTable } from '../../src/ace/index.ts';
import type { SealServer } from './seal-server.ts';

/** What a SEAL server offers: the scopes that tokens name, and the resources that they open. */
export interface SealService {
  readonly scopes: ScopeTable;
  /** Put the resources on a server. */
  mount(server: SealServer): void;
  /** Take up what an earlier run left in the store: before the first request. */
  start?(): Promise<void>;
  close?(): Promise<void>;
}
