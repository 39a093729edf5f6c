import { Tally } from '../../../../src/core/tally.ts';

/** What waits for its turn, for whom and where to. */
export interface Waiting {
  readonly scsAsId: string;
  /** An https URI. */
  readonly destination: string;
}

/** How many may have their turn at once: in all, of one host and port, and of one SCS/AS. */
export interface TurnLimits {
  readonly all: number;
  readonly ofDestination: number;
  readonly ofScsAs: number;
}

/**
 * Gives turns to what is to be sent: from one destination to the next, and of each in the order in which it came. A destination that does not answer, and an SCS/AS that
 * has many of them, keep their own share and no more.
 */
export class Turns<T extends Waiting> {
  readonly #limits: TurnLimits;
  /** By SCS/AS and destination; who had a turn goes to the end. */
  readonly #queues = new Map<string, T[]>();
  readonly #busy = new Tally();
  #all = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  add(item: T): void {
    const key = namesOf(item).join(' ');
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [item]);
    else queue.push(item);
  }

  /** Whose turn it is now, until `done`; `undefined`: nobody's. */
  next(): T | undefined {
    const { all, ofDestination, ofScsAs } = this.#limits;
    if (this.#all >= all) return undefined;
    for (const [key, queue] of this.#queues) {
      const [scsAs, destination] = namesOf(queue[0]!);
      if (this.#busy.of(destination) >= ofDestination || this.#busy.of(scsAs) >= ofScsAs) continue;
      const item = queue.shift()!;
      this.#queues.delete(key);
      if (queue.length > 0) this.#queues.set(key, queue);
      this.#all++;
      for (const name of namesOf(item)) this.#busy.add(name);
      return item;
    }
    return undefined;
  }

  done(item: T): void {
    this.#all--;
    for (const name of namesOf(item)) this.#busy.remove(name);
  }

  /** Forget all that waits. */
  clear(): void {
    this.#queues.clear();
  }
}

function namesOf({ scsAsId, destination }: Waiting): readonly [scsAs: string, destination: string] {
  return [`scs-as ${scsAsId}`, `host ${URL.canParse(destination) ? new URL(destination).host : destination}`];
}
