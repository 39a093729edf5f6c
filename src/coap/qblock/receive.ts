import { emptyBytes } from '../../core/bytes.ts';
import { type Block, blockSize } from '../blockwise/block-option.ts';

/** What a payload does to the body that it belongs to. `bad`: it contradicts the size of the body. */
export type Placed = 'new' | 'duplicate' | 'bad';

/**
 * A body that arrives in payloads of one size, in any order. Size1 or Size2 tells its length from the start (RFC 9177, Section 4.6).
 */
export class ReceivedBody {
  readonly szx: number;
  readonly size: number;
  /** Blocks in all. */
  readonly count: number;
  /** The body, once it is complete. */
  bytes: Uint8Array = emptyBytes;
  /** What came, and no more: who announces a large body and sends little of it costs little. */
  readonly #blocks = new Map<number, Uint8Array>();
  #complete = false;
  #prefix = 0;
  #highest = -1;

  constructor(size: number, szx: number) {
    this.size = size;
    this.szx = szx;
    this.count = Math.max(1, Math.ceil(size / blockSize(szx)));
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** So many blocks from the first on are all there. */
  get prefix(): number {
    return this.#prefix;
  }

  /** The highest block number that came; -1: none. */
  get highest(): number {
    return this.#highest;
  }

  has(number: number): boolean {
    return this.#complete || this.#blocks.has(number);
  }

  place(block: Block, payload: Uint8Array): Placed {
    const { number } = block;
    const unit = blockSize(this.szx);
    if (block.szx !== this.szx || number >= this.count || block.more !== number < this.count - 1) return 'bad';
    if (payload.length !== (block.more ? unit : this.size - number * unit)) return 'bad';
    if (this.has(number)) return 'duplicate';
    this.#blocks.set(number, payload.slice());
    this.#highest = Math.max(this.#highest, number);
    while (this.#prefix < this.count && this.has(this.#prefix)) this.#prefix++;
    if (this.#blocks.size === this.count) this.#assemble(unit);
    return 'new';
  }

  #assemble(unit: number): void {
    this.bytes = new Uint8Array(this.size);
    for (const [number, block] of this.#blocks) this.bytes.set(block, number * unit);
    this.#complete = true;
    this.#blocks.clear();
  }

  /** Let go of the bytes; that the body was complete stays known. */
  release(): void {
    this.bytes = emptyBytes;
  }

  /** The first blocks that are missing before a block number, ascending; at most `limit`. */
  missing(before: number, limit: number): number[] {
    const numbers: number[] = [];
    for (let number = this.#prefix; number < Math.min(before, this.count) && numbers.length < limit; number++) if (!this.has(number)) numbers.push(number);
    return numbers;
  }
}

/** The first block number after the MAX_PAYLOADS_SET that a block belongs to (RFC 9177, Section 2). */
export function endOfSet(number: number, maxPayloads: number): number {
  return (Math.floor(number / maxPayloads) + 1) * maxPayloads;
}
