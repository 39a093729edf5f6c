import { AceError, Expiry, type IntrospectionResponse, tokenHashText } from '../ace/index.ts';
import { Code } from '../coap/index.ts';
import type { ClaimsSet } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';

/** Asks the AS of an issuer what a token says, over a channel that this RS has to it: `AceClient.introspect`. It fails with a `ProtocolError`. */
export type Introspector = (token: Uint8Array) => Promise<IntrospectionResponse>;

/** When an RS asks the AS about a token that comes to authz-info (RFC 9200, Section 5.9). */
export interface IntrospectionOptions {
  /** By the name of the issuer. */
  readonly issuers: Readonly<Record<string, Introspector>>;
  /** `opaque`: of what this RS cannot open by itself, such as a token that is but a reference. `every`: of each, so that one is refused that is not active. Default `opaque`. */
  readonly tokens?: 'opaque' | 'every';
  /** Seconds for which an answer counts, within the life of the token and until it is revoked; 60. */
  readonly cache?: number;
}

interface Answer {
  /** `undefined`: not active. */
  readonly claims: ClaimsSet | undefined;
}

/** Answers that are kept; the oldest goes. */
const mostAnswers = 1024;

/** A question under way. */
class Asking {
  readonly answer: Promise<Answer>;
  /** Its token was revoked meanwhile: what the AS said before that does not count. */
  isRevoked = false;

  constructor(ask: (asking: Asking) => Promise<Answer>) {
    this.answer = ask(this);
  }
}

/**
 * Introspection by an RS, with answers that are kept for a while: also the one that a token is not active, so that whoever sends it again and again costs the AS
 * one question.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9
 */
export class Introspections {
  #options: IntrospectionOptions;
  readonly #env: Env;
  /** By issuer and token hash, the oldest first. */
  readonly #answers = new Map<string, Answer>();
  readonly #asking = new Map<string, Asking>();
  readonly #expiry: Expiry;

  constructor(options: IntrospectionOptions | undefined, env: Env) {
    this.#options = options ?? { issuers: {} };
    this.#env = env;
    this.#expiry = new Expiry(env, (key) => this.#answers.delete(key));
  }

  /** Ask in another way; what was answered before counts for as long as it did. */
  change(options: IntrospectionOptions | undefined): void {
    this.#options = options ?? { issuers: {} };
  }

  /** Answers that are kept. */
  get size(): number {
    return this.#answers.size;
  }

  /**
   * What an AS says of a token that this RS cannot open.
   *
   * @returns `undefined` when no AS can be asked, or none knows it as active
   * @throws {AceError} `ERR_RS_INTROSPECTION`, 5.03, when an AS does not answer and no other knows the token
   */
  async open(token: Uint8Array): Promise<{ readonly claims: ClaimsSet; readonly issuer: string } | undefined> {
    let failure: unknown;
    for (const issuer of Object.keys(this.#options.issuers)) {
      // The RS may have been told to ask others since.
      if (!Object.hasOwn(this.#options.issuers, issuer)) continue;
      try {
        const { claims } = await this.#answer(issuer, token);
        if (claims !== undefined) return { claims, issuer };
      } catch (error) {
        if (!(error instanceof AceError)) throw error;
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /**
   * Ask about a token that this RS has opened, where it is to ask about each.
   *
   * @throws {AceError} `ERR_RS_INACTIVE`, 4.01; `ERR_RS_INTROSPECTION`, 5.03
   */
  async confirm(token: Uint8Array, issuer: string): Promise<void> {
    if (this.#options.tokens !== 'every' || !Object.hasOwn(this.#options.issuers, issuer)) return;
    const { claims } = await this.#answer(issuer, token);
    if (claims === undefined)
      throw new AceError('ERR_RS_INACTIVE', 'expected a token that is active, got one that is not', { responseCode: Code.Unauthorized });
  }

  /** Tokens were revoked: what was said of them does not count any more. */
  drop(issuer: string, hashes: readonly string[]): void {
    for (const hash of hashes) {
      const key = keyOf(issuer, hash);
      this.#answers.delete(key);
      this.#expiry.delete(key);
      const asking = this.#asking.get(key);
      if (asking !== undefined) asking.isRevoked = true;
    }
  }

  close(): void {
    this.#expiry.close();
    this.#answers.clear();
  }

  #answer(issuer: string, token: Uint8Array): Promise<Answer> {
    const key = keyOf(issuer, tokenHashText(token));
    const kept = this.#expiry.has(key) ? this.#answers.get(key) : undefined;
    if (kept !== undefined) return Promise.resolve(kept);
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = new Asking((own) => this.#ask(own, key, issuer, token.slice()).finally(() => this.#asking.delete(key)));
      this.#asking.set(key, asking);
    }
    return asking.answer;
  }

  async #ask(asking: Asking, key: string, issuer: string, token: Uint8Array): Promise<Answer> {
    let response: IntrospectionResponse;
    try {
      response = await this.#options.issuers[issuer]!(token);
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw new AceError('ERR_RS_INTROSPECTION', `the AS did not say whether the token is active: ${cause.message}`, {
        responseCode: Code.ServiceUnavailable,
        retryAfter: 5,
        cause,
      });
    }
    if (asking.isRevoked) return { claims: undefined };
    const { active, clientId: _client, tokenType: _type, username: _user, ...claims } = response;
    const answer: Answer = { claims: active ? claims : undefined };
    if (this.#answers.size >= mostAnswers) this.drop(...partsOf(this.#answers.keys().next().value!));
    this.#answers.set(key, answer);
    this.#expiry.set(key, Math.min(this.#env.epoch() + (this.#options.cache ?? 60), claims.exp ?? Number.POSITIVE_INFINITY));
    return answer;
  }
}

const keyOf = (issuer: string, hash: string): string => `${hash} ${issuer}`;

function partsOf(key: string): [issuer: string, hashes: readonly string[]] {
  const at = key.indexOf(' ');
  return [key.slice(at + 1), [key.slice(0, at)]];
}
