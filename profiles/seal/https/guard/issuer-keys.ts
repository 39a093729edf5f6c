import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Env } from '../../../../src/core/env.ts';
import { fetchHttps, type HttpsRequestInit } from '../../../../src/transport/index.ts';
import { BearerError } from './bearer-error.ts';

/** The keys of an issuer: as they are, or where they are asked for. */
export type KeySource = JSONWebKeySet | (() => Promise<JSONWebKeySet>);

/** Seconds after which keys are asked for again. */
const fresh = 600;
/** Seconds for which keys are used that could not be asked for again. */
const usable = 3600;
/** Seconds between two questions, whatever tokens name: the bound on what a stranger can make us ask. */
const pause = 10;
/** Keys of a set: while one follows another there are two or three. */
const mostKeys = 32;

interface Known {
  readonly find: JWTVerifyGetKey;
  /** Milliseconds of `env.now`. */
  readonly since: number;
}

/** The public keys of an issuer. One that takes the place of another is found when the first token names it. */
export class IssuerKeys {
  readonly #source: (() => Promise<JSONWebKeySet>) | undefined;
  readonly #env: Pick<Env, 'now'>;
  /** The keys are others than before. */
  readonly #changed: () => void;
  #known: Known | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  /** @throws {TypeError} for a key set that is none */
  constructor(source: KeySource, env: Pick<Env, 'now'>, changed: () => void) {
    this.#env = env;
    this.#changed = changed;
    if (typeof source === 'function') this.#source = source;
    else this.#known = { find: finderOf(source), since: env.now() };
  }

  /** @throws {BearerError} `signature`: no key has this name, or several would do; `unavailable` */
  async find(header: { readonly alg: string; readonly kid?: string }): Promise<CryptoKey> {
    await this.refresh();
    const key = (await select(this.#known!.find, header)) ?? ((await this.#ask()) ? await select(this.#known!.find, header) : undefined);
    if (key === undefined) throw new BearerError('signature', 'expected a key of the issuer, got the name of another, or none where several would do');
    return key;
  }

  /**
   * Ask for the keys again where it is time.
   *
   * @throws {BearerError} `unavailable`
   */
  async refresh(): Promise<void> {
    if (this.#age() > fresh) await this.#ask();
    if (this.#known === undefined || (this.#source !== undefined && this.#age() > usable)) {
      throw new BearerError('unavailable', 'keys of the issuer: expected some, got none');
    }
  }

  #age(): number {
    return this.#known === undefined ? Number.POSITIVE_INFINITY : (this.#env.now() - this.#known.since) / 1000;
  }

  /** Whether the keys may be others than before. */
  async #ask(): Promise<boolean> {
    if (this.#source === undefined) return false;
    if (this.#asking === undefined) {
      if (this.#env.now() - this.#asked < pause * 1000) return false;
      this.#asked = this.#env.now();
      this.#asking = this.#fetch(this.#source).finally(() => {
        this.#asking = undefined;
      });
    }
    await this.#asking;
    return true;
  }

  async #fetch(source: () => Promise<JSONWebKeySet>): Promise<void> {
    try {
      this.#known = { find: finderOf(await source()), since: this.#env.now() };
      this.#changed();
    } catch {
      // What is known still counts, for as long as it is usable.
    }
  }
}

/** Keys at the `jwks_uri` of an issuer. */
export function keysAt(uri: string, init: Pick<HttpsRequestInit, 'ca' | 'cert' | 'key' | 'timeout'> = {}): () => Promise<JSONWebKeySet> {
  return async () => {
    const { status, body } = await fetchHttps(uri, { ...init, headers: { accept: 'application/jwk-set+json, application/json' } });
    if (status !== 200) throw new BearerError('unavailable', `keys of the issuer: expected 200, got ${status}`);
    return JSON.parse(new TextDecoder().decode(body)) as JSONWebKeySet;
  };
}

function finderOf(set: JSONWebKeySet): JWTVerifyGetKey {
  const find = localKeySet(set);
  if (set.keys.length > mostKeys) throw new TypeError(`keys of the issuer: expected at most ${mostKeys}, got ${set.keys.length}`);
  return find as JWTVerifyGetKey;
}

function localKeySet(set: JSONWebKeySet): ReturnType<typeof createLocalJWKSet> {
  try {
    return createLocalJWKSet(set);
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError)) throw cause;
    throw new TypeError('keys of the issuer: expected a JSON Web Key Set, got something else', { cause });
  }
}

/** The key selects itself by name, type, curve and use; `undefined`: none, or several. */
async function select(find: JWTVerifyGetKey, header: { readonly alg: string; readonly kid?: string }): Promise<CryptoKey | undefined> {
  try {
    return (await find(header, { payload: '', signature: '' })) as CryptoKey;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof DOMException) return undefined;
    throw error;
  }
}
