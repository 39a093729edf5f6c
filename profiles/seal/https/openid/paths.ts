/** Where the provider has what. */
export const paths = { authorization: '/authorize', token: '/token', jwks: '/jwks', introspection: '/introspect', revocation: '/revoke' } as const;

/** The paths of the HTTPS face of a SIM-S; those of `/authorize` and `/interaction` have more behind them. */
export const openIdEndpoints: readonly string[] = [
  ...Object.values(paths),
  '/interaction',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];
