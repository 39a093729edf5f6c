/*
 * One table per IANA registry, as of 2026-11, never merged: key 40 is nonce1 at the token endpoint and exi in an introspection response and in a CWT.
 * `name` is the name on the wire; a message module picks the parameters that its message may carry.
 */

/** OAuth Parameters CBOR Mappings: the token endpoint and authz-info. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.5 (and RFC 9201 6, RFC 9203 9.3, RFC 9594 11.4) */
export const tokenParameters = {
  accessToken: { label: 1, type: 'bstr', name: 'access_token' },
  expiresIn: { label: 2, type: 'uint', name: 'expires_in' },
  reqCnf: { label: 4, type: 'map', name: 'req_cnf' },
  audience: { label: 5, type: 'tstr', name: 'audience' },
  cnf: { label: 8, type: 'map', name: 'cnf' },
  scope: { label: 9, type: 'tstr/bstr', name: 'scope' },
  clientId: { label: 24, type: 'tstr', name: 'client_id' },
  clientSecret: { label: 25, type: 'bstr', name: 'client_secret' },
  responseType: { label: 26, type: 'tstr', name: 'response_type' },
  redirectUri: { label: 27, type: 'tstr', name: 'redirect_uri' },
  state: { label: 28, type: 'tstr', name: 'state' },
  code: { label: 29, type: 'bstr', name: 'code' },
  error: { label: 30, type: 'int', name: 'error' },
  errorDescription: { label: 31, type: 'tstr', name: 'error_description' },
  errorUri: { label: 32, type: 'tstr', name: 'error_uri' },
  grantType: { label: 33, type: 'uint', name: 'grant_type' },
  tokenType: { label: 34, type: 'int', name: 'token_type' },
  username: { label: 35, type: 'tstr', name: 'username' },
  password: { label: 36, type: 'tstr', name: 'password' },
  refreshToken: { label: 37, type: 'bstr', name: 'refresh_token' },
  aceProfile: { label: 38, type: 'int/null', name: 'ace_profile' },
  cnonce: { label: 39, type: 'bstr', name: 'cnonce' },
  nonce1: { label: 40, type: 'bstr', name: 'nonce1' },
  rsCnf: { label: 41, type: 'map', name: 'rs_cnf' },
  nonce2: { label: 42, type: 'bstr', name: 'nonce2' },
  aceClientRecipientId: { label: 43, type: 'bstr', name: 'ace_client_recipientid' },
  aceServerRecipientId: { label: 44, type: 'bstr', name: 'ace_server_recipientid' },
  signInfo: { label: 45, type: 'any', name: 'sign_info' },
  kdcChallenge: { label: 46, type: 'bstr', name: 'kdcchallenge' },
} as const;

/**
 * OAuth Token Introspection Response CBOR Mappings.
 *
 * `token_type_hint` is text in Table 6 and an integer in Figure 9; both are read. `aud` is text in Table 6; a CWT may name several, so an array is read too.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9.4
 */
export const introspectionParameters = {
  iss: { label: 1, type: 'tstr', name: 'iss' },
  sub: { label: 2, type: 'tstr', name: 'sub' },
  aud: { label: 3, type: 'tstr/array', name: 'aud' },
  exp: { label: 4, type: 'number', name: 'exp' },
  nbf: { label: 5, type: 'number', name: 'nbf' },
  iat: { label: 6, type: 'number', name: 'iat' },
  cti: { label: 7, type: 'bstr', name: 'cti' },
  cnf: { label: 8, type: 'map', name: 'cnf' },
  scope: { label: 9, type: 'tstr/bstr', name: 'scope' },
  active: { label: 10, type: 'bool', name: 'active' },
  token: { label: 11, type: 'bstr', name: 'token' },
  clientId: { label: 24, type: 'tstr', name: 'client_id' },
  error: { label: 30, type: 'int', name: 'error' },
  errorDescription: { label: 31, type: 'tstr', name: 'error_description' },
  errorUri: { label: 32, type: 'tstr', name: 'error_uri' },
  tokenTypeHint: { label: 33, type: 'tstr/int', name: 'token_type_hint' },
  tokenType: { label: 34, type: 'int', name: 'token_type' },
  username: { label: 35, type: 'tstr', name: 'username' },
  aceProfile: { label: 38, type: 'int', name: 'ace_profile' },
  cnonce: { label: 39, type: 'bstr', name: 'cnonce' },
  exi: { label: 40, type: 'uint', name: 'exi' },
} as const;

/** AS Request Creation Hints. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.3 */
export const hintParameters = {
  as: { label: 1, type: 'tstr', name: 'AS' },
  kid: { label: 2, type: 'bstr', name: 'kid' },
  audience: { label: 5, type: 'tstr', name: 'audience' },
  scope: { label: 9, type: 'tstr/bstr', name: 'scope' },
  cnonce: { label: 39, type: 'bstr', name: 'cnonce' },
} as const;

/** Grant types. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.8.4.1 */
export const GrantType = { password: 0, authorization_code: 1, client_credentials: 2, refresh_token: 3 } as const;
export type GrantType = (typeof GrantType)[keyof typeof GrantType];

/** Token types. @see https://www.rfc-editor.org/rfc/rfc9200#section-8.7.1 */
export const TokenType = { Bearer: 1, PoP: 2 } as const;
export type TokenType = (typeof TokenType)[keyof typeof TokenType];

/** ACE profiles (RFC 9202, RFC 9203, RFC 9431). @see https://www.rfc-editor.org/rfc/rfc9200#section-8.8 */
export const AceProfile = { coap_dtls: 1, coap_oscore: 2, mqtt_tls: 3 } as const;
export type AceProfile = (typeof AceProfile)[keyof typeof AceProfile];
