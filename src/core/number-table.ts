/** Places at first: a power of two. */
const fewest = 4;
/** Up to so many are not given back: what comes and goes in waves would have them made anew for each. */
const lasting = 128;

/** 2^32 by the golden ratio: whole numbers that follow each other, or differ by a multiple of a power of two, come to lie far apart. */
const spread = 0x9e37_79b1;

/**
 * A map by whole numbers of 32 bits for what comes and goes all the time; see `Roster`, where a `Map` would leave its tables behind. The order is none.
 *
 * Open addressing with linear probing; at most half of the places are taken.
 */
export class NumberTable<V extends object> {
  #numbers: number[] = new Array<number>(fewest).fill(0);
  #values: (V | undefined)[] = new Array<V | undefined>(fewest).fill(undefined);
  /** Bits of the hash that are no part of a place. */
  #shift = 30;
  #size = 0;

  /** Entries. */
  get size(): number {
    return this.#size;
  }

  /** What is there under a number. */
  get(number: number): V | undefined {
    return this.#values[this.#placeOf(number)];
  }

  /** In the place of what was there. */
  set(number: number, value: V): void {
    let place = this.#placeOf(number);
    if (this.#values[place] === undefined) {
      if (2 * (this.#size + 1) > this.#values.length) {
        this.#resize(this.#shift - 1);
        place = this.#placeOf(number);
      }
      this.#size++;
      this.#numbers[place] = number;
    }
    this.#values[place] = value;
  }

  /** @returns whether it was there */
  delete(number: number): boolean {
    const numbers = this.#numbers;
    const values = this.#values;
    const mask = values.length - 1;
    let gap = this.#placeOf(number);
    if (values[gap] === undefined) return false;
    // What was put further on because this place was taken moves up.
    for (let place = (gap + 1) & mask; values[place] !== undefined; place = (place + 1) & mask) {
      const home = Math.imul(numbers[place]!, spread) >>> this.#shift;
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      numbers[gap] = numbers[place]!;
      values[gap] = values[place];
      gap = place;
    }
    values[gap] = undefined;
    this.#size--;
    if (values.length > lasting && 8 * this.#size < values.length) this.#resize(this.#shift + 1);
    return true;
  }

  /** What is there now, in an array of the caller's own. */
  all(): V[] {
    return this.#values.filter((value) => value !== undefined);
  }

  /** Whether there is one for which `test` holds; it changes nothing. */
  some(test: (value: V) => boolean): boolean {
    return this.#values.some((value) => value !== undefined && test(value));
  }

  /** Where a number is, or would be. */
  #placeOf(number: number): number {
    const numbers = this.#numbers;
    const values = this.#values;
    const mask = values.length - 1;
    let place = Math.imul(number, spread) >>> this.#shift;
    while (values[place] !== undefined && numbers[place] !== number) place = (place + 1) & mask;
    return place;
  }

  #resize(shift: number): void {
    const numbers = this.#numbers;
    const values = this.#values;
    const places = 2 ** (32 - shift);
    this.#shift = shift;
    this.#numbers = new Array<number>(places).fill(0);
    this.#values = new Array<V | undefined>(places).fill(undefined);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === undefined) continue;
      const place = this.#placeOf(numbers[i]!);
      this.#numbers[place] = numbers[i]!;
      this.#values[place] = value;
    }
  }
}
