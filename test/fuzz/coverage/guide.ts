import type { Branches } from './branches.ts';

/** Inputs that are kept of one target at most. */
const mostKept = 4000;

/** How often a branch was taken, as one of eight bits: once is another thing than twice, 100 times is the same as 101 times. */
function bitOf(count: number): number {
  return 1 << Math.min(7, count <= 3 ? count - 1 : 30 - Math.clz32(count) + 2);
}

/** Keeps those inputs of one target that take a branch, or take it as often, as none did before. */
export class Guide {
  /** Of what inputs are made: the first ones, and those that were kept. */
  readonly pool: Uint8Array[];
  readonly #keeps: boolean;
  readonly #branches: Branches;
  readonly #seen: Map<number, number> = new Map();
  /** The most branches that one input took. */
  steps = 0;

  /** @param keeps - whether the pool grows; otherwise it is only counted what is reached */
  constructor(branches: Branches, seeds: readonly Uint8Array[], keeps = true) {
    this.#branches = branches;
    this.#keeps = keeps;
    this.pool = [...seeds];
  }

  /** Branches that some input took. */
  get reached(): number {
    return this.#seen.size;
  }

  /** An input is about to be given. */
  start(): void {
    this.#branches.reset();
  }

  /** An input was taken or refused; the result is how many branches that took. */
  end(input: Uint8Array): number {
    let isNew = false;
    this.#branches.forEach((branch, count) => {
      const seen = this.#seen.get(branch) ?? 0;
      const bit = bitOf(count);
      if ((seen & bit) !== 0) return;
      this.#seen.set(branch, seen | bit);
      isNew = true;
    });
    if (isNew && this.#keeps && this.pool.length < mostKept) this.pool.push(input);
    const { steps } = this.#branches;
    this.steps = Math.max(this.steps, steps);
    return steps;
  }
}
