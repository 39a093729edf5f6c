import { ByteWriter, concat, emptyBytes } from '../../core/bytes.ts';
import { digest } from '../../core/crypto/index.ts';
import type { Env } from '../../core/env.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Handler, Reply, Request, Response } from '../layer.ts';
import { copyOptions, endpointKey, operationKey } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { bodyLength } from '../message/message.ts';
import { findOption, type Option, OptionNumber, uintOf, uintOption, withOption, withoutOptions } from '../message/option.ts';
import { bertSzx, blockLength, isBertPath, isBlockLength, mayBert, roomFor } from './bert.ts';
import { type Block, blockOffset, blockOption, blockSize, decodeBlock, travelsWhole } from './block-option.ts';
import type { BlockwiseLimits } from './limits.ts';

/** A request body of which some blocks came. */
interface Upload {
  /** The options of the first block, without those that speak of blocks. */
  readonly options: readonly Option[];
  readonly body: ByteWriter;
}

/** A response body of which blocks may be asked for. The options hold an ETag and no Block2. */
interface Representation {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  /** The furthest byte at which a block began that was asked for. */
  reached: number;
}

/** How a response is split. */
type Fitting = Pick<BlockwiseLimits, 'szx' | 'threshold' | 'outerThreshold'>;

/** What an entry costs besides its body. */
const overhead = 256;

/** Block-wise transfer as a server sees it: Block1 is the request body coming in, Block2 the response body going out. */
export class BlockwiseServer {
  readonly limits: BlockwiseLimits;
  readonly #uploads: ExpiringTable<Upload>;
  readonly #representations: ExpiringTable<Representation>;

  constructor(limits: BlockwiseLimits, env: Env) {
    this.limits = limits;
    const bounds = { lifetime: limits.lifetime, entries: limits.maxTransfers, perOwner: limits.maxTransfersPerPeer, bytes: limits.maxBytes };
    this.#uploads = new ExpiringTable(env, bounds);
    this.#representations = new ExpiringTable(env, bounds);
  }

