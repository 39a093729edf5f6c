import { localPart, type Permissions, type Verdict } from '../ace/index.ts';
import { type Option, OptionNumber, pathOf, queryOf } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** What a request is for, in the forms that the guard compares. */
export interface Target {
  /** Path and query, as `localPart` makes it. Empty for a Uri-Path or Uri-Query that is no text: it is the target of no permission. */
  readonly local: string;
  /** The path alone. */
  readonly path: string;
  /** `any-scope`: every token opens it. */
  readonly kind: 'protected' | 'any-scope' | 'public' | 'authz-info';
}

/** What permissions say of a request for a target. */
export function decide({ kind, local }: Target, permissions: Permissions, method: number): Verdict {
  return kind === 'any-scope' ? 'permit' : permissions.decide(local, method);
}

/** Targets that are kept; a request for another one is only a little slower. */
const kept = 256;

/** Finds the target of a request by the bytes of its options, without decoding the same texts for every request. */
export class Targets {
  readonly #kinds: ReadonlyMap<string, Target['kind']>;
  readonly #known = new Map<string, Target>();

  /** The kinds of paths, in the form that `localPart` makes; all others are protected. */
  constructor(kinds: ReadonlyMap<string, Target['kind']>) {
    this.#kinds = kinds;
  }

  of(options: readonly Option[]): Target {
    const key = keyOf(options);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const target = this.#read(options);
    if (this.#known.size >= kept) this.#known.clear();
    this.#known.set(key, target);
    return target;
  }

  #read(options: readonly Option[]): Target {
    try {
      const segments = pathOf(options);
      const path = localPart(segments);
      return { local: localPart(segments, queryOf(options)), path, kind: this.#kinds.get(path) ?? 'protected' };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { local: '', path: '', kind: 'protected' };
    }
  }
}

/** Number, length and bytes of each Uri-Path and Uri-Query, one character for each byte. */
function keyOf(options: readonly Option[]): string {
  let key = '';
  for (const { number, value } of options) {
    if (number > OptionNumber.UriQuery) break;
    if (number !== OptionNumber.UriPath && number !== OptionNumber.UriQuery) continue;
    key += String.fromCharCode(number, value.length);
    for (let i = 0; i < value.length; i++) key += String.fromCharCode(value[i]!);
  }
  return key;
}
