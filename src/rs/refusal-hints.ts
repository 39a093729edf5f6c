import { aifMethods, encodeAif, encodeHints, type Hints, localPart, type Permissions, parseScope, type Scope, type ScopeTable } from '../ace/index.ts';
import { ContentFormat, codeName, type Option, OptionNumber, type Response, uintOption } from '../coap/index.ts';
import type { ClientNonces } from './client-nonce.ts';
import type { Target } from './targets.ts';

export interface RefusalHintsOptions {
  /** URI of the token endpoint. */
  readonly as: string;
  readonly audience: string | undefined;
  readonly scopes: ScopeTable | undefined;
  readonly aif: boolean;
  readonly nonces: ClientNonces | undefined;
}

const aceFormat: readonly Option[] = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
/** With a cnonce in it, the next one must not get this answer from a cache. */
const aceFormatOnce: readonly Option[] = [...aceFormat, uintOption(OptionNumber.MaxAge, 0)];

/**
 * Makes the answers to Unauthorized Resource Requests (RFC 9200, Sections 5.2 and 5.3).
 *
 * Section 5.2 calls them an "unauthorized_client" error response, and the map of Section 5.3 has no place for an error: the response code says it.
 */
export class RefusalHints {
  readonly #options: RefusalHintsOptions;
  readonly #base: Hints;
  /** Scope names with what each permits, the smallest first: a client is told to ask for no more than it needs. */
  readonly #scopes: readonly { readonly name: string; readonly permissions: Permissions }[];

  constructor(options: RefusalHintsOptions) {
    this.#options = options;
    this.#base = { as: options.as, ...(options.audience === undefined ? {} : { audience: options.audience }) };
    this.#scopes = bySize(options.scopes ?? {});
  }

  /** 4.01 for who has no token; 4.03 and 4.05 for who has one that does not cover the request. */
  respond(code: number, target: Target, method: number): Response {
    const scope = this.#scopeFor(target, method);
    const { nonces } = this.#options;
    const payload = encodeHints({ ...this.#base, ...(scope === undefined ? {} : { scope }), ...(nonces === undefined ? {} : { cnonce: nonces.make() }) });
    return { code, options: nonces === undefined ? aceFormat : aceFormatOnce, payload };
  }

  #scopeFor(target: Target, method: number): Scope | undefined {
    if (target.local === '') return undefined;
    for (const { name, permissions } of this.#scopes) if (permissions.decide(target.local, method) === 'permit') return name;
    if (!this.#options.aif || this.#scopes.length > 0 || method > 7) return undefined;
    return encodeAif([[target.local, aifMethods([codeName(method)])]]);
  }
}

function bySize(table: ScopeTable): { readonly name: string; readonly permissions: Permissions }[] {
  const size = (name: string): number => Object.values(table[name]!).reduce((sum, methods) => sum + methods.length, 0);
  return Object.keys(table)
    .sort((a, b) => size(a) - size(b))
    .map((name) => ({ name, permissions: parseScope(name, table) }));
}

/** A configured path in the form in which targets are compared. */
export function pathForm(path: string): string {
  return localPart(path.split('/').filter((segment) => segment !== ''));
}
