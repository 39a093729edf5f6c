import { type Member, Roster } from './roster.ts';

/** Who holds a share of something bounded. It is counted in one place at a time. */
export interface Holder extends Member {
  /** How much it holds: a whole number. Only `Shares` changes it. */
  share: number;
}

/** Holders are told apart by the powers of two between which their shares lie. */
const ranks = 31;

/** From 0, which is a share of 1; nothing has rank -1. */
function rankOf(share: number): number {
  return 31 - Math.clz32(Math.min(share, 0x7fff_ffff));
}

/**
 * Who holds how much of what all share, so that room is made at the cost of those who take most. Each step takes constant time, whoever holds what.
 *
 * It finds one who holds more than half of what the greatest holder has. Whoever holds less than half is thus never the one who pays.
 */
export class Shares<H extends Holder> {
  readonly #ranks: readonly Roster<H>[] = Array.from({ length: ranks }, () => new Roster<H>());
  /** One bit for each rank in which there is somebody. */
  #taken = 0;
  #size = 0;

  /** Holders of more than nothing. */
  get size(): number {
    return this.#size;
  }

  /** The holder takes `by` more, or, where it is negative, less. */
  change(holder: H, by: number): void {
    const before = holder.share;
    const after = before + by;
    holder.share = after;
    if (rankOf(before) !== rankOf(after)) this.#move(holder, rankOf(before), rankOf(after));
  }

  #move(holder: H, before: number, after: number): void {
    if (before < 0) this.#size++;
    else {
      const left = this.#ranks[before]!;
      left.delete(holder);
      if (left.size === 0) this.#taken &= ~(1 << before);
    }
    if (after < 0) this.#size--;
    else {
      this.#ranks[after]!.add(holder);
      this.#taken |= 1 << after;
    }
  }

  /** One of those who hold most. */
  get greatest(): H | undefined {
    return this.#taken === 0 ? undefined : this.#ranks[rankOf(this.#taken)]!.last;
  }

  /** One of those who hold most, if that is clearly more than `share`. */
  above(share: number): H | undefined {
    return rankOf(share) < rankOf(this.#taken) ? this.greatest : undefined;
  }
}
