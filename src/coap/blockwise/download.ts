import { ByteWriter, emptyBytes, equalBytes } from '../../core/bytes.ts';
import type { Cancel } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { CoapError } from '../errors.ts';
import type { Request, Requester, Response, ResponseListener } from '../layer.ts';
import { operationKey, sameAssociation } from '../message/cache-key.ts';
import { Code, codeClass } from '../message/code.ts';
import { findOption, OptionNumber, uintOf, withOption, withoutOptions } from '../message/option.ts';
import { isBertPath, isBlockLength } from './bert.ts';
import { type Block, blockOf, blockOffset, blockOption, blockSize, lastBlockNumber, withoutBlocks } from './block-option.ts';
import type { BlockwiseLimits } from './limits.ts';
import { type RequestTag, type RequestTags, withRequestTag } from './request-tag.ts';

/** How often a body that changes while it is fetched is fetched anew. */
const mostRestarts = 3;

export interface DownloadOptions {
  readonly limits: BlockwiseLimits;
  readonly next: Requester;
  /** The request as it is repeated for each later block: no Observe, no Block options. */
  readonly request: Request;
  readonly tags: RequestTags;
  /** Whether asking for the first block again does no harm. */
  readonly restartable: boolean;
  done(whole: Response): void;
  error(error: ProtocolError): void;
}

/**
 * Fetches the rest of a response body of which the first block came, in order, and puts together what is of one representation only.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7959#section-2.4
 */
