import { networkOf } from '../../../../src/coap/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { decode, encode } from '../../../../src/core/cbor.ts';
import { hmac } from '../../../../src/core/crypto/index.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { Store } from '../../../../src/store/index.ts';

/** How many attempts may fail. */
export interface AttemptLimit {
  /** That many, and then each one that fails makes the next wait: 30 seconds, then twice as long each time, up to 15 minutes. */
  readonly failures: number;
  /** Seconds in which one failure is forgotten. */
  readonly forgetting: number;
}

/** Where attempts are counted, and how many. */
export interface LoginAttemptsOptions {
  readonly store: Store;
  readonly env: Pick<Env, 'epoch' | 'random'>;
  /** Of one user: 5 and one more every 12 minutes when absent. */
  readonly user?: AttemptLimit;
  /** Of one address, behind which there may be many users: 100 and one more every 36 seconds when absent. */
  readonly address?: AttemptLimit;
  /** Counts that are kept for addresses, and for names that nobody has; 65,536 of each when absent. */
  readonly places?: number;
}

/** Who tries to sign in. */
export interface LoginAttempt {
  readonly username: string;
  /** Somebody has this name. */
  readonly isKnown: boolean;
  readonly address: string;
}

/** Whether an attempt is looked at. */
export type AttemptDecision =
  /** `locks`: what there is until it succeeds. */
  | { readonly permit: true; readonly locks: readonly { readonly by: 'user' | 'address'; readonly seconds: number }[] }
  /** Seconds until another attempt is looked at. */
  | { readonly permit: false; readonly wait: number };

/** Failures that are not forgotten at a time, and until when there is a lock; seconds since 1970. */
interface Count {
  readonly failures: number;
  readonly at: number;
  readonly until: number;
}

const folder = 'seal/login/';
const keyName = `${folder}key`;
const version = 1;

/** Seconds. */
const firstLock = 30;
const longestLock = 900;
/** A count outlasts its use by a day: a store goes by the latest time that it has seen, and clocks are set back. */
const grace = 86_400;
/** How often a count is changed that others get ahead of. */
const changes = 16;

const usual = { user: { failures: 5, forgetting: 720 }, address: { failures: 100, forgetting: 36 }, places: 65_536 } as const;

/**
 * Counts attempts to sign in, by user and by address, in a store that processes share: after some that failed, the next have to wait longer and longer.
 *
 * An attempt counts as failed from its beginning until it is known to have succeeded, so many at once are no way around. A name that nobody has is locked as
 * every other is, so a lock says nothing of who exists; but such names share a fixed number of counts, as addresses do, so inventing them fills nothing. Which
 * count a name or an address has follows from a key of the store, so that nobody can choose to share one. Every count goes away by itself.
 */
export class LoginAttempts {
  readonly #options: Required<LoginAttemptsOptions>;
  #key: Promise<Uint8Array> | undefined;

  constructor(options: LoginAttemptsOptions) {
    this.#options = { ...usual, ...options };
  }

  /** Begin an attempt, which counts as failed until `succeeded`. */
  async begin(attempt: LoginAttempt): Promise<AttemptDecision> {
    const { address, user } = this.#options;
    const byAddress = await this.#count(await this.#addressKey(attempt), address);
    if (byAddress.wait > 0) return { permit: false, wait: byAddress.wait };
    const byUser = await this.#count(await this.#userKey(attempt), user);
    if (byUser.wait > 0) return { permit: false, wait: byUser.wait };
    const locks = [
      { by: 'user', seconds: byUser.lock },
      { by: 'address', seconds: byAddress.lock },
    ] as const;
    return { permit: true, locks: locks.filter(({ seconds }) => seconds > 0) };
  }

  /** The attempt was one with the right password: the count of the user begins anew, and that of the address is what it was before it. */
  async succeeded(attempt: LoginAttempt): Promise<void> {
    await this.#options.store.delete(await this.#userKey(attempt));
    await this.#takeBack(await this.#addressKey(attempt), this.#options.address);
  }

  /** Nobody has looked at the password: the counts are what they were before the attempt. */
  async undecided(attempt: LoginAttempt): Promise<void> {
    const { address, user } = this.#options;
    await this.#takeBack(await this.#userKey(attempt), user);
    await this.#takeBack(await this.#addressKey(attempt), address);
  }

  async #takeBack(key: string, limit: AttemptLimit): Promise<void> {
    await this.#change(key, limit, ({ failures, at, until }) => {
      const others = Math.max(0, failures - 1);
      return [{ failures: others, at, until: others < limit.failures ? 0 : until }, undefined];
    });
  }

  /** Count an attempt; or none, and how many seconds are left of a lock. */
  async #count(key: string, limit: AttemptLimit): Promise<{ readonly wait: number; readonly lock: number }> {
    const counted = await this.#change(key, limit, ({ failures, at, until }) => {
      if (until > at) return [undefined, { wait: Math.min(longestLock, Math.ceil(until - at)), lock: 0 }];
      const beyond = Math.ceil(failures + 1) - limit.failures;
      const lock = beyond < 0 ? 0 : Math.min(longestLock, firstLock * 2 ** beyond);
      return [
        { failures: failures + 1, at, until: lock === 0 ? 0 : at + lock },
        { wait: 0, lock },
      ];
    });
    // So many come for the same count at once that it is nobody who types.
    return counted ?? { wait: 1, lock: 0 };
  }

  /** Put another count in the place of the one that there is now; `undefined`: others were ahead each time. */
  async #change<T>(key: string, { forgetting }: AttemptLimit, next: (now: Count) => readonly [count: Count | undefined, result: T]): Promise<T | undefined> {
    const { store, env } = this.#options;
    for (let times = 0; times < changes; times++) {
      const stored = await store.get(key);
      const at = env.epoch();
      const before = stored === undefined ? undefined : decodeCount(stored);
      const forgotten = before === undefined ? 0 : Math.max(0, at - before.at) / forgetting;
      // What was counted much later than now was counted by a clock that has been set back, or was wrong.
      const until = before === undefined || before.at > at + longestLock ? 0 : before.until;
      const [count, result] = next({ failures: Math.max(0, (before?.failures ?? 0) - forgotten), at, until });
      if (count === undefined) return result;
      const expiresAt = Math.ceil(Math.max(count.until, at + count.failures * forgetting)) + grace;
      if (await store.compareAndSet(key, stored, encode([version, count.failures, count.at, count.until]), { expiresAt })) return result;
    }
    return undefined;
  }

  async #userKey({ username, isKnown }: LoginAttempt): Promise<string> {
    return isKnown ? `${folder}user/${encodeURIComponent(username)}` : this.#place('nobody', username);
  }

  #addressKey({ address }: LoginAttempt): Promise<string> {
    return this.#place('address', networkOf(address));
  }

  async #place(kind: string, name: string): Promise<string> {
    const mac = hmac('sha256', await this.#secret(), utf8(`${kind} ${name}`));
    return `${folder}${kind}/${(((mac[0]! << 16) | (mac[1]! << 8) | mac[2]!) % this.#options.places).toString()}`;
  }

  #secret(): Promise<Uint8Array> {
    const { store, env } = this.#options;
    this.#key ??= (async () => {
      await store.compareAndSet(keyName, undefined, env.random(32));
      return (await store.get(keyName))!;
    })();
    // What a store could not read once it may read the next time.
    this.#key.catch(() => {
      this.#key = undefined;
    });
    return this.#key;
  }
}

/** A count that cannot be read is none. */
function decodeCount(bytes: Uint8Array): Count | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [failures, at, until] = value.slice(1).map(Number);
  return { failures: failures!, at: at!, until: until! };
}
