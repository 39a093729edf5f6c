import { emptyBytes } from '../../core/bytes.ts';
import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import type { Block } from '../blockwise/block-option.ts';
import { withRequestTag } from '../blockwise/request-tag.ts';
import { Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Request, Requester, Response, ResponseListener } from '../layer.ts';
import { copyOptions, endpointKey, operationKey, sameAssociation } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, withoutOptions } from '../message/option.ts';
import type { QBlockClient } from './client.ts';
import { QBlockDownload } from './download.ts';
import { Exchanges, type Heard } from './exchanges.ts';
import { withoutQBlocks, withQBlock2 } from './option.ts';
import { bytesOf, probingWait } from './probing.ts';
import { QBlockUpload } from './upload.ts';

/** How often a body that changes while it is fetched is fetched anew. */
const mostRestarts = 3;

/** One request of the layer above, and the exchanges that it takes below. */
export class QBlockOperation implements Heard {
  readonly #client: QBlockClient;
  readonly #plain: Requester;
  readonly #request: Request;
  readonly #listener: ResponseListener;
  readonly #exchanges: Exchanges;
  readonly #observes: boolean;
  readonly #download: QBlockDownload;
  readonly #questions: Heard;
  readonly #task: Task = new Task(() => this.#silent());
  #upload: QBlockUpload | undefined;
  /** What it has in common with others, if it may have such, and the Request-Tag that tells it apart from those. */
  #kind: string | undefined;
  #tag: Option | undefined;
  /** The exchange that payloads come on, and for an observation goes on. */
  #main = -1;
  #delivered = false;
  #repeats = 0;
  #restarts = 0;
  #done = false;
  #cancelPlain: Cancel | undefined;

