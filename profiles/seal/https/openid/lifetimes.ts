/** How long what a login gives lasts, in seconds. */
export interface OpenIdLifetimes {
  /** Of a refresh token that is not used; 14 days when absent. */
  readonly refreshToken?: number;
  /** Of a grant, after which the user has to sign in again; 90 days when absent. */
  readonly grant?: number;
  /** Of an ID token; 5 minutes when absent. */
  readonly idToken?: number;
  /** For which a browser stays signed in; 8 hours when absent. */
  readonly session?: number;
}
