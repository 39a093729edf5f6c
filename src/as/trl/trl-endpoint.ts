import { encodeTrlResponse, type TrlResponse } from '../../ace/index.ts';
import { Code, ContentFormat, OptionNumber, type ResourceHandle, type ResourceRequest, type Response, uintOf, uintOption } from '../../coap/index.ts';
import type { Cancel, Env } from '../../core/env.ts';
import { messageOf } from '../../core/errors.ts';
import { faultReason } from '../audit.ts';
import { type EndpointRequest, refuseStranger } from '../endpoint-request.ts';
import type { Emit } from '../events.ts';
import { clientCredential } from '../registry/registration.ts';
import type { Registry } from '../registry/registry.ts';
import { administrator, maxUpdates, type Revocations } from './revocations.ts';
import { defaultMaxIndex, diffResponse, lastIndex, readTrlQuery, TrlQueryError, trlErrorResponse } from './trl-query.ts';

/** How the token revocation list is told. Whoever asks with diff queries is to be told these numbers at registration (RFC 9770, Section 6.2). */
export interface TrlOptions {
  /** Ids of the clients that see the whole list. */
  readonly administrators?: readonly string[];
  /** MAX_DIFF_BATCH of RFC 9770, Section 6.2.1: diff entries in one response, at most MAX_N, which is 64; 16. */
  readonly batch?: number;
  /** MAX_INDEX; 2^32 - 1. */
  readonly maxIndex?: number;
  /** Seconds until an observer here hears of what another process has revoked; 1. */
  readonly poll?: number;
}

export interface TrlEndpointOptions extends TrlOptions {
  readonly registry: Registry;
  readonly revocations: Revocations;
  readonly env: Env;
  readonly emit: Emit;
}

/** Milliseconds from a request to observe until it is one that does: the answer may wait for the audit log. */
const longestAnswer = 10_000;

/**
 * The token revocation list endpoint. A client sees the tokens that it got, a resource server those that are for it, an administrator all.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9770#section-6
 */
export class TrlEndpoint {
  readonly #options: TrlEndpointOptions;
  readonly #bounds: { readonly batch: number; readonly maxIndex: number };
  readonly #administrators: ReadonlySet<string>;
  /** The resource, once it has its place. */
  #handle: Pick<ResourceHandle, 'changed' | 'observers'> | undefined;
  /** Updates of the list that observers were told of. */
  #told = 0;
  #timer: Cancel | undefined;
  /** Until then somebody may become an observer who has asked to be one: milliseconds of `Env.now`. */
  #awaitedUntil = Number.NEGATIVE_INFINITY;
  /** The watch over the store; fulfilled when it has begun. */
  #watching: Promise<void> | undefined;
  #closed = false;

  constructor(options: TrlEndpointOptions) {
    this.#options = options;
    this.#bounds = { batch: Math.min(options.batch ?? 16, maxUpdates), maxIndex: options.maxIndex ?? defaultMaxIndex };
    this.#administrators = new Set((options.administrators ?? []).map(clientCredential));
  }

  /** The resource that observers are notified through. */
  attach(handle: Pick<ResourceHandle, 'changed' | 'observers'>): void {
    this.#handle = handle;
  }

  /** Answer a GET. It rejects only on faults of this server. */
  async answer(request: Pick<ResourceRequest, 'options' | 'query'> & EndpointRequest): Promise<Response> {
    const { registry, revocations, emit } = this.#options;
    const peer = await registry.peer(request.association);
    if (peer === undefined) return refuseStranger(request, emit);
    const observe = uintOf(request.options, OptionNumber.Observe) === 0;
    await this.#sweep();
    // What changes from here on is seen by the watch, and what changed before in the answer.
    if (observe) {
      this.#awaitedUntil = this.#options.env.now() + longestAnswer;
      await this.#watch();
    }
    const requester = this.#requesterOf(peer.credential);
    const updates = await revocations.updates(requester);
    try {
      const query = readTrlQuery(request.query, updates, this.#bounds);
      emit({ type: 'trl-queried', requester: peer.credential, query: query.diff === undefined ? 'full' : 'diff', observe });
      return content(
        query.diff === undefined
          ? // The cursor was read before the list, so that a revocation in between is told twice and never missed.
            { fullSet: await revocations.hashes(requester), cursor: lastIndex(updates, this.#bounds.maxIndex) }
          : diffResponse(updates, query, this.#bounds),
      );
    } catch (error) {
      if (!(error instanceof TrlQueryError)) throw error;
      emit({ type: 'refused', reason: 'trl', peer: peer.credential, detail: error.message });
      return trlErrorResponse(error);
    }
  }

  /** Notify those observers whose part of the list has changed (RFC 9770, Section 11). */
  async look(): Promise<void> {
    const { count, requesters } = await this.#options.revocations.pertaining(this.#told);
    if (count <= this.#told) return;
    this.#told = count;
    const { registry } = this.#options;
    this.#handle?.changed(({ association }) => {
      const requester = this.#requesterOf(registry.peerCredential(association?.credential ?? ''));
      return requester === administrator || requesters === undefined || requesters.has(requester);
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.();
  }

  /** Look at the store for as long as there are observers: another process may revoke, and tokens expire. */
  #watch(): Promise<void> {
    this.#watching ??= this.#startWatch();
    return this.#watching;
  }

  async #startWatch(): Promise<void> {
    try {
      this.#told = (await this.#options.revocations.pertaining(0)).count;
    } catch (error) {
      this.#watching = undefined;
      throw error;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed) return;
    const { env, poll = 1 } = this.#options;
    this.#timer = env.schedule(poll * 1000, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    await this.#sweep();
    try {
      await this.look();
    } catch (error) {
      this.#fault(error);
    }
    if ((this.#handle?.observers ?? 0) > 0 || this.#options.env.now() < this.#awaitedUntil) this.#schedule();
    else this.#watching = undefined;
  }

  /** A store that takes nothing now, as where the disk is full, can still be read. */
  async #sweep(): Promise<void> {
    try {
      await this.#options.revocations.sweep();
    } catch (error) {
      this.#fault(error);
    }
  }

  #fault(error: unknown): void {
    this.#options.emit({ type: 'fault', reason: faultReason(error), detail: messageOf(error) });
  }

  #requesterOf(credential: string): string {
    return this.#administrators.has(credential) ? administrator : credential;
  }
}

function content(response: TrlResponse): Response {
  return { code: Code.Content, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceTrl)], payload: encodeTrlResponse(response) };
}
