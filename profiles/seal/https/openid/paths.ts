/** Where the provider has what. */
export const paths = { authorization: '/authorize', token: '/token', jwks: '/jwks', introspection: '/introspect', revocation: '/revoke' } as const;

/** The paths of the HTTPS face of a SIM-S; those of `/authorize` and `/interaction` have more behind them. */
export const openIdEndpoints: readonly string[] = [
  ...Object.values(paths),
  '/interaction',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

const exact: ReadonlySet<string> = new Set(openIdEndpoints);
const more = /^\/(?:authorize|interaction)\/[\w-]+$/;

/** Whether there is something at a path as it is written. The library would take other letters, and a slash behind it, for the same. */
export function isServed(path: string): boolean {
  return exact.has(path) || more.test(path);
}

const read = ['GET', 'HEAD', 'OPTIONS'];
/** The others look at methods themselves. */
const methods: ReadonlyMap<string, readonly string[]> = new Map([
  [paths.authorization, ['GET', 'HEAD']],
  [paths.token, ['POST', 'OPTIONS']],
  [paths.jwks, read],
  ['/.well-known/openid-configuration', read],
  ['/.well-known/oauth-authorization-server', read],
]);

/** The methods that a path has, where it has not this one. */
export function otherMethods(path: string, method: string | undefined): readonly string[] | undefined {
  const allowed = methods.get(path);
  return allowed === undefined || allowed.includes(method ?? '') ? undefined : allowed;
}

/** The request target in origin form: a server has to take the absolute form as well (RFC 9112, Section 3.2.2). */
export function originForm(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, '');
}
