import type { Scope } from '../../ace/index.ts';
import { toBase64Url, utf8 } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import { digest } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import type { Change, Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';

/** What a resource owner has granted by an authorization code. */
export interface CodeGrant {
  readonly client: string;
  readonly audience: string;
  readonly scope: Scope;
  /** The client has to name the same. */
  readonly redirectUri?: string;
  /** Seconds since 1970; within 10 minutes (RFC 6749, Section 4.1.2). */
  readonly expiresAt: number;
}

/** An authorization code that was looked up. */
export interface FoundCode {
  readonly grant: CodeGrant;
  /** The family of what was issued for it. `undefined`: it was not used. */
  readonly family: string | undefined;
  readonly key: string;
  readonly stored: Uint8Array;
}

const codeLength = 32;
/** Seconds. */
export const longestCodeLifetime = 600;
const version = 1;

/**
 * Make an authorization code for one use, and let the store have its hash.
 *
 * @throws {AuthorizationServerError} `ERR_AS_CODE` for a client or an audience of no name or of more than 200 bytes, and a lifetime that is not above 0 and at most 10 minutes
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
 */
export async function issueCode(store: Store, env: Pick<Env, 'random' | 'epoch'>, grant: CodeGrant): Promise<Uint8Array> {
  for (const name of ['client', 'audience'] as const) {
    const { length } = utf8(grant[name]);
    if (length < 1 || length > 200) throw new AuthorizationServerError('ERR_AS_CODE', `${name}: expected 1 to 200 bytes, got ${length}`);
  }
  const lifetime = grant.expiresAt - env.epoch();
  if (!(lifetime > 0 && lifetime <= longestCodeLifetime)) {
    throw new AuthorizationServerError('ERR_AS_CODE', `expiresAt: expected a time within the next ${longestCodeLifetime} seconds, got one in ${lifetime}`);
  }
  const code = env.random(codeLength);
  await store.put(keyOf(code), encodeCode(grant, undefined), { expiresAt: grant.expiresAt });
  return code;
}

/** `undefined`: the code is none, or has expired without use. */
export async function findCode(store: Store, code: Uint8Array): Promise<FoundCode | undefined> {
  if (code.length !== codeLength) return undefined;
  const key = keyOf(code);
  const stored = await store.get(key);
  const found = stored === undefined ? undefined : decodeCode(stored);
  return stored === undefined || found === undefined ? undefined : { ...found, key, stored };
}

/** What uses a code up, for what is issued under the name `family`; it stays known until `until`, so that a second use is noticed. */
export function useCode({ grant, key, stored }: FoundCode, family: string, until: number): Change {
  return { key, expected: stored, value: encodeCode(grant, family), expiresAt: until };
}

/** Codes in the store, by their SHA-256 in base64url. */
export const codePrefix = 'as/code/';

export function codeHash(code: Uint8Array): string {
  return toBase64Url(digest('sha256', code));
}

const keyOf = (code: Uint8Array): string => codePrefix + codeHash(code);

function encodeCode({ client, audience, scope, redirectUri, expiresAt }: CodeGrant, family: string | undefined): Uint8Array {
  return encode([version, client, audience, scope, redirectUri ?? null, expiresAt, family ?? null]);
}

export function decodeCode(bytes: Uint8Array): Pick<FoundCode, 'grant' | 'family'> | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value[0] !== version) return undefined;
  const [, client, audience, scope, redirectUri, expiresAt, family] = value as readonly unknown[];
  const fits =
    typeof client === 'string' &&
    typeof audience === 'string' &&
    (typeof scope === 'string' || scope instanceof Uint8Array) &&
    (redirectUri === null || typeof redirectUri === 'string') &&
    typeof expiresAt === 'number' &&
    (family === null || typeof family === 'string');
  if (!fits) return undefined;
  const named = redirectUri === null ? {} : { redirectUri };
  return { grant: { client, audience, scope, expiresAt, ...named }, family: family ?? undefined };
}
