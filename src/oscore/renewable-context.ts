import type { SecurityAssociation } from '../coap/index.ts';
import { checkBounds } from '../core/bounds.ts';
import { equalBytes } from '../core/bytes.ts';
import type { Env } from '../core/env.ts';
import { type ContextOptions, deriveContext, type SecurityContext } from './context.ts';
import type { ContextTable } from './context-table.ts';
import { type ContextParameters, checkParameters } from './derive.ts';
import { OscoreError, wrongLimit } from './errors.ts';
import { HmacKey, shortestNonce } from './exchanged-ids.ts';
import { RenewalQueue } from './renewal-queue.ts';

/** Which part an endpoint had in a run of the procedure. */
export type RenewalRole = 'client' | 'server';

/** What both ends know at the start of a renewable context (RFC 8613, Appendix B.2). */
export interface RenewableOptions {
  /** See `SecurityAssociation.credential`; every context that is derived has it. */
  readonly credential?: string;
  /**
   * The context in use at the start, with the same IDs. Absent: the mutable part is lost, or never was, so that the first request runs the procedure.
   *
   * Whoever was restarted and kept the ID Context of the last `renewed` event derives it anew, with `window: 'unverified'` if it receives requests.
   */
  readonly current?: SecurityContext;
  /** Bytes of R1, S2 and R3, 8 to 32. Default: 8. */
  readonly nonceLength?: number;
  /** How many requests may wait for the end of the procedure. Default: 1,024. */
  readonly waiting?: number;
}

const longestNonce = 32;

let made = 0;

/**
 * The input parameters of Security Contexts that are derived multiple times (RFC 8613, Appendix B.2), and the context in use.
 *
 * It stands in a `ContextTable` beside the contexts (`addRenewable`). Requests whose association it is go out under the context in use; when there is none, or
 * the server lost it, they first establish a new one. As a server it answers requests that no context of the table fits with response #1, and takes the new
 * context into use at request #2. Both endpoints need a good source of randomness.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8613#appendix-B.2
 */
export class RenewableContext implements SecurityAssociation {
  readonly kind = 'oscore';
  readonly id: string;
  readonly credential: string | undefined;
  /** Requests of this endpoint that run the procedure or wait for its end. */
  /** @internal */
  readonly queue: RenewalQueue;
  readonly nonceLength: number;
  readonly #parameters: ContextParameters;
  readonly #hmacKey: HmacKey = new HmacKey();
  /** What the owner gave, until a run ends. */
  #given: SecurityContext | undefined;
  /**
   * The last context of each role. Two endpoints that run the procedure towards each other at the same time end with one of each role, and whichever a peer
   * uses is in the table (Appendix B.2.1).
   */
  readonly #established: Partial<Record<RenewalRole, SecurityContext>> = {};
  #current: SecurityContext | undefined;
  #lost = false;

  /** @throws {OscoreError} `ERR_OSCORE_PARAMETERS` */
  constructor(parameters: Omit<ContextParameters, 'idContext'>, options: RenewableOptions = {}) {
    const { current, nonceLength = shortestNonce, waiting = 1024 } = options;
    checkBounds({ waiting }, wrongLimit('OSCORE context'));
    const { masterSecret, masterSalt, senderId, recipientId } = checkParameters(parameters);
    if ((parameters as ContextParameters).idContext !== undefined)
      throw new OscoreError('ERR_OSCORE_PARAMETERS', 'OSCORE context: expected parameters without ID Context, which the procedure makes, got one');
    if (!Number.isInteger(nonceLength) || nonceLength < shortestNonce || nonceLength > longestNonce)
      throw new OscoreError('ERR_OSCORE_PARAMETERS', `OSCORE context: expected nonces of ${shortestNonce} to ${longestNonce} bytes, got ${nonceLength}`);
    if (current !== undefined && !(equalBytes(current.senderId, senderId) && equalBytes(current.recipientId, recipientId)))
      throw new OscoreError('ERR_OSCORE_PARAMETERS', 'OSCORE context: expected a current context with the IDs of the parameters, got others');
    this.#parameters = {
      ...parameters,
      masterSecret: masterSecret.slice(),
      masterSalt: masterSalt.slice(),
      senderId: senderId.slice(),
      recipientId: recipientId.slice(),
    };
    this.id = `oscore-renewable-${++made}`;
    this.credential = options.credential;
    this.nonceLength = nonceLength;
    this.queue = new RenewalQueue(waiting);
    this.#given = current;
    this.#current = current;
  }

  /** What the peer sends as, whatever the context in use. */
  get recipientId(): Uint8Array {
    return this.#parameters.recipientId;
  }

  /** The context that was established last, or given, unless it was found lost. */
  get current(): SecurityContext | undefined {
    return this.#lost ? undefined : this.#current;
  }

  /** The contexts that are in use in either role. */
  get contexts(): SecurityContext[] {
    return [this.#given, this.#established.client, this.#established.server].filter((context) => context !== undefined);
  }

  /**
   * Run the procedure with the next request, as before the sender sequence numbers of the context are used up. Until a new context is established the old one
   * stays; what the server is still working on then is answered without protection.
   */
  renew(): void {
    this.#lost = true;
  }

  /** The peer does not know this context any more, or its numbers are used up. */
  lose(context: SecurityContext): void {
    if (context === this.#current) this.#lost = true;
  }

  /** The procedure failed: the context in use is tried again, since anybody may have said that it is lost. */
  retain(): void {
    this.#lost = false;
  }

  /** @throws {OscoreError} `ERR_OSCORE_PARAMETERS` when the ID Context is too long */
  derive(idContext: Uint8Array | undefined, options: ContextOptions = {}): SecurityContext {
    const all = this.credential === undefined ? options : { ...options, credential: this.credential };
    return deriveContext(idContext === undefined ? this.#parameters : { ...this.#parameters, idContext }, all);
  }

  /** See `HmacKey.makeR2`. */
  makeR2(env: Env): Uint8Array {
    return this.#hmacKey.makeR2(env, this.nonceLength);
  }

  /** See `HmacKey.recognises`. */
  recognises(id3: Uint8Array, env: Env): boolean {
    return this.#hmacKey.recognises(id3, env, this.nonceLength);
  }

  /** Whether a context that a client proposes would take the place of an old one, or finds a place of its own. */
  hasRoom(contexts: ContextTable): boolean {
    return !contexts.full || this.#replacedBy('server').some((context) => contexts.has(context) && !this.queue.isUsed(context));
  }

  /**
   * RFC 8613, Appendix B.2, steps 4 and 5: the peer has proven itself, so the context replaces the previous one of the role. That leaves the table, once no
   * request of this endpoint waits for a response under it.
   *
   * All R2s that were made are forgotten with step 4, and a replay of any request #2 with them.
   */
  establish(contexts: ContextTable, context: SecurityContext, role: RenewalRole): void {
    const replaced = this.#replacedBy(role);
    this.#given = undefined;
    this.#established[role] = context;
    this.#current = context;
    this.#lost = false;
    if (role === 'server') this.#hmacKey.erase();
    for (const old of replaced) this.queue.retire(old, () => contexts.remove(old));
    contexts.add(context);
  }

  /** The input parameters left the table, and all contexts with them. */
  release(contexts: ContextTable): void {
    const { candidate } = this.queue;
    this.queue.end();
    for (const context of candidate === undefined ? this.contexts : [...this.contexts, candidate]) contexts.remove(context);
  }

  #replacedBy(role: RenewalRole): SecurityContext[] {
    return [this.#given, this.#established[role]].filter((context) => context !== undefined);
  }
}