  inbound(next: Handler): Handler {
    return (request, reply) => {
      let block1: Option | undefined;
      let block2: Option | undefined;
      let observe = false;
      const { options } = request;
      for (let i = 0; i < options.length; i++) {
        const option = options[i]!;
        if (option.number > OptionNumber.Block1) break;
        if (option.number === OptionNumber.Block1) block1 = option;
        else if (option.number === OptionNumber.Block2) block2 = option;
        else if (option.number === OptionNumber.Observe) observe = true;
      }
      if (block1 !== undefined || block2 !== undefined) this.#receive(request, reply, block1, block2, next);
      else if (request.payload.length > this.limits.maxBody) reply.respond(this.#tooLarge());
      else if (!this.limits.cuts) next(request, reply);
      else if (observe) next(request, new BlockReply(this, reply, ownerOf(request), operationKey(request), undefined, undefined));
      else next(request, new BlockReply(this, reply, request, undefined, undefined, undefined));
    };
  }

  stats(): { readonly uploads: number; readonly uploadBytes: number; readonly representations: number; readonly representationBytes: number } {
    return {
      uploads: this.#uploads.size,
      uploadBytes: this.#uploads.bytes,
      representations: this.#representations.size,
      representationBytes: this.#representations.bytes,
    };
  }

  close(): void {
    this.#uploads.clear();
    this.#representations.clear();
  }

  #receive(request: Request, reply: Reply, option1: Option | undefined, option2: Option | undefined, next: Handler): void {
    let block1: Block | undefined;
    let block2: Block | undefined;
    try {
      const bert = isBertPath(request);
      block1 = option1 && decodeBlock(option1.value, bert);
      block2 = option2 && decodeBlock(option2.value, bert);
    } catch {
      // RFC 7959 §2.2: the reserved size leads to 4.00.
      reply.respond(errorResponse(Code.BadRequest));
      return;
    }
    const key = operationKey(request);
    if (block1 === undefined) {
      this.#serve(request, reply, key, block2!, next);
      return;
    }
    const body = this.#collect(request, block1, key);
    if ('code' in body) {
      reply.respond(body);
      return;
    }
    const observe = findOption(request.options, OptionNumber.Observe);
    const options = observe === undefined ? body.options : withOption(body.options, observe);
    const acknowledged: Block = { number: block1.number, more: false, szx: this.#szx(block1) };
    next({ ...request, options, payload: body.payload }, new BlockReply(this, reply, request, key, block2, acknowledged));
  }

  /** Take a block of a request body. The result is the whole body, or what to answer as long as there is none. */
  #collect(request: Request, block: Block, key: string): { readonly options: readonly Option[]; readonly payload: Uint8Array } | Response {
    const { payload } = request;
    const size = blockSize(block.szx);
    // RFC 7959 §2.2: with M set, the payload has the size that SZX says; without, it is not larger.
    if (!isBlockLength(block.szx, block.more, payload.length)) return errorResponse(Code.BadRequest);
    const offset = blockOffset(block);
    const announced = uintOf(request.options, OptionNumber.Size1) ?? 0;
    if (offset + payload.length > this.limits.maxBody || announced > this.limits.maxBody) {
      this.#uploads.delete(key);
      return this.#tooLarge();
    }
    if (offset === 0) {
      // RFC 7959 §2.5: a new first block replaces what there is of an earlier body.
      this.#uploads.delete(key);
      if (!block.more) return { options: operationOptions(request.options), payload };
      const upload: Upload = { options: copyOptions(operationOptions(request.options)), body: new ByteWriter(2 * size) };
      upload.body.bytes(payload);
      if (!this.#uploads.set(key, endpointKey(request), upload, overhead + payload.length)) return this.#tooLarge();
    } else {
      const upload = this.#uploads.get(key);
      // RFC 7959 §2.9.2: blocks are missing, or came in another order, or too late.
      if (upload === undefined || upload.body.length !== offset) return errorResponse(Code.RequestEntityIncomplete);
      upload.body.bytes(payload);
      if (!block.more) {
        this.#uploads.delete(key);
        return { options: upload.options, payload: upload.body.finish() };
      }
      if (!this.#uploads.resize(key, overhead + upload.body.length)) return this.#tooLarge();
    }
    const szx = this.#szx(block);
    return { code: Code.Continue, options: [blockOption(OptionNumber.Block1, { number: block.number, more: true, szx })], payload: emptyBytes };
  }

  /** The size to use with a peer that uses that of `block`. BERT stays what it is, unless a smaller size is preferred. */
  #szx({ szx }: Block, most: number = this.limits.szx): number {
    return szx === bertSzx && this.limits.free ? szx : Math.min(szx, most);
  }

  /** Answer a request that asks for one block of a response body. */
  #serve(request: Request, reply: Reply, key: string, block: Block, next: Handler): void {
    if (block.number !== 0) {
      const kept = this.#kept(key, blockOffset(block));
      if (kept !== undefined) {
        reply.respond(this.#slice(kept, block, asksForSize(request), request, fitting(this.limits, kept, reply.room).szx));
        return;
      }
      // The body is gone. To ask the handler again is right for what only reads; a FETCH without its body says nothing (RFC 8132 §2.5).
      if (request.code !== Method.GET && (request.code !== Method.FETCH || request.payload.length === 0)) {
        reply.respond(errorResponse(Code.RequestEntityIncomplete));
        return;
      }
    }
    // RFC 7959 §2.6: there is no observation of a single block.
    const single = block.number === 0 ? OptionNumber.Block2 : OptionNumber.Observe;
    const whole = { ...request, options: withoutOptions(request.options, OptionNumber.Block2, single) };
    next(whole, new BlockReply(this, reply, request, key, block, undefined));
  }

  /** What is kept for later blocks. A transfer that goes on keeps it longer; who reads one block again and again is to see that the resource has changed. */
  #kept(key: string, offset: number): Representation | undefined {
    const kept = this.#representations.peek(key);
    if (kept === undefined || offset <= kept.reached) return kept;
    kept.reached = offset;
    return this.#representations.get(key);
  }

