/**
 * LMDB's code for a transaction that it had to abort ("unexpected problem"): nothing of it was written. With many processes that open and write one store at the
 * same moment, lmdb 3.5.6 was seen to do that.
 */
const abortedTransaction = -30_779;
const mostTries = 4;

/**
 * The result of a write, which is tried again when its transaction was aborted: one that depends on the version that was read is not carried out twice.
 *
 * Throws what lmdb gives as the reason.
 */
export async function untilCommitted(write: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (cause) {
      // lmdb gives the reason in a promise of its own, which nobody else would hear.
      const commitError = (cause as { commitError?: Promise<unknown> }).commitError;
      const why = commitError ? await commitError.catch((error: unknown) => error) : cause;
      if (tries === mostTries || (why as { code?: unknown }).code !== abortedTransaction) throw why;
    }
  }
}
