import { type Permissions, parseScope, type Scope, type ScopeTable, type Verdict } from '../ace/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** What scopes permit at an RS, by a table of names that may change while tokens which have them are in use. */
export class Scopes {
  #table: ScopeTable | undefined;

  /** @throws {AceError} `ERR_ACE_SCOPE` for a table that names no paths or methods */
  constructor(table: ScopeTable | undefined) {
    this.#table = checked(table);
  }

  get table(): ScopeTable | undefined {
    return this.#table;
  }

  /** Every scope means from now on what this table says. @throws {AceError} as the constructor does; then nothing has changed */
  change(table: ScopeTable | undefined): void {
    this.#table = checked(table);
  }

  /** What a scope permits, at each time by the table of then. @throws {AceError} `ERR_ACE_SCOPE` for one that is not understood now */
  permissionsOf(scope: Scope): Permissions {
    return new CurrentPermissions(this, scope);
  }
}

class CurrentPermissions implements Permissions {
  readonly #scopes: Scopes;
  readonly #scope: Scope;
  #table: ScopeTable | undefined;
  /** `undefined`: the scope has become unknown. */
  #permissions: Permissions | undefined;

  constructor(scopes: Scopes, scope: Scope) {
    this.#scopes = scopes;
    this.#scope = scope;
    this.#table = scopes.table;
    this.#permissions = parseScope(scope, scopes.table);
  }

  decide(target: string, method: number): Verdict {
    if (this.#table !== this.#scopes.table) this.#renew();
    return this.#permissions?.decide(target, method) ?? 'path';
  }

  #renew(): void {
    this.#table = this.#scopes.table;
    try {
      this.#permissions = parseScope(this.#scope, this.#table);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#permissions = undefined;
    }
  }
}

function checked(table: ScopeTable | undefined): ScopeTable | undefined {
  for (const name of Object.keys(table ?? {})) parseScope(name, table);
  return table;
}
