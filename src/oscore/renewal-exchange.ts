import { Code, codeClass, Method, type Request, type Requester, type Response, type ResponseListener } from '../coap/index.ts';
import { concat, emptyBytes } from '../core/bytes.ts';
import type { Cancel, Env } from '../core/env.ts';
import type { ProtocolError } from '../core/errors.ts';
import { ClientExchange, type ExchangeParts } from './client-exchange.ts';
import type { SecurityContext } from './context.ts';
import { OscoreError } from './errors.ts';
import type { DiscardReason } from './events.ts';
import { decodeExchangedId, encodeExchangedId, oscoreOptionOf, shortestNonce, withOscoreOption } from './exchanged-ids.ts';
import type { OscoreOption } from './option.ts';
import { protectRequest, unprotectResponse } from './protect.ts';
import type { RenewableContext } from './renewable-context.ts';
import type { RenewalQueue } from './renewal-queue.ts';
import { contextGone } from './sequences.ts';

/** How often one request begins anew because the server does not know the context: a server that never does ends here. */
const mostRounds = 3;

/** One sending of the request; what comes after it is over is not heard. */
interface Sending {
  stop: Cancel | undefined;
  over: boolean;
  /** Whether the request left. */
  left: boolean;
}

interface Attempt {
  start(listener: ResponseListener): Cancel;
  response(response: Response, last: boolean): void;
}

/**
 * A request under a `RenewableContext`, and the client's part of RFC 8613, Appendix B.2.
 *
 * The request itself is request #1, which the server never executes, and again request #2. Where there is a context in use, it goes out under that one, and a
 * response #1 to it is the server that begins the procedure.
 */
export class RenewalExchange {
  /** The place in the order of the requests. */
  readonly place: number;
  /** What it went out under. */
  context: SecurityContext | undefined = undefined;
  /** Whether there was a response that verified. */
  answered = false;
  readonly #parts: ExchangeParts;
  readonly #env: Env;
  readonly #next: Requester;
  readonly #request: Request;
  readonly #renewable: RenewableContext;
  readonly #queue: RenewalQueue;
  readonly #listener: ResponseListener;
  #sending: Sending | undefined = undefined;
  #isRequest1 = false;
  #rounds = 0;
  #done = false;

  constructor(parts: ExchangeParts, env: Env, next: Requester, request: Request, renewable: RenewableContext, listener: ResponseListener) {
    this.#parts = parts;
    this.#env = env;
    this.#next = next;
    this.#request = request;
    this.#renewable = renewable;
    this.#queue = renewable.queue;
    this.#listener = listener;
    this.place = this.#queue.place();
  }

