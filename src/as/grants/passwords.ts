import { toBase64Url, utf8 } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import type { ScryptCost } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import type { Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';
import { defaultCost, hashSecret, SlowHashes } from './slow-hash.ts';

/** Knows resource owners by name and password. */
export interface PasswordVerifier {
  /**
   * It takes the same time for a user that it does not know. Where it cannot look at the password now, it rejects with an `AceError`, as which the request is answered.
   *
   * @param gone - whoever asks hears nothing any more
   */
  verify(username: string, password: string, gone?: AbortSignal): Promise<boolean>;
  /** Whether there still is a resource owner of this name: else nothing that they granted is of use any more. Absent: there always is. */
  knows?(username: string): Promise<boolean>;
}

const prefix = 'as/secret/user/';
const version = 1;

/** Longer names and passwords are those of nobody. */
const longestName = 128;
const longestPassword = 1024;

function keyOf(username: string): string | undefined {
  const { length } = utf8(username);
  return length < 1 || length > longestName || /\p{Cs}/u.test(username) ? undefined : prefix + encodeURIComponent(username);
}

/** The same password typed on another keyboard is the same password (RFC 8265, Section 4.2.2 wants NFC). */
const bytesOf = (password: string): Uint8Array => utf8(password.normalize('NFC'));

/**
 * Let a resource owner have a password, in place of the one before. The store gets a salted slow hash of it.
 *
 * @throws {AuthorizationServerError} `ERR_AS_SECRET` for a name that is not of 1 to 128 bytes, and a password that is not of 8 to 1024
 */
export async function setPassword(store: Store, random: Env['random'], username: string, password: string, cost?: ScryptCost): Promise<void> {
  const key = keyOf(username);
  if (key === undefined) throw new AuthorizationServerError('ERR_AS_SECRET', `username: expected 1 to ${longestName} bytes of UTF-8, got others`);
  const bytes = bytesOf(password);
  if (bytes.length < 8 || bytes.length > longestPassword) {
    throw new AuthorizationServerError('ERR_AS_SECRET', `password: expected 8 to ${longestPassword} bytes of UTF-8, got ${bytes.length}`);
  }
  await store.put(key, encode([version, await hashSecret(bytes, random, cost)]));
}

/** Whether the resource owner has one. */
export async function hasPassword(store: Pick<Store, 'get'>, username: string): Promise<boolean> {
  const key = keyOf(username);
  return key !== undefined && (await store.get(key)) !== undefined;
}

/** Whether there was one. */
export async function removePassword(store: Store, username: string): Promise<boolean> {
  const key = keyOf(username);
  return key !== undefined && (await store.delete(key));
}

/**
 * The passwords of the store. Of very many that are shown at once some are not looked at: `AceError` `ERR_AS_BUSY`, which is 5.03 with Max-Age.
 *
 * @param cost - what the hash of a user that does not exist costs: as that of those who do
 */
export function storedPasswords(store: Store, random: Env['random'], cost: ScryptCost = defaultCost): PasswordVerifier {
  const hashes = new SlowHashes();
  const nobody = ['scrypt', cost.N, cost.r, cost.p, toBase64Url(random(16)), toBase64Url(random(32))].join('$');
  return {
    knows: (username) => hasPassword(store, username),
    async verify(username, password, gone) {
      const key = keyOf(username);
      const stored = key === undefined ? undefined : await store.get(key);
      const hash = stored === undefined ? undefined : decodeHash(stored);
      const bytes = bytesOf(password);
      const isRight = await hashes.verify(bytes.subarray(0, longestPassword), hash ?? nobody, gone);
      return isRight && hash !== undefined && bytes.length <= longestPassword;
    },
  };
}

function decodeHash(bytes: Uint8Array): string | undefined {
  const value = decode(bytes);
  return Array.isArray(value) && value[0] === version && typeof value[1] === 'string' ? value[1] : undefined;
}
