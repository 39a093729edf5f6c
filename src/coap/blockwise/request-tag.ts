import type { Env } from '../../core/env.ts';
import { ExpiringTable } from '../expiring-table.ts';
import { type Option, OptionNumber } from '../message/option.ts';

/** A Request-Tag in use for one operation. */
export interface RequestTag {
  readonly operation: string;
  readonly index: number;
  /** `undefined`: the operation carries no Request-Tag option, which is a value of its own. */
  readonly option: Option | undefined;
}

/**
 * The tags in order of their cost on the wire: absent, empty, one byte, two bytes and so on.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9175#section-3.4
 */
export function requestTagOption(index: number): Option | undefined {
  if (index === 0) return undefined;
  let rest = index - 1;
  let length = 0;
  for (let count = 1; rest >= count; count *= 256) {
    rest -= count;
    length++;
  }
  const value = new Uint8Array(length);
  for (let i = length - 1; i >= 0; i--, rest = Math.floor(rest / 256)) value[i] = rest % 256;
  return { number: OptionNumber.RequestTag, value };
}

/** Request-Tag is repeatable: one that is there already stays beside it. */
export function withRequestTag(options: readonly Option[], tag: Option | undefined): readonly Option[] {
  if (tag === undefined) return options;
  const at = options.findIndex(({ number }) => number > OptionNumber.RequestTag);
  return at < 0 ? [...options, tag] : [...options.slice(0, at), tag, ...options.slice(at)];
}

/** How long, and how many, operations that may still be on their way keep their Request-Tag. */
export interface RequestTagsOptions {
  /** Milliseconds after which a lost operation without protection is over everywhere. */
  readonly lifetime: number;
  /** Lost operations that are kept apart from each other. */
  readonly entries: number;
}

/**
 * Chooses Request-Tags so that the blocks of no two operations can be mixed.
 *
 * A tag serves again for the same target once its operation is concluded: each of its messages was answered under the same protection (RFC 9175, Section
 * 3.5.1). The tag of a protected operation that ended otherwise stays lost for the life of the association, since an attacker may hold its messages back. To
 * hold that in bounded memory, what is forgotten raises a floor below which no tag is taken any more.
 */
export class RequestTags {
  readonly #active = new Map<string, Set<number>>();
  readonly #lost: ExpiringTable<{ readonly index: number; readonly secured: boolean }>;
  #floor = 0;

  constructor(env: Env, options: RequestTagsOptions) {
    this.#lost = new ExpiringTable(env, options, ({ index, secured }) => {
      if (secured) this.#floor = Math.max(this.#floor, index + 1);
    });
  }

  /**
   * The cheapest tag that no other operation with this key can be confused by; `whole`: its body travels whole, so that no block of a lost one can come into it,
   * and it is concluded however it ends. `least`: 1 for one that is not the absent tag, which operations have that nobody told us of.
   */
  acquire(operation: string, whole = false, least = 0): RequestTag {
    let active = this.#active.get(operation);
    if (active === undefined) this.#active.set(operation, (active = new Set()));
    let index = whole ? least : this.#floor;
    while (active.has(index) || (!whole && this.#lost.has(lostKey(operation, index)))) index++;
    active.add(index);
    return { operation, index, option: requestTagOption(index) };
  }

  /** Every message of the operation was answered: the tag may serve again. */
  conclude(tag: RequestTag): void {
    const active = this.#active.get(tag.operation);
    active?.delete(tag.index);
    if (active?.size === 0) this.#active.delete(tag.operation);
  }

  /** The operation ended with a message that may still be under way. */
  lose(tag: RequestTag, secured: boolean): void {
    this.conclude(tag);
    if (!this.#lost.set(lostKey(tag.operation, tag.index), '', { index: tag.index, secured }) && secured) this.#floor = Math.max(this.#floor, tag.index + 1);
  }

  /** `active`: operations under way; `lost`: those that ended without an answer. */
  stats(): { readonly active: number; readonly lost: number } {
    let active = 0;
    for (const set of this.#active.values()) active += set.size;
    return { active, lost: this.#lost.size };
  }

  /** Forget all operations. */
  close(): void {
    this.#active.clear();
    this.#lost.clear();
  }
}

function lostKey(operation: string, index: number): string {
  return `${index} ${operation}`;
}
