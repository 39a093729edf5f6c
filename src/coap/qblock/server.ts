import type { Env } from '../../core/env.ts';
import { type Block, blockSize, lastBlockNumber } from '../blockwise/block-option.ts';
import { Deadlines } from '../deadline.ts';
import { ExpiringTable } from '../expiring-table.ts';
import type { Handler, Layer, Reply, Request, Response } from '../layer.ts';
import { endpointKey, operationKey } from '../message/cache-key.ts';
import { Code, codeClass, Method } from '../message/code.ts';
import { findOption, type Option, OptionNumber, readUint, uintOption, withOption, withoutOptions } from '../message/option.ts';
import { Collector, typed } from './collect.ts';
import type { QBlockLimits } from './limits.ts';
import { codeOnly, decodeQBlock, qBlocksOf, withQBlock2 } from './option.ts';
import type { QBlockTiming } from './parameters.ts';
import { endOfSet } from './receive.ts';
import { BodyReply } from './reply.ts';
import { blockCount, type Representation, representationOf, Sending } from './send.ts';

/** What an entry costs besides its body. */
const overhead = 256;

/** What became of a request body. It is kept once it is whole too, so that a payload that is late is no new body (RFC 9177, Section 4.3). */
interface Upload {
  readonly collector: Collector;
  /** `undefined`: the handler is at work, or payloads are missing. */
  final: Response | undefined;
  whole: boolean;
  /** The Q-Block2 option that came with it (RFC 9177, Section 4.7). */
  asked: Block | undefined;
}

/** Q-Block transfer as a server sees it: Q-Block1 is the request body coming in, Q-Block2 the response body going out. */
export class QBlockServer {
  readonly limits: QBlockLimits;
  readonly timing: QBlockTiming;
  readonly env: Env;
  readonly deadlines: Deadlines;
  readonly #uploads: ExpiringTable<Upload>;
  readonly #representations: ExpiringTable<Representation>;
  /** By operation, and by operation for what was asked for again. */
  readonly #sendings: ExpiringTable<Sending>;
  #serial = 0;
  #next: Handler = (_request, reply) => reply.respond(codeOnly(Code.NotFound));

  constructor(limits: QBlockLimits, timing: QBlockTiming, env: Env) {
    this.limits = limits;
    this.timing = timing;
    this.env = env;
    this.deadlines = new Deadlines(env);
    const bounds = { lifetime: timing.nonPartialTimeout, entries: limits.maxTransfers, perOwner: limits.maxTransfersPerPeer, bytes: limits.maxBytes };
    this.#uploads = new ExpiringTable<Upload>(env, bounds, (upload) => upload.collector.discard());
    this.#representations = new ExpiringTable(env, bounds);
    this.#sendings = new ExpiringTable<Sending>(env, { ...bounds, entries: 2 * bounds.entries, perOwner: 2 * bounds.perOwner }, (sending) => sending.stop());
  }

  inbound(next: Handler, fallback: Layer): Handler {
    const plain = fallback.inbound(next);
    this.#next = next;
    return (request, reply) => {
      const blocks = qBlocksOf(request.options);
      if (blocks === undefined) {
        plain(request, reply);
        return;
      }
      if (request.group !== undefined) {
        // RFC 9177 §4.8.
        reply.dismiss?.();
        return;
      }
      // RFC 9177 §4.1: no Block options beside them, and many Q-Block2 options only to ask for what is missing.
      const { qBlock1, qBlock2, mixed } = blocks;
      if (!this.limits.offered && !this.#goesOn(request, qBlock1, qBlock2)) reply.respond(typed(codeOnly(Code.BadOption), request));
      else if (mixed || (qBlock1 !== undefined && qBlock2.length > 1)) reply.respond(typed(codeOnly(Code.BadOption), request));
      else if (qBlock1 !== undefined) this.#receive(request, reply, qBlock1, qBlock2[0]);
      else this.#serve(request, reply, qBlock2);
    };
  }

  stats(): Readonly<Record<'uploads' | 'uploadBytes' | 'representations' | 'representationBytes' | 'sendings', number>> {
    return {
      uploads: this.#uploads.size,
      uploadBytes: this.#uploads.bytes,
      representations: this.#representations.size,
      representationBytes: this.#representations.bytes,
      sendings: this.#sendings.size,
    };
  }

  close(): void {
    this.deadlines.clearAll();
    this.#uploads.clear();
    this.#representations.clear();
    this.#sendings.clear();
  }

  /** Whether a request belongs to a transfer that has begun. */
  #goesOn(request: Request, qBlock1: Option | undefined, qBlock2: readonly Option[]): boolean {
    const key = operationKey(request);
    if (qBlock1 !== undefined) return this.#uploads.has(key);
    const first = this.#asked(qBlock2)?.[0];
    return first !== undefined && (qBlock2.length > 1 || first.number !== 0 || isFollowUp(request)) && this.#representations.has(key);
  }

