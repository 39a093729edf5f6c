/** What a queue can hold. It is in one queue at a time. */
export interface Queued<T> {
  /** Its neighbours in the queue; absent: none, or it is in no queue. */
  before: T | undefined;
  after: T | undefined;
}

/**
 * A set in the order in which its members were added, for what comes and goes all the time; see `Roster`, where a `Set` or `Map` would leave its tables behind.
 */
export class Queue<T extends Queued<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  /** Members. */
  get size(): number {
    return this.#size;
  }

  /** The one that was added before all others. */
  get first(): T | undefined {
    return this.#first;
  }

  /** One that is there already moves to the end. */
  add(member: T): void {
    if (this.#last === member) return;
    this.delete(member);
    member.before = this.#last;
    if (this.#last === undefined) this.#first = member;
    else this.#last.after = member;
    this.#last = member;
    this.#size++;
  }

  /** @returns whether it was there */
  delete(member: T): boolean {
    if (!this.has(member)) return false;
    const { before, after } = member;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    member.before = undefined;
    member.after = undefined;
    this.#size--;
    return true;
  }

  /** Whether it is in this queue. */
  has(member: T): boolean {
    return member.before !== undefined || this.#first === member;
  }

  /** Those that are there now, in an array of the caller's own. */
  all(): T[] {
    const members: T[] = [];
    for (let member = this.#first; member !== undefined; member = member.after) members.push(member);
    return members;
  }
}
