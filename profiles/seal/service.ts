import type { ScopeTable } from '../../src/ace/index.ts';
import type { Resource, ResourceHandle, ResourceRequest } from '../../src/coap/index.ts';
import type { Caller } from './caller.ts';

/** What services are put on: a SEAL server over CoAP, or over HTTPS. */
export interface SealHost {
  /** Serve a path, for whom the scopes of the services let in. */
  resource(path: string, resource: Resource): ResourceHandle;
  /** `undefined`: the resource is public, or the token has ended since. */
  callerOf(request: Pick<ResourceRequest, 'association'>): Caller | undefined;
}

/** What a SEAL server offers: the scopes that tokens name, and the resources that they open. */
export interface SealService {
  readonly scopes: ScopeTable;
  /** Paths where the service itself says what the scope of a token covers, because its refusals have a form of their own. */
  readonly anyScope?: readonly string[];
  /** Paths that go by another proof than an access token, which the service asks for itself. */
  readonly public?: readonly string[];
  /** Put the resources on it; on a second host too, so that both show the same. */
  mount(host: SealHost): void;
  /** Take up what an earlier run left in the store: before the first request. Each of several hosts asks for it. */
  start?(): Promise<void>;
  /** Entries of each kind that it holds. */
  stats?(): Readonly<Record<string, number>>;
  /** Wait for writes, and stop the timers. */
  close?(): Promise<void>;
}
