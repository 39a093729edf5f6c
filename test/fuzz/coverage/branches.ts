import { register } from 'node:module';

/** Room for all branches of this project, four times over. */
const most = 1 << 18;

/** Counts of the branches that were taken since the last `reset`. */
export class Branches {
  readonly #counts: Uint32Array = new Uint32Array(most);
  readonly #taken: Uint32Array = new Uint32Array(most);
  #different = 0;
  #steps = 0;
  #known = 0;

  /** For instrumented code: take a branch. */
  readonly hit = (branch: number): void => {
    this.#steps++;
    if (this.#counts[branch]!++ === 0) this.#taken[this.#different++] = branch;
  };

  /** For instrumented code: the first of so many numbers, once for each module. */
  range(branches: number): number {
    const first = this.#known;
    if ((this.#known += branches) > most) throw new RangeError(`expected up to ${most} branches, got ${this.#known}`);
    return first;
  }

  /** Branches in all modules that are loaded. */
  get known(): number {
    return this.#known;
  }

  /** Branches taken since the last reset, each as often as it was: a measure of the time that does not depend on the machine. */
  get steps(): number {
    return this.#steps;
  }

  /** Each branch that was taken since the last reset, with how often. */
  forEach(see: (branch: number, count: number) => void): void {
    for (let i = 0; i < this.#different; i++) see(this.#taken[i]!, this.#counts[this.#taken[i]!]!);
  }

  reset(): void {
    for (let i = 0; i < this.#different; i++) this.#counts[this.#taken[i]!] = 0;
    this.#different = 0;
    this.#steps = 0;
  }
}

/** Count the branches of every module of `src` and `profiles` that is imported from now on. */
export function countBranches(): Branches {
  const branches = new Branches();
  Object.assign(globalThis, { branches });
  register('./hooks.js', import.meta.url);
  return branches;
}