  constructor(client: QBlockClient, next: Requester, plain: Requester, request: Request, listener: ResponseListener) {
    this.#client = client;
    this.#plain = plain;
    // What the caller gave is borrowed, and payloads leave long after this call.
    this.#request = { ...request, options: copyOptions(request.options), payload: request.payload.slice() };
    this.#listener = listener;
    this.#exchanges = new Exchanges(next);
    this.#observes = findOption(request.options, OptionNumber.Observe)?.value.every((byte) => byte === 0) === true;
    this.#questions = { response: (response) => this.#answered(response), error: () => {}, acknowledged: () => {} };
    this.#download = new QBlockDownload({
      timing: client.timing,
      deadlines: client.deadlines,
      maxBody: client.limits.maxBody,
      confirmable: request.nonConfirmable !== true,
      observes: this.#observes,
      ask: (blocks) => this.#ask(blocks),
      whole: (response) => this.#whole(response),
      failed: (error) => this.#lost(error),
    });
  }

  start(): void {
    const { payload } = this.#request;
    const { limits, operations } = this.#client;
    if (payload.length > limits.maxBody) {
      this.#fail(new CoapError('ERR_COAP_BODY_SIZE', `expected a body of at most ${limits.maxBody} bytes, got ${payload.length}`));
      return;
    }
    operations.add(this);
    if (payload.length > limits.threshold) this.#startUpload();
    else {
      this.#tellApart();
      this.#send();
    }
  }

  startAfter(delay: number): void {
    const task = new Task(() => this.start());
    this.#client.operations.add(this);
    this.#client.deadlines.set(task, delay);
    this.#cancelPlain = () => this.#client.deadlines.clear(task);
  }

  cancel(): void {
    if (!this.#done) this.#finish();
  }

  // ---- a request in one message

  /** Payloads of its response are asked for without its body: those of another request would be taken for them (RFC 9175 §3.5.2). */
  #tellApart(): void {
    const { alike } = this.#client;
    if (this.#observes || this.#request.payload.length === 0) return;
    this.#kind = operationKey(this.#request);
    if (alike.of(this.#kind) > 0) this.#tag = this.#client.takeTag();
    alike.add(this.#kind);
  }

  /** RFC 9177 §4.4: Q-Block2 with NUM 0 and M asks for the whole body, and tells that the option is understood. */
  #send(): void {
    const { limits } = this.#client;
    const options = withQBlock2(withRequestTag(this.#request.options, this.#tag), [{ number: 0, more: true, szx: limits.szx }]);
    const before = this.#main;
    this.#main = this.#exchanges.send({ ...this.#request, options }, this);
    // A registration has one token, and the renewed exchange takes over what comes under it.
    if (this.#observes && before >= 0) this.#exchanges.close(before);
    if (!this.#done && this.#request.nonConfirmable === true) this.#watch();
  }

  /** A Non-confirmable request that only reads may be sent again when nothing comes. */
  #watch(): void {
    const { timing, deadlines } = this.#client;
    const wait = this.#mayRepeat() ? timing.nonReceiveTimeout * 2 ** this.#repeats : timing.exchangeLifetime;
    deadlines.set(this.#task, this.#repeats === 0 ? wait : Math.max(wait, probingWait(bytesOf(this.#request), timing)));
  }

  #mayRepeat(): boolean {
    const reads = this.#request.code === Method.GET || this.#request.code === Method.FETCH;
    return reads && this.#upload === undefined && (!this.#observes || this.#request.observation !== undefined);
  }

  #silent(): void {
    if (this.#mayRepeat() && this.#request.nonConfirmable === true && this.#repeats < this.#client.timing.nonMaxRetransmit) {
      this.#repeats++;
      this.#send();
    } else this.#fail(new CoapError('ERR_COAP_TIMEOUT', `expected a response from ${this.#request.peer.address} port ${this.#request.peer.port}, got none`));
  }

  acknowledged(): void {
    this.#client.deadlines.set(this.#task, this.#client.timing.exchangeLifetime);
  }

  error(error: ProtocolError): void {
    if (this.#done) return;
    // RFC 7252 §4.3: a Non-confirmable request may be rejected with a Reset for an option that is not understood.
    if (error.code === 'ERR_COAP_RESET' && this.#request.nonConfirmable === true && !this.#delivered) this.#fallBack();
    else this.#fail(error);
  }

  response(response: Response, last: boolean, id: number): void {
    if (this.#done) return;
    this.#client.deadlines.clear(this.#task);
    this.#client.probing.heard(endpointKey(this.#request));
    // What another association says (or none) decides nothing about this transfer.
    if (!sameAssociation(this.#request, response)) this.#deliver(response, last || !this.#observes);
    else if (response.code === Code.BadOption && !this.#delivered && this.#upload === undefined && this.#client.support.of(this.#request) !== true)
      this.#fallBack();
    else this.#receive(response, last, id);
  }

  #receive(response: Response, last: boolean, id: number): void {
    this.#main = id;
    if (codeClass(response.code) !== 2) this.#deliver(withoutQBlocks(response), true);
    else if (findOption(response.options, OptionNumber.QBlock2) !== undefined) {
      this.#client.support.learn(this.#request, true);
      this.#download.take(response);
    } else if (findOption(response.options, OptionNumber.Block2) !== undefined && this.#upload === undefined && this.#mayRepeat()) {
      // The option was overlooked, and the body comes in another way.
      this.#fallBack();
    } else {
      this.#download.drop();
      this.#deliver(withoutQBlocks(response), last || !this.#observes || findOption(response.options, OptionNumber.Observe) === undefined);
    }
  }

  // ---- Q-Block1

  #startUpload(): void {
    const { timing, deadlines, limits, support } = this.#client;
    // Each payload has a token of its own; an observation goes on under the one that is answered (RFC 9177, Section 4.3).
    const { observation: _, ...request } = this.#request;
    this.#upload = new QBlockUpload(request, {
      timing,
      deadlines,
      exchanges: this.#exchanges,
      szx: limits.szx,
      tag: () => this.#client.takeTag(),
      supported: () => {
        this.#client.probing.heard(endpointKey(this.#request));
        support.learn(this.#request, true);
      },
      unsupported: () => this.#fallBack(),
      concluded: (response, last, id) => {
        // RFC 9177 §4.3: all tokens of the body are released, but the one that the response came under.
        this.#exchanges.closeAll(id);
        this.#exchanges.listen(id, this);
        this.response(response, last, id);
      },
      failed: (error) => this.#fail(error),
    });
    this.#upload.start();
  }

  // ---- Q-Block2

  /** RFC 9177 §4.4: a request of its own for missing blocks, or to continue; without Observe, ETag and payload, with the Request-Tag of the body. */
  #ask(blocks: readonly Block[]): number {
    const { observation: _, ...rest } = this.#request;
    const plain = withoutOptions(rest.options, OptionNumber.Observe, OptionNumber.ETag, OptionNumber.IfNoneMatch);
    const options = withQBlock2(withRequestTag(plain, this.#upload?.tag ?? this.#tag), blocks);
    // A FETCH in one message is repeated as it is, since its payload says what is fetched.
    const payload = this.#upload === undefined && rest.code === Method.FETCH ? rest.payload : emptyBytes;
    const question = { ...rest, options, payload };
    this.#exchanges.send(question, this.#questions);
    return rest.nonConfirmable === true ? probingWait(bytesOf(question), this.#client.timing) : 0;
  }

  #answered(response: Response): void {
    if (this.#done || !sameAssociation(this.#request, response)) return;
    this.#client.probing.heard(endpointKey(this.#request));
    if (codeClass(response.code) === 2 && findOption(response.options, OptionNumber.QBlock2) !== undefined) this.#download.take(response);
    else if (this.#observes) this.#download.drop();
    else if (codeClass(response.code) === 2) this.#whole(withoutQBlocks(response));
    else if ((response.code === Code.BadRequest || response.code === Code.RequestEntityIncomplete) && this.#mayRepeat() && this.#restarts < mostRestarts) {
      // The server does not keep the body, or it has changed.
      this.#restarts++;
      this.#exchanges.closeAll();
      this.#download.drop();
      this.#send();
    } else this.#deliver(withoutQBlocks(response), true);
  }

  #whole(response: Response): void {
    if (this.#observes) this.#exchanges.closeAll(this.#main);
    this.#deliver(response, !this.#observes || findOption(response.options, OptionNumber.Observe) === undefined);
  }

  /** A notification that cannot be made whole leaves the observation as it is: the next one will come. */
  #lost(error: ProtocolError): void {
    if (this.#observes && this.#delivered) this.#exchanges.closeAll(this.#main);
    else this.#fail(error);
  }

  // ---- the end

  /** The peer does not take the options. Nothing was acted upon, so the request goes out as RFC 7959 has it. */
  #fallBack(): void {
    this.#client.support.learn(this.#request, false);
    this.#finish();
    this.#done = false;
    this.#cancelPlain = attempt(this.#plain, this.#request, {
      response: (response, last) => {
        if (last) this.#done = true;
        this.#listener.response(response, last);
      },
      error: (error) => this.#fail(error),
    });
  }

  #deliver(response: Response, last: boolean): void {
    if (last) this.#finish();
    else this.#client.operations.delete(this);
    this.#delivered = true;
    this.#listener.response(response, last);
  }

  #fail(error: ProtocolError): void {
    if (this.#done) return;
    this.#finish();
    this.#listener.error(error);
  }

  #finish(): void {
    this.#done = true;
    this.#client.operations.delete(this);
    if (this.#kind !== undefined) this.#client.alike.remove(this.#kind);
    this.#kind = undefined;
    this.#client.deadlines.clear(this.#task);
    this.#upload?.stop();
    this.#download.drop();
    this.#exchanges.closeAll();
    this.#cancelPlain?.();
    this.#cancelPlain = undefined;
  }
}