  start(): Cancel {
    this.#proceed();
    return () => {
      if (!this.#done) this.#leave(() => {});
    };
  }

  /** Go out under the context in use, or run the procedure when there is none. */
  resume(): void {
    const { current } = this.#renewable;
    if (!this.#parts.contexts.hasRenewable(this.#renewable)) this.fail(contextGone());
    else if (current !== undefined && this.#parts.contexts.has(current)) this.#sendUnder(current);
    else {
      this.#queue.lead(this);
      this.#sendRequest1();
    }
  }

  fail(error: ProtocolError): void {
    if (this.#done) return;
    if ((error.code === 'ERR_OSCORE_SEQUENCE' || error.code === 'ERR_OSCORE_CONTEXT') && this.#beginsAnew()) return;
    if (this.#queue.head === this) this.#abandon(error, () => this.#listener.error(error));
    else this.#leave(() => this.#listener.error(error));
  }

  /** What a `ClientExchange` lets through. */
  #protected(response: Response, last: boolean): void {
    if (response.association === undefined) {
      this.#unprotected(response, last);
      return;
    }
    const { context } = this;
    const queue = this.#queue;
    // RFC 8613 Appendix B.2, step 5
    if (context !== undefined && queue.candidate === context) {
      this.#renewable.establish(this.#parts.contexts, context, 'client');
      this.#parts.emit?.({ type: 'renewed', role: 'client', renewable: this.#renewable, context });
    }
    this.answered = true;
    if (last) this.#done = true;
    this.#tell(() => this.#listener.response({ ...response, association: this.#renewable }, last));
    if (last) queue.leave(this);
    else if (queue.head === this) queue.release();
  }

  #proceed(): void {
    if (this.#queue.busy) this.#queue.wait(this);
    else this.resume();
  }

  /** RFC 8613 Appendix B.2, step 1. The keys are new with R1 and protect this message only, so its number need not last. */
  #sendRequest1(): void {
    const r1 = this.#env.random(this.#renewable.nonceLength);
    let message: Request;
    let first: SecurityContext;
    try {
      first = this.#renewable.derive(r1);
      ({ message } = protectRequest(this.#request, first, 0));
    } catch (error) {
      // The request is at fault, not the procedure: the next one may run it.
      this.#leave(() => this.#listener.error(error as ProtocolError));
      return;
    }
    this.context = first;
    this.#isRequest1 = true;
    const option = oscoreOptionOf(message)!;
    const sent = withOscoreOption(message, { ...option, kidContext: encodeExchangedId(r1) });
    this.#parts.emit?.({ type: 'renewing', role: 'client', step: 'request-1', renewable: this.#renewable });
    this.#send({
      start: (listener) => this.#next(this.#request.qBlock === true ? { ...sent, qBlock: true } : sent, listener),
      response: (response, last) => {
        const r2 = this.#readResponse1(response, first, option.partialIv!);
        if (r2 !== undefined) this.#renew(r2);
        else if (oscoreOptionOf(response) === undefined && codeClass(response.code) !== 2) this.#unprotected(response, last);
        else this.#discard(oscoreOptionOf(response) === undefined ? 'unprotected' : 'decrypt', first, last);
      },
    });
  }

  /** Send under a context of the table, as request #2 if it is the candidate; a response #1 to it is looked for until there was another response. */
  #sendUnder(context: SecurityContext): void {
    this.context = context;
    this.#isRequest1 = false;
    this.#queue.open(this);
    const next: Requester = (message, listener) => {
      const sending = this.#sending;
      if (sending !== undefined) sending.left = true;
      const option = oscoreOptionOf(message)!;
      const wrapped = context === this.#queue.candidate && context.idContext !== undefined;
      const sent = wrapped ? withOscoreOption(message, { ...option, kidContext: encodeExchangedId(context.idContext) }) : message;
      return this.#next(sent, {
        response: (response, last) => {
          const r2 = this.answered || sending?.over === true ? undefined : this.#readResponse1(response, context, option.partialIv!);
          if (r2 === undefined) listener.response(response, last);
          else this.#renew(r2);
        },
        error: (error) => listener.error(error),
        acknowledged: () => listener.acknowledged?.(),
      });
    };
    this.#send({
      start: (listener) => new ClientExchange(this.#parts, next, { ...this.#request, association: context }, context, listener).start(),
      response: (response, last) => this.#protected(response, last),
    });
  }

