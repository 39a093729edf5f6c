import { messageOf } from '../../../../src/core/errors.ts';
import { type DocumentTable, SealError } from '../../index.ts';
import type { T8Context } from './context.ts';
import type { DeliveryEnd } from './delivery-queue.ts';

/** A resource that is delivered. */
interface Delivered {
  /** Seconds since 1970: when that ended. */
  readonly endedAt?: number;
}

/**
 * Keep that a delivery has ended, and with what. Where it cannot be kept, that is told and the promise fails, so that a `DeliveryQueue` tries again.
 *
 * @returns the resource as it is now; `undefined`: it was taken away meanwhile, and nobody is to hear of its end
 */
export async function keepEnd<T extends Delivered>({ env, emit }: T8Context, table: DocumentTable<T>, id: string, outcome: Partial<T>): Promise<T | undefined> {
  try {
    const { after } = await table.change(id, ({ value }) => ({ ...value, ...outcome, endedAt: env.epoch() }));
    return after?.value;
  } catch (error) {
    if (error instanceof SealError && error.code === 'ERR_SEAL_ABSENT') return undefined;
    emit({ type: 'fault', reason: messageOf(error) });
    throw error;
  }
}

/**
 * Put something else in the place of what waits, or take it away (`undefined`): nothing of it is sent meanwhile. Where that fails it waits as before.
 *
 * @param deliver - puts it into the queue
 */
export async function changeWaiting<T extends Delivered>(
  { queue }: T8Context,
  table: DocumentTable<T>,
  id: string,
  next: T | undefined,
  deliver: (id: string, value: T) => void,
): Promise<void> {
  queue.remove(id);
  try {
    await table.change(id, () => next);
  } finally {
    const there = table.get(id)?.value;
    if (there === undefined || there.endedAt !== undefined) queue.remove(id);
    else deliver(id, there);
  }
}

/** Why a delivery came to nothing, for the operator; `undefined`: it did not, or its time was over. */
export function reasonOf(end: DeliveryEnd): string | undefined {
  if (end.outcome === 'refused') return end.why;
  return end.outcome === 'failed' ? end.reason : undefined;
}
