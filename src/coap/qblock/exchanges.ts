import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import type { Request, Requester, Response } from '../layer.ts';

/** What is heard of the exchanges of one transfer. `id` tells which. */
export interface Heard {
  response(response: Response, last: boolean, id: number): void;
  error(error: ProtocolError, id: number): void;
  acknowledged(id: number): void;
}

interface Open {
  heard: Heard;
  cancel: Cancel | undefined;
  closed: boolean;
}

/** The exchanges that one transfer has open: each payload, and each question, is a request with a token of its own (RFC 9177, Section 6). */
export class Exchanges {
  readonly #next: Requester;
  readonly #open = new Map<number, Open>();
  #count = 0;

  constructor(next: Requester) {
    this.#next = next;
  }

  send(request: Request, heard: Heard): number {
    const id = this.#count++;
    const entry: Open = { heard, cancel: undefined, closed: false };
    this.#open.set(id, entry);
    const cancel = attempt(
      this.#next,
      { ...request, qBlock: true },
      {
        response: (response, last) => {
          if (entry.closed) return;
          if (last) this.#over(id, entry);
          entry.heard.response(response, last, id);
        },
        error: (error) => {
          if (entry.closed) return;
          this.#over(id, entry);
          entry.heard.error(error, id);
        },
        acknowledged: () => {
          if (!entry.closed) entry.heard.acknowledged(id);
        },
      },
    );
    // It may be over already, or not be wanted any more.
    if (entry.closed) cancel();
    else entry.cancel = cancel;
    return id;
  }

  /** Another listener from now on. */
  listen(id: number, heard: Heard): void {
    const entry = this.#open.get(id);
    if (entry !== undefined) entry.heard = heard;
  }

  /** Forget an exchange: what still comes under its token is answered with a Reset (RFC 9177, Section 4.3). */
  close(id: number): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    this.#over(id, entry);
    entry.cancel?.();
  }

  closeAll(except?: number): void {
    for (const id of [...this.#open.keys()]) if (id !== except) this.close(id);
  }

  #over(id: number, entry: { closed: boolean }): void {
    entry.closed = true;
    this.#open.delete(id);
  }
}
