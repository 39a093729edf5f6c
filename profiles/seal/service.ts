import type { ScopeTable } from '../../src/ace/index.ts';
import type { SealServer } from './seal-server.ts';

/** What a SEAL server offers: the scopes that tokens name, and the resources that they open. */
export interface SealService {
  readonly scopes: ScopeTable;
  /** Paths that go by another proof than an access token, which the service asks for itself. */
  readonly public?: readonly string[];
  /** Put the resources on a server. */
  mount(server: SealServer): void;
  close?(): Promise<void>;
}