  /**
   * RFC 8613 Appendix B.2, step 3: R2, if this is a response #1 that verifies. Without a Partial IV of its own its nonce is the one from the request
   * (Section 5.2), as it stands: made with the Common IV of the context of the request.
   */
  #readResponse1(message: Response, context: SecurityContext, partialIv: Uint8Array): Uint8Array | undefined {
    const option = oscoreOptionOf(message);
    const r2 = option?.kidContext === undefined ? undefined : decodeExchangedId(option.kidContext);
    if (option === undefined || r2 === undefined || r2.length < shortestNonce) return undefined;
    const { kidContext: _, ...others }: OscoreOption = option;
    try {
      const second = this.#renewable.derive(concat(r2, context.idContext ?? emptyBytes));
      const binding = { aad: second.sender.aad(partialIv), nonce: context.sender.nonce(partialIv) };
      const { response } = unprotectResponse(withOscoreOption(message, others), second, binding);
      return response.code === Code.Unauthorized ? r2 : undefined;
    } catch {
      return undefined;
    }
  }

  /** The server has no context for what was sent, and has executed nothing. */
  #renew(r2: Uint8Array): void {
    const queue = this.#queue;
    if (++this.#rounds > mostRounds) {
      this.fail(new OscoreError('ERR_OSCORE_RENEWAL', `expected the server to take a new context into use, got a response #1 for the ${this.#rounds}th time`));
      return;
    }
    this.#endSending();
    if (queue.head !== this) {
      const { current } = this.#renewable;
      const renewedMeanwhile = current !== undefined && current !== this.context && this.#parts.contexts.has(current);
      if (queue.busy || renewedMeanwhile) {
        this.#proceed();
        return;
      }
      queue.lead(this);
    }
    this.#dropCandidate();
    this.#sendRequest2(r2.slice());
  }

  /** RFC 8613 Appendix B.2, step 3. The context stands in the table beside the old one until a response verifies. */
  #sendRequest2(r2: Uint8Array): void {
    let third: SecurityContext;
    try {
      third = this.#renewable.derive(concat(r2, this.#env.random(this.#renewable.nonceLength)));
      this.#parts.contexts.add(third);
    } catch (error) {
      this.fail(error as ProtocolError);
      return;
    }
    this.#queue.propose(third);
    this.#parts.emit?.({ type: 'renewing', role: 'client', step: 'request-2', renewable: this.#renewable });
    this.#sendUnder(third);
  }

  /**
   * An error without protection, which anybody may have made. It can say that the server does not know the context; then the next request runs the procedure,
   * and this one does when it does no harm if it is executed twice.
   */
  #unprotected(response: Response, last: boolean): void {
    const lost = response.code === Code.Unauthorized || response.code === Code.BadRequest;
    if (lost && !this.answered) {
      if (this.#beginsAnew()) return;
      if (this.context !== undefined) this.#renewable.lose(this.context);
    }
    const tell = (ends: boolean): void => this.#listener.response(response, ends);
    if (this.#queue.head === this) {
      const error = new OscoreError('ERR_OSCORE_RENEWAL', `expected a new context with the server, got an error without protection, code ${response.code}`);
      this.#abandon(error, () => tell(true));
    } else if (last) this.#leave(() => tell(true));
    else tell(false);
  }

  /** Whether what was to go out, or went out and may be executed twice, is sent again under another context. */
  #beginsAnew(): boolean {
    const { context } = this;
    const { code } = this.#request;
    const safe = code === Method.GET || code === Method.FETCH || this.#sending?.left === false;
    if (!safe || this.answered || this.#isRequest1 || context === undefined || !this.#parts.contexts.hasRenewable(this.#renewable)) return false;
    if (++this.#rounds > mostRounds) return false;
    this.#endSending();
    this.#renewable.lose(context);
    if (this.#queue.head === this) {
      this.#dropCandidate();
      this.#sendRequest1();
    } else this.#proceed();
    return true;
  }

  #discard(reason: DiscardReason, context: SecurityContext, last: boolean): void {
    this.#parts.emit?.({ type: 'discarded', direction: 'in', reason, context, detail: 'response' });
    if (last) this.fail(new OscoreError('ERR_OSCORE_RESPONSE', `expected a response #1 that verifies, got none (${reason})`));
  }

  #send(attempt: Attempt): void {
    const sending: Sending = { stop: undefined, over: false, left: false };
    this.#sending = sending;
    let stop: Cancel;
    try {
      stop = attempt.start({
        response: (response, last) => {
          if (!sending.over) attempt.response(response, last);
        },
        error: (error) => {
          if (!sending.over) this.fail(error);
        },
        acknowledged: () => {
          if (!sending.over) this.#listener.acknowledged?.();
        },
      });
    } catch (error) {
      if (!sending.over) this.fail(error as ProtocolError);
      return;
    }
    if (sending.over) stop();
    else sending.stop = stop;
  }

  #endSending(): void {
    const sending = this.#sending;
    this.#sending = undefined;
    if (sending !== undefined) {
      sending.over = true;
      sending.stop?.();
    }
    this.#queue.close(this);
  }

  /** Nobody answered under the third context; the old one, if any, stays in use. */
  #dropCandidate(): void {
    const { candidate } = this.#queue;
    if (candidate === undefined) return;
    this.#queue.propose(undefined);
    this.#parts.contexts.remove(candidate);
  }

  /** The exchange is over, and the procedure, if it ran it, is for the next to run. */
  #leave(tell: () => void): void {
    this.#finish();
    this.#tell(tell);
    this.#queue.leave(this);
  }

  /** The exchange is over, and so is the procedure for all that wait. */
  #abandon(cause: ProtocolError, tell: () => void): void {
    this.#finish();
    this.#renewable.retain();
    const error = new OscoreError('ERR_OSCORE_RENEWAL', 'expected a new context with the server, got none', { cause });
    this.#parts.emit?.({ type: 'renewal-failed', renewable: this.#renewable, code: cause.code, detail: cause.message });
    this.#tell(tell);
    this.#queue.abandon(error);
  }

  /** What others wait for is not lost when code above throws. */
  #tell(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#parts.emit?.({ type: 'failed', error });
    }
  }

  #finish(): void {
    this.#done = true;
    this.#endSending();
    if (this.#queue.head === this) this.#dropCandidate();
  }
}
