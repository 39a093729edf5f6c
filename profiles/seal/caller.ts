import type { Scope } from '../../src/ace/index.ts';

/** Who asks, as the SIM-S vouches for it. */
export interface Caller {
  readonly subject?: string;
  readonly valUserId?: string;
  readonly valUeId?: string;
  readonly valServiceIds: readonly string[];
  readonly scope: Scope;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** Whether the token of a caller has a scope name. */
export function hasScope({ scope }: Pick<Caller, 'scope'>, name: string): boolean {
  return typeof scope === 'string' && scope.split(' ').includes(name);
}
