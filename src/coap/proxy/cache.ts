import { equalBytes } from '../../core/bytes.ts';
import type { Env } from '../../core/env.ts';
import { checkParameters } from '../bounds.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Response } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { Code, codeClass } from '../message/code.ts';
import { findOption, isUnsafe, type Option, OptionNumber, uintOf } from '../message/option.ts';
import { validResponse, withMaxAge } from './options.ts';

/** What a cache keeps at most. */
export interface CacheOptions {
  /** Stored responses. Default 4,096. */
  readonly entries?: number;
  /** Bytes of all of them, with what they cost besides. Default 16 MiB. */
  readonly bytes?: number;
  /** Bytes of the largest payload that is stored. Default 65,536. */
  readonly payload?: number;
  /** Milliseconds that a response is kept without being asked for. Default one hour. */
  readonly lifetime?: number;
}

/** A response as it came, and until when it is fresh. */
export interface StoredResponse {
  readonly key: string;
  readonly uri: string;
  readonly response: Response;
  /** Milliseconds of `env.now`. */
  freshUntil: number;
}

/** A request that is under way to the origin server. */
export interface Fetching {
  readonly key: string;
  readonly uri: string;
  /** When it left. */
  readonly since: number;
  /** The resource may have changed since: what comes is not to be stored. */
  outdated: boolean;
}

/** Seconds that a response without Max-Age is fresh (RFC 7252, Section 5.10.5). */
const defaultMaxAge = 60;
/** What an entry costs besides its payload and its key. */
const overhead = 512;

/** Errors that say something of the one who asks, or of this one exchange, and nothing of the resource. */
const personal: ReadonlySet<number> = new Set([Code.Unauthorized, Code.RequestEntityIncomplete, Code.TooManyRequests, Code.HopLimitReached]);

/**
 * Responses to GET and FETCH, by Cache-Key: fresh ones answer, others with an ETag are validated. Bounded in entries and bytes; what was longest unused goes.
 *
 * Ages count from when the request left, so that a slow network never makes a response look younger than it is.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.6
 */
export class ResponseCache {
  readonly #env: Env;
  readonly #largest: number;
  readonly #stored: ExpiringTable<StoredResponse>;
  /** Keys of the stored responses for one URI. */
  readonly #byUri = new Map<string, Set<string>>();
  readonly #fetching = new Map<string, Set<Fetching>>();

  /** @throws {CoapError} `ERR_COAP_PARAMETER` */
  constructor(options: CacheOptions, env: Env) {
    checkParameters('cache', options);
    this.#env = env;
    this.#largest = options.payload ?? 0x1_0000;
    const bounds = { lifetime: options.lifetime ?? 3_600_000, entries: options.entries ?? 4096, bytes: options.bytes ?? 0x100_0000 };
    this.#stored = new ExpiringTable(env, bounds, (stored) => this.#unlink(stored));
  }

