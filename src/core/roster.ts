/** What a roster can hold. It is in one roster at a time. */
export interface Member {
  /** Place in the roster; -1: in none. */
  place: number;
}

/**
 * A set for what comes and goes all the time. The order is none.
 *
 * A `Set` of V8 leaves each table that it has filled behind, with what was in it and a link to the next one. Once one of them has grown old, it and all that
 * follow stay until the next collection of old objects, and what they hold is copied about in vain: a request costs half as much again. Here nothing is left.
 */
export class Roster<T extends Member> {
  readonly #members: T[] = [];

  /** Members. */
  get size(): number {
    return this.#members.length;
  }

  /** Any one of them. */
  get last(): T | undefined {
    return this.#members[this.#members.length - 1];
  }

  /** One that is there already stays. */
  add(member: T): void {
    if (member.place >= 0) return;
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** @returns whether it was there */
  delete(member: T): boolean {
    const { place } = member;
    if (place < 0) return false;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
    return true;
  }

  /** Let all go. */
  clear(): void {
    for (const member of this.#members) member.place = -1;
    this.#members.length = 0;
  }

  /** Those that are there now, in an array of the caller's own. */
  all(): T[] {
    return this.#members.slice();
  }

  /** Whether there is one for which `test` holds; it changes nothing. */
  some(test: (member: T) => boolean): boolean {
    return this.#members.some(test);
  }
}
