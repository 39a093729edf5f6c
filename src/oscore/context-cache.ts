import type { SecurityContext } from './context.ts';

/**
 * Which contexts came from a look-up, and which of them goes first when there are too many.
 *
 * To have a context looked up a kid is enough, so a stranger who knows many could drive out all that are in use. Those on which no new message has verified
 * get a quarter of the places: enough for clients that were challenged to come back. Past it the oldest of them goes, else the one that was used least recently.
 */
export class ContextCache {
  readonly #limit: number;
  readonly #untried: Set<SecurityContext> = new Set();
  /** In order of use. */
  readonly #used: Set<SecurityContext> = new Set();

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  get size(): number {
    return this.#untried.size + this.#used.size;
  }

  get full(): boolean {
    return this.size >= this.#limit;
  }

  has(context: SecurityContext): boolean {
    return this.#untried.has(context) || this.#used.has(context);
  }

  add(context: SecurityContext): void {
    this.#untried.add(context);
  }

  /** It was used: it is the last to go. */
  use(context: SecurityContext): void {
    if (this.#used.delete(context) || this.#untried.delete(context)) this.#used.add(context);
  }

  delete(context: SecurityContext): void {
    if (!this.#used.delete(context)) this.#untried.delete(context);
  }

  /** The first to go. */
  first(): SecurityContext | undefined {
    const tooMany = this.#untried.size * 4 > this.#limit || this.#used.size === 0;
    for (const context of tooMany ? this.#untried : this.#used) return context;
    return undefined;
  }
}