  stats(): { readonly cached: number; readonly cachedBytes: number; readonly fetching: number } {
    let fetching = 0;
    for (const set of this.#fetching.values()) fetching += set.size;
    return { cached: this.#stored.size, cachedBytes: this.#stored.bytes, fetching };
  }

  /** What is stored under a Cache-Key, fresh or not. */
  get(key: string): StoredResponse | undefined {
    return this.#stored.get(key);
  }

  isFresh(stored: StoredResponse): boolean {
    return this.#env.now() <= stored.freshUntil;
  }

  /** Every fetch that begins is ended. */
  begin(key: string, uri: string): Fetching {
    const fetching: Fetching = { key, uri, since: this.#env.now(), outdated: false };
    const others = this.#fetching.get(uri);
    if (others === undefined) this.#fetching.set(uri, new Set([fetching]));
    else others.add(fetching);
    return fetching;
  }

  end(fetching: Fetching): void {
    const set = this.#fetching.get(fetching.uri);
    if (set?.delete(fetching) === true && set.size === 0) this.#fetching.delete(fetching.uri);
  }

  /** Take what came, if it may be stored and is fresh. It takes the place of what was there, which goes in any case. */
  store(fetching: Fetching, response: Response, since: number = fetching.since): void {
    const { key, uri } = fetching;
    const before = this.#stored.get(key);
    if (before !== undefined) this.#remove(before);
    const maxAge = uintOf(response.options, OptionNumber.MaxAge) ?? defaultMaxAge;
    if (fetching.outdated || maxAge === 0 || !isCacheable(response) || response.payload.length > this.#largest) return;
    const { code, payload } = response;
    const options = copyOptions(response.options.filter(({ number }) => number !== OptionNumber.Observe));
    const stored: StoredResponse = { key, uri, response: { code, options, payload: payload.slice() }, freshUntil: since + maxAge * 1000 };
    this.#put(stored);
  }

  /**
   * A 2.03 came that names the stored response: its freshness and its safe options are renewed.
   *
   * @see https://www.rfc-editor.org/rfc/rfc7252#section-5.9.1.3
   */
  validated(stored: StoredResponse, valid: Response, fetching: Fetching): StoredResponse {
    const renewed = valid.options.filter(({ number }) => !isUnsafe(number));
    const numbers = new Set(renewed.map(({ number }) => number));
    const kept = stored.response.options.filter(({ number }) => !numbers.has(number) && number !== OptionNumber.MaxAge);
    const options = copyOptions([...kept, ...renewed]).sort((a, b) => a.number - b.number);
    const maxAge = uintOf(valid.options, OptionNumber.MaxAge) ?? defaultMaxAge;
    const freshUntil = fetching.outdated ? Number.NEGATIVE_INFINITY : fetching.since + maxAge * 1000;
    const updated: StoredResponse = { ...stored, response: { ...stored.response, options }, freshUntil };
    this.#remove(stored);
    this.#put(updated);
    return updated;
  }

  /** The stored response as it goes to a client that has the representations with these ETags: its Max-Age is what is left, never more. */
  serve(stored: StoredResponse, etags: readonly Option[]): Response {
    const left = Math.max(0, Math.floor((stored.freshUntil - this.#env.now()) / 1000));
    const { code, options, payload } = stored.response;
    const response: Response = { code, options: withMaxAge(options, left), payload };
    return hasEtagOf(response, etags) ? validResponse(response) : response;
  }

  /** The resource has changed, or may have: nothing that is stored for its URI is fresh any more. */
  invalidate(uri: string): void {
    for (const fetching of this.#fetching.get(uri) ?? []) fetching.outdated = true;
    for (const key of [...(this.#byUri.get(uri) ?? [])]) {
      const stored = this.#stored.get(key);
      if (stored === undefined) continue;
      if (etagOf(stored.response) === undefined) this.#remove(stored);
      else stored.freshUntil = Number.NEGATIVE_INFINITY;
    }
  }

  close(): void {
    this.#stored.clear();
    this.#byUri.clear();
    this.#fetching.clear();
  }

  #put(stored: StoredResponse): void {
    let bytes = overhead + 2 * (stored.key.length + stored.uri.length) + stored.response.payload.length;
    for (const { value } of stored.response.options) bytes += value.length + 64;
    if (!this.#stored.set(stored.key, '', stored, bytes)) return;
    const keys = this.#byUri.get(stored.uri);
    if (keys === undefined) this.#byUri.set(stored.uri, new Set([stored.key]));
    else keys.add(stored.key);
  }

  #remove(stored: StoredResponse): void {
    this.#stored.delete(stored.key);
    this.#unlink(stored);
  }

  #unlink({ key, uri }: StoredResponse): void {
    const keys = this.#byUri.get(uri);
    if (keys?.delete(key) === true && keys.size === 0) this.#byUri.delete(uri);
  }
}

/** RFC 7252 §5.9: 2.05 and errors, never a success of another code. What OSCORE protects answers one request only (RFC 8613, Section 10). */
function isCacheable({ code, options }: Response): boolean {
  if (code !== Code.Content && (codeClass(code) === 2 || personal.has(code))) return false;
  // An Echo value is for the one request that it answers.
  return findOption(options, OptionNumber.Oscore) === undefined && findOption(options, OptionNumber.Echo) === undefined;
}

/** The entity-tag of a representation; errors cannot be validated. */
export function etagOf({ code, options }: Response): Uint8Array | undefined {
  return code === Code.Content ? findOption(options, OptionNumber.ETag)?.value : undefined;
}

/** Whether a response is one of those that a client has already. */
export function hasEtagOf(response: Response, etags: readonly Option[]): boolean {
  if (etags.length === 0) return false;
  const etag = etagOf(response);
  return etag !== undefined && etags.some(({ value }) => equalBytes(value, etag));
}
