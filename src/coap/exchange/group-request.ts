import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import type { Peer, Response, ResponseListener } from '../layer.ts';
import { findOption, OptionNumber, readUint } from '../message/option.ts';
import type { ObservationStream } from '../observe/stream.ts';

/** How long a group is listened to. */
export interface GroupRequestOptions {
  /** Milliseconds, from the call on, that responses are waited for. Default: twice DEFAULT_LEISURE. */
  readonly wait?: number;
  /** Responses kept for a consumer that is slower than they come, and members that are asked for more than their first block. Default 1,024. */
  readonly responses?: number;
  /** Ends the wait with `ERR_COAP_ABORTED`. */
  readonly signal?: AbortSignal;
}

/**
 * What comes back from a group, each response with the `peer` that it is from. A member that sends the first block of many is asked for the whole of it alone, once:
 * whoever is in the group may send such blocks in the name of others.
 */
export class GroupResponses implements ResponseListener {
  readonly #stream: ObservationStream;
  readonly #fetch: (peer: Peer, listener: ResponseListener) => Cancel;
  readonly #fetches = new Set<Cancel>();
  readonly #most: number;
  /** Whom was asked. */
  readonly #asked = new Set<string>();
  #over = false;

  /** @param most - members that are asked for the whole of an answer */
  constructor(stream: ObservationStream, most: number, fetch: (peer: Peer, listener: ResponseListener) => Cancel) {
    this.#stream = stream;
    this.#most = most;
    this.#fetch = fetch;
  }

  response(response: Response): void {
    const block = findOption(response.options, OptionNumber.Block2);
    if (block === undefined || readUint(block.value) === 0 || (readUint(block.value) & 8) === 0) this.#stream.response(response, false);
    else this.#fetchWhole(response.peer!);
  }

  error(error: ProtocolError): void {
    this.#stream.error(error);
  }

  /** The wait is over; members that are being asked for the rest may still finish. */
  end(): void {
    this.#over = true;
    if (this.#fetches.size === 0) this.#stream.finish();
  }

  cancel(): void {
    for (const cancel of this.#fetches) cancel();
    this.#fetches.clear();
  }

  #fetchWhole(peer: Peer): void {
    if (this.#asked.has(peer.key) || this.#asked.size >= this.#most) return;
    this.#asked.add(peer.key);
    let cancel: Cancel = () => {};
    const entry: Cancel = () => cancel();
    const done = (): void => {
      this.#fetches.delete(entry);
      if (this.#over && this.#fetches.size === 0) this.#stream.finish();
    };
    this.#fetches.add(entry);
    cancel = this.#fetch(peer, {
      response: (whole) => {
        this.#stream.response({ ...whole, peer }, false);
        done();
      },
      // What one member fails at is not the end for the others.
      error: done,
    });
  }
}