export class BlockwiseDownload implements ResponseListener {
  readonly #options: DownloadOptions;
  #request: Request;
  /** The response or notification that this began with. */
  first: Response | undefined;
  /** The first block of the representation that is being collected. */
  #head: Response | undefined;
  #body = new ByteWriter(0);
  #szx = 0;
  #restarts = 0;
  /** A server of a proxy was shown an Echo. */
  #shown = false;
  #tag: RequestTag | undefined;
  #turn = 0;
  #done = false;
  #cancelExchange: Cancel | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#request = options.request;
  }

  start(first: Response): void {
    this.first = first;
    this.#begin(first);
  }

  cancel(): void {
    this.#end();
    this.#cancelExchange?.();
    this.#cancelExchange = undefined;
  }

  response(response: Response, _last: boolean): void {
    if (this.#done) return;
    if (!sameAssociation(this.#request, response)) this.#finish(response);
    else if (this.#head === undefined) this.#begin(response);
    else this.#append(response, this.#head);
  }

  error(error: ProtocolError): void {
    if (this.#done) return;
    this.#end();
    this.#options.error(error);
  }

  #begin(response: Response): void {
    const block = this.#blockOf(response);
    if (block === undefined || codeClass(response.code) !== 2) {
      this.#finish(response);
      return;
    }
    if (block === 'bad' || block.number !== 0) {
      this.#fail('ERR_COAP_BLOCK', `expected the first block, got ${block === 'bad' ? 'a Block2 option that is none' : `block ${block.number}`}`);
      return;
    }
    if (!block.more) {
      this.#finish(response);
      return;
    }
    const { length } = response.payload;
    if (!isBlockLength(block.szx, true, length)) {
      this.#fail('ERR_COAP_BLOCK', `expected a block of ${blockSize(block.szx)} bytes, got ${length}`);
      return;
    }
    if (!this.#fits(Math.max(length, uintOf(response.options, OptionNumber.Size2) ?? 0))) return;
    if (this.#show(response)) return;
    this.#head = response;
    this.#szx = block.szx;
    this.#body = new ByteWriter(2 * length);
    this.#body.bytes(response.payload);
    this.#fetch();
  }

  /**
   * RFC 9175 §2.4: what a proxy fetches for a client comes in small blocks for as long as the server does not know where the proxy is. The Echo beside the first of
   * them asks for that, and is shown with the request for it, made anew in the size that we prefer.
   */
  #show(response: Response): boolean {
    const { restartable, limits } = this.#options;
    const echo = findOption(response.options, OptionNumber.Echo);
    if (this.#shown || echo === undefined || !restartable || this.#request.forwarded !== true) return false;
    // One of the client's own is for more than that.
    if (findOption(this.#request.options, OptionNumber.Echo) !== undefined) return false;
    this.#shown = true;
    const first = withOption(this.#request.options, blockOption(OptionNumber.Block2, { number: 0, more: false, szx: limits.szx }));
    this.#send({ ...this.#request, options: withOption(first, echo) });
    return true;
  }

  #append(response: Response, head: Response): void {
    if (codeClass(response.code) !== 2) {
      // The server does not keep the body and cannot make this block any more.
      if (response.code === Code.BadRequest || response.code === Code.RequestEntityIncomplete) this.#restart(response);
      else this.#finish(response);
      return;
    }
    const block = this.#blockOf(response);
    if (!sameRepresentation(head, response)) {
      this.#restart(response);
      return;
    }
    if (block === undefined || block === 'bad' || blockOffset(block) !== this.#body.length) {
      this.#fail('ERR_COAP_BLOCK', `expected the block at ${this.#body.length}, got another`);
      return;
    }
    const { length } = response.payload;
    if (!isBlockLength(block.szx, block.more, length)) {
      this.#fail('ERR_COAP_BLOCK', `expected a block of ${blockSize(block.szx)} bytes, got ${length}`);
      return;
    }
    if (!this.#fits(this.#body.length + length + (block.more ? 1 : 0))) return;
    this.#body.bytes(response.payload);
    this.#szx = block.szx;
    if (block.more) this.#fetch();
    else this.#finish({ ...head, payload: this.#body.finish() });
  }

  #blockOf(response: Response): Block | 'bad' | undefined {
    return blockOf(response.options, OptionNumber.Block2, isBertPath(this.#request));
  }

  #fetch(): void {
    const number = this.#body.length / blockSize(this.#szx);
    if (number > lastBlockNumber) {
      this.#fail('ERR_COAP_BODY_SIZE', `expected at most ${lastBlockNumber + 1} blocks, got more`);
      return;
    }
    const options = withOption(this.#request.options, blockOption(OptionNumber.Block2, { number, more: false, szx: this.#szx }));
    // RFC 7959 §3.3: no payload in requests for later blocks.
    this.#send({ ...this.#request, options, payload: emptyBytes });
  }

  /**
   * RFC 7959 §2.4: blocks of different representations are never put together.
   *
   * The requests of one transfer have the same options (§2.4), ETags for validation among them. Some servers take those for the ETag of the block that is wanted;
   * so what is fetched anew is fetched without. The answer to them was that none is valid. It has a Request-Tag, so that requests at once do not go on to have the
   * server forget what it made for each other (RFC 9175 §3.5.2).
   */
  #restart(response: Response): void {
    const { restartable } = this.#options;
    if (!restartable || this.#restarts === mostRestarts) {
      if (codeClass(response.code) !== 2) this.#finish(response);
      else this.#fail('ERR_COAP_REPRESENTATION_CHANGED', `expected blocks of one representation, got those of another ${this.#restarts + 1} times`);
      return;
    }
    this.#restarts++;
    this.#head = undefined;
    if (this.#tag === undefined) {
      this.#tag = this.#options.tags.acquire(operationKey(this.#request), true, 1);
      this.#request = { ...this.#request, options: withRequestTag(withoutOptions(this.#request.options, OptionNumber.ETag), this.#tag.option) };
    }
    this.#send({ ...this.#request, options: withOption(this.#request.options, blockOption(OptionNumber.Block2, { number: 0, more: false, szx: this.#szx })) });
  }

  #send(request: Request): void {
    const turn = ++this.#turn;
    const cancel = attempt(this.#options.next, request, this);
    if (turn === this.#turn && !this.#done) this.#cancelExchange = cancel;
  }

  #fits(length: number): boolean {
    const { maxBody } = this.#options.limits;
    if (length <= maxBody) return true;
    this.#fail('ERR_COAP_BODY_SIZE', `expected a body of at most ${maxBody} bytes, got ${length}`);
    return false;
  }

  #finish(response: Response): void {
    this.#end();
    let whole = withoutBlocks(response);
    const { first } = this;
    if (first !== undefined && response !== first) {
      // Where the body was fetched anew, it still answers to the notification that announced it.
      const observe = findOption(first.options, OptionNumber.Observe);
      if (observe !== undefined && codeClass(whole.code) === 2) whole = { ...whole, options: withOption(whole.options, observe) };
      if (first.sequence !== undefined) whole = { ...whole, sequence: first.sequence };
    }
    this.#options.done(whole);
  }

  #end(): void {
    this.#done = true;
    if (this.#tag !== undefined) this.#options.tags.conclude(this.#tag);
    this.#tag = undefined;
  }

  #fail(code: string, message: string): void {
    this.#end();
    this.#options.error(new CoapError(code, message));
  }
}

/** RFC 7959 §2.3, §2.4: equal ETags, Content-Format and code. Without ETags there is nothing else to go by. */
function sameRepresentation(head: Response, response: Response): boolean {
  return head.code === response.code && sameOption(head, response, OptionNumber.ETag) && sameOption(head, response, OptionNumber.ContentFormat);
}

function sameOption(a: Response, b: Response, number: number): boolean {
  const one = findOption(a.options, number);
  const other = findOption(b.options, number);
  return one === undefined || other === undefined ? one === other : equalBytes(one.value, other.value);
}
