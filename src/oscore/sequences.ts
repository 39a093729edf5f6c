import type { SecurityContext } from './context.ts';
import type { ContextStore } from './context-store.ts';
import { OscoreError } from './errors.ts';
import type { OscoreEvent } from './events.ts';
import { SenderSequence } from './sender-sequence.ts';

export interface SequencesOptions {
  readonly store: ContextStore;
  readonly block: number;
  readonly waiting: number;
  readonly warnBelow: number;
  readonly emit: ((event: OscoreEvent) => void) | undefined;
}

interface Entry {
  readonly sequence: SenderSequence;
  readonly users: Set<SecurityContext>;
}

/** One `SenderSequence` per Sender Key, for as long as a context uses it; contexts with the same keys share it. */
export class Sequences {
  readonly #options: SequencesOptions;
  readonly #entries: Map<string, Entry> = new Map();

  constructor(options: SequencesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get waiting(): number {
    let waiting = 0;
    for (const { sequence } of this.#entries.values()) waiting += sequence.waiting;
    return waiting;
  }

  /** The sequence of a context that is in the table. */
  of(context: SecurityContext): SenderSequence {
    const { senderKeyId } = context;
    let entry = this.#entries.get(senderKeyId);
    if (entry === undefined) {
      const { store, block, waiting, warnBelow, emit } = this.#options;
      const trouble = (error: OscoreError): void => emit?.({ type: 'sequence', code: error.code, senderKeyId, detail: error.message });
      const runningOut = (remaining: number): void => emit?.({ type: 'running-out', senderKeyId, remaining });
      const failed = (error: unknown): void => emit?.({ type: 'failed', error });
      entry = { sequence: new SenderSequence({ store, senderKeyId, block, waiting, warnBelow, trouble, runningOut, failed }), users: new Set() };
      this.#entries.set(senderKeyId, entry);
    }
    entry.users.add(context);
    return entry.sequence;
  }

  /** The context left the table. Numbers that are reserved but not used are lost, which the protocol allows. */
  release(context: SecurityContext): void {
    const entry = this.#entries.get(context.senderKeyId);
    if (entry === undefined || !entry.users.delete(context) || entry.users.size > 0) return;
    this.#entries.delete(context.senderKeyId);
    entry.sequence.close(contextGone());
  }
}

export function contextGone(): OscoreError {
  return new OscoreError('ERR_OSCORE_CONTEXT', 'expected a context of the table, got one that is not, or no longer, in it');
}
