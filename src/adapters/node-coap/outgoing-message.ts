import { Writable } from 'node:stream';
import { Code, isResponse, type Option, OptionNumber, type Reply, type Response, sortOptions } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import { NodeCoapError } from './errors.ts';
import { type OptionValue, writtenOption } from './options.ts';

/** Called when it is written, with the error where it failed. */
export type Written = (error?: Error | null) => void;

/** Options that the layers below make; a listener that sets them means what they do anyway. */
const ofLayers: ReadonlySet<number> = new Set([
  OptionNumber.Observe,
  OptionNumber.Oscore,
  OptionNumber.QBlock1,
  OptionNumber.Block2,
  OptionNumber.Block1,
  OptionNumber.QBlock2,
]);

/** `4.04`, `'404'` and 404 are one code. */
function codeNumber(code: string | number): number {
  const match = /^([245])\.?(\d\d)$/.exec(String(code));
  const number = match === null ? -1 : Number(match[1]) * 32 + Number(match[2]);
  if (match === null || Number(match[2]) > 31 || !isResponse(number)) {
    throw new NodeCoapError('ERR_NODE_COAP_CODE', `expected a response code such as 2.05, got ${String(code)}`);
  }
  return number;
}

/** What goes nowhere is done at once, for whoever waits. */
function tell(args: readonly unknown[]): void {
  const written = args.find((argument): argument is Written => typeof argument === 'function');
  if (written !== undefined) queueMicrotask(() => written(null));
}

/** What both kinds of response of node-coap have in common. After its end, whatever ended it, what a listener still writes goes nowhere. */
export abstract class ResponseStream extends Writable {
  code: string | number = '';
  statusCode: string | number = '2.05';
  protected readonly reply: Reply;
  readonly #report: (error: unknown) => void;
  readonly #options = new Map<number, readonly Option[]>();
  #over = false;

  constructor(reply: Reply, report: (error: unknown) => void) {
    super();
    this.reply = reply;
    this.#report = report;
    // Without a listener of its own an error would end the process.
    this.on('error', (error) => this.fail(error));
    reply.onCancel(() => this.leave());
  }

  /** Whether nobody waits for more. */
  protected get over(): boolean {
    return this.#over;
  }

  /** @throws {NodeCoapError} `ERR_NODE_COAP_OPTION` */
  setOption(name: string, given: OptionValue): this {
    const option = writtenOption(name, given);
    if (option === undefined) return this;
    const { number } = option;
    const occurrences = option.values.map((value) => ({ number, value }));
    if (!ofLayers.has(number)) this.#options.set(number, occurrences);
    return this;
  }

  /** @throws {NodeCoapError} `ERR_NODE_COAP_OPTION` */
  setHeader(name: string, value: OptionValue): this {
    return this.setOption(name, value);
  }

  /** @throws {NodeCoapError} `ERR_NODE_COAP_OPTION` */
  writeHead(code: string | number, headers: Readonly<Record<string, OptionValue>> = {}): void {
    this.code = code;
    for (const [name, value] of Object.entries(headers)) this.setOption(name, value);
  }

  /** Refuse the request. A Reset belongs to the message layer and nothing protects it, so the peer hears 4.00 in its place. */
  reset(): this {
    this.reply.respond({ code: Code.BadRequest, options: [], payload: emptyBytes });
    this.leave();
    return this;
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    if (this.#over || this.writableEnded) {
      tell(rest);
      return true;
    }
    return (super.write as (...args: unknown[]) => boolean).call(this, chunk, ...rest);
  }

  override end(...args: unknown[]): this {
    if (this.#over || this.writableEnded) {
      tell(args);
      return this;
    }
    return (super.end as (...args: unknown[]) => this).call(this, ...args);
  }

  /** Of node:stream. */
  override _destroy(error: Error | null, done: Written): void {
    if (!this.writableFinished && !this.#over) this.fail(error ?? new NodeCoapError('ERR_NODE_COAP_DESTROYED', 'the response was destroyed before its end'));
    done(null);
  }

  /** The listener cannot answer. */
  fail(error: unknown): void {
    this.#report(error);
    this.reply.respond({ code: Code.InternalServerError, options: [], payload: emptyBytes });
    this.leave();
  }

  /** Nobody waits for more. */
  protected leave(): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.writableEnded && !this.destroyed) super.end();
  }

  /** A response that has what was set so far; 5.00, and a report, when that is none. */
  protected responseOf(payload: Uint8Array): Response {
    try {
      const code = codeNumber(this.code === '' ? this.statusCode : this.code);
      return { code, options: sortOptions([...this.#options.values()].flat()), payload };
    } catch (error) {
      this.#report(error);
      return { code: Code.InternalServerError, options: [], payload: emptyBytes };
    }
  }
}

/** The one response to a request: it leaves when the stream ends. */
export class OutgoingMessage extends ResponseStream {
  readonly #chunks: Buffer[] = [];

  /** Of node:stream. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Written): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  /** Of node:stream. */
  override _final(done: Written): void {
    if (!this.over) this.reply.respond(this.responseOf(new Uint8Array(Buffer.concat(this.#chunks))));
    done();
  }
}

/**
 * The answers to one that observes: each `write` is a notification. `finish` tells that nobody observes any more. Ended by the listener, the last state
 * goes out once more without an Observe option, so that the client knows.
 */
export class ObserveWriteStream extends ResponseStream {
  #last: Response | undefined;

  /** Of node:stream: each write is a notification. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Written): void {
    if (!this.over) {
      this.#last = this.responseOf(new Uint8Array(chunk));
      this.reply.notify(this.#last);
    }
    done();
  }

  /** Of node:stream: the last notification ends the observation. */
  override _final(done: Written): void {
    if (!this.over) this.reply.respond(this.#last ?? this.responseOf(emptyBytes));
    done();
  }
}
