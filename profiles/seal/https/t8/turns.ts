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
  readonly #busy = new Map<string, number>();
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
      if (this.#busyOf(destination) >= ofDestination || this.#busyOf(scsAs) >= ofScsAs) continue;
      const item = queue.shift()!;
      this.#queues.delete(key);
      if (queue.length > 0) this.#queues.set(key, queue);
      this.#count(item, 1);
      return item;
    }
    return undefined;
  }

  done(item: T): void {
    this.#count(item, -1);
  }

  /** Forget all that waits. */
  clear(): void {
    this.#queues.clear();
  }

  #busyOf(name: string): number {
    return this.#busy.get(name) ?? 0;
  }

  #count(item: T, by: number): void {
    this.#all += by;
    for (const name of namesOf(item)) {
      const busy = this.#busyOf(name) + by;
      if (busy > 0) this.#busy.set(name, busy);
      else this.#busy.delete(name);
    }
  }
}

function namesOf({ scsAsId, destination }: Waiting): readonly [scsAs: string, destination: string] {
  return [`scs-as ${scsAsId}`, `host ${URL.canParse(destination) ? new URL(destination).host : destination}`];
}