  /** The block of a large response that goes out first, or the one that was asked for; `response` itself when there is nothing to split. */
  shape(response: Response, request: Request, key: string | undefined, block2: Block | undefined, block1: Block | undefined, room?: number): Response {
    const { payload, code } = response;
    if (block2 === undefined && block1 === undefined && this.#isShort(response, request, room)) return response;
    const { szx, threshold, outerThreshold } = fitting(this.limits, response, room);
    const uncut = travelsWhole({ threshold, outerThreshold }, response) && payload.length <= roomFor(request, response.options, this.limits.maxUnfragmented);
    if (block2 === undefined && block1 === undefined && uncut) return response;
    const base = block1 === undefined ? response : { ...response, options: withOption(response.options, blockOption(OptionNumber.Block1, block1)) };
    const number = block2?.number ?? 0;
    const fits = block2 === undefined ? uncut || this.#fitsConnection(response, request) : this.#fitsBlock(response, request, block2, szx);
    if (number === 0 && fits) {
      if (block2 === undefined || payload.length === 0) return base;
      const whole = { number: 0, more: false, szx: this.#szx(block2, szx) };
      return { ...base, options: withOption(base.options, blockOption(OptionNumber.Block2, whole)) };
    }
    // An answer that is split by what made it (a proxy) stays as it is; an error says all that there is to say of the block that was asked for.
    if (findOption(response.options, OptionNumber.Block2) !== undefined || (number !== 0 && codeClass(code) !== 2)) return base;
    const representation = representationOf(response, block2 === undefined ? 0 : blockOffset(block2));
    this.#representations.set(key ?? operationKey(request), endpointKey(request), representation, overhead + payload.length);
    const preferred = this.limits.free && mayBert(request) ? bertSzx : szx;
    const first = this.#slice(representation, block2 ?? { number: 0, more: false, szx: preferred }, number === 0 || asksForSize(request), request, szx);
    let options = first.options;
    for (const option of base.options) {
      // Notification numbers and the outcome of the request body belong to this message, not to the representation.
      if (option.number === OptionNumber.Observe || option.number === OptionNumber.Block1) options = withOption(options, option);
    }
    return { ...response, ...first, options };
  }

  /** The usual case, told without measuring twice: a datagram that needs no blocks. */
  #isShort({ options, payload }: Response, request: Request, room: number | undefined): boolean {
    if (payload.length > this.limits.threshold || request.peer.capabilities !== undefined) return false;
    if (payload.length > roomFor(request, options, this.limits.maxUnfragmented)) return false;
    return room === undefined || bodyLength(options, payload.length) <= room;
  }

  /** Whether a connection carries the response whole. */
  #fitsConnection({ payload, options }: Response, request: Request): boolean {
    return this.limits.free && request.peer.capabilities !== undefined && payload.length <= roomFor(request, options, this.limits.maxUnfragmented);
  }

  #fitsBlock({ payload, options }: Response, request: Request, asked: Block, most: number): boolean {
    return payload.length <= blockLength(request, options, this.#szx(asked, most), this.limits.maxUnfragmented).length;
  }

  #slice(representation: Representation, asked: Block, withSize: boolean, request: Request, most: number): Response {
    const { code, payload } = representation;
    const { szx, length } = blockLength(request, representation.options, this.#szx(asked, most), this.limits.maxUnfragmented);
    const offset = blockOffset(asked);
    if (offset >= payload.length) return errorResponse(Code.BadRequest);
    const more = offset + length < payload.length;
    let options = withOption(representation.options, blockOption(OptionNumber.Block2, { number: offset / blockSize(szx), more, szx }));
    if (withSize) options = withOption(options, uintOption(OptionNumber.Size2, payload.length));
    return { code, options, payload: payload.subarray(offset, offset + length) };
  }

  #tooLarge(): Response {
    return { code: Code.RequestEntityTooLarge, options: [uintOption(OptionNumber.Size1, this.limits.maxBody)], payload: emptyBytes };
  }
}

