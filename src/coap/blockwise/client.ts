import type { Cancel, Env } from '../../core/env.ts';
import type { ProtocolError } from '../../core/errors.ts';
import { attempt } from '../attempt.ts';
import { CoapError } from '../errors.ts';
import type { Request, Requester, Response, ResponseListener } from '../layer.ts';
import { copyOptions, operationKey, sameAssociation } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, uintOption, withOption, withoutOptions } from '../message/option.ts';
import { isNewer } from '../observe/reordering.ts';
import { bertSzx, blockLength, isBertPath, mayBert, roomFor } from './bert.ts';
import { blockOf, blockOffset, blockOption, blockSize, lastBlockNumber, travelsWhole, withoutBlocks } from './block-option.ts';
import { BlockwiseDownload } from './download.ts';
import type { BlockwiseLimits } from './limits.ts';
import { type RequestTag, RequestTags, withRequestTag } from './request-tag.ts';

/** Block-wise transfer as a client sees it: Block1 is the request body going out, Block2 the response body coming in. */
export class BlockwiseClient {
  readonly limits: BlockwiseLimits;
  readonly env: Env;
  readonly tags: RequestTags;
  readonly operations: Set<Operation> = new Set();

  constructor(limits: BlockwiseLimits, env: Env) {
    this.limits = limits;
    this.env = env;
    this.tags = new RequestTags(env, { lifetime: limits.lifetime, entries: limits.maxTransfers });
  }

  outbound(next: Requester): Requester {
    return (request, listener) => {
      const { options } = request;
      if (request.oneBlock === true) return next(request, listener);
      for (let i = 0; i < options.length; i++) {
        const option = options[i]!;
        // The caller moves single blocks on its own, or deregisters, whose answer is not worth its later blocks.
        if (option.number === OptionNumber.Block1 || (option.number === OptionNumber.Block2 && !isFirstBlock(option))) return next(request, listener);
        if (option.number === OptionNumber.Observe && option.value.length !== 0 && !this.limits.outer && travelsWhole(this.limits, request))
          return next(request, listener);
      }
      const operation = new Operation(this, next, request, listener);
      try {
        operation.start();
      } catch (error) {
        operation.cancel();
        throw error;
      }
      return () => operation.cancel();
    };
  }

  stats(): { readonly operations: number; readonly lostTags: number } {
    return { operations: this.operations.size, lostTags: this.tags.stats().lost };
  }

  close(): void {
    this.tags.close();
  }
}

/** A request body going out in blocks. */
interface Upload {
  szx: number;
  /** First byte of the block that is under way, and how many it has. */
  offset: number;
  sent: number;
  /** The server has not shown that it prefers blocks of one size. */
  bert: boolean;
  restarted: boolean;
  /** The last block was answered. */
  complete: boolean;
}

/** One request of the layer above, and the exchanges that it takes below. */
class Operation implements ResponseListener {
  readonly #client: BlockwiseClient;
  readonly #next: Requester;
  readonly #listener: ResponseListener;
  #request: Request;
  #tag: RequestTag | undefined;
  #upload: Upload | undefined;
  #download: BlockwiseDownload | undefined;
  /** The exchange below is over; the end of the download is the end of the operation. */
  #ended = false;
  #done = false;
  #delivered = false;
  #retransmitted = false;
  #turn = 0;
  #cancelExchange: Cancel | undefined;

  constructor(client: BlockwiseClient, next: Requester, request: Request, listener: ResponseListener) {
    this.#client = client;
    this.#next = next;
    this.#request = request;
    this.#listener = listener;
  }

