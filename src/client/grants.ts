import { GrantType, type Scope, type TokenRequest } from '../ace/index.ts';
import { decode, encode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Store } from '../store/index.ts';

/** What a client shows for its first token: a code, or the name and password of a resource owner. Without any of it: its own credentials. */
export type AuthorizationGrant =
  | { readonly code: Uint8Array /** The one that the code was asked for with, if there was one. */; readonly redirectUri?: string }
  | { readonly username: string; readonly password: string };

/** @see https://www.rfc-editor.org/rfc/rfc9200#section-5.4 */
export function grantParameters(grant: AuthorizationGrant | undefined): TokenRequest {
  if (grant === undefined) return {};
  if (!('code' in grant)) return { grantType: GrantType.password, username: grant.username, password: grant.password };
  const { code, redirectUri } = grant;
  return { grantType: GrantType.authorization_code, code, ...(redirectUri === undefined ? {} : { redirectUri }) };
}

/** A refresh token and what it is good for. */
export interface KeptRefreshToken {
  readonly token: Uint8Array;
  /** URI of the token endpoint. */
  readonly as: string;
  readonly audience: string | undefined;
  /** What was granted first, which it gives again. */
  readonly scope: Scope | undefined;
}

const version = 1;

/**
 * The refresh tokens of a client, in its store until an AS refuses them: a client that starts anew goes on with them. One is kept as soon as it is there; where a
 * client ends before that, the AS takes the one before once more.
 */
export class KeptRefreshTokens {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(key: string): Promise<KeptRefreshToken | undefined> {
    const stored = await this.#store.get(key);
    return stored === undefined ? undefined : decodeKept(stored);
  }

  keep(key: string, { token, as, audience, scope }: KeptRefreshToken): Promise<void> {
    return this.#store.put(key, encode([version, token, as, audience ?? null, scope ?? null]));
  }

  async drop(key: string): Promise<void> {
    await this.#store.delete(key);
  }
}

/** What cannot be read is none. */
function decodeKept(bytes: Uint8Array): KeptRefreshToken | undefined {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [, token, as, audience, scope] = value as readonly unknown[];
  const fits =
    token instanceof Uint8Array &&
    typeof as === 'string' &&
    (audience === null || typeof audience === 'string') &&
    (scope === null || typeof scope === 'string' || scope instanceof Uint8Array);
  return fits ? { token, as, audience: audience ?? undefined, scope: scope ?? undefined } : undefined;
}
