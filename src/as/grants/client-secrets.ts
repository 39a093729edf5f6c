import { constantTimeEqual } from '../../core/bytes.ts';
import { hmac } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import type { Client } from '../registry/registry.ts';
import { SlowHashes } from './slow-hash.ts';

/** Clients whose last right secret is remembered. */
const remembered = 1024;
const keyLength = 32;

/**
 * Checks the secrets of clients. A slow hash for each token would slow down who is right; so a secret that was right is known again by a quick one, under a key
 * that this process alone has and that no store holds.
 */
export class ClientSecrets {
  readonly #hashes = new SlowHashes();
  readonly #key: Uint8Array;
  /** The quick hash of a secret that was right, by the slow one that it was right for. */
  readonly #right = new Map<string, Uint8Array>();

  constructor(random: Env['random']) {
    this.#key = random(keyLength);
  }

  /** Whether it takes no slow hash to say so. */
  knows({ secret }: Pick<Client, 'secret'>, shown: Uint8Array | undefined): boolean {
    return secret === undefined || shown === undefined || this.#isRight(secret, hmac('sha256', this.#key, shown));
  }

  /**
   * Whether the client need show no secret, or has shown the right one.
   *
   * @param gone - aborted once whoever asks hears nothing any more; asked for where the secret is not known
   * @throws {AceError} `ERR_AS_BUSY`: too many are being looked at
   */
  async accepts({ secret }: Pick<Client, 'secret'>, shown: Uint8Array | undefined, gone?: () => AbortSignal): Promise<boolean> {
    if (secret === undefined) return true;
    if (shown === undefined) return false;
    const quick = hmac('sha256', this.#key, shown);
    if (this.#isRight(secret, quick)) return true;
    if (!(await this.#hashes.verify(shown, secret, gone?.()))) return false;
    this.#right.delete(secret);
    this.#right.set(secret, quick);
    if (this.#right.size > remembered) this.#right.delete(this.#right.keys().next().value!);
    return true;
  }

  #isRight(secret: string, quick: Uint8Array): boolean {
    const known = this.#right.get(secret);
    return known !== undefined && constantTimeEqual(known, quick);
  }
}
