import type { Env } from '../../core/env.ts';
import type { Store } from '../../store/index.ts';

/** What health is judged by. */
export interface HealthOptions {
  /** Absent: the server keeps nothing. */
  readonly store?: Pick<Store, 'get'> | undefined;
  readonly env: Pick<Env, 'schedule'>;
  /** Why the server takes no requests now; `undefined`: it takes them. */
  readonly state: () => string | undefined;
}

/** A key that nobody has to have written. */
const probe = 'health';
/** Milliseconds in which the store has to answer. */
const patience = 2_000;

/** Asks whether a server is well; the answer is `undefined`, or why it is not. However often it is asked, the store is asked once at a time. */
export function healthCheck({ store, env, state }: HealthOptions): () => Promise<string | undefined> {
  let asking: Promise<string | undefined> | undefined;
  const ask = (): Promise<string | undefined> => {
    if (store === undefined) return Promise.resolve(undefined);
    asking ??= store
      .get(probe)
      .then(
        () => undefined,
        (error: unknown) => `the store fails: ${(error as { readonly code?: string }).code ?? 'unknown'}`,
      )
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  return async () => {
    const reason = state();
    if (reason !== undefined) return reason;
    let cancel = (): void => {};
    const late = new Promise<string>((resolve) => {
      cancel = env.schedule(patience, () => resolve(`the store does not answer within ${patience} ms`));
    });
    return Promise.race([ask(), late]).finally(cancel);
  };
}
