import type { TokenKey } from '../../core/cwt.ts';
import { AuthorizationServerError } from '../error.ts';

/**
 * A token key of a resource server and its time. Keys roll over by it: the RS gets the next key beside the one in use; from `from` on the AS protects with it; when
 * the last token of the old one has ended, `until` of that key plus the lifetime of its tokens, the RS gives the old one up.
 */
export interface TimedTokenKey extends TokenKey {
  /** Seconds since 1970 from which on the AS protects tokens with it. Absent: since ever. */
  readonly from?: number;
  /** Seconds since 1970 from which on the AS does not protect tokens with it any more. Absent: for ever, or until another takes over. */
  readonly until?: number;
}

/** The key that protects a token now: of those whose time it is the one whose time began last. `undefined`: there is none. */
export function currentKey(keys: readonly TimedTokenKey[], confidential: boolean, now: number): TokenKey | undefined {
  let current: TimedTokenKey | undefined;
  for (const key of keys) {
    if (confidential && key.use !== 'encrypt0') continue;
    const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = key;
    if (from <= now && now < until && (current === undefined || from > (current.from ?? Number.NEGATIVE_INFINITY))) current = key;
  }
  return current;
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` */
export function checkTimes(what: string, { from, until }: TimedTokenKey): void {
  for (const [name, time] of [
    ['from', from],
    ['until', until],
  ] as const) {
    if (time !== undefined && !Number.isFinite(time)) {
      throw new AuthorizationServerError('ERR_AS_CONFIG', `${what}: ${name}: expected seconds since 1970, got ${time}`);
    }
  }
  if (from !== undefined && until !== undefined && from >= until) {
    throw new AuthorizationServerError('ERR_AS_CONFIG', `${what}: expected a time until that is after from, got ${until} after ${from}`);
  }
}
