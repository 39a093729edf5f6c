import { type AccessInformation, decodeAccessInformation, encodeTokenResponse, type Scope } from '../ace/index.ts';
import type { SecurityAssociation } from '../coap/index.ts';
import { concat, toBase64Url } from '../core/bytes.ts';
import { decode, encode } from '../core/cbor.ts';
import { digest } from '../core/crypto/index.ts';
import { ProtocolError } from '../core/errors.ts';

/** A token as the AS gave it; its scope is there also when it is just what was asked for. */
export interface HeldToken {
  readonly response: AccessInformation;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** What a session is made of, beside its association. */
export interface SessionState {
  readonly profile: number;
  /** URI of the token endpoint. */
  readonly as: string;
  readonly audience: string | undefined;
  /** The token that the association was made with: with it, and while it is valid, another one can be made. */
  readonly base: HeldToken;
  /** A token that changed the rights since. */
  readonly update: HeldToken | undefined;
  /** The RS wants a cnonce in its tokens. */
  readonly cnonce: boolean;
}

/** Rights at a resource server, and the association to use them with. */
export class Session {
  /** Where the store has it. */
  readonly key: string;
  readonly association: SecurityAssociation;
  state: SessionState;
  /** What the store has, as far as this process knows. */
  saved: Uint8Array | undefined;
  /** Seconds since 1970 from which on a request renews the token first. */
  renewAt: number = Number.POSITIVE_INFINITY;
  /** The RS seems to have lost the association: whoever comes next makes another, in place of a request that would be lost too (RFC 9203, Section 6). */
  isLost = false;
  /** Who goes on while the association does; `expired`: it is given up because its token has ended. */
  readonly watchers: Set<(expired: boolean) => void> = new Set();
  /** Changes of rights, one after the other. */
  changing: Promise<unknown> = Promise.resolve();

  constructor(key: string, association: SecurityAssociation, state: SessionState) {
    this.key = key;
    this.association = association;
    this.state = state;
  }

  /** The token that counts. */
  get token(): HeldToken {
    return this.state.update ?? this.state.base;
  }

  get scope(): Scope | undefined {
    return this.token.response.scope;
  }

  /** Seconds since 1970. */
  get expiresAt(): number {
    return this.token.expiresAt;
  }
}

export const sessionFolder = 'client/session/';

const refreshFolder = 'client/refresh/';

/** Where the refresh token is that belongs to a session. */
export function refreshKey(session: string): string {
  return refreshFolder + session.slice(sessionFolder.length);
}

/** Where the refresh token is of tokens that the application itself asks for. */
export function tokenRefreshKey(as: string, audience: string | undefined): string {
  return `${refreshFolder}token/${toBase64Url(digest('sha256', encode([as, audience ?? null])))}`;
}

export function originFolder(origin: string): string {
  return `${sessionFolder}${encodeURIComponent(origin)}/`;
}

/** One session for each origin and for each audience and scope that the caller asks for by name. */
export function sessionKey(origin: string, audience: string | undefined, scope: Scope | undefined): string {
  const asked = concat(encode(audience ?? null), encode(scope ?? null));
  return originFolder(origin) + toBase64Url(digest('sha256', asked).subarray(0, 12));
}

const version = 1;

const tokenToCbor = ({ response, expiresAt }: HeldToken): readonly [Uint8Array, number] => [encodeTokenResponse(response), expiresAt];

/** A session for the store; `association` is what the profile needs to bring it back. Holds secrets. */
export function encodeSession(state: SessionState, association: Uint8Array): Uint8Array {
  const { profile, as, audience = null, base, update, cnonce } = state;
  return encode([version, profile, as, audience, tokenToCbor(base), update === undefined ? null : tokenToCbor(update), cnonce, association]);
}

/** `undefined`: the bytes are not what `encodeSession` of this version made. */
export function decodeSession(bytes: Uint8Array): { readonly state: SessionState; readonly association: Uint8Array } | undefined {
  try {
    const value = decode(bytes);
    if (!Array.isArray(value) || value[0] !== version) return undefined;
    const [, profile, as, audience, base, update, cnonce, association] = value as readonly unknown[];
    const held = heldToken(base);
    const changed = update === null ? undefined : heldToken(update);
    const fits =
      typeof profile === 'number' &&
      typeof as === 'string' &&
      (audience === null || typeof audience === 'string') &&
      typeof cnonce === 'boolean' &&
      association instanceof Uint8Array;
    if (!fits || held === undefined || (update !== null && changed === undefined)) return undefined;
    return { state: { profile, as, audience: audience ?? undefined, base: held, update: changed, cnonce }, association };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

function heldToken(value: unknown): HeldToken | undefined {
  if (!Array.isArray(value)) return undefined;
  const [response, expiresAt] = value as readonly unknown[];
  return response instanceof Uint8Array && typeof expiresAt === 'number' ? { response: decodeAccessInformation(response), expiresAt } : undefined;
}