  start(): void {
    const { limits } = this.#client;
    const { peer, payload, options } = this.#request;
    const isSmall = travelsWhole(limits, this.#request) || (limits.free && peer.capabilities !== undefined);
    const isWhole = payload.length === 0 || !limits.cuts || (isSmall && payload.length <= roomFor(this.#request, options, limits.maxUnfragmented));
    if (isWhole) this.#sendWhole();
    else this.#startUpload(limits.szx);
  }

  cancel(): void {
    if (this.#done) return;
    this.#finish(false);
  }

  response(response: Response, last: boolean): void {
    if (this.#done) return;
    if (last) this.#cancelExchange = undefined;
    if (response.retransmitted === true) this.#retransmitted = true;
    // What another association says (or none) decides nothing about this transfer.
    if (!sameAssociation(this.#request, response)) {
      this.#deliver(response, last, false);
      return;
    }
    const upload = this.#upload;
    if (upload === undefined && response.code === Code.RequestEntityTooLarge) {
      // RFC 7959 §2.9.3: a hint to try Block1.
      const hint = blockOf(response.options, OptionNumber.Block1);
      if (hint !== undefined && hint !== 'bad' && blockSize(hint.szx) < this.#request.payload.length) {
        this.#startUpload(Math.min(hint.szx, this.#client.limits.szx));
        return;
      }
    }
    if (upload !== undefined && !upload.complete) {
      if (!this.#continueUpload(upload, response)) return;
      upload.complete = true;
    }
    this.#receive(response, last);
  }

  error(error: ProtocolError): void {
    if (this.#done) return;
    this.#cancelExchange = undefined;
    this.#fail(error);
  }

  acknowledged(): void {
    if (!this.#done) this.#listener.acknowledged?.();
  }

  /** Requests that only their bodies tell apart have the same options in common: the later blocks of their responses would be mixed up (RFC 9175 §3.5.2). */
  #sendWhole(): void {
    const { payload, options } = this.#request;
    const isLikeOthers = payload.length > 0 && !this.#client.limits.outer;
    if (isLikeOthers && findOption(options, OptionNumber.Observe) === undefined) this.#tag = this.#client.tags.acquire(operationKey(this.#request), true);
    this.#send(this.#negotiated(this.#tag?.option === undefined ? this.#request : { ...this.#request, options: this.#operationOptions() }));
  }

  /** RFC 7959 §2.4, early negotiation: who prefers small blocks says so in the first request. */
  #negotiated(request: Request): Request {
    const { szx, cuts } = this.#client.limits;
    if (szx === 6 || !cuts || !mayHaveLargeResponse(request.code) || findOption(request.options, OptionNumber.Block2) !== undefined) return request;
    return { ...request, options: withOption(request.options, blockOption(OptionNumber.Block2, { number: 0, more: false, szx })) };
  }

  #send(request: Request): void {
    const turn = ++this.#turn;
    // The caller of the first exchange hears by an exception what it did wrong; nobody stands behind the later ones.
    const cancel = turn === 1 && this.#upload === undefined ? this.#next(request, this) : attempt(this.#next, request, this);
    // An answer may have come, and the next request have gone out, before `next` returned.
    if (turn === this.#turn && !this.#done) this.#cancelExchange = cancel;
  }

  // ---- Block1: the request body, RFC 7959 §2.5

  #startUpload(szx: number): void {
    if (this.#request.payload.length > this.#client.limits.maxBody) {
      this.#fail(new CoapError('ERR_COAP_BODY_SIZE', `expected a body of at most ${this.#client.limits.maxBody} bytes, got ${this.#request.payload.length}`));
      return;
    }
    this.#client.operations.add(this);
    // What the caller gave is borrowed, and the last block leaves long after this call.
    this.#request = { ...this.#request, options: copyOptions(this.#request.options), payload: this.#request.payload.slice() };
    if (this.#tag !== undefined) this.#client.tags.conclude(this.#tag);
    this.#tag = this.#client.tags.acquire(operationKey(this.#request));
    this.#upload = { szx, offset: 0, sent: 0, bert: this.#client.limits.free, restarted: false, complete: false };
    this.#sendBlock(this.#upload);
  }

  #sendBlock(upload: Upload): void {
    const { payload } = this.#request;
    let options: readonly Option[] = this.#operationOptions();
    // What the server takes is known once its CSM has come, which is before its first response.
    const wanted = upload.szx === 6 && upload.bert && mayBert(this.#request) ? bertSzx : upload.szx;
    const { szx, length } = blockLength(this.#request, options, wanted, this.#client.limits.maxUnfragmented);
    const size = blockSize(szx);
    // Before the first block, not after a million.
    if (payload.length > size * (lastBlockNumber + 1)) {
      this.#fail(new CoapError('ERR_COAP_BODY_SIZE', `expected at most ${lastBlockNumber + 1} blocks of ${size} bytes, got a body of ${payload.length}`));
      return;
    }
    const more = upload.offset + length < payload.length;
    upload.sent = Math.min(length, payload.length - upload.offset);
    if (upload.offset === 0) options = withOption(options, uintOption(OptionNumber.Size1, payload.length));
    // RFC 7959 §2.10.
    else options = withoutOptions(options, OptionNumber.IfNoneMatch);
    // The registration is the exchange that carries the response.
    if (more) options = withoutOptions(options, OptionNumber.Observe);
    options = withOption(options, blockOption(OptionNumber.Block1, { number: upload.offset / size, more, szx }));
    const request = { ...this.#request, options, payload: payload.subarray(upload.offset, upload.offset + length) };
    this.#send(more ? request : this.#negotiated(request));
  }

  /** The options of each message of this operation (RFC 9175, Section 3.4: also in the Block2 phase). */
  #operationOptions(): readonly Option[] {
    return withRequestTag(this.#request.options, this.#tag?.option);
  }

  /** `true`: the response is the outcome of the whole request. */
  #continueUpload(upload: Upload, response: Response): boolean {
    const { payload } = this.#request;
    const answered = blockOf(response.options, OptionNumber.Block1, isBertPath(this.#request));
    const { sent } = upload;
    const final = upload.offset + sent === payload.length;
    if (response.code === Code.RequestEntityTooLarge && answered !== undefined && answered !== 'bad' && answered.szx < upload.szx) {
      // RFC 7959 §2.9.3: a smaller SZX in a 4.13 is a hint to try with it.
      upload.szx = answered.szx;
      upload.offset = 0;
      this.#sendBlock(upload);
      return false;
    }
    if (response.code === Code.RequestEntityIncomplete && upload.offset > 0 && !upload.restarted) {
      // RFC 7959 §2.5: the server lost what it had; nothing was acted upon.
      upload.restarted = true;
      upload.offset = 0;
      this.#sendBlock(upload);
      return false;
    }
    if (response.code === Code.Continue) {
      if (final || answered === undefined || answered === 'bad' || blockOffset(answered) !== upload.offset) {
        this.#fail(new CoapError('ERR_COAP_BLOCK', `expected the acknowledgement of the block at ${upload.offset}, got another`));
        return false;
      }
    } else if (final || codeClass(response.code) !== 2 || answered === undefined || answered === 'bad') {
      return true;
    }
    // 2.31, or the final response of a server that acts on each block (RFC 7959 §2.3).
    upload.offset += sent;
    upload.szx = Math.min(upload.szx, answered.szx);
    // A size of its own in answer to a BERT block is a preference (RFC 8323, Section 6).
    if (sent > blockSize(6) && answered.szx !== bertSzx) upload.bert = false;
    this.#sendBlock(upload);
    return false;
  }

  // ---- Block2: the response body, RFC 7959 §2.4

  #receive(response: Response, last: boolean): void {
    if (!this.#supersedes(response)) {
      if (last) this.#ended = true;
      return;
    }
    if (findOption(response.options, OptionNumber.Block2) === undefined) {
      this.#deliver(this.#upload === undefined ? response : withoutBlocks(response), last, true);
      return;
    }
    this.#ended = last;
    this.#client.operations.add(this);
    const download = new BlockwiseDownload({
      limits: this.#client.limits,
      next: this.#next,
      request: { ...this.#request, options: withoutOptions(this.#operationOptions(), OptionNumber.Observe, OptionNumber.IfNoneMatch) },
      // RFC 7959 §2.7: with a request body in blocks there is no going back to the start. Under OSCORE it would be a replay.
      tags: this.#client.tags,
      restartable: this.#upload === undefined && !this.#client.limits.outer && (this.#request.code === Method.GET || this.#request.code === Method.FETCH),
      done: (whole) => this.#downloaded(whole),
      error: (error) => this.#downloadFailed(error),
    });
    this.#download = download;
    download.start(response);
  }

  /** Whether a response takes the place of a download that is under way: a notification may overtake another. */
  #supersedes(response: Response): boolean {
    const before = this.#download?.first;
    if (before === undefined) return true;
    // RFC 8613 §4.1.3.5.2: an Outer Observe may be any value, so that only one that is clearly older counts as such.
    if (codeClass(response.code) === 2 && !isNewer(before, response) && (!this.#client.limits.outer || isNewer(response, before))) return false;
    this.#download?.cancel();
    this.#download = undefined;
    return true;
  }

  #downloaded(whole: Response): void {
    this.#download = undefined;
    if (codeClass(whole.code) !== 2 && this.#outlives()) return;
    this.#deliver(whole, this.#ended, sameAssociation(this.#request, whole));
  }

  #downloadFailed(error: ProtocolError): void {
    this.#download = undefined;
    if (!this.#outlives()) this.#fail(error);
  }

  /** RFC 8613 §8.4.2, step B: an observation goes on when a notification cannot be put together. */
  #outlives(): boolean {
    if (!this.#client.limits.outer || this.#ended || !this.#delivered) return false;
    this.#client.operations.delete(this);
    return true;
  }

  // ---- the end

  #deliver(response: Response, last: boolean, concluded: boolean): void {
    this.#delivered = true;
    if (last) this.#finish(concluded);
    else this.#client.operations.delete(this);
    this.#listener.response(response, last);
  }

  #fail(error: ProtocolError): void {
    if (this.#done) return;
    this.#finish(false);
    this.#listener.error(error);
  }

  #finish(concluded: boolean): void {
    this.#done = true;
    this.#client.operations.delete(this);
    this.#download?.cancel();
    this.#download = undefined;
    this.#cancelExchange?.();
    this.#cancelExchange = undefined;
    const tag = this.#tag;
    if (tag === undefined) return;
    const { association } = this.#request;
    // RFC 9175 §3.5.1: DTLS gives each copy of a request a number of its own, so that the server takes a late one for new.
    const certain = concluded && !(this.#retransmitted && association?.kind === 'dtls');
    if (certain || this.#upload === undefined) this.#client.tags.conclude(tag);
    else this.#client.tags.lose(tag, association !== undefined);
  }
}

function mayHaveLargeResponse(code: number): boolean {
  return code === Method.GET || code === Method.FETCH || code === Method.POST;
}

function isFirstBlock(option: Option): boolean {
  return option.value.length <= 1 && (option.value[0] ?? 0) < 16;
}
