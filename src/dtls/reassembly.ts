import type { HandshakeFragment, HandshakeMessage } from './handshake.ts';

/** Bytes that many reassemblies share. */
export class ByteBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get left(): number {
    return this.#left;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** Bytes of a budget that the reassemblies of one address share: it never has more than what is left for others, so that it cannot keep them out. */
export class ByteShare {
  readonly #all: ByteBudget;
  #held = 0;

  constructor(all: ByteBudget) {
    this.#all = all;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.#all.left - bytes || !this.#all.take(bytes)) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
    this.#all.give(bytes);
  }
}

/** What a reassembly takes its bytes from. */
export type Budget = Pick<ByteBudget, 'take' | 'give'>;

/** Messages beyond the next one that are kept: a flight has no more. */
const mostAhead = 8;
/** Gaps in one message: more come of no network. */
const mostPieces = 64;

interface Partial {
  readonly sequence: number;
  readonly type: number;
  readonly epoch: number;
  readonly body: Uint8Array;
  /** What is there: [start, end) in order, apart from each other. */
  readonly pieces: [start: number, end: number][];
}

function isWhole({ body, pieces }: Partial): boolean {
  return body.length === 0 || (pieces.length === 1 && pieces[0]![0] === 0 && pieces[0]![1] === body.length);
}

/** Put [start, end) among the pieces. */
function insert(pieces: [number, number][], start: number, end: number): void {
  let first = 0;
  while (first < pieces.length && pieces[first]![1] < start) first++;
  let after = first;
  let from = start;
  let to = end;
  while (after < pieces.length && pieces[after]![0] <= end) {
    from = Math.min(from, pieces[after]![0]);
    to = Math.max(to, pieces[after]![1]);
    after++;
  }
  pieces.splice(first, after - first, [from, to]);
}

/** A handshake message and the epoch that it came in. */
export interface ReceivedMessage extends HandshakeMessage {
  readonly epoch: number;
}

/** `kept`: may be a message now; `old`: of a message that was taken; `refused`: too much, or in contradiction to what is there. */
export type Added = 'kept' | 'old' | 'refused';

/**
 * Puts handshake messages together, in the order of message_seq, from fragments that come in any order, overlap, or are split anew.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6347#section-4.2.3
 */
export class Reassembly {
  /** next_receive_seq (RFC 6347, Section 4.2.2). */
  next: number;
  readonly #limit: number;
  readonly #budget: Budget;
  /** A few at most. */
  readonly #partials: Partial[] = [];
  #bytes = 0;

  /** `limit`: bytes of this reassembly. */
  constructor(next: number, limit: number, budget: Budget) {
    this.next = next;
    this.#limit = limit;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add({ type, length, sequence, offset, bytes }: HandshakeFragment, epoch: number): Added {
    if (sequence < this.next) return 'old';
    if (sequence >= this.next + mostAhead) return 'refused';
    // Nothing of something.
    if (bytes.length === 0 && length > 0) return 'refused';
    let partial = this.#at(sequence);
    // What is authentic takes the place of what anybody may have sent.
    if (partial !== undefined && epoch > partial.epoch) {
      this.#remove(partial);
      partial = undefined;
    }
    if (partial === undefined) {
      if (this.#bytes + length > this.#limit || !this.#budget.take(length)) return 'refused';
      this.#bytes += length;
      // Most come in one piece.
      const inOne = bytes.length === length;
      partial = { sequence, type, epoch, body: inOne ? new Uint8Array(bytes) : new Uint8Array(length), pieces: inOne ? [[0, length]] : [] };
      this.#partials.push(partial);
    } else if (partial.type !== type || partial.body.length !== length || partial.epoch !== epoch) return 'refused';
    if (partial.pieces.length >= mostPieces) return 'refused';
    if (!isWhole(partial)) {
      partial.body.set(bytes, offset);
      insert(partial.pieces, offset, offset + bytes.length);
    }
    return 'kept';
  }

  /** The next message, once it is whole. */
  take(): ReceivedMessage | undefined {
    const partial = this.#at(this.next);
    if (partial === undefined || !isWhole(partial)) return undefined;
    const { type, epoch, body } = partial;
    this.#remove(partial);
    return { type, sequence: this.next++, body, epoch };
  }

  /** Forget what is there. */
  clear(): void {
    while (this.#partials.length > 0) this.#remove(this.#partials[0]!);
  }

  #at(sequence: number): Partial | undefined {
    for (const partial of this.#partials) if (partial.sequence === sequence) return partial;
    return undefined;
  }

  #remove(partial: Partial): void {
    if (this.#partials.at(-1) === partial) this.#partials.pop();
    else this.#partials.splice(this.#partials.indexOf(partial), 1);
    const { length } = partial.body;
    this.#bytes -= length;
    this.#budget.give(length);
  }
}