  // ---- Q-Block1

  #receive(request: Request, reply: Reply, option1: Option, option2: Option | undefined): void {
    const block = decodeQBlock(option1);
    const asked = option2 && decodeQBlock(option2);
    const size1 = findOption(request.options, OptionNumber.Size1);
    // RFC 9177 §4.3: 4.00 without a Request-Tag or Size1.
    if (block === 'bad' || asked === 'bad' || size1 === undefined || findOption(request.options, OptionNumber.RequestTag) === undefined) {
      reply.respond(typed(codeOnly(Code.BadRequest), request));
      return;
    }
    const size = readUint(size1.value);
    if (size > this.limits.maxBody) {
      reply.respond(typed(this.#tooLarge(), request));
      return;
    }
    const key = operationKey(request);
    const upload = this.#uploads.get(key) ?? this.#begin(key, request, size, block);
    if (upload === undefined) reply.respond(typed(this.#tooLarge(), request));
    else if (!upload.collector.fits(size, block)) reply.respond(typed(codeOnly(Code.BadRequest), request));
    else if (!upload.whole) {
      upload.asked ??= asked;
      upload.collector.take(request, reply, block);
    } else if (upload.final === undefined || this.#sendings.get(key) !== undefined) reply.dismiss?.();
    // As if the block had come for the first time: the response may have been lost. Of one that takes many payloads the first is enough to ask for the others.
    else this.answer(upload.final, reply, request, key, { number: 0, more: false, szx: (upload.asked ?? block).szx }, upload.asked !== undefined);
  }

  #begin(key: string, request: Request, size: number, block: Block): Upload | undefined {
    const collector = new Collector(size, block.szx, {
      timing: this.timing,
      deadlines: this.deadlines,
      whole: (whole, reply) => {
        upload.whole = true;
        const asked = { number: 0, more: true, szx: (upload.asked ?? block).szx };
        this.#next(whole, new BodyReply(this, reply, whole, key, asked, upload.asked !== undefined, (final) => this.#concluded(key, upload, final)));
      },
      stale: () => {
        if (this.#uploads.get(key) === upload) this.#uploads.delete(key);
        collector.discard();
      },
    });
    const upload: Upload = { collector, final: undefined, whole: false, asked: undefined };
    return this.#uploads.set(key, endpointKey(request), upload, overhead + size) ? upload : undefined;
  }

  #concluded(key: string, upload: Upload, final: Response): void {
    upload.final = { ...final, options: [...final.options], payload: final.payload.slice() };
    if (this.#uploads.get(key) === upload) this.#uploads.resize(key, overhead + final.payload.length);
  }

  // ---- Q-Block2

  #serve(request: Request, reply: Reply, options: readonly Option[]): void {
    const asked = this.#asked(options);
    if (asked === undefined) {
      reply.respond(typed(codeOnly(Code.BadRequest), request));
      return;
    }
    const first = asked[0]!;
    const key = operationKey(request);
    const later = asked.length > 1 || first.number !== 0 || isFollowUp(request);
    // Block 0 alone may be missing, or be all that is wanted of what is there now. Where that takes more than a look, it is what is kept.
    const kept = later || (!first.more && request.code !== Method.GET) ? this.#representations.get(key) : undefined;
    if (kept !== undefined) this.#again(kept, request, reply, key, asked);
    else if (later) this.#anew(request, reply, key, asked);
    else this.#next(withoutQBlock2(request), new BodyReply(this, reply, request, key, first, true));
  }

  /** What a request asks for. `undefined`: not ascending, twice the same, or not to be read (RFC 9177, Section 4.4). */
  #asked(options: readonly Option[]): readonly Block[] | undefined {
    const asked: Block[] = [];
    for (const option of options) {
      const block = decodeQBlock(option);
      const before = asked[asked.length - 1];
      if (block === 'bad' || (before !== undefined && (block.number <= before.number || block.szx !== before.szx))) return undefined;
      asked.push(block);
    }
    return asked;
  }

  /** The body is not kept any more. To ask the handler again is right for what only reads and says in itself what it reads. */
  #anew(request: Request, reply: Reply, key: string, asked: readonly Block[]): void {
    if (!isSafe(request.code) || (request.code === Method.FETCH && request.payload.length === 0)) {
      reply.respond(typed(codeOnly(Code.RequestEntityIncomplete), request));
      return;
    }
    // RFC 9177 §4.5: no Observe in a request for missing blocks.
    const whole = withoutQBlock2({ ...request, options: withoutOptions(request.options, OptionNumber.Observe) });
    this.#next(whole, {
      respond: (response) => {
        if (codeClass(response.code) !== 2) {
          reply.respond(typed(response, request));
          return;
        }
        const representation = this.#keep(representationOf(response), request, key);
        this.#again(representation, request, reply, key, asked);
      },
      notify(response) {
        this.respond(response);
      },
      onCancel: (task) => reply.onCancel(task),
    });
  }

  /** Send what was asked for of a body that is kept, each block once (RFC 9177, Section 4.4). */
  #again(representation: Representation, request: Request, reply: Reply, key: string, asked: readonly Block[]): void {
    const running = this.#sendings.get(`observe ${key}`) ?? this.#sendings.get(key);
    const first = asked[0]!;
    const { maxPayloads } = this.timing;
    const continues = asked.length === 1 && first.more && first.number % maxPayloads === 0;
    if (continues && running?.representation === representation && running.continueWith(first.number)) {
      // RFC 9177 §7.2: the transmission goes on under its own token; this one is not answered.
      reply.dismiss?.();
      return;
    }
    const szx = Math.min(first.szx, this.limits.szx);
    const count = blockCount(representation, szx);
    const scale = 2 ** (first.szx - szx);
    const numbers = new Set<number>();
    for (const block of asked) {
      const number = block.number * scale;
      const end = block.more ? (block.number === 0 ? count : endOfSet(number, maxPayloads)) : number + scale;
      for (let wanted = number; wanted < Math.min(end, count); wanted++) numbers.add(wanted);
    }
    if (numbers.size === 0) {
      reply.respond(typed(codeOnly(Code.BadRequest), request));
      return;
    }
    const sorted = [...numbers].sort((a, b) => a - b);
    this.#send(`again ${key}`, reply, request, representation, szx, sorted, undefined, typeOf(request), true);
    running?.postpone();
  }

  /**
   * Answer with a whole response: as it is when it is small, in payloads when it is not.
   *
   * `announced`: the request has a Q-Block2 option, so that one payload has one too.
   */
  answer(response: Response, reply: Reply, request: Request, key: string, asked: Block, announced: boolean): void {
    const szx = Math.min(asked.szx, this.limits.szx);
    const single = this.#single(response, szx, announced);
    if (single !== undefined) {
      reply.respond(typed(single, request));
      return;
    }
    const representation = this.#keep(representationOf(response), request, key);
    const count = asked.more ? blockCount(representation, szx) : 1;
    const numbers = Array.from({ length: count }, (_, number) => number);
    const observe = findOption(response.options, OptionNumber.Observe);
    // A second request for the same thing has a transfer of its own.
    const name = this.#sendings.has(key) ? `${this.#serial++} ${key}` : key;
    this.#send(name, reply, request, representation, szx, numbers, observe, typeOf(request), true);
  }

  /** The next state of an observed resource. Returns the sending, if it takes more than one message. */
  announce(response: Response, reply: Reply, request: Request, key: string, asked: Block, type: 'CON' | 'NON'): Sending | undefined {
    const szx = Math.min(asked.szx, this.limits.szx);
    const name = `observe ${key}`;
    const single = this.#single(response, szx, true);
    if (single !== undefined) {
      this.#sendings.get(name)?.stop();
      reply.notify(single);
      return undefined;
    }
    const representation = this.#keep(representationOf(response), request, key);
    const numbers = Array.from({ length: blockCount(representation, szx) }, (_, number) => number);
    return this.#send(name, reply, request, representation, szx, numbers, findOption(response.options, OptionNumber.Observe), type, false);
  }

  /** The response in one message; `undefined`: it takes more. */
  #single(response: Response, szx: number, announced: boolean): Response | undefined {
    const { payload, code } = response;
    // An error says all that there is to say, and what made an answer in blocks (a proxy) has split it itself.
    if (payload.length > blockSize(szx) * (lastBlockNumber + 1)) return codeOnly(Code.InternalServerError);
    const whole = codeClass(code) !== 2 || findOption(response.options, OptionNumber.Block2) !== undefined;
    if (!whole && payload.length > blockSize(szx)) return undefined;
    if (whole || payload.length === 0 || !announced) return response;
    const representation = representationOf(response);
    let options: readonly Option[] = withQBlock2(representation.options, [{ number: 0, more: false, szx }]);
    const observe = findOption(response.options, OptionNumber.Observe);
    if (observe !== undefined) options = withOption(options, observe);
    return { ...response, options };
  }

  #keep(representation: Representation, request: Request, key: string): Representation {
    const kept = this.#representations.get(key);
    // The same body again stays the same object, by which a transfer that goes on knows it.
    if (kept !== undefined && sameETag(kept, representation) && kept.payload.length === representation.payload.length) return kept;
    this.#representations.set(key, endpointKey(request), representation, overhead + representation.payload.length);
    return representation;
  }

  #send(
    name: string,
    reply: Reply,
    request: Request,
    representation: Representation,
    szx: number,
    numbers: readonly number[],
    observe: Option | undefined,
    type: 'CON' | 'NON',
    final: boolean,
  ): Sending {
    // A newer body, or a newer question, takes the place of what is left to send.
    this.#sendings.get(name)?.stop();
    const sending = new Sending(reply, {
      representation,
      szx,
      type,
      observe,
      numbers,
      final,
      timing: this.timing,
      deadlines: this.deadlines,
      env: this.env,
      progress: () => this.#sendings.get(name),
      ended: () => {
        if (this.#sendings.get(name) === sending) this.#sendings.delete(name);
      },
    });
    this.#sendings.set(name, endpointKey(request), sending);
    sending.start();
    return sending;
  }

  #tooLarge(): Response {
    return { ...codeOnly(Code.RequestEntityTooLarge), options: [uintOption(OptionNumber.Size1, this.limits.maxBody)] };
  }
}

function typeOf(request: Request): 'CON' | 'NON' {
  return request.nonConfirmable === true ? 'NON' : 'CON';
}

function isSafe(code: number): boolean {
  return code === Method.GET || code === Method.FETCH;
}

/** A question about the response to a body that came by Q-Block1: the Request-Tag without the body (RFC 9177, Section 10.3.3). */
function isFollowUp(request: Request): boolean {
  return request.code !== Method.GET && request.payload.length === 0 && findOption(request.options, OptionNumber.RequestTag) !== undefined;
}

function withoutQBlock2(request: Request): Request {
  return { ...request, options: withoutOptions(request.options, OptionNumber.QBlock2) };
}

function sameETag(a: Representation, b: Representation): boolean {
  const one = findOption(a.options, OptionNumber.ETag)!.value;
  const other = findOption(b.options, OptionNumber.ETag)!.value;
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