/** Bytes that Block2, Size2, Block1 and an Echo put to the options of a block; and an ETag, where there is none. */
const blockOptions = 4 + 5 + 4 + 15;
const etagOption = 9;

/** Splits what a handler answers. */
class BlockReply implements Reply {
  readonly #server: BlockwiseServer;
  readonly #lower: Reply;
  readonly #request: Request;
  readonly #key: string | undefined;
  readonly #block2: Block | undefined;
  readonly #block1: Block | undefined;

  constructor(server: BlockwiseServer, lower: Reply, request: Request, key: string | undefined, block2: Block | undefined, block1: Block | undefined) {
    this.#server = server;
    this.#lower = lower;
    this.#request = request;
    this.#key = key;
    this.#block2 = block2;
    this.#block1 = block1;
  }

  respond(response: Response): void {
    this.#lower.respond(this.#server.shape(response, this.#request, this.#key, this.#block2, this.#block1, this.#lower.room));
  }

  notify(response: Response): void {
    this.#lower.notify(this.#server.shape(response, this.#request, this.#key, this.#block2, this.#block1, this.#lower.room));
  }

  onCancel(task: () => void): void {
    this.#lower.onCancel(task);
  }

  acknowledge(): void {
    this.#lower.acknowledge?.();
  }

  dismiss(): void {
    this.#lower.dismiss?.();
  }
}

/** RFC 7959 §4: Size2 in a request asks how long the body is. */
function asksForSize(request: Request): boolean {
  return findOption(request.options, OptionNumber.Size2) !== undefined;
}

/**
 * Limits for a response that has only so much room: an address that has not shown itself gets small blocks (RFC 9175, Section 2.4, item 3). A diagnostic payload
 * is not worth blocks.
 */
function fitting(limits: BlockwiseLimits, { code, options }: Pick<Response, 'code' | 'options'>, room: number | undefined): Fitting {
  // RFC 9175 §2.6: the limit is for clients that are not authenticated, and what OSCORE protects is for one that is.
  if (room === undefined || findOption(options, OptionNumber.Oscore) !== undefined) return limits;
  if (codeClass(code) !== 2 && findOption(options, OptionNumber.ContentFormat) === undefined) return limits;
  const taken = bodyLength(options, 1);
  const spare = room - taken - blockOptions - (findOption(options, OptionNumber.ETag) === undefined ? etagOption : 0);
  let { szx } = limits;
  while (szx > 0 && blockSize(szx) > spare) szx--;
  const most = Math.max(0, room - taken + 1);
  return { szx, threshold: Math.min(limits.threshold, most), outerThreshold: Math.min(limits.outerThreshold, most) };
}

/** What is needed of a request beside its key, without its bytes: the reply to an observation lives long. */
function ownerOf(request: Request): Request {
  return { ...request, options: [], payload: emptyBytes };
}

function errorResponse(code: number): Response {
  return { code, options: [], payload: emptyBytes };
}

/** The options of the operation as a whole. A Request-Tag tells operations apart on the wire and means nothing above (RFC 9175, Section 3.3). */
function operationOptions(options: readonly Option[]): Option[] {
  return withoutOptions(options, OptionNumber.Observe, OptionNumber.Block1, OptionNumber.Block2, OptionNumber.Size1, OptionNumber.RequestTag);
}

/**
 * A copy of a response to take blocks from. Without an ETag of its own it gets one from its content, so that the same representation, made again, has the
 * same ETag, and another one another (RFC 9175, Section 3.8).
 */
function representationOf(response: Response, reached: number): Representation {
  const payload = response.payload.slice();
  let options: readonly Option[] = copyOptions(withoutOptions(response.options, OptionNumber.Observe, OptionNumber.Block1, OptionNumber.Size2));
  if (findOption(options, OptionNumber.ETag) === undefined) {
    const format = findOption(options, OptionNumber.ContentFormat)?.value ?? emptyBytes;
    const hash = digest('sha256', concat(Uint8Array.of(response.code, format.length), format, payload));
    options = withOption(options, { number: OptionNumber.ETag, value: hash.slice(0, 8) });
  }
  return { code: response.code, options, payload, reached };
}
