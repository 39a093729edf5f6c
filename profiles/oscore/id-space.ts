/** Indexes 0 to 255 are identifiers of one byte, the next 65,536 of two bytes, and so on: the shortest come first. */
const longestId = 3;

/** The identifier of an index; `undefined`: it would be longer than 3 bytes. */
export function idOf(index: number): Uint8Array | undefined {
  let rest = index;
  for (let length = 1, count = 256; length <= longestId; length++, count *= 256) {
    if (rest < count) {
      const id = new Uint8Array(length);
      for (let i = length - 1; i >= 0; i--, rest = Math.floor(rest / 256)) id[i] = rest % 256;
      return id;
    }
    rest -= count;
  }
  return undefined;
}

/** The index of an identifier in hexadecimal; `undefined`: it is none of ours. */
export function indexOf(hexadecimal: string): number | undefined {
  const length = hexadecimal.length / 2;
  if (!/^([0-9a-f]{2})+$/.test(hexadecimal) || length > longestId) return undefined;
  let shorter = 0;
  for (let i = 1, count = 256; i < length; i++, count *= 256) shorter += count;
  return shorter + Number.parseInt(hexadecimal, 16);
}

const size = 256 + 256 ** 2 + 256 ** 3;

/** Which indexes are in use: a set of bits that grows with the largest. */
export class IdSpace {
  #words = new Uint32Array(8);
  /** No word before this one has a free bit. */
  #first = 0;

  /** Take the smallest free index; `undefined`: there is none. */
  take(): number | undefined {
    let word = this.#first;
    while (word < this.#words.length && this.#words[word] === 0xffff_ffff) word++;
    this.#first = word;
    const bits = word < this.#words.length ? this.#words[word]! : 0;
    // The lowest zero bit, as the place of the lowest one bit of the complement.
    const index = word * 32 + (31 - Math.clz32(~bits & -~bits));
    if (index >= size) return undefined;
    this.occupy(index);
    return index;
  }

  occupy(index: number): void {
    const word = index >>> 5;
    if (word >= this.#words.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[word]! |= 1 << (index & 31);
  }

  release(index: number): void {
    const word = index >>> 5;
    if (word >= this.#words.length) return;
    this.#words[word]! &= ~(1 << (index & 31));
    if (word < this.#first) this.#first = word;
  }
}
