import { GrantType } from '../../ace/index.ts';
import { AuthorizationServerError } from '../error.ts';

/** A grant type by its name (RFC 9200, Section 5.8.4.1). */
export type GrantTypeName = keyof typeof GrantType;

const names: ReadonlyMap<number, GrantTypeName> = new Map(Object.entries(GrantType).map(([name, number]) => [number, name as GrantTypeName]));

/** The name of the grant type of a request. */
export function grantTypeName(grantType: number = GrantType.client_credentials): string {
  return names.get(grantType) ?? `${grantType}`;
}

/**
 * Grant types by their numbers; client_credentials alone where nothing is said.
 *
 * @throws {AuthorizationServerError} `ERR_AS_CONFIG` for a name that is none
 */
export function grantTypesOf(what: string, wanted: readonly GrantTypeName[] = ['client_credentials']): ReadonlySet<number> {
  return new Set(
    wanted.map((name) => {
      if (Object.hasOwn(GrantType, name)) return GrantType[name];
      throw new AuthorizationServerError('ERR_AS_CONFIG', `${what}: expected some of ${Object.keys(GrantType).join(', ')}, got "${name}"`);
    }),
  );
}
