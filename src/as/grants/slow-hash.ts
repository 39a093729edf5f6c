import { AceError } from '../../ace/index.ts';
import { Code } from '../../coap/index.ts';
import { constantTimeEqual, fromBase64Url, toBase64Url } from '../../core/bytes.ts';
import { type ScryptCost, scrypt } from '../../core/crypto/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import { AuthorizationServerError } from '../error.ts';

/** 32 MiB, three times: what an attacker who has the store pays for each guess. */
export const defaultCost: ScryptCost = { N: 2 ** 15, r: 8, p: 3 };

const saltLength = 16;
const hashLength = 32;

/** A hash that was read: `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
interface SlowHash {
  readonly cost: ScryptCost;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** A secret as it may be kept: `scrypt$N$r$p$salt$hash` with a fresh salt. */
export async function hashSecret(secret: Uint8Array, random: (length: number) => Uint8Array, cost: ScryptCost = defaultCost): Promise<string> {
  const salt = random(saltLength);
  const hash = await scrypt(secret, salt, cost, hashLength);
  return ['scrypt', cost.N, cost.r, cost.p, toBase64Url(salt), toBase64Url(hash)].join('$');
}

/** @throws {AuthorizationServerError} `ERR_AS_CONFIG` for text that is none, without quoting it */
export function parseSlowHash(what: string, text: string): SlowHash {
  const refused = (cause?: unknown): AuthorizationServerError =>
    new AuthorizationServerError('ERR_AS_CONFIG', `${what}: expected a hash of the form scrypt$N$r$p$salt$hash, got another text`, { cause });
  const [name, N = '', r = '', p = '', salt = '', hash = '', ...more] = text.split('$');
  if (name !== 'scrypt' || more.length > 0 || ![N, r, p].every((number) => /^[1-9]\d{0,8}$/.test(number))) throw refused();
  try {
    const read = { cost: { N: Number(N), r: Number(r), p: Number(p) }, salt: fromBase64Url(salt), hash: fromBase64Url(hash) };
    if (read.salt.length >= 8 && read.hash.length === hashLength) return read;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw refused(error);
  }
  throw refused();
}

/** How many hashes are computed at once: each takes memory and a thread. */
const atOnce = 2;
/** How many wait for their turn: at the default cost, for some seconds. */
const mostWaiting = 64;
/** Seconds. */
const later = 5;

/** It was not looked at whether a secret is right. */
export function refuseBusy(message: string): AceError {
  return new AceError('ERR_AS_BUSY', message, { responseCode: Code.ServiceUnavailable, retryAfter: later });
}

/** Computes slow hashes, few at a time; some of those who come meanwhile wait, the others are told to come later. */
export class SlowHashes {
  #running = 0;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();

  /**
   * Whether the secret is the one of the hash, compared in constant time.
   *
   * @param gone - whoever asks hears nothing any more: what waits then is not computed
   * @throws {AceError} `ERR_AS_BUSY` (5.03 with Max-Age) where too many wait, and for who has gone away
   * @throws {AuthorizationServerError} `ERR_AS_CONFIG` for a hash that is none; `CryptoError` `ERR_CRYPTO_LENGTH` for one that costs too much
   */
  async verify(secret: Uint8Array, text: string, gone?: AbortSignal): Promise<boolean> {
    const { cost, salt, hash } = parseSlowHash('secret', text);
    if (gone?.aborted === true) throw hasGone();
    if (this.#running >= atOnce) await this.#turn(gone);
    else this.#running++;
    try {
      return constantTimeEqual(await scrypt(secret, salt, cost, hash.length), hash);
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #turn(gone: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= mostWaiting) throw refuseBusy('too many secrets are being looked at');
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(run);
        reject(hasGone());
      };
      const run = (): void => {
        this.#waiting.delete(run);
        gone?.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.add(run);
      gone?.addEventListener('abort', leave, { once: true });
    });
  }
}

const hasGone = (): AceError => refuseBusy('whoever has shown the secret has gone away');
