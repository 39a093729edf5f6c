import { emptyBytes } from '../../core/bytes.ts';
import type { Block } from '../blockwise/block-option.ts';
import { Task } from '../deadline.ts';
import type { Reply, Request, Response } from '../layer.ts';
import { copyOptions } from '../message/cache-key.ts';
import { findOption, OptionNumber } from '../message/option.ts';
import type { Sending } from './send.ts';
import type { QBlockServer } from './server.ts';

/** After this many Non-confirmable notifications in a row one is Confirmable, so that a client that is gone is found out (RFC 7641, Section 4.5). */
const nonConfirmableInARow = 8;

/**
 * Splits what a handler answers to one request.
 *
 * Bodies of notifications follow each other at the pace of MAX_PAYLOADS_SETs: a newer one takes the place of one that waits, and of what is left to send of the
 * one before (RFC 9177, Sections 4.4 and 7.2).
 */
export class BodyReply implements Reply {
  readonly #server: QBlockServer;
  readonly #lower: Reply;
  readonly #request: Request;
  readonly #key: string;
  readonly #asked: Block;
  readonly #announced: boolean;
  readonly #concluded: ((final: Response) => void) | undefined;
  readonly #observes: boolean;
  readonly #task: Task = new Task(() => this.#resume());
  #sending: Sending | undefined;
  #waiting: Response | undefined;
  #nonConfirmables = 0;
  #watched = false;

  /**
   * @param asked the block size, and by M whether the whole body is wanted
   * @param announced the client asked by a Q-Block2 option
   */
  constructor(server: QBlockServer, lower: Reply, request: Request, key: string, asked: Block, announced: boolean, concluded?: (final: Response) => void) {
    this.#server = server;
    this.#lower = lower;
    // The reply to an observation lives long.
    this.#request = { ...request, options: [], payload: emptyBytes };
    this.#key = key;
    this.#asked = asked;
    this.#announced = announced;
    this.#concluded = concluded;
    this.#observes = findOption(request.options, OptionNumber.Observe) !== undefined;
  }

  respond(response: Response): void {
    this.#stop();
    this.#concluded?.(response);
    this.#server.answer(response, this.#lower, this.#request, this.#key, this.#asked, this.#announced);
  }

  notify(response: Response): void {
    if (!this.#observes) {
      this.respond(response);
      return;
    }
    if (!this.#watched) {
      this.#watched = true;
      this.#lower.onCancel(() => this.#stop());
    }
    const { deadlines, env, timing } = this.#server;
    const wait = this.#sending === undefined ? 0 : this.#sending.sentAt + timing.nonTimeoutRandom() - env.now();
    if (wait <= 0) this.#announce(response);
    else {
      if (this.#waiting === undefined) deadlines.set(this.#task, wait);
      this.#waiting = { ...response, options: copyOptions(response.options), payload: response.payload.slice() };
    }
  }

  onCancel(task: () => void): void {
    this.#lower.onCancel(task);
  }

  #resume(): void {
    const response = this.#waiting;
    this.#waiting = undefined;
    this.#sending?.stop();
    this.#sending = undefined;
    if (response !== undefined) this.#announce(response);
  }

  #announce(response: Response): void {
    const confirmable = this.#request.nonConfirmable !== true || this.#nonConfirmables >= nonConfirmableInARow;
    this.#nonConfirmables = confirmable ? 0 : this.#nonConfirmables + 1;
    this.#sending = this.#server.announce(response, this.#lower, this.#request, this.#key, this.#asked, confirmable ? 'CON' : 'NON');
  }

  #stop(): void {
    this.#server.deadlines.clear(this.#task);
    this.#waiting = undefined;
    this.#sending?.stop();
    this.#sending = undefined;
  }
}
