import { Code, isUnwanted, OptionNumber, type Reply, type Response, uintOption } from '../coap/index.ts';
import { emptyBytes, utf8 } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import type { ExchangeParts } from './client-exchange.ts';
import type { SecurityContext } from './context.ts';
import type { OscoreError } from './errors.ts';
import { protectResponse, type RequestBinding } from './protect.ts';

const noCaching = [uintOption(OptionNumber.MaxAge, 0)];

function unprotected(code: number, text: string): Response {
  return { code, options: noCaching, payload: text === '' ? emptyBytes : utf8(text) };
}

/** Errors of OSCORE processing, sent without protection; an intermediary need not cache them (RFC 8613, Sections 4.1.3.1, 7.4, 8.2). */
export const refusals: Readonly<Record<'decode' | 'context' | 'replay' | 'decrypt' | 'gone' | 'unavailable', Response>> = {
  decode: unprotected(Code.BadOption, 'Failed to decode COSE'),
  context: unprotected(Code.Unauthorized, 'Security context not found'),
  replay: unprotected(Code.Unauthorized, 'Replay detected'),
  decrypt: unprotected(Code.BadRequest, 'Decryption failed'),
  /** The context left the table while a handler was at work, as when its token expired (RFC 9203, Section 4.3). */
  gone: unprotected(Code.Unauthorized, ''),
  /** There is no sender sequence number to protect the answer with, or the context could not be looked up. */
  unavailable: unprotected(Code.ServiceUnavailable, ''),
};

/**
 * Protects what a handler answers to one request (RFC 8613, Section 8.3).
 *
 * The first answer uses the nonce of the request, every later one a Partial IV of its own (Section 8.3.1). Nothing leaves unprotected but `refusals`.
 */
export class ServerReply implements Reply {
  readonly #parts: ExchangeParts;
  readonly #lower: Reply;
  readonly #context: SecurityContext;
  readonly #binding: RequestBinding;
  #ended = false;
  #nonceUsed = false;
  /** What tells whoever notifies that nobody waits for more. */
  #tasks: (() => void)[] | undefined = undefined;
  /** The Inner No-Response of the request (RFC 8613, Section 4.1.3.6). */
  noResponse = 0;

  constructor(parts: ExchangeParts, lower: Reply, context: SecurityContext, binding: RequestBinding) {
    this.#parts = parts;
    this.#lower = lower;
    this.#context = context;
    this.#binding = binding;
  }

  respond(response: Response): void {
    if (this.#ended) return;
    this.#ended = true;
    if (response.suppress === true || isUnwanted(this.noResponse, response.code)) this.#lower.respond({ ...response, options: [], suppress: true });
    else this.#answer(response, true);
  }

  notify(response: Response): void {
    if (!this.#ended) this.#answer(response, false);
  }

  /** Respond with a Partial IV, as the Echo challenge of Appendix B.1.2 must. */
  challenge(response: Response): void {
    this.#nonceUsed = true;
    this.respond(response);
  }

  onCancel(task: () => void): void {
    this.#lower.onCancel(task);
    (this.#tasks ??= []).push(task);
  }

  acknowledge(): void {
    if (!this.#ended) this.#lower.acknowledge?.();
  }

  dismiss(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lower.dismiss?.();
  }

  #answer(response: Response, final: boolean): void {
    if (this.#isGone()) return;
    if (!this.#nonceUsed) {
      this.#nonceUsed = true;
      this.#send(response, final, undefined);
      return;
    }
    this.#parts.contexts.use(this.#context);
    this.#parts.sequences.of(this.#context).take({
      use: (sequence) => {
        if (!this.#isGone()) this.#send(response, final, sequence);
      },
      fail: (error) => this.#fail(error),
    });
  }

  /** The context is looked at again for each answer. */
  #isGone(): boolean {
    if (this.#parts.contexts.has(this.#context)) return false;
    this.#breakOff(refusals.gone);
    return true;
  }

  /** End with another response than the one that was given: layers above hear nothing of it but this. */
  #breakOff(response: Response): void {
    const tasks = this.#ended ? [] : (this.#tasks ?? []);
    this.#ended = true;
    this.#lower.respond(response);
    for (const task of tasks) {
      try {
        task();
      } catch (error) {
        this.#parts.emit?.({ type: 'failed', error });
      }
    }
  }

  #fail(error: OscoreError): void {
    this.#parts.emit?.({ type: 'discarded', direction: 'out', reason: 'response', context: this.#context, detail: error.code });
    this.#breakOff(this.#parts.contexts.has(this.#context) ? refusals.unavailable : refusals.gone);
  }

  #send(response: Response, final: boolean, sequence: number | undefined): void {
    let message: Response;
    try {
      message = protectResponse(response, this.#context, this.#binding, sequence);
      this.#parts.emit?.({ type: 'protected', direction: 'out', context: this.#context, inner: response });
    } catch (error) {
      // The handler made a message that cannot be encoded. Nothing was encrypted yet, so the nonce is still good for once.
      const detail = messageOf(error);
      this.#parts.emit?.({ type: 'discarded', direction: 'out', reason: 'response', context: this.#context, detail });
      this.#breakOff(protectResponse({ code: Code.InternalServerError, options: [], payload: emptyBytes }, this.#context, this.#binding, sequence));
      return;
    }
    if (response.nonConfirmable !== undefined) message = { ...message, nonConfirmable: response.nonConfirmable };
    if (response.qBlock !== undefined) message = { ...message, qBlock: response.qBlock };
    if (final) this.#lower.respond(message);
    else this.#lower.notify(message);
  }
}
